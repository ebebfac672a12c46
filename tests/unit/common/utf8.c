/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/utf8.c: what is UTF-8 and what is not, against the C library over every code point; what
 * is escaped.
 */
#include "common/utf8.h"

#include "tests/unit/test.h"

#include <string.h>

/* The plain definition of the encoding, to compare with. */
static size_t encode(uint32_t c, char *out)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (size_t i = n - 1; i > 0; i--, c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)((0xf00 >> n) | c);
	return n;
}

static void decodes_every_code_point(void **state)
{
	for (uint32_t c = 0; c < 0x120000; c++) {
		char bytes[4];
		size_t n = encode(c, bytes);
		uint32_t got = 0;
		bool is_valid = c < 0xd800 || (c > 0xdfff && c <= 0x10ffff);

		assert_int_equal(utf8_decode(bytes, n, &got), is_valid ? n : 0);
		if (is_valid)
			assert_int_equal(got, c);
		assert_int_equal(utf8_decode(bytes, n - 1, &got), 0);
	}
}

static void refuses_what_is_not_utf8(void **state)
{
	static const char *const bad[] = {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80",
		"\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
		"\xf8\x88\x80", "\xff", "\xfe", "a\xc3", "a\xe2\x82", "\xc3(", "\xe2(\xa1"};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(utf8_is_valid(bad[i], strlen(bad[i])));
	assert_true(utf8_is_valid("", 0));
	assert_true(utf8_is_valid("Grüße, 世界 🚀", strlen("Grüße, 世界 🚀")));
}

static void check_escape(const char *s, size_t n, const char *expected)
{
	char out[256];
	size_t used;
	size_t len = utf8_escape(out, sizeof(out) - 1, s, n, &used);

	out[len] = '\0';
	assert_string_equal(out, expected);
	assert_int_equal(used, n);
}

static void escapes_what_deceives(void **state)
{
	check_escape("plain, Grüße 世界", strlen("plain, Grüße 世界"), "plain, Grüße 世界");
	check_escape("a\nb\rc\td\\e", 9, "a\\nb\\rc\\td\\\\e");
	check_escape("\0\x1b[31m\x7f", 7, "\\u{0}\\u{1b}[31m\\u{7f}");
	check_escape("\xc2\x85\xc2\x9b", 4, "\\u{85}\\u{9b}"); /* C1 */
	check_escape("\x85\x9b", 2, "\\x85\\x9b"); /* the same, raw */
	check_escape("\u202egpj\u2066\u2028\u200b\ufeff",
		strlen("\u202egpj\u2066\u2028\u200b\ufeff"),
		"\\u{202e}gpj\\u{2066}\\u{2028}\\u{200b}\\u{feff}");
	check_escape("a\xe2\x82", 3, "a\\xe2\\x82");
}

/* Whatever the room, what comes out is whole characters and escapes. */
static void never_splits(void **state)
{
	static const char text[] = "a\n世\xff\u202e🚀";

	for (size_t size = 0; size < 40; size++) {
		char out[40], again[40];
		size_t used, all;
		size_t len = utf8_escape(out, size, text, sizeof(text) - 1, &used);

		assert_true(len <= size);
		assert_true(utf8_is_valid(out, len));
		assert_int_equal(utf8_escape(again, sizeof(again), text, used, &all), len);
		assert_memory_equal(out, again, len);
	}
}

static void encodes_what_it_decodes(void **state)
{
	for (uint32_t c = 0; c <= 0x10ffff; c++) {
		char text[4];
		uint32_t back;

		if (c >= 0xd800 && c < 0xe000)
			continue;
		size_t len = utf8_encode(c, text);
		assert_int_equal(utf8_decode(text, len, &back), len);
		assert_int_equal(back, c);
	}
}

TEST_MAIN(TEST(decodes_every_code_point), TEST(encodes_what_it_decodes),
	TEST(refuses_what_is_not_utf8), TEST(escapes_what_deceives), TEST(never_splits))
