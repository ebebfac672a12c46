/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Carries out plans (plan.h). Fibers of parallel steps share the plan; none of it is touched by two
 * at once, since nothing between two waits is.
 */
#define LOG_MODULE "plan"
#include "xenopsd/plan.h"

#include "common/log.h"
#include "core.gen.h"
#include "xenopsd/backend.h"
#include "xenopsd/repair.h"
#include "xenopsd/xenopsd.h"

/* ---- making ---- */

void plan_init(struct plan *p, struct vm *vm, struct task *task)
{
	*p = (struct plan){.vm = vm, .task = task};
	p->top = p->at = arena_new(&p->arena, struct step);
	p->top->plan = p;
}

static void step_fini(struct step *s)
{
	vec_for_each (i, &s->steps)
		step_fini(s->steps.v[i]);
	vec_fini(&s->steps);
}

void plan_fini(struct plan *p)
{
	if (p->top)
		step_fini(p->top);
	err_free(p->first);
	err_free(p->late);
	arena_fini(&p->arena);
}

static struct step *step_new(struct plan *p)
{
	struct step *s = arena_new(&p->arena, struct step);

	s->plan = p;
	s->parent = p->at;
	vec_push(&p->at->steps, s);
	return s;
}

void plan_add(struct plan *p, const struct atom *atom, struct device *device)
{
	struct step *s = step_new(p);

	s->atom = atom;
	s->device = device;
	s->weight = atom->weight ? atom->weight : 1;
	for (struct step *up = s->parent; up; up = up->parent)
		up->weight += s->weight;
}

void plan_open(struct plan *p, enum plan_group group)
{
	struct step *s = step_new(p);

	s->group = group;
	p->at = s;
}

void plan_close(struct plan *p)
{
	p->at = p->at->parent;
}

/* ---- carrying out ---- */

static MAY_WAIT struct err *undo_atom(const struct step *s)
{
	log_debug("vm=%s %s", s->plan->vm->id, s->atom->undo_name);
	if (xenopsd.backend->before_atom)
		TRY(xenopsd.backend->before_atom(s->atom->undo_name, s->plan->vm));
	return s->atom->undo(s->plan, s->device);
}

static MAY_WAIT struct err *undo_step(void *arg)
{
	struct step *s = arg;
	struct err *e = s->was_refused ? NULL : undo_atom(s);

	if (e)
		s->plan->has_left = true;
	return e;
}

static MAY_WAIT struct err *run_atom(struct step *s)
{
	struct plan *p = s->plan;

	if (!p->goes_on)
		TRY(fiber_check());
	log_debug("vm=%s %s%s%s", p->vm->id, s->atom->name, s->device ? " " : "",
		s->device ? s->device->name : "");
	if (xenopsd.backend->before_atom)
		TRY(xenopsd.backend->before_atom(s->atom->name, p->vm));
	if (s->atom->undo && !p->goes_on)
		undo_push(&p->undo, undo_step, s, s->atom->undo_name);
	struct err *e = s->atom->run(p, s->device);
	s->was_refused = err_is(e, &ERR_CONNECTION_REFUSED);
	TRY_CTX(e, "%s", s->atom->name);
	p->done += s->weight;
	if (p->task)
		task_progress(p->task, (double)p->done / (double)p->top->weight);
	return NULL;
}

static MAY_WAIT struct err *run_step(struct step *s);

static MAY_WAIT struct err *run_member(void *arg)
{
	return run_step(arg);
}

static MAY_WAIT struct err *run_parallel(struct step *s)
{
	struct fiber_group group;
	struct err *e = NULL;

	fiber_group_init(&group);
	for (size_t i = 0; i < s->steps.n && !e; i++)
		e = fiber_group_spawn(
			&group, run_member, s->steps.v[i], "step of vm %s", s->plan->vm->id);
	struct err *waited = fiber_group_wait(&group);
	if (!e)
		return waited;
	err_free(waited);
	return e;
}

static MAY_WAIT struct err *run_serial(struct step *s)
{
	vec_for_each (i, &s->steps)
		TRY(run_step(s->steps.v[i]));
	return NULL;
}

static MAY_WAIT struct err *run_any(struct step *s)
{
	if (s->atom)
		return run_atom(s);
	return s->group == PLAN_PARALLEL && s->steps.n > 1 ? run_parallel(s) : run_serial(s);
}

static MAY_WAIT struct err *run_step(struct step *s)
{
	struct plan *p = s->plan;
	struct err *e = run_any(s);

	if (!e || !p->goes_on)
		return e;
	log_err(LOG_WARN_, e, "vm=%s goes on after a failed step", p->vm->id);
	if (!p->first)
		p->first = take(e);
	err_free(e);
	return NULL;
}

struct err *plan_run(struct plan *p)
{
	struct err *e = run_step(p->top);

	if (!e) {
		e = undo_commit(&p->undo);
		if (!e)
			e = take(p->first);
		return e ? e : take(p->late);
	}
	undo_run(&p->undo);
	if (p->has_left)
		repair_later(p->vm);
	return e;
}
