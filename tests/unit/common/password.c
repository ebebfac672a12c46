/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/password.c: a password fits its hash and no other, and nothing that is no hash lets one
 * in.
 */
#include "common/password.h"

#include "common/mem.h"
#include "tests/unit/test.h"

#include <string.h>

static void fits_its_hash(void **state)
{
	auto_str hash = password_hash("secret");
	auto_str other = password_hash("secret");

	assert_non_null(hash);
	assert_non_null(other);
	assert_string_not_equal(hash, other);
	assert_null(strstr(hash, "secret"));
	assert_true(password_is("secret", hash));
	assert_true(password_is("secret", other));
	assert_false(password_is("secreT", hash));
	assert_false(password_is("", hash));
}

static void what_is_no_hash_fits_nothing(void **state)
{
	static const char *const hashes[] = {"", "*", "!", "x", "*0", "*1", "$6$", "secret"};

	for (size_t i = 0; i < ARRAY_LEN(hashes); i++) {
		assert_false(password_is("", hashes[i]));
		assert_false(password_is("secret", hashes[i]));
		assert_false(password_is(hashes[i], hashes[i]));
	}
}

TEST_MAIN(TEST(fits_its_hash), TEST(what_is_no_hash_fits_nothing))
