/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rrdd/series.c: rates and averages, gaps, columns that come and go, and files that are opened
 * again or are not what they should be.
 */
#include "rrdd/series.h"

#include "core.gen.h"
#include "tests/unit/common/scratch.h"
#include "tests/unit/test.h"

#include <math.h>

#define PATH "host.series"
#define T0   (INT64_C(30000000) * STEPS_A_MINUTE) /* a whole minute, in steps */

static struct sample counter(const char *name, double value)
{
	return (struct sample){.name = name,
		.units = "B/s",
		.description = "",
		.kind = COLUMN_COUNTER,
		.value = value,
		.max = INFINITY};
}

static struct sample gauge(const char *name, double value)
{
	struct sample s = counter(name, value);

	s.kind = COLUMN_GAUGE;
	return s;
}

/* One sample at STEP, taken when its row ends. */
static void add(struct series *s, int64_t step, struct sample sample)
{
	struct samples samples = {.taken_ns = step * STEP_S * INT64_C(1000000000)};

	vec_push(&samples.v, sample);
	CHECK_OK(series_add(s, step, &samples));
	vec_fini(&samples.v);
}

static struct series *begin(void)
{
	struct series *s = NULL;

	CHECK_OK(series_open(&s, PATH));
	assert_non_null(s);
	return s;
}

static void check_value(double found, double expected)
{
	if (isnan(expected))
		assert_true(isnan(found));
	else
		assert_true(fabs(found - expected) < 1e-9);
}

static void a_counter_gives_its_rate(void **state)
{
	struct series *s = begin();

	add(s, T0, counter("rx", 1000));
	check_value(series_value(s, T0, 0), NAN);
	add(s, T0 + 1, counter("rx", 1500));
	check_value(series_value(s, T0 + 1, 0), 100);
	add(s, T0 + 2, counter("rx", 100)); /* it began anew */
	check_value(series_value(s, T0 + 2, 0), NAN);
	add(s, T0 + 3, counter("rx", 110));
	check_value(series_value(s, T0 + 3, 0), 2);
	check_value(series_raw(s, 0), 110);
	series_remove(s);
}

static void a_bound_holds(void **state)
{
	struct series *s = begin();
	struct sample cpu = counter("cpu0", 10);

	cpu.max = 1;
	add(s, T0, cpu);
	cpu.value = 15.1;
	add(s, T0 + 1, cpu);
	check_value(series_value(s, T0 + 1, 0), 1);
	series_remove(s);
}

static void a_row_is_kept_once(void **state)
{
	struct series *s = begin();

	add(s, T0, gauge("memory", 1));
	add(s, T0, gauge("memory", 2));
	add(s, T0 - 1, gauge("memory", 3));
	check_value(series_value(s, T0, 0), 1);
	check_value(series_value(s, T0 - 1, 0), NAN);
	assert_int_equal(series_last(s), T0);
	series_remove(s);
}

static void a_clock_that_is_set_back(void **state)
{
	struct series *s = begin();

	add(s, T0 + 1000000, counter("rx", 1));
	add(s, T0 + 1000001, counter("rx", 2));
	add(s, T0, counter("rx", 50));
	assert_int_equal(series_last(s), T0);
	check_value(series_value(s, T0 + 1000001, 0), NAN);
	check_value(series_value(s, T0, 0), NAN);
	add(s, T0 + 1, counter("rx", 100));
	check_value(series_value(s, T0 + 1, 0), 10);
	series_remove(s);
}

static void minutes_are_averages(void **state)
{
	struct series *s = begin();
	int64_t minute = T0 / STEPS_A_MINUTE;

	for (int64_t i = 1; i <= STEPS_A_MINUTE; i++)
		add(s, T0 + i, gauge("memory", (double)i));
	check_value(series_minute(s, minute + 1, 0), 6.5);
	check_value(series_minute(s, minute, 0), NAN);
	check_value(series_minute(s, minute + 2, 0), NAN);
	/* Of the next one too little is known of one column, and enough of the other. */
	for (int64_t i = 1; i <= STEPS_A_MINUTE; i++)
		add(s, T0 + STEPS_A_MINUTE + i,
			i <= 7 ? gauge("other", (double)i) : gauge("memory", 1));
	check_value(series_minute(s, minute + 2, 0), NAN);
	check_value(series_minute(s, minute + 2, 1), 4);
	series_remove(s);
}

static void a_short_gap_is_filled_and_a_long_one_not(void **state)
{
	struct series *s = begin();
	int64_t steps = HEARTBEAT_S / STEP_S;

	add(s, T0, counter("rx", 0));
	add(s, T0 + steps, counter("rx", (double)HEARTBEAT_S * 7));
	for (int64_t i = 1; i <= steps; i++)
		check_value(series_value(s, T0 + i, 0), 7);
	add(s, T0 + 2 * steps + 1, counter("rx", 1e6));
	for (int64_t i = steps + 1; i <= 2 * steps + 1; i++)
		check_value(series_value(s, T0 + i, 0), NAN);
	series_remove(s);
}

/* What a row shows after ones until BEFORE, nothing, and a two at LAST. */
static double expected_row(int64_t step, int64_t before, int64_t last)
{
	if (step == last)
		return 2;
	return step <= before && step > last - ROWS ? 1 : NAN;
}

