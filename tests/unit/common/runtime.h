/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For tests of code that waits: runs a function in a fiber on a loop of its own, until it and every
 * fiber that it spawned have ended. A failed check may leave the fiber: cmocka jumps out, and the
 * program ends.
 */
#ifndef XENITH_TESTS_UNIT_COMMON_RUNTIME_H
#define XENITH_TESTS_UNIT_COMMON_RUNTIME_H

#include "common/clock.h"
#include "common/fiber.h"
#include "common/loop.h"

struct run_in_fiber {
	fiber_fn fn;
	void *arg;
};

static maybe_unused void run_in_fiber_main(void *arg)
{
	struct run_in_fiber *r = arg;

	r->fn(r->arg);
	loop_stop();
}

static maybe_unused void run_in_fiber(fiber_fn fn, void *arg)
{
	struct run_in_fiber r = {.fn = fn, .arg = arg};

	loop_init();
	err_free(fiber_spawn(NULL, run_in_fiber_main, &r, "test"));
	loop_run(10 * NS_PER_S);
	loop_fini();
}

/* A fiber: steps the clock, by so many ns, once it runs. */
static maybe_unused void step_clock(void *ns)
{
	clock_step((intptr_t)ns);
}

#endif
