/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A running VM is shut down, rebooted, paused and let run again: one task of xenopsd each, but for
 * what is clean first and hard when it must be.
 */
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/gate/task.h"
#include "xapid/link/xenopsd.h"
#include "xapid/plan/metadata.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

#define OP(name) OP_BIT(XENAPI_VM_OPERATIONS_##name)

#define CLEAN_S 1200.0 /* that a guest has to shut down */

/* What a hard shutdown, and a hard reboot, does not wait for but ends. */
static const uint64_t before_hard_shutdown = OP(CLEAN_SHUTDOWN) | OP(CLEAN_REBOOT) |
	OP(HARD_REBOOT) | OP(POOL_MIGRATE) | OP(CALL_PLUGIN) | OP(SHUTDOWN) | OP(SUSPEND);
static const uint64_t before_hard_reboot =
	OP(CLEAN_SHUTDOWN) | OP(CLEAN_REBOOT) | OP(POOL_MIGRATE) | OP(CALL_PLUGIN) | OP(SUSPEND);

/* Cancels the operations out of SET on the VM and waits until they have ended. */
static MAY_WAIT struct err *end_others(struct call *c, const char *vm, uint64_t set)
{
	const struct xenapi_vm *row;

	TRY(db_get(vm, vm, &row));
	for (size_t i = 0; i < row->current_operations.n; i++) {
		auto_err e = NULL;

		if (set & OP_BIT(row->current_operations.v[i].value))
			e = xtask_cancel(row->current_operations.v[i].key, call_task(c));
	}
	while (op_is_under_way(&vm_rules, vm, set))
		TRY(op_wait(&vm_rules, vm));
	return NULL;
}

static const char *uuid_of(struct call *c, const char *vm)
{
	const struct xenapi_vm *row = db_find(vm, vm);

	return arena_strdup(c->arena, row ? row->uuid : "");
}

/* TIMEOUT NULL: the plug is pulled. */
static MAY_WAIT struct err *shutdown(
	struct call *c, const char *vm, double *timeout, const struct link_work *work)
{
	const struct xenops_vm_shutdown_in in = {uuid_of(c, vm), timeout};
	const char *task;

	TRY(link_error(
		xenops_vm_shutdown(link_xenopsd.client, &in, c->arena, &task, plan_soon()), vm));
	return plan_await_vm(work, task, vm);
}

/* Clean if the guest can and does, else hard; a call that is cancelled ends. */
static MAY_WAIT struct err *shutdown_anyhow(struct call *c, const char *vm)
{
	const struct link_work clean = {c, "VM.clean_shutdown", 0, 0.5};
	const struct link_work hard = {c, "VM.hard_shutdown", 0.5, 0.5};
	double timeout = CLEAN_S;
	uint64_t running = OP_BIT(XENAPI_VM_POWER_STATE_RUNNING);
	auto_err lacks = vm_check_guest(vm, XENAPI_VM_OPERATIONS_CLEAN_SHUTDOWN);
	auto_err rests = vm_check_power_state(vm, running);

	if (!lacks && !rests) {
		struct err *e = shutdown(c, vm, &timeout, &clean);

		if (!e || err_is(e, &ERR_CANCELLED))
			return e;
		err_free(e);
	}
	TRY(call_check(c));
	return shutdown(c, vm, NULL, &hard);
}

static MAY_WAIT struct err *shutdown_as(
	struct call *c, const char *vm, enum xenapi_vm_operations op)
{
	const struct link_work whole = {.call = c};
	double timeout = CLEAN_S;

	if (op == XENAPI_VM_OPERATIONS_SHUTDOWN)
		return shutdown_anyhow(c, vm);
	return shutdown(c, vm, op == XENAPI_VM_OPERATIONS_CLEAN_SHUTDOWN ? &timeout : NULL, &whole);
}

/* There is nothing of it but its memory. */
static MAY_WAIT struct err *shutdown_suspended(struct call *c, const char *vm)
{
	const struct xenops_vm_remove_in in = {uuid_of(c, vm)};
	auto_err e = xenops_vm_remove(link_xenopsd.client, &in, c->arena, plan_soon());

	if (e && !err_is(e, &ERR_Does_not_exist))
		return link_error(take(e), vm);
	struct err *bad = plan_vm_drop_memory(c, vm);
	TRY(vm_state_halted(vm));
	return bad;
}