static void check_gap(int64_t gap)
{
	struct series *s = begin();
	int64_t before = T0 + 3 * (int64_t)ROWS, last = before + gap;

	for (int64_t step = T0 + 1; step <= before; step++)
		add(s, step, gauge("memory", 1));
	add(s, last, gauge("memory", 2));
	for (int64_t step = last - 2 * ROWS; step <= last + 1; step++)
		check_value(series_value(s, step, 0), expected_row(step, before, last));
	int64_t minute = last / STEPS_A_MINUTE, whole = before / STEPS_A_MINUTE;
	for (int64_t m = minute - ROWS - 5; m <= minute + 1; m++) {
		bool is_known = m > T0 / STEPS_A_MINUTE && m <= whole && m > minute - ROWS;

		check_value(series_minute(s, m, 0), is_known ? 1 : NAN);
	}
	series_remove(s);
}

static void nothing_old_is_taken_for_new(void **state)
{
	static const int64_t gaps[] = {61, 119, 120, 121, 127, 200, 1439, 1440, 1441, 100000};

	for (size_t i = 0; i < ARRAY_LEN(gaps); i++)
		check_gap(gaps[i]);
}

static void what_was_kept_is_there_when_it_is_opened_again(void **state)
{
	struct series *s = begin();

	add(s, T0, counter("rx", 100));
	add(s, T0 + 1, counter("rx", 200));
	series_close(s);
	s = begin();
	assert_int_equal(series_n_columns(s), 1);
	assert_string_equal(series_column(s, 0)->name, "rx");
	check_value(series_value(s, T0 + 1, 0), 20);
	add(s, T0 + 2, counter("rx", 250));
	check_value(series_value(s, T0 + 2, 0), 10);
	series_remove(s);
}

static void columns_come_and_go(void **state)
{
	struct series *s = begin();
	char names[100][16];

	add(s, T0, gauge("first", 42));
	for (int i = 0; i < 100; i++) {
		snprintf(names[i], sizeof(names[i]), "c%d", i);
		add(s, T0 + 1 + i, gauge(names[i], i));
	}
	assert_int_equal(series_n_columns(s), 101);
	check_value(series_value(s, T0, 0), 42);
	check_value(series_value(s, T0 + 1, 0), NAN);
	for (int i = 0; i < 100; i++) {
		int at = series_find(s, names[i]);

		assert_int_equal(at, i + 1);
		check_value(series_value(s, T0 + 1 + i, (size_t)at), i);
		check_value(series_value(s, T0 + i, (size_t)at), NAN);
	}
	assert_int_equal(series_find(s, "none"), -1);
	series_close(s);
	s = begin();
	assert_int_equal(series_n_columns(s), 101);
	check_value(series_value(s, T0 + 100, 100), 99);
	series_remove(s);
}

static void there_is_a_limit(void **state)
{
	static char names[MAX_COLUMNS + 1][8];
	struct series *s = begin();
	struct samples samples = {.taken_ns = 1};

	for (size_t i = 0; i <= MAX_COLUMNS; i++) {
		snprintf(names[i], sizeof(names[i]), "c%zu", i);
		vec_push(&samples.v, gauge(names[i], 1));
	}
	CHECK_ERR(series_add(s, T0, &samples), LIMIT_EXCEEDED);
	samples.v.n = MAX_COLUMNS;
	CHECK_OK(series_add(s, T0, &samples));
	vec_fini(&samples.v);
	series_remove(s);
}

/* Every byte of its beginning, turned around: made anew or taken, but never more than that. */
static void a_damaged_file_is_made_anew(void **state)
{
	auto_str bytes = NULL;
	size_t n;
	struct series *s = begin();

	add(s, T0, gauge("memory", 1));
	series_close(s);
	assert_int_equal(file_read(PATH, 1 << 24, &bytes, &n), 0);
	for (size_t at = 0; at < 320; at++) {
		bytes[at] = (char)~bytes[at];
		assert_int_equal(file_write(PATH, bytes, n, 0600, 0), 0);
		bytes[at] = (char)~bytes[at];
		s = begin();
		for (size_t i = 0; i < series_n_columns(s); i++)
			series_value(s, series_last(s), i);
		series_close(s);
	}
	/* Whole, but with more columns than a sample has room for. */
	uint32_t capacity = 2 * MAX_COLUMNS, n_columns = capacity - 1;
	size_t a_column = sizeof(struct column) + 2 * ROWS * sizeof(double);
	size_t large = n + (capacity - 32) * a_column;
	auto_str many = xmalloc(large);
	memset(many, 0, large);
	memcpy(many, bytes, 12);
	memcpy(many + 12, &capacity, sizeof(capacity));
	memcpy(many + 16, &n_columns, sizeof(n_columns));
	assert_int_equal(file_write(PATH, many, large, 0600, 0), 0);
	s = begin();
	assert_int_equal(series_n_columns(s), 0);
	series_close(s);
	assert_int_equal(file_write(PATH, bytes, n - 1, 0600, 0), 0);
	s = begin();
	assert_int_equal(series_n_columns(s), 0);
	series_close(s);
	assert_int_equal(file_write(PATH, bytes, 10, 0600, 0), 0);
	series_remove(begin());
}

TEST_MAIN(IN_SCRATCH(a_counter_gives_its_rate), IN_SCRATCH(a_bound_holds),
	IN_SCRATCH(a_row_is_kept_once), IN_SCRATCH(a_clock_that_is_set_back),
	IN_SCRATCH(minutes_are_averages), IN_SCRATCH(a_short_gap_is_filled_and_a_long_one_not),
	IN_SCRATCH(nothing_old_is_taken_for_new),
	IN_SCRATCH(what_was_kept_is_there_when_it_is_opened_again), IN_SCRATCH(columns_come_and_go),
	IN_SCRATCH(there_is_a_limit), IN_SCRATCH(a_damaged_file_is_made_anew))
