/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/datetime.c: both forms, agreement with the C library's calendar, and what is refused.
 */
#include "common/datetime.h"

#include "tests/unit/test.h"

#include <string.h>
#include <time.h>

static void check_put(int64_t seconds, const char *extended, const char *basic)
{
	char text[DATETIME_SIZE];

	assert_string_equal(datetime_put(seconds, text), extended);
	assert_string_equal(datetime_put_basic(seconds, text), basic);
}

static void known_answers(void **state)
{
	check_put(0, "1970-01-01T00:00:00Z", "19700101T00:00:00Z");
	check_put(-1, "1969-12-31T23:59:59Z", "19691231T23:59:59Z");
	check_put(951782400, "2000-02-29T00:00:00Z", "20000229T00:00:00Z");
	check_put(DATETIME_MIN, "0000-01-01T00:00:00Z", "00000101T00:00:00Z");
	check_put(DATETIME_MAX, "9999-12-31T23:59:59Z", "99991231T23:59:59Z");
	check_put(INT64_MIN, "0000-01-01T00:00:00Z", "00000101T00:00:00Z");
	check_put(INT64_MAX, "9999-12-31T23:59:59Z", "99991231T23:59:59Z");
}

static void agrees_with_the_c_library(void **state)
{
	/* A step that comes by all days and many seconds. */
	for (int64_t t = DATETIME_MIN; t <= DATETIME_MAX; t += 86400 * 3 + 7919) {
		char text[DATETIME_SIZE], expected[80];
		struct tm tm;
		int64_t back;

		assert_non_null(gmtime_r(&(time_t){t}, &tm));
		snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02dZ",
			tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
			tm.tm_sec);
		assert_string_equal(datetime_put(t, text), expected);
		assert_true(datetime_read(text, strlen(text), &back));
		assert_int_equal(back, t);
		datetime_put_basic(t, text);
		assert_true(datetime_read(text, strlen(text), &back));
		assert_int_equal(back, t);
	}
}

static void check_read(const char *text, int64_t expected)
{
	int64_t v;

	if (!datetime_read(text, strlen(text), &v))
		fail_msg("refused: %s", text);
	assert_int_equal(v, expected);
}

static void reads_offsets_and_fractions(void **state)
{
	check_read("1970-01-01T00:00:01", 1);
	check_read("1970-01-01T00:00:01.999Z", 1);
	check_read("1970-01-01T01:00:00+01:00", 0);
	check_read("1970-01-01T01:00:00+0100", 0);
	check_read("19700101T00:00:00-00:30", 1800);
	check_read("1969-12-31T23:59:60Z", 0);
}

static void refuses_the_rest(void **state)
{
	static const char *const texts[] = {"", "1970", "1970-01-01", "1970-01-01 00:00:00Z",
		"1970-01-01T00:00Z", "1970-1-01T00:00:00Z", "1970-0101T00:00:00Z",
		"197001-01T00:00:00Z", "1970-13-01T00:00:00Z", "1970-00-01T00:00:00Z",
		"1970-01-00T00:00:00Z", "1970-02-29T00:00:00Z", "2000-02-30T00:00:00Z",
		"1900-02-29T00:00:00Z", "1970-01-01T24:00:00Z", "1970-01-01T00:60:00Z",
		"1970-01-01T00:00:61Z", "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00z",
		"1970-01-01T00:00:00ZZ", "1970-01-01T00:00:00+1", "1970-01-01T00:00:00+24:00",
		"0000-01-01T00:00:00+00:01", "-1970-01-01T00:00:00Z"};
	int64_t v = 7;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (datetime_read(texts[i], strlen(texts[i]), &v))
			fail_msg("taken: %s", texts[i]);
	assert_int_equal(v, 7);
}

TEST_MAIN(TEST(known_answers), TEST(agrees_with_the_c_library), TEST(reads_offsets_and_fractions),
	TEST(refuses_the_rest))
