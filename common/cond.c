/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Conditions (fiber.h): a queue of parked fibers. Whoever wakes a fiber takes it off the queue, so
 * a signal never goes to one whose wait has ended otherwise. Loop thread only.
 */
#include "common/fiber.h"

#include "common/fiber_priv.h"

#include <assert.h>

void cond_init(struct cond *c)
{
	list_init(&c->waiters);
}

void cond_fini(struct cond *c)
{
	fiber_require(list_is_empty(&c->waiters), "a condition ends while '%s' waits on it",
		list_first(&c->waiters, struct fiber, link)->name);
}

bool cond_signal(struct cond *c)
{
	fiber_require(loop_is_here(), "cond_signal outside the loop's thread");
	struct fiber *f = list_first(&c->waiters, struct fiber, link);
	if (!f)
		return false;
	fiber_wake(f, FIBER_WOKEN);
	return true;
}

void cond_broadcast(struct cond *c)
{
	while (cond_signal(c))
		;
}

struct err *cond_wait(struct cond *c, const char *what, int64_t deadline)
{
	return fiber_park(what, deadline, &c->waiters);
}
