/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The VMs of an appliance, started in their order and shut down in the opposite one. Each VM is a
 * plan of its own; where one fails the others still go on, and the call says so at its end.
 */
#define LOG_MODULE "plan"

#include "common/clock.h"
#include "common/fiber.h"
#include "common/log.h"
#include "xapid/db/db.h"
#include "xapid/forward/forward.h"
#include "xapid/gate/call.h"
#include "xapid/link/xenopsd.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

#include <stdlib.h>

#define OP(name) XENAPI_VM_APPLIANCE_OPERATION_##name

struct member {
	const char *ref;
	int64_t order, delay_s; /* before what comes next in the order */
};

struct members {
	struct member *v;
	size_t n;
};

static int by_order(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return (x->order > y->order) - (x->order < y->order);
}

/* Those that the operation is for, in the order in which it comes to them. */
static struct members members_of(
	const char *ref, enum xenapi_vm_appliance_operation op, struct arena *a)
{
	const struct xenapi_vm_appliance *appliance = db_find(vm_appliance, ref);
	struct members out = {arena_calloc(a, appliance->VMs.n, sizeof(*out.v)), 0};
	bool is_start = op == OP(START);

	for (size_t i = 0; i < appliance->VMs.n; i++) {
		const struct xenapi_vm *vm = db_find(vm, appliance->VMs.v[i]);

		if (!vm || !(appliance_states(op) & OP_BIT(vm->power_state)))
			continue;
		out.v[out.n++] = (struct member){
			.ref = arena_strdup(a, appliance->VMs.v[i]),
			.order = is_start ? vm->order : -vm->order,
			.delay_s = is_start ? vm->start_delay : vm->shutdown_delay,
		};
	}
	qsort(out.v, out.n, sizeof(*out.v), by_order);
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

/* Between two that do not stand at the same place. */
static MAY_WAIT struct err *pause_before(const struct members *all, size_t next)
{
	int64_t longest_s = 0;

	if (all->v[next].order == all->v[next - 1].order)
		return NULL;
	for (size_t i = next; i > 0 && all->v[i - 1].order == all->v[next - 1].order; i--)
		if (all->v[i - 1].delay_s > longest_s)
			longest_s = all->v[i - 1].delay_s;
	return longest_s ? fiber_sleep(longest_s * NS_PER_S) : NULL;
}

MAY_WAIT struct err *plan_appliance(
	struct call *c, const char *ref, enum xenapi_vm_appliance_operation op, bool paused)
{
	AUTO(op_end) struct op doing = {0};
	size_t n_failed = 0;

	TRY(op_begin(&doing, &appliance_rules, ref, (int)op, call_task(c)));
	const struct members all = members_of(ref, op, c->arena);
	for (size_t i = 0; i < all.n; i++) {
		if (i > 0)
			TRY(pause_before(&all, i));
		TRY(call_check(c));
		auto_err e = do_one(c, all.v[i].ref, op, paused);
		if (!e)
			continue;
		TRY(call_check(c));
		n_failed++;
		log_err(LOG_WARN_, e, "%s of %s for its appliance",
			op_name(&appliance_rules, (int)op), all.v[i].ref);
	}
	return n_failed ? err(OPERATION_PARTIALLY_FAILED, op_name(&appliance_rules, (int)op))
			: NULL;
}
