/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/offload.c: work runs elsewhere, once, and its fiber comes back after it or not at all.
 */
#include "common/offload.h"

#include "common/fiber.h"
#include "core.gen.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/test.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

/* ---- plain ---- */

struct sum {
	int a, b, sum;
	bool was_elsewhere;
	char tag[64];
};

static void adds(void *arg)
{
	struct sum *s = arg;

	s->sum = s->a + s->b;
	s->was_elsewhere = !loop_is_here() && !fiber_current();
	snprintf(s->tag, sizeof(s->tag), "%s", fiber_tag());
}

static void plain_fiber(void *arg)
{
	struct sum s = {.a = 2, .b = 3};

	fiber_set_tag("task-7");
	CHECK_OK(offload("adding", adds, &s));
	assert_int_equal(s.sum, 5);
	assert_true(s.was_elsewhere);
	assert_string_equal(s.tag, "task-7");
	fiber_set_tag("");
	CHECK_OK(offload("adding", adds, &s));
	assert_string_equal(s.tag, "");
}

static void runs_elsewhere(void **state)
{
	run_in_fiber(plain_fiber, NULL);
	offload_fini();
}

/* ---- many at once: four threads work, the others' jobs wait for their turn ---- */

static sem_t may_go, has_begun;
static atomic_int n_at_once, most_at_once, n_ended;

static void meets(void *arg)
{
	int n = atomic_fetch_add(&n_at_once, 1) + 1;

	if (n > atomic_load(&most_at_once))
		atomic_store(&most_at_once, n);
	sem_post(&has_begun);
	sem_wait(&may_go);
	atomic_fetch_sub(&n_at_once, 1);
	atomic_fetch_add(&n_ended, 1);
}

static void meets_fiber(void *arg)
{
	fiber_cancel_mask(); /* the test's fiber ends, and with it the loop, before these */
	CHECK_OK(offload("meeting", meets, NULL));
	fiber_cancel_unmask();
}

static void wait_begun(int n)
{
	while (n-- > 0)
		sem_wait(&has_begun);
}

static void many_fiber(void *arg)
{
	for (int i = 0; i < 9; i++)
		CHECK_OK(fiber_spawn(NULL, meets_fiber, NULL, "meets %d", i));
	CHECK_OK(fiber_yield());
	wait_begun(4); /* blocks the loop: all four must have begun without it */
	assert_int_equal(atomic_load(&n_at_once), 4);
	for (int i = 0; i < 9; i++)
		sem_post(&may_go);
}

static void uses_four_threads(void **state)
{
	sem_init(&may_go, 0, 0);
	sem_init(&has_begun, 0, 0);
	atomic_store(&n_ended, 0);
	atomic_store(&most_at_once, 0);
	run_in_fiber(many_fiber, NULL);
	offload_fini();
	assert_int_equal(atomic_load(&n_ended), 9);
	assert_int_equal(atomic_load(&most_at_once), 4);
}

/* ---- leaving ---- */

struct attempt {
	struct fiber *fiber;
	const struct err_kind *got;
	bool has_returned, was_called;
	bool sets_deadline;
};

static void waits_in_kernel(void *arg)
{
	struct attempt *a = arg;

	a->was_called = true;
	sem_post(&has_begun);
	sem_wait(&may_go);
}

static void attempt_main(void *arg)
{
	struct attempt *a = arg;

	if (a->sets_deadline)
		fiber_set_deadline(deadline_in(NS_PER_S));
	auto_err e = offload("the kernel", waits_in_kernel, a);
	a->got = err_is(e, &ERR_CANCELLED)      ? &ERR_CANCELLED
		: err_is(e, &ERR_TIMEOUT)       ? &ERR_TIMEOUT
		: err_is(e, &ERR_SHUTTING_DOWN) ? &ERR_SHUTTING_DOWN
						: NULL;
	a->has_returned = true;
}

static void leaving_fiber(void *arg)
{
	struct attempt begun = {0}, queued = {0}, late = {.sets_deadline = true};

	offload_set_threads(1);
	clock_stop();
	CHECK_OK(fiber_spawn(&begun.fiber, attempt_main, &begun, "begun"));
	CHECK_OK(fiber_yield());
	wait_begun(1);
	CHECK_OK(fiber_spawn(&queued.fiber, attempt_main, &queued, "queued"));
	CHECK_OK(fiber_spawn(&late.fiber, attempt_main, &late, "late"));
	CHECK_OK(fiber_yield());
	fiber_cancel(begun.fiber);
	fiber_cancel(queued.fiber);
	clock_step(NS_PER_S);
	CHECK_OK(fiber_yield());
	CHECK_OK(fiber_yield());
	CHECK_OK(fiber_yield());
	/* Its stack is in use by the thread. */
	assert_false(begun.has_returned);
	assert_true(queued.has_returned && !queued.was_called);
	assert_ptr_equal(queued.got, &ERR_CANCELLED);
	assert_true(late.has_returned && !late.was_called);
	assert_ptr_equal(late.got, &ERR_TIMEOUT);
	sem_post(&may_go);
	while (!begun.has_returned)
		CHECK_OK(fiber_yield());
	assert_null(begun.got);
	clock_resume();
	offload_set_threads(4);
}

static void leaves_only_what_has_not_begun(void **state)
{
	sem_init(&may_go, 0, 0);
	sem_init(&has_begun, 0, 0);
	run_in_fiber(leaving_fiber, NULL);
	offload_fini();
}

/* A pool thread may not touch fibers. */
static void wakes_somebody(void *c)
{
	cond_signal(c);
}

static void rude_fiber(void *arg)
{
	struct cond c;

	cond_init(&c);
	err_free(offload("rudeness", wakes_somebody, &c));
}

static void rude(void)
{
	run_in_fiber(rude_fiber, NULL);
}

static void dies_when_it_calls_fibers(void **state)
{
	check_dies(rude, "cond_signal outside the loop's thread");
}

TEST_MAIN(TEST(runs_elsewhere), TEST(uses_four_threads), TEST(leaves_only_what_has_not_begun),
	TEST(dies_when_it_calls_fibers))
