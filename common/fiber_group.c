/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Groups (fiber.h): fibers that are cancelled and awaited as one. Loop thread only.
 */
#include "common/fiber.h"

#include "common/fiber_priv.h"
#include "common/mem.h"
#include "core.gen.h"

struct member {
	struct list link;
	struct fiber_group *group;
	struct fiber *fiber;
	fiber_group_fn fn;
	void *arg;
};

void fiber_group_init(struct fiber_group *g)
{
	list_init(&g->members);
	cond_init(&g->ended);
	g->first = NULL;
}

static void member_main(void *arg)
{
	struct member *m = arg;
	struct fiber_group *g = m->group;
	struct err *e = m->fn(m->arg);

	if (!g->first)
		g->first = e;
	else
		err_free(e);
	list_remove(&m->link);
	free(m);
	if (list_is_empty(&g->members))
		cond_broadcast(&g->ended);
}

struct err *fiber_group_spawn(
	struct fiber_group *g, fiber_group_fn fn, void *arg, const char *name_fmt, ...)
{
	struct member *m = xnew(struct member);
	va_list ap;

	va_start(ap, name_fmt);
	auto_str name = xvasprintf(name_fmt, ap);
	va_end(ap);
	m->group = g;
	m->fn = fn;
	m->arg = arg;
	struct err *e = fiber_spawn(&m->fiber, member_main, m, "%s", name);
	if (e)
		free(m);
	else
		list_push_back(&g->members, &m->link);
	return e;
}

void fiber_group_cancel(struct fiber_group *g)
{
	list_for_each (m, &g->members, struct member, link)
		fiber_cancel(m->fiber);
}

/* The waiter is masked; its own deadline cancels the members and so ends the wait too. */
MAY_WAIT static bool wait_for_members(struct fiber_group *g, int64_t deadline)
{
	bool is_late = false;

	while (!list_is_empty(&g->members)) {
		struct err *e =
			cond_wait(&g->ended, "the fibers of a group", is_late ? NEVER : deadline);

		if (e) {
			is_late = true;
			fiber_group_cancel(g);
			err_free(e);
		}
	}
	return is_late;
}

struct err *fiber_group_wait(struct fiber_group *g)
{
	struct fiber *f = fiber_current();

	fiber_require(f, "fiber_group_wait outside a fiber");
	fiber_require(!f->awaits, "waits for two groups at once");
	bool passes_on = !f->masked;
	if (passes_on && f->is_cancelled)
		fiber_group_cancel(g);
	f->awaits = g;
	fiber_cancel_mask();
	bool is_late = wait_for_members(g, passes_on ? f->deadline : NEVER);
	fiber_cancel_unmask();
	f->awaits = NULL;
	struct err *e = take(g->first);
	if (is_late && err_is(e, &ERR_CANCELLED)) {
		err_free(e);
		return err(TIMEOUT, "the fibers of a group");
	}
	return e;
}
