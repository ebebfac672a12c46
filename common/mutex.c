/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mutexes between fibers (fiber.h). Who unlocks hands the mutex to the one that waits longest, so
 * nobody can slip in between. Loop thread only.
 */
#include "common/fiber.h"

#include "common/fiber_priv.h"

void mutex_init(struct mutex *m)
{
	m->owner = NULL;
	cond_init(&m->free);
}

void mutex_fini(struct mutex *m)
{
	fiber_require(!m->owner, "a mutex ends while '%s' holds it", m->owner->name);
	cond_fini(&m->free);
}

struct err *mutex_lock(struct mutex *m, const char *what, int64_t deadline)
{
	struct fiber *f = fiber_current();

	fiber_require(f, "mutex_lock outside a fiber");
	fiber_require(m->owner != f, "locks a mutex that it holds");
	if (!m->owner) {
		m->owner = f;
		return NULL;
	}
	return cond_wait(&m->free, what, deadline);
}

void mutex_unlock(struct mutex *m)
{
	fiber_require(
		m->owner && m->owner == fiber_current(), "unlocks a mutex that it does not hold");
	/* The next owner is decided now: its wait has ended, whatever comes before it runs. */
	m->owner = list_first(&m->free.waiters, struct fiber, link);
	if (m->owner)
		cond_signal(&m->free);
}
