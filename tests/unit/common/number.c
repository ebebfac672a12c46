/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/number.c: what is written reads back as the same number in any locale, short where a short
 * form exists, and what is read is what the C library reads.
 */
#include "common/number.h"

#include "tests/unit/points.h"
#include "tests/unit/test.h"

#include <locale.h>
#include <math.h>
#include <string.h>

static void check_double(double v, const char *expected)
{
	char text[NUMBER_DOUBLE_SIZE + 1];
	size_t len = number_put_double(v, text);

	assert_true(len <= NUMBER_DOUBLE_SIZE);
	text[len] = '\0';
	assert_string_equal(text, expected);
}

static void doubles_are_short(void **state)
{
	check_double(0, "0.0");
	check_double(-0.0, "-0.0");
	check_double(1, "1.0");
	check_double(-2.5, "-2.5");
	check_double(0.1, "0.1");
	check_double(0.05, "0.05");
	check_double(0.1 + 0.2, "0.30000000000000004");
	check_double(123456.789, "123456.789");
	check_double(1.0 / 3, "0.3333333333333333");
	check_double(1e15, "1e+15");
	check_double(1e22, "1e+22");
	check_double(123456789012345, "123456789012345.0");
	check_double(9007199254740993.0, "9007199254740992.0");
	check_double(1e-7, "1e-07");
	check_double(5e-324, "4.94065645841247e-324");
	check_double(1.7976931348623157e308, "1.7976931348623157e+308");
}

static double from_bits(uint64_t bits)
{
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

static void check_there_and_back(double v)
{
	char text[NUMBER_DOUBLE_SIZE + 1];
	size_t len = number_put_double(v, text);
	double again;

	text[len] = '\0';
	assert_true(number_read_double(text, len, &again));
	if (memcmp(&v, &again, sizeof(v)) || strtod(text, NULL) != v)
		fail_msg("%a is written as %s", v, text);
	assert_non_null(strpbrk(text, ".e"));
}

static void doubles_come_back(void **state)
{
	uint64_t bits = 88172645463325252;

	for (int i = 0; i < 200000; i++) {
		bits ^= bits << 13;
		bits ^= bits >> 7;
		bits ^= bits << 17;
		if (isfinite(from_bits(bits)))
			check_there_and_back(from_bits(bits));
		check_there_and_back((double)(int64_t)bits / 1000);
		check_there_and_back((double)(bits % 100000000) / 10000);
	}
}

static void check_read(const char *text)
{
	double v;

	assert_true(number_read_double(text, strlen(text), &v));
	double expected = strtod(text, NULL);
	if (memcmp(&v, &expected, sizeof(v)))
		fail_msg("%s is read as %a, not %a", text, v, expected);
}

static void decimals_are_read_correctly_rounded(void **state)
{
	uint64_t seed = 88172645463325252;
	double v;

	check_read("-0");
	check_read("0e999");
	check_read("1e-999");
	check_read("0.000000000000000000000000000000000000001");
	check_read("9007199254740993");
	check_read("92233720368547758080"); /* ten times 2^63: nothing, in 64 bits */
	check_read("9007199254740992.5");
	check_read("8.5e22");
	check_read("1e23");
	check_read("123456789012345678901234567890.123456789e-5");
	check_read("2.2250738585072011e-308");
	check_read(
		"0.5000000000000000000000000000000000000000000000000000000000000000000000000001");
	for (int i = 0; i < 200000; i++) {
		char text[64];

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		snprintf(text, sizeof(text), "%llu.%llue%d",
			(unsigned long long)(seed >> (seed & 63)),
			(unsigned long long)(seed >> 32) % 100000, (int)(seed >> 8 & 63) - 32);
		check_read(text);
	}
	assert_false(number_read_double("1e309", 5, &v));
	assert_false(number_read_double("-1e309", 6, &v));
	assert_false(number_read_double("1e99999999999999999999", 22, &v));
}

static void integers(void **state)
{
	static const int64_t values[] = {
		0, 1, -1, 9, 10, 99, 100, 101, -100, 12345, INT64_MAX, INT64_MIN, INT64_MIN + 1};

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		char text[NUMBER_INT_SIZE + 1], expected[32];
		int64_t again;
		size_t len = number_put_int(values[i], text);

		text[len] = '\0';
		snprintf(expected, sizeof(expected), "%lld", (long long)values[i]);
		assert_string_equal(text, expected);
		assert_true(number_read_int(text, len, &again));
		assert_int_equal(again, values[i]);
	}
}

static void what_is_no_integer(void **state)
{
	static const char *const texts[] = {"", "-", "+1", " 1", "1 ", "1.0", "0x1", "--1", "a",
		"9223372036854775808", "-9223372036854775809", "99999999999999999999"};
	int64_t v = 7;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_false(number_read_int(texts[i], strlen(texts[i]), &v));
	assert_int_equal(v, 7);
}

/* A locale with a comma, made for the test: most machines have none. */
static void set_comma_locale(void)
{
	const char *tmp = getenv("TMPDIR");
	char dir[200], line[600];

	snprintf(dir, sizeof(dir), "%s/xenith-locale-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(dir));
	setenv("LOCPATH", dir, 1);
	snprintf(line, sizeof(line), "localedef -i de_DE -f UTF-8 '%s/de_DE.UTF-8' >/dev/null 2>&1",
		dir);
	int made = system(line);
	bool is_set = made != -1 && setlocale(LC_ALL, "de_DE.UTF-8");
	snprintf(line, sizeof(line), "rm -rf '%s'", dir);
	assert_int_equal(system(line), 0);
	unsetenv("LOCPATH");
	if (!is_set)
		SKIP("localedef cannot make de_DE.UTF-8 here");
	assert_string_equal(localeconv()->decimal_point, ",");
}

static void the_locale_does_not_matter(void **state)
{
	set_comma_locale();
	check_double(0.1 + 0.2, "0.30000000000000004");
	double v;
	assert_true(number_read_double("1.23456789012345678901", 22, &v));
	assert_true(v == 1.23456789012345678901);
	setlocale(LC_ALL, "C");
}

TEST_MAIN(TEST(doubles_are_short), TEST(doubles_come_back),
	TEST(decimals_are_read_correctly_rounded), TEST(integers), TEST(what_is_no_integer),
	TEST(the_locale_does_not_matter))
