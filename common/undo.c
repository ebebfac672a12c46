/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The undo stack (undo.h). In a fiber: the steps may wait.
 */
#include "common/undo.h"

#include "common/fiber.h"
#include "common/mem.h"
#define LOG_MODULE "undo"
#include "common/log.h"

struct undo_step {
	struct undo_step *before;
	undo_fn fn;
	void *arg;
	char *what; /* owned */
};

void undo_push(struct undo *u, undo_fn fn, void *arg, const char *what)
{
	struct undo_step *s = xnew(struct undo_step);

	s->before = u->last;
	s->fn = fn;
	s->arg = arg;
	s->what = xstrdup(what);
	u->last = s;
}

/* The step on top, taken off; NULL when there is none. */
static struct undo_step *pop(struct undo *u)
{
	struct undo_step *s = u->last;

	if (s)
		u->last = s->before;
	return s;
}

static void step_free(struct undo_step *s)
{
	free(s->what);
	free(s);
}

struct err *undo_commit(struct undo *u)
{
	struct undo_step *s;

	while ((s = pop(u)))
		step_free(s);
	return NULL;
}

void undo_run(struct undo *u)
{
	struct undo_step *s;
	bool is_in_fiber = fiber_current();

	if (is_in_fiber)
		fiber_cancel_mask();
	while ((s = pop(u))) {
		auto_err e = s->fn(s->arg);

		if (e)
			log_error("undoing failed: %s: %s", s->what, err_text(e));
		step_free(s);
	}
	if (is_in_fiber)
		fiber_cancel_unmask();
}
