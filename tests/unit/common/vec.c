/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/vec.h: the array against a plain one, by random pushes, insertions and removals.
 */
#include "common/vec.h"

#include "tests/unit/test.h"

static void pushes_and_pops(void **state)
{
	vec_of(int) v = {0};

	for (int i = 0; i < 1000; i++)
		vec_push(&v, i);
	assert_int_equal(v.n, 1000);
	for (int i = 999; i >= 0; i--)
		assert_int_equal(vec_pop(&v), i);
	assert_int_equal(v.n, 0);
	vec_fini(&v);
	assert_null(v.v);
}

struct pair {
	int a, b;
};

static void holds_structs(void **state)
{
	vec_of(struct pair) v = {0};
	int sum = 0;

	vec_push(&v, (struct pair){1, 2});
	vec_insert(&v, 0, (struct pair){.a = 3, .b = 4});
	vec_for_each (i, &v)
		sum = sum * 100 + v.v[i].a * 10 + v.v[i].b;
	assert_int_equal(sum, 3412);
	vec_fini(&v);
}

static void agrees_with_an_array(void **state)
{
	vec_of(long) v = {0};
	long plain[600];
	size_t n = 0;

	srandom(1);
	for (int step = 0; step < 20000; step++) {
		size_t at = n ? (size_t)random() % n : 0;

		if (n < ARRAY_LEN(plain) && random() % 5 < 3) {
			memmove(&plain[at + 1], &plain[at], (n - at) * sizeof(*plain));
			plain[at] = step;
			n++;
			vec_insert(&v, at, step);
		} else if (n) {
			n--;
			memmove(&plain[at], &plain[at + 1], (n - at) * sizeof(*plain));
			vec_remove(&v, at);
		}
		assert_int_equal(v.n, n);
		if (n)
			assert_memory_equal(v.v, plain, n * sizeof(*plain));
	}
	vec_fini(&v);
}

TEST_MAIN(TEST(pushes_and_pops), TEST(holds_structs), TEST(agrees_with_an_array))
