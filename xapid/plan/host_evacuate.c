/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * host.evacuate, at the master: each VM of a host is moved by that host to the one that suits it
 * best by then, several at once, each as a task that is a part of the call's. After one that could
 * not go no other begins; what went stays where it is.
 */
#include "common/fiber.h"
#include "common/mem.h"
#include "xapid/db/db.h"
#include "xapid/forward/forward.h"
#include "xapid/gate/call.h"
#include "xapid/gate/task.h"
#include "xapid/host/role.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"
#include "xapid/xapid.h"

#include <string.h>

/* Shared by the fibers that move VMs. */
struct evacuation {
	struct call *call;
	const char *from;
	const struct string_list *vms;
	size_t next, n_done;
	bool has_failed;
};

static MAY_WAIT struct err *send(struct call *c, const char *vm, const char *from, const char *to)
{
	struct json_text out;

	if (!strcmp(from, host_here()))
		return plan_vm_migrate(c, vm, to);
	const char *in =
		arena_printf(c->arena, "{\"vm\":\"%s\",\"host\":\"%s\",\"options\":{}}", vm, to);
	return run_message(
		xapi_call(c), from, "VM.pool_migrate", (struct json_text){in, strlen(in)}, &out);
}

static MAY_WAIT struct err *move(struct call *c, const char *vm, const char *from)
{
	AUTO(place_promise_end) struct place_promise promise = {0};
	const struct xenapi_vm *row = db_find(vm, vm);
	const char *to;

	if (!row || strcmp(row->resident_on, from) != 0)
		return NULL; /* it has gone by itself */
	TRY(place_move(vm, &to));
	to = arena_strdup(c->arena, to);
	place_promise(&promise, vm, to);
	return send(c, vm, from, to);
}

static void cancel_fiber(const char *ref, void *arg)
{
	fiber_cancel(arg);
}

/* As a call of its own, with its own task: an operation on a host is told by the task. */
static MAY_WAIT struct err *move_as_part(struct call *c, const char *vm, const char *from)
{
	struct xapi_call part = *xapi_call(c);
	const struct xtask_spec spec = {.name = "VM.pool_migrate",
		.session = part.session,
		.parent = part.task,
		.cancel = cancel_fiber,
		.arg = fiber_current()};

	TRY(xtask_create(&spec, c->arena, &part.task));
	struct err *e = move(&part.call, vm, from);
	if (e)
		xtask_fail(part.task, e);
	else
		xtask_succeed(part.task, "");
	return e;
}

static MAY_WAIT struct err *move_some(void *arg)
{
	struct evacuation *ev = arg;

	while (ev->next < ev->vms->n && !ev->has_failed) {
		struct err *e = move_as_part(ev->call, ev->vms->v[ev->next++], ev->from);

		if (e) {
			ev->has_failed = true;
			return e;
		}
		call_progress(ev->call, (double)++ev->n_done / (double)ev->vms->n);
	}
	return NULL;
}

MAY_WAIT struct err *plan_host_evacuate(
	struct call *c, const char *host, const struct string_list *vms, int64_t at_once)
{
	AUTO(plan_ops_end) struct plan_ops ops = {0};
	struct evacuation ev = {.call = c, .from = host, .vms = vms};
	struct fiber_group group;
	struct err *e = NULL;

	if (at_once <= 0)
		at_once = xapid_conf.evacuation_batch;
	TRY(plan_op(&ops, &host_rules, host, XENAPI_HOST_ALLOWED_OPERATIONS_EVACUATE, c));
	fiber_group_init(&group);
	for (size_t i = 0; !e && i < vms->n && i < (size_t)at_once; i++)
		e = fiber_group_spawn(&group, move_some, &ev, "evacuation");
	ev.has_failed = e;
	struct err *of_members = fiber_group_wait(&group);
	if (!e)
		return of_members;
	err_free(of_members);
	return e;
}
