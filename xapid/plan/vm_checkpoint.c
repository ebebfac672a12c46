/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VM.checkpoint: a snapshot with the guest's memory. A VM that runs is suspended, its disks and its
 * memory are snapshotted while nobody writes to them, and it is resumed; so whatever fails in
 * between, the VM is suspended at worst, and whole. One that is suspended stays so.
 *
 * VM.restart_device_models is the same without the snapshot: a guest that was suspended and resumed
 * has new programs around it, of the version that is installed now.
 */
#define LOG_MODULE "checkpoint"
#include "common/log.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

/* On the host where it was, and running as before. */
static MAY_WAIT struct err *resume(struct call *c, const char *vm, const char *host)
{
	const struct plan_start how = {vm, host, XENAPI_VM_OPERATIONS_CHECKPOINT, false, false};
	struct err *e = plan_vm_start(c, &how);

	if (!e)
		return NULL;
	log_err(LOG_WARN_, e, "VM %s stays suspended after its checkpoint", vm);
	err_free(e);
	return err(VM_CHECKPOINT_RESUME_FAILED, vm);
}

MAY_WAIT struct err *plan_vm_checkpoint(
	struct call *c, const char *vm, const char *name, const char **out)
{
	AUTO(op_end) struct op doing = {0};
	const struct plan_clone how = {vm, name, XENAPI_VM_OPERATIONS_CHECKPOINT, REF_NULL, {0}};
	const struct xenapi_vm *row;

	TRY(op_begin(&doing, &vm_rules, vm, XENAPI_VM_OPERATIONS_CHECKPOINT, call_task(c)));
	TRY(db_get(vm, vm, &row));
	bool runs = row->power_state == XENAPI_VM_POWER_STATE_RUNNING;
	const char *host = arena_strdup(c->arena, row->resident_on);
	if (runs)
		TRY(plan_vm_suspend_within(c, vm));
	struct err *e = plan_vm_clone_within(c, &how, out);
	struct err *resumed = runs ? resume(c, vm, host) : NULL;
	if (!e)
		return resumed;
	err_free(resumed);
	return e;
}

MAY_WAIT struct err *plan_vm_restart_models(struct call *c, const char *vm)
{
	AUTO(op_end) struct op doing = {0};
	const struct xenapi_vm *row;

	TRY(db_get(vm, vm, &row));
	TRY(vm_check_power_state(vm, OP_BIT(XENAPI_VM_POWER_STATE_RUNNING)));
	TRY(op_begin(&doing, &vm_rules, vm, XENAPI_VM_OPERATIONS_SUSPEND, call_task(c)));
	TRY(db_get(vm, vm, &row));
	const struct plan_start how = {.vm = vm,
		.host = arena_strdup(c->arena, row->resident_on),
		.op = XENAPI_VM_OPERATIONS_CHECKPOINT};
	TRY(plan_vm_suspend_within(c, vm));
	return plan_vm_start(c, &how);
}
