/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/shared.c: who holds bytes, and what of them is old.
 */
#include "common/shared.h"

#include "common/sbuf.h"
#include "tests/unit/test.h"

#include <string.h>

static struct shared *of_text(const char *text)
{
	struct shared *s = shared_new(strlen(text));

	memcpy(s->bytes, text, s->n);
	return s;
}

static void the_last_holder_ends_them(void **state)
{
	struct shared *s = of_text("abc");

	assert_ptr_equal(shared_hold(s), s);
	shared_drop(s);
	assert_memory_equal(s->bytes, "abc", 3);
	shared_drop(s);
	shared_drop(NULL);
	assert_int_equal(shared_old_bytes(), 0);
}

static void what_is_replaced_is_old_while_it_is_held(void **state)
{
	struct shared *held = of_text("held"), *alone = of_text("alone");

	shared_hold(shared_hold(held));
	shared_replace(alone);
	assert_int_equal(shared_old_bytes(), 0);
	shared_replace(held);
	assert_true(held->is_old);
	assert_int_equal(shared_old_bytes(), 4);
	shared_drop(held);
	assert_int_equal(shared_old_bytes(), 4);
	shared_drop(held);
	assert_int_equal(shared_old_bytes(), 0);
}

static unsigned n_relieved;

static void relieve(void)
{
	n_relieved++;
}

static void too_much_that_is_old_is_told_of(void **state)
{
	struct shared *first = shared_hold(of_text("12345")), *second = shared_hold(of_text("6"));

	shared_set_limit(5, relieve);
	shared_replace(first);
	assert_int_equal(n_relieved, 0);
	shared_replace(second);
	assert_int_equal(n_relieved, 1);
	shared_drop(first);
	shared_drop(second);
	shared_set_limit(SIZE_MAX, NULL);
}

static void a_run_is_its_parts(void **state)
{
	struct shared_run run = {0};
	struct shared *again = of_text(",b");
	auto_sbuf b = {0};

	shared_run_copy(&run, &b);
	assert_int_equal(sbuf_len(&b), 0);
	shared_run_add(&run, of_text(",a"), 1);
	shared_run_add(&run, shared_hold(again), 0);
	assert_int_equal(run.n, 3);
	struct shared_run taken = shared_run_take(&run);
	assert_int_equal(run.n, 0);
	shared_run_copy(&taken, &b);
	assert_string_equal(sbuf_str(&b), "a,b");
	shared_run_fini(&taken);
	assert_int_equal(again->n_holders, 1);
	shared_drop(again);
}

/* Far more than one takes, and they go in another order than they came. */
static void what_lies_in_a_slab_outlives_it(void **state)
{
	enum { N = 6000, SIZE = 1000, LARGE = 1 << 20 };
	static struct shared *all[N];
	static char bytes[SIZE], large[LARGE];
	struct shared_slab *slab = NULL;

	for (unsigned i = 0; i < N; i++) {
		memset(bytes, (int)(i % 255), sizeof(bytes));
		all[i] = shared_copy_into(&slab, bytes, i % SIZE);
		assert_int_equal(all[i]->n, i % SIZE);
		assert_true(all[i]->slab);
	}
	struct shared *alone = shared_copy_into(&slab, large, sizeof(large));
	assert_null(alone->slab);
	assert_ptr_not_equal(all[0]->slab, all[N - 1]->slab);
	shared_slab_close(&slab);
	assert_null(slab);
	for (unsigned k = 0; k < N; k++) {
		unsigned i = (k * 7) % N;

		memset(bytes, (int)(i % 255), sizeof(bytes));
		assert_memory_equal(all[i]->bytes, bytes, i % SIZE);
		shared_drop(shared_hold(all[i]));
	}
	for (unsigned k = 0; k < N; k++)
		shared_drop(all[k * 7 % N]);
	assert_memory_equal(alone->bytes, large, sizeof(large));
	shared_drop(alone);
}

TEST_MAIN(cmocka_unit_test(the_last_holder_ends_them),
	cmocka_unit_test(what_is_replaced_is_old_while_it_is_held),
	cmocka_unit_test(too_much_that_is_old_is_told_of), cmocka_unit_test(a_run_is_its_parts),
	cmocka_unit_test(what_lies_in_a_slab_outlives_it))
