/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/arena.c: pieces, what is counted of them, and blocks of a size that is known.
 */
#include "common/arena.h"

#include "tests/unit/test.h"

#include <string.h>

static void gives_zeroed_aligned_pieces(void **state)
{
	auto_arena a = {0};

	arena_strdup(&a, "odd");
	const unsigned char *piece = arena_alloc(&a, 100);
	assert_true((uintptr_t)piece % _Alignof(max_align_t) == 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(piece[i], 0);
}

static void counts_what_aligns(void **state)
{
	auto_arena a = {0};

	arena_bytes(&a, 1);
	size_t one = a.used;
	arena_alloc(&a, 16);
	assert_true(one >= 1);
	assert_true(a.used >= 32);
}

/* What one arena used fits into one block of another, and nothing is left of it. */
static void fits_what_was_used(void **state)
{
	auto_arena measured = {0};
	auto_arena fit = {0};
	struct arena *both[] = {&measured, &fit};

	for (int i = 0; i < 2; i++) {
		if (i == 1)
			arena_fit(&fit, measured.used);
		arena_strdup(both[i], "one");
		arena_alloc(both[i], 24);
		arena_strdup(both[i], "three");
	}
	assert_true(fit.next == fit.end);
	assert_int_equal(fit.used, measured.used);
}

/* Also of no bytes. */
static void fits_nothing(void **state)
{
	auto_arena measured = {0};
	auto_arena fit = {0};

	arena_bytes(&measured, 0);
	arena_fit(&fit, measured.used);
	assert_non_null(arena_bytes(&fit, 0));
	assert_true(fit.next == fit.end);
}

/* A small first block does not make those behind it small. */
static void goes_on_behind_a_block_that_fit(void **state)
{
	auto_arena a = {0};

	arena_fit(&a, 16);
	arena_bytes(&a, 8);
	memset(arena_alloc(&a, 100), 1, 100);
	assert_true(a.end - a.next > 1000);
}

/* As an empty buffer is. */
static void copies_nothing(void **state)
{
	auto_arena a = {0};

	assert_string_equal(arena_strndup(&a, NULL, 0), "");
}

TEST_MAIN(TEST(copies_nothing), TEST(gives_zeroed_aligned_pieces), TEST(counts_what_aligns),
	TEST(fits_what_was_used), TEST(goes_on_behind_a_block_that_fit), TEST(fits_nothing))
