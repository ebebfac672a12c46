/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The VMs of an appliance, started in their order and shut down in the opposite one. Each VM is a
 * plan of its own; where one fails the others still go on, and the call says so at its end.
 */
#define LOG_MODULE "plan"

#include "common/log.h"
#include "xapid/db/db.h"
#include "xapid/forward/forward.h"
#include "xapid/gate/call.h"
#include "xapid/link/xenopsd.h"
#include "xapid/plan/plan.h"
#include "xapid/plan/rank.h"
#include "xapid/rules/rules.h"

#define OP(name) XENAPI_VM_APPLIANCE_OPERATION_##name

/* Those that the operation is for, in the order in which it comes to them. */
static struct ranks members_of(
	const char *ref, enum xenapi_vm_appliance_operation op, struct arena *a)
{
	const struct xenapi_vm_appliance *appliance = db_find(vm_appliance, ref);
	struct ranks out = {arena_calloc(a, appliance->VMs.n, sizeof(*out.v)), 0};

	for (size_t i = 0; i < appliance->VMs.n; i++) {
		const struct xenapi_vm *vm = db_find(vm, appliance->VMs.v[i]);

		if (vm && appliance_states(op) & OP_BIT(vm->power_state))
			rank_add(&out, a, appliance->VMs.v[i], op == OP(START));
	}
	rank_sort(&out);
	return out;
}

static const char *const messages[] = {
	[OP(START)] = "VM.start",
	[OP(CLEAN_SHUTDOWN)] = "VM.clean_shutdown",
	[OP(HARD_SHUTDOWN)] = "VM.hard_shutdown",
	[OP(SHUTDOWN)] = "VM.shutdown",
};

static MAY_WAIT struct err *do_there(struct call *c, const char *host, const char *vm,
	enum xenapi_vm_appliance_operation op, bool paused)
{
	const char *in = op == OP(START)
		? arena_printf(c->arena, "{\"vm\":\"%s\",\"start_paused\":%s,\"force\":false}", vm,
			  paused ? "true" : "false")
		: arena_printf(c->arena, "{\"vm\":\"%s\"}", vm);
	struct json_text out;

	return run_message(
		xapi_call(c), host, messages[op], (struct json_text){in, strlen(in)}, &out);
}

static MAY_WAIT struct err *do_one(
	struct call *c, const char *vm, enum xenapi_vm_appliance_operation op, bool paused)
{
	const char *there;

	TRY(place_vm_message(messages[op], vm, &there));
	if (there)
		return do_there(c, there, vm, op, paused);

	const struct plan_start start = {.vm = vm,
		.host = arena_strdup(c->arena, host_here()),
		.op = XENAPI_VM_OPERATIONS_START,
		.paused = paused};

	switch (op) {
	case OP(START):
		return plan_vm_start(c, &start);
	case OP(CLEAN_SHUTDOWN):
		return plan_vm_shutdown(c, vm, XENAPI_VM_OPERATIONS_CLEAN_SHUTDOWN);
	case OP(HARD_SHUTDOWN):
		return plan_vm_shutdown(c, vm, XENAPI_VM_OPERATIONS_HARD_SHUTDOWN);
	case OP(SHUTDOWN):
		break;
	}
	return plan_vm_shutdown(c, vm, XENAPI_VM_OPERATIONS_SHUTDOWN);
}

MAY_WAIT struct err *plan_appliance(
	struct call *c, const char *ref, enum xenapi_vm_appliance_operation op, bool paused)
{
	AUTO(op_end) struct op doing = {0};
	size_t n_failed = 0;

	TRY(op_begin(&doing, &appliance_rules, ref, (int)op, call_task(c)));
	const struct ranks all = members_of(ref, op, c->arena);
	for (size_t i = 0; i < all.n; i++) {
		TRY(rank_pause(&all, i));
		TRY(call_check(c));
		auto_err e = do_one(c, all.v[i].vm, op, paused);
		if (!e)
			continue;
		TRY(call_check(c));
		n_failed++;
		log_err(LOG_WARN_, e, "%s of %s for its appliance",
			op_name(&appliance_rules, (int)op), all.v[i].vm);
	}
	return n_failed ? err(OPERATION_PARTIALLY_FAILED, op_name(&appliance_rules, (int)op))
			: NULL;
}
