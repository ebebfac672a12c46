/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/uuid.c: text and back, what is refused, and that random ones are of version 4.
 */
#include "common/uuid.h"

#include "tests/unit/test.h"

#include <errno.h>
#include <string.h>

static void goes_to_text_and_back(void **state)
{
	char text[UUID_TEXT_SIZE], again[UUID_TEXT_SIZE];
	struct uuid u, v;

	assert_int_equal(uuid_from_text(&u, "00112233-4455-6677-8899-AABBccddEEff"), 0);
	assert_string_equal(uuid_to_text(&u, text), "00112233-4455-6677-8899-aabbccddeeff");
	assert_int_equal(u.bytes[15], 0xff);
	for (int i = 0; i < 1000; i++) {
		uuid_random_text(text);
		assert_int_equal(uuid_from_text(&v, text), 0);
		assert_string_equal(uuid_to_text(&v, again), text);
	}
}

static void refuses_other_forms(void **state)
{
	static const char *const bad[] = {"", "0", "00112233445566778899aabbccddeeff",
		"00112233-4455-6677-8899-aabbccddeef", "00112233-4455-6677-8899-aabbccddeeff0",
		"00112233-4455-6677-8899_aabbccddeeff", "g0112233-4455-6677-8899-aabbccddeeff",
		"{0112233-4455-6677-8899-aabbccddeef}", "0011223-34455-6677-8899-aabbccddeeff",
		" 0112233-4455-6677-8899-aabbccddeeff", "OpaqueRef:NULL"};
	struct uuid u = {{7}};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(uuid_from_text(&u, bad[i]), -EINVAL);
	assert_int_equal(u.bytes[0], 7);
}

static void random_ones_are_of_version_4(void **state)
{
	struct uuid last = {{0}};
	unsigned char ones[16] = {0}, zeros[16] = {0};

	assert_true(uuid_is_nil(&last));
	for (int i = 0; i < 1000; i++) {
		struct uuid u = uuid_random();

		assert_int_equal(u.bytes[6] >> 4, 4);
		assert_int_equal(u.bytes[8] >> 6, 2);
		assert_false(uuid_is_equal(&u, &last));
		assert_false(uuid_is_nil(&u));
		for (size_t b = 0; b < 16; b++) {
			ones[b] |= u.bytes[b];
			zeros[b] |= (unsigned char)~u.bytes[b];
		}
		last = u;
	}
	/* All other bits take both values. */
	for (size_t b = 0; b < 16; b++) {
		assert_int_equal(ones[b], b == 6 ? 0x4f : b == 8 ? 0xbf : 0xff);
		assert_int_equal(zeros[b], b == 6 ? 0xbf : b == 8 ? 0x7f : 0xff);
	}
}

TEST_MAIN(
	TEST(goes_to_text_and_back), TEST(refuses_other_forms), TEST(random_ones_are_of_version_4))
