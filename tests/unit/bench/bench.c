/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tests/bench/bench.c: the arithmetic and the verdicts, which decide whether a goal counts as met.
 */
#include "tests/bench/bench.h"

#include "tests/unit/test.h"

static void takes_the_middle(void **state)
{
	double odd[] = {9, 1, 5}, even[] = {4, 1, 3, 2};

	assert_true(bench_median(odd, 3) == 5);
	assert_true(bench_median(even, 4) == 2.5);
}

static void counts_percentiles(void **state)
{
	struct bench_samples s = {0};
	struct bench_figures f = {0};

	for (int i = 10000; i > 0; i--)
		bench_samples_add(&s, i * 1000);
	bench_samples_figures(&s, &f);
	assert_true(f.p50 == 5001);
	assert_true(f.p99 == 9901);
	assert_null(s.ns);
}

static void judges_against_the_goal(void **state)
{
	const struct bench_row most = {.at_most = 1.6}, least = {.at_least = 2}, none = {0};

	assert_int_equal(bench_judge(&most, 1.6, 0, 0), BENCH_PASSED);
	assert_int_equal(bench_judge(&most, 1.61, 0, 0), BENCH_FAILED);
	assert_int_equal(bench_judge(&least, 2, 0, 0), BENCH_PASSED);
	assert_int_equal(bench_judge(&least, 1.99, 0, 0), BENCH_FAILED);
	assert_int_equal(bench_judge(&none, 7, 0, 0), BENCH_SHOWN);
}

static void a_strange_machine_is_void(void **state)
{
	const struct bench_row row = {.at_most = 1.6};

	assert_int_equal(bench_judge(&row, 1, 25, 8.5), BENCH_PASSED);
	assert_int_equal(bench_judge(&row, 1, 26, 8.5), BENCH_VOID);
	assert_int_equal(bench_judge(&row, 9, 2.8, 8.5), BENCH_VOID);
}

static void unpinned_rows_are_only_shown(void **state)
{
	const struct bench_row row = {.at_most = 1.6, .pin = BENCH_FREE};

	assert_int_equal(bench_judge(&row, 9, 8.5, 8.5), BENCH_SHOWN);
}

TEST_MAIN(TEST(takes_the_middle), TEST(counts_percentiles), TEST(judges_against_the_goal),
	TEST(a_strange_machine_is_void), TEST(unpinned_rows_are_only_shown))
