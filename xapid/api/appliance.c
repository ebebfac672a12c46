/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VM_appliance: VMs that are started and shut down together (plan/appliance.c), and which VM
 * belongs to which.
 */
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

#include <string.h>

#define OP(name) XENAPI_VM_APPLIANCE_OPERATION_##name

static MAY_WAIT struct err *run(
	struct call *c, const char *ref, enum xenapi_vm_appliance_operation op, bool paused)
{
	const struct xenapi_vm_appliance *appliance;

	TRY(db_get(vm_appliance, ref, &appliance));
	return plan_appliance(c, ref, op, paused);
}

MAY_WAIT struct err *xapi_vm_appliance_start(
	struct call *c, const struct xenapi_vm_appliance_start_in *in)
{
	return run(c, in->self, OP(START), in->paused);
}

MAY_WAIT struct err *xapi_vm_appliance_clean_shutdown(
	struct call *c, const struct xenapi_vm_appliance_clean_shutdown_in *in)
{
	return run(c, in->self, OP(CLEAN_SHUTDOWN), false);
}

MAY_WAIT struct err *xapi_vm_appliance_hard_shutdown(
	struct call *c, const struct xenapi_vm_appliance_hard_shutdown_in *in)
{
	return run(c, in->self, OP(HARD_SHUTDOWN), false);
}

MAY_WAIT struct err *xapi_vm_appliance_shutdown(
	struct call *c, const struct xenapi_vm_appliance_shutdown_in *in)
{
	return run(c, in->self, OP(SHUTDOWN), false);
}

MAY_WAIT struct err *xapi_vm_set_appliance(
	struct call *c, const struct xenapi_vm_set_appliance_in *in)
{
	const struct xenapi_vm *vm;

	TRY(db_get(vm, in->self, &vm));
	const char *before = arena_strdup(c->arena, vm->appliance);
	if (vm->is_control_domain || vm->is_a_template || vm->is_a_snapshot)
		return err(OPERATION_NOT_ALLOWED, "This VM cannot be in an appliance.");
	TRY(db_write(vm, in->self, appliance, in->value));
	op_list(&appliance_rules, before);
	op_list(&appliance_rules, in->value);
	return NULL;
}
