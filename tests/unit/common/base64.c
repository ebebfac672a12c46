/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/base64.c: bytes come back whatever their number, and each text has one form.
 */
#include "common/base64.h"

#include "tests/unit/test.h"

#include <string.h>

static void known_answers(void **state)
{
	static const char *const pairs[][2] = {{"", ""}, {"f", "Zg=="}, {"ba", "YmE="},
		{"foo", "Zm9v"}, {"food", "Zm9vZA=="}, {"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"}, {"\xfb\xff", "+/8="}};

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		char text[16] = {0};
		size_t n = strlen(pairs[i][0]);

		assert_int_equal(base64_encoded_size(n), strlen(pairs[i][1]));
		base64_encode(pairs[i][0], n, text);
		assert_string_equal(text, pairs[i][1]);
	}
}

static void bytes_come_back(void **state)
{
	unsigned char bytes[256], back[264];
	char text[400];
	size_t n;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 7);
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		base64_encode(bytes, len, text);
		assert_true(base64_decoded_size(base64_encoded_size(len)) <= sizeof(back));
		assert_true(base64_decode(text, base64_encoded_size(len), back, &n));
		assert_int_equal(n, len);
		assert_memory_equal(back, bytes, len);
	}
}

static void white_space_is_passed_over(void **state)
{
	unsigned char back[16];
	size_t n;

	assert_true(base64_decode(" Zm9v\r\nYg =\t= ", 14, back, &n));
	assert_int_equal(n, 4);
	assert_memory_equal(back, "foob", 4);
}

static void refuses_the_rest(void **state)
{
	static const char *const texts[] = {"Z", "Zg", "Zg=", "Zg===", "Zm8", "Zm8==", "=",
		"==", "====", "Z===", "Zh==", "Zm9=", "Zm9v=", "Zg==Zg==", "Zg=a", "Zm-v", "Zm_v",
		"Zm9v.", "Zm9v===="};
	unsigned char back[16];
	size_t n;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (base64_decode(texts[i], strlen(texts[i]), back, &n))
			fail_msg("taken: %s", texts[i]);
	assert_false(base64_decode("Zm9\0", 4, back, &n));
}

TEST_MAIN(TEST(known_answers), TEST(bytes_come_back), TEST(white_space_is_passed_over),
	TEST(refuses_the_rest))
