/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/clock.c: it runs, stops, is stepped and runs on, and never goes backwards.
 */
#include "common/clock.h"

#include "tests/unit/test.h"

#include <time.h>

static int n_changes;
static void changed(void)
{
	n_changes++;
}

static void stops_and_steps(void **state)
{
	clock_on_change(changed);
	int64_t before = clock_mono_ns();
	assert_false(clock_is_stopped());
	clock_stop();
	assert_true(clock_is_stopped());
	int64_t mono = clock_mono_ns(), real = clock_real_ns();
	assert_true(mono >= before);
	struct timespec ms = {.tv_nsec = 1000000};
	nanosleep(&ms, NULL);
	assert_true(clock_mono_ns() == mono && clock_real_ns() == real);
	clock_step(NS_PER_S);
	assert_true(clock_mono_ns() == mono + NS_PER_S);
	assert_true(clock_real_ns() == real + NS_PER_S);
	assert_true(deadline_in(5) == mono + NS_PER_S + 5);
	clock_stop(); /* it is */
	assert_true(clock_mono_ns() == mono + NS_PER_S);
	clock_resume();
	assert_false(clock_is_stopped());
	assert_true(clock_mono_ns() >= mono + NS_PER_S);
	mono = clock_mono_ns();
	real = clock_real_ns();
	clock_step(NS_PER_S);
	assert_true(clock_mono_ns() >= mono + NS_PER_S);
	assert_true(clock_real_ns() >= real + NS_PER_S);
	assert_int_equal(n_changes, 5);
	clock_on_change(NULL);
}

static void runs(void **state)
{
	int64_t last = clock_mono_ns();

	for (int i = 0; i < 1000; i++) {
		int64_t now = clock_mono_ns();

		assert_true(now >= last);
		last = now;
	}
	assert_true(clock_real_ns() > 1600000000 * NS_PER_S);
}

static void deadlines_saturate(void **state)
{
	assert_true(deadline_in(NEVER) == NEVER);
	assert_true(deadline_in(NEVER - 1) == NEVER);
}

TEST_MAIN(TEST(stops_and_steps), TEST(runs), TEST(deadlines_saturate))
