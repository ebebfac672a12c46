/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of class Fault: a plan of what is to fail or hang, and the trace of what came by. While
 * there is a plan, a file has a byte in it, and xenopsd asks before each atom.
 */
#include "common/mem.h"
#include "common/rpc.h"
#include "core.gen.h"
#include "xenopsd/simulator/simulator.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define TRACE_MAX 100000

struct planned {
	char *atom; /* owned */
	int64_t nth, calls, hanging;
	enum simulator_fault_action action;
};

static vec_of(struct planned) plan;
static vec_of(char *) trace;
static struct cond cleared = {.waiters = LIST_INIT(cleared.waiters)};

static void forget(void)
{
	vec_for_each (i, &plan)
		free(plan.v[i].atom);
	vec_fini(&plan);
	vec_for_each (i, &trace)
		free(trace.v[i]);
	vec_fini(&trace);
}

void faults_fini(void)
{
	forget();
}

MAY_WAIT struct err *api_fault_add(struct call *c, const struct simulator_fault_add_in *in)
{
	const struct simulator_fault *f = &in->fault;

	if (pwrite(simulator.faults_fd, "+", 1, 0) != 1)
		return err_errno(errno, "noting that there are faults");
	vec_push(&plan,
		(struct planned){.atom = xstrdup(f->atom), .nth = f->nth, .action = f->action});
	return NULL;
}

MAY_WAIT struct err *api_fault_clear(struct call *c)
{
	if (ftruncate(simulator.faults_fd, 0))
		return err_errno(errno, "noting that there are no faults");
	forget();
	cond_broadcast(&cleared);
	return NULL;
}

MAY_WAIT struct err *api_fault_list(struct call *c, struct simulator_fault_stat_list *out)
{
	out->n = plan.n;
	out->v = arena_calloc(c->arena, plan.n, sizeof(*out->v));
	vec_for_each (i, &plan)
		out->v[i] = (struct simulator_fault_stat){
			.fault = {.atom = arena_strdup(c->arena, plan.v[i].atom),
				.nth = plan.v[i].nth,
				.action = plan.v[i].action},
			.calls = plan.v[i].calls,
			.hanging = plan.v[i].hanging};
	return NULL;
}

MAY_WAIT struct err *api_fault_trace(struct call *c, struct string_list *out)
{
	out->n = trace.n;
	out->v = arena_calloc(c->arena, trace.n, sizeof(*out->v));
	vec_for_each (i, &trace)
		out->v[i] = arena_strdup(c->arena, trace.v[i]);
	return NULL;
}

static MAY_WAIT struct err *hang(struct planned *p)
{
	p->hanging++;
	TRY(cond_wait(&cleared, "for the fault to be cleared", NEVER));
	return NULL;
}

MAY_WAIT struct err *api_fault_pass(struct call *c, const struct simulator_fault_pass_in *in)
{
	if (trace.n < TRACE_MAX)
		vec_push(&trace, xstrdup(in->atom));
	vec_for_each (i, &plan) {
		struct planned *p = &plan.v[i];

		if (strcmp(p->atom, "*") && strcmp(p->atom, in->atom))
			continue;
		if (++p->calls != p->nth || p->action == SIMULATOR_FAULT_ACTION_PASS)
			continue;
		if (p->action == SIMULATOR_FAULT_ACTION_HANG)
			return hang(p);
		return err(INTERNAL_ERROR, "the plan of faults says so");
	}
	return NULL;
}
