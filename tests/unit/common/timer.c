/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/timer.c: timers fire in order, once, when they are due, against a plain array as oracle.
 */
#include "common/fiber_priv.h"
#include "common/loop.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/test.h"

enum { N = 200 };

static struct timer timers[N];
static int64_t due[N]; /* what the heap should hold; NEVER: not armed */
static int64_t now, last_fired;
static int n_fired;

static void fired(struct timer *t)
{
	size_t i = (size_t)(t - timers);

	assert_true(due[i] != NEVER && due[i] <= now);
	assert_true(due[i] >= last_fired);
	last_fired = due[i];
	assert_true(t->at == NEVER);
	due[i] = NEVER;
	n_fired++;
}

static int64_t earliest(void)
{
	int64_t at = NEVER;

	for (int i = 0; i < N; i++)
		at = due[i] < at ? due[i] : at;
	return at;
}

static void agrees_with_an_array(void **state)
{
	loop_init();
	for (int i = 0; i < N; i++) {
		timer_init(&timers[i], fired);
		due[i] = NEVER;
	}
	srandom(1);
	for (int step = 0; step < 50000; step++) {
		size_t i = (size_t)random() % N;

		switch (random() % 4) {
		case 0:
		case 1:
			due[i] = now + random() % 100;
			timer_arm(&timers[i], due[i]);
			break;
		case 2:
			due[i] = NEVER;
			timer_disarm(&timers[i]);
			break;
		case 3:
			now += random() % 20;
			last_fired = 0;
			timer_run_due(now);
			assert_true(earliest() > now);
			break;
		}
		assert_true(timer_next() == earliest());
	}
	assert_true(n_fired > 1000);
	loop_fini();
}

/* One that arms itself again at once comes once a turn. */
static int n_again;
static void again(struct timer *t)
{
	n_again++;
	timer_arm(t, 0);
}

static void one_that_rearms_does_not_spin(void **state)
{
	struct timer t;

	loop_init();
	timer_init(&t, again);
	timer_arm(&t, 0);
	timer_run_due(1);
	assert_int_equal(n_again, 1);
	timer_disarm(&t);
	timer_arm(&t, NEVER);
	assert_true(timer_next() == NEVER);
	loop_fini();
}

TEST_MAIN(TEST(agrees_with_an_array), TEST(one_that_rearms_does_not_spin))
