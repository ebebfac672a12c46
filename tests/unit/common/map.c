/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/map.c: what was put is found, what was removed is not, through growth and shifting back.
 */
#include "common/map.h"

#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>

static char yes, also;

static void puts_and_gets(void **state)
{
	struct map m = {0};

	assert_null(map_get(&m, "a"));
	assert_null(map_put(&m, "a", &yes));
	assert_ptr_equal(map_get(&m, "a"), &yes);
	assert_ptr_equal(map_put(&m, "a", &also), &yes);
	assert_ptr_equal(map_get_n(&m, "abc", 1), &also);
	assert_ptr_equal(map_remove(&m, "a"), &also);
	assert_null(map_remove(&m, "a"));
	assert_int_equal(m.n, 0);
	map_fini(&m);
}

/* Against a plain array of flags: random puts and removals over few keys, so that runs collide. */
static void agrees_with_an_array(void **state)
{
	struct map m = {0};
	bool is_there[500] = {false};
	size_t n = 0;
	char key[8];

	srandom(1);
	for (int i = 0; i < 200000; i++) {
		size_t k = (size_t)random() % ARRAY_LEN(is_there);

		snprintf(key, sizeof(key), "%zu", k);
		assert_int_equal(map_has(&m, key), is_there[k]);
		if (random() % 2) {
			map_put(&m, key, &yes);
			n += !is_there[k];
			is_there[k] = true;
		} else {
			map_remove(&m, key);
			n -= is_there[k];
			is_there[k] = false;
		}
		assert_int_equal(m.n, n);
	}
	size_t seen = 0;
	map_for_each (slot, &m) {
		assert_true(is_there[atoi(slot->key)]);
		seen++;
	}
	assert_int_equal(seen, n);
	map_fini(&m);
}

TEST_MAIN(TEST(puts_and_gets), TEST(agrees_with_an_array))