static bool is_suspended(const char *vm)
{
	const struct xenapi_vm *row = db_find(vm, vm);

	return row && row->power_state == XENAPI_VM_POWER_STATE_SUSPENDED;
}

MAY_WAIT struct err *plan_vm_shutdown(struct call *c, const char *vm, enum xenapi_vm_operations op)
{
	AUTO(op_end) struct op doing = {0};

	TRY(op_begin(&doing, &vm_rules, vm, op, call_task(c)));
	if (op == XENAPI_VM_OPERATIONS_HARD_SHUTDOWN)
		TRY(end_others(c, vm, before_hard_shutdown));
	TRY(plan_commit());
	TRY(link_error(link_wait_up(&link_xenopsd), vm));
	if (is_suspended(vm))
		return shutdown_suspended(c, vm);
	return plan_with_state(shutdown_as(c, vm, op), vm);
}

/* What was changed while it ran counts from the reboot on. */
static MAY_WAIT struct err *tell_again(struct call *c, const char *vm)
{
	struct xenops_vm_import_metadata_in in;
	const char *id;

	TRY(plan_metadata(vm, c->arena, &in.metadata));
	return link_error(
		xenops_vm_import_metadata(link_xenopsd.client, &in, c->arena, &id, plan_soon()),
		vm);
}

static MAY_WAIT struct err *reboot(struct call *c, const char *vm, enum xenapi_vm_operations op)
{
	double timeout = CLEAN_S;
	const struct xenops_vm_reboot_in in = {
		uuid_of(c, vm), op == XENAPI_VM_OPERATIONS_CLEAN_REBOOT ? &timeout : NULL};
	const struct link_work whole = {.call = c};
	const char *task;

	TRY(tell_again(c, vm));
	TRY(link_error(
		xenops_vm_reboot(link_xenopsd.client, &in, c->arena, &task, plan_soon()), vm));
	return plan_await_vm(&whole, task, vm);
}

MAY_WAIT struct err *plan_vm_reboot(struct call *c, const char *vm, enum xenapi_vm_operations op)
{
	AUTO(op_end) struct op doing = {0};

	TRY(op_begin(&doing, &vm_rules, vm, op, call_task(c)));
	if (op == XENAPI_VM_OPERATIONS_HARD_REBOOT)
		TRY(end_others(c, vm, before_hard_reboot));
	TRY(plan_commit());
	TRY(link_error(link_wait_up(&link_xenopsd), vm));
	return plan_with_state(reboot(c, vm, op), vm);
}

static MAY_WAIT struct err *pause_now(struct call *c, const char *vm)
{
	const struct xenops_vm_pause_in in = {uuid_of(c, vm)};
	const struct link_work whole = {.call = c};
	const char *task;

	TRY(link_error(
		xenops_vm_pause(link_xenopsd.client, &in, c->arena, &task, plan_soon()), vm));
	return plan_await_vm(&whole, task, vm);
}

MAY_WAIT struct err *plan_vm_pause(struct call *c, const char *vm)
{
	AUTO(op_end) struct op doing = {0};

	TRY(op_begin(&doing, &vm_rules, vm, XENAPI_VM_OPERATIONS_PAUSE, call_task(c)));
	TRY(plan_commit());
	TRY(link_error(link_wait_up(&link_xenopsd), vm));
	return plan_with_state(pause_now(c, vm), vm);
}

static MAY_WAIT struct err *unpause_now(struct call *c, const char *vm)
{
	const struct xenops_vm_unpause_in in = {uuid_of(c, vm)};
	const struct link_work whole = {.call = c};
	const char *task;

	TRY(link_error(
		xenops_vm_unpause(link_xenopsd.client, &in, c->arena, &task, plan_soon()), vm));
	return plan_await_vm(&whole, task, vm);
}

MAY_WAIT struct err *plan_vm_unpause(struct call *c, const char *vm)
{
	AUTO(op_end) struct op doing = {0};

	TRY(op_begin(&doing, &vm_rules, vm, XENAPI_VM_OPERATIONS_UNPAUSE, call_task(c)));
	TRY(plan_commit());
	TRY(link_error(link_wait_up(&link_xenopsd), vm));
	return plan_with_state(unpause_now(c, vm), vm);
}
