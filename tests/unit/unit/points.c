/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tests/unit/points.h: whatever the seed, every point comes once; a budget cuts it short.
 */
#include "tests/unit/points.h"

#include "tests/unit/test.h"

#include <string.h>

static void every_point_comes_once(void **state)
{
	char seed[16];

	unsetenv("BUDGET");
	for (size_t n = 0; n < 60; n++) {
		char seen[60] = {0};

		snprintf(seed, sizeof(seed), "%zu", n * 7919);
		setenv("SEED", seed, 1);
		struct points p = points_begin(NULL, n);
		for (size_t i; points_next(&p, &i);)
			assert_int_equal(seen[i]++, 0);
		assert_null(memchr(seen, 0, n));
	}
}

static void seeds_give_different_orders(void **state)
{
	size_t first[2] = {0};

	for (int i = 0; i < 2; i++) {
		setenv("SEED", i ? "1" : "2", 1);
		struct points p = points_begin(NULL, 100000);
		assert_true(points_next(&p, &first[i]));
	}
	assert_int_not_equal(first[0], first[1]);
}

static void a_used_up_budget_ends_it(void **state)
{
	struct points p = points_begin(NULL, 100);
	size_t i;

	p.until_s = points_clock_s();
	assert_true(points_next(&p, &i));
	assert_false(points_next(&p, &i));
}

TEST_MAIN(TEST(every_point_comes_once), TEST(seeds_give_different_orders),
	TEST(a_used_up_budget_ends_it))
