/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VM.suspend: a VDI is made for the memory and is the VM's before anything is written to it; then
 * xenopsd writes it and takes the VM down. Whatever comes, the VM runs or is suspended, and the VDI
 * goes only when it runs. Its way back is in vm_start.c.
 */
#include "common/undo.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/link/xenopsd.h"
#include "xapid/plan/metadata.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

#define MIB (INT64_C(1) << 20)

/* A plan under way; on the stack of its fiber. */
struct suspend {
	struct call *call;
	const char *vm;
};

static const struct xenapi_pool *pool(void)
{
	db_for_each (pool, row)
		return db_record(row);
	return NULL;
}

/* The first of these that there is. */
static struct err *choose_sr(const char *vm, const char **out)
{
	const struct xenapi_vm *row = db_find(vm, vm);
	const struct xenapi_host *host = db_find(host, row->resident_on);
	const struct xenapi_pool *whole = pool();
	const char *const choice[] = {row->suspend_SR, host ? host->suspend_image_sr : REF_NULL,
		whole ? whole->suspend_image_SR : REF_NULL, whole ? whole->default_SR : REF_NULL};

	for (size_t i = 0; i < ARRAY_LEN(choice); i++) {
		if (!db_find(sr, choice[i]))
			continue;
		*out = choice[i];
		return NULL;
	}
	return err(VM_NO_SUSPEND_SR, vm);
}

/* The memory, a fifth more for what describes it, and what a machine has beside it. */
static int64_t image_bytes(const struct xenapi_vm *vm)
{
	return vm->memory_static_max / 100 * 126 + 100 * MIB;
}

static MAY_WAIT struct err *make_memory(struct suspend *s)
{
	struct xenapi_vdi vdi = db_blank(vdi);
	const char *sr, *ref;

	TRY(choose_sr(s->vm, &sr));
	vdi.SR = arena_strdup(s->call->arena, sr);
	vdi.type = XENAPI_VDI_TYPE_SUSPEND;
	vdi.name_label = "Suspend image";
	vdi.name_description = "The memory of a suspended VM";
	vdi.virtual_size = image_bytes(db_find(vm, s->vm));
	TRY(plan_vdi_create(s->call, &vdi, &ref));
	TRY(db_write(vm, s->vm, suspend_VDI, ref));
	return plan_commit();
}

/* A xenopsd that was killed has put the VM right when it gives it a turn; one that runs is not
 * changed by this. */
static MAY_WAIT void wait_for_turn(const struct suspend *s)
{
	auto_arena a = {0};
	const struct xenapi_vm *vm = db_find(vm, s->vm);
	const struct xenops_vm_unpause_in in = {vm ? arena_strdup(&a, vm->uuid) : ""};
	const struct link_work work = {.part = "VM.unpause"};
	const char *task;
	auto_err e = xenops_vm_unpause(link_xenopsd.client, &in, &a, &task, plan_soon());

	if (!e)
		err_free(link_await(&link_xenopsd, &work, task, NULL, &a, NULL));
}

/* xenopsd may have got as far as to suspend it: what it says, counts. */
static MAY_WAIT struct err *undo_suspend(void *arg)
{
	struct suspend *s = arg;
	const struct xenapi_vm *vm;

	TRY(xenopsd_compare(s->vm));
	wait_for_turn(s);
	TRY(xenopsd_compare(s->vm));
	TRY(db_get(vm, s->vm, &vm));
	if (vm->power_state == XENAPI_VM_POWER_STATE_SUSPENDED)
		return NULL;
	return plan_vm_drop_memory(s->call, s->vm);
}

static MAY_WAIT struct err *write_memory(struct suspend *s)
{
	const struct xenapi_vm *vm = db_find(vm, s->vm);
	struct arena *a = s->call->arena;
	const struct xenops_disk *disk = metadata_disk(vm->suspend_VDI, a);
	const struct link_work work = {s->call, "VM.suspend", 0.1, 0.9};
	const char *task;

	if (!disk)
		return err(HANDLE_INVALID, "VDI", vm->suspend_VDI);
	const struct xenops_vm_suspend_in in = {arena_strdup(a, vm->uuid), .image = *disk};
	TRY(link_error(xenops_vm_suspend(link_xenopsd.client, &in, a, &task, plan_soon()), s->vm));
	return plan_await_vm(&work, task, s->vm);
}

MAY_WAIT struct err *plan_vm_suspend_within(struct call *c, const char *vm)
{
	AUTO(undo_run) struct undo undo = {0};
	struct suspend s = {c, vm};

	TRY(link_error(link_wait_up(&link_xenopsd), vm));
	TRY(plan_vm_drop_memory(c, vm));
	undo_push(&undo, undo_suspend, &s, "taking back the suspend");
	TRY(make_memory(&s));
	TRY(write_memory(&s));
	TRY(link_error(xenopsd_compare(vm), vm));
	return undo_commit(&undo);
}

MAY_WAIT struct err *plan_vm_suspend(struct call *c, const char *vm)
{
	AUTO(op_end) struct op doing = {0};

	TRY(op_begin(&doing, &vm_rules, vm, XENAPI_VM_OPERATIONS_SUSPEND, call_task(c)));
	return plan_vm_suspend_within(c, vm);
}
