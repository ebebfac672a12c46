/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rrdd/rrd_file.c: minutes become hours and days, columns are added, and what was fed is there
 * still. Skipped where there is no librrd.
 */
#include "tests/unit/common/scratch.h"
#include "tests/unit/test.h"

#if __has_include(<rrd.h>)

#include "rrdd/rrd_file.c"

#define T0 (INT64_C(20000) * DAY_S)

static const char *const two[] = {"cpu0", "vbd_xvda_read_latency_and_more"};
static const char *const three[] = {
	"cpu0", "vbd_xvda_read_latency_and_other", "vbd_xvda_read_latency_and_more"};

/* N minutes behind AFTER_S, whose columns hold VALUE, VALUE + 1, … */
static void feed(int64_t after_s, size_t n, const char *const *names, size_t n_names, double value)
{
	struct table t = {.first_s = after_s + MINUTE_S,
		.row_s = MINUTE_S,
		.n_rows = n,
		.n_columns = n_names,
		.names = names};

	t.values = xcalloc(n * n_names, sizeof(double));
	for (size_t i = 0; i < n * n_names; i++)
		t.values[i] = value + (double)(i % n_names);
	CHECK_OK(rrd_file_feed("a.rrd", &t));
	table_fini(&t);
}

static double fetch(int64_t row_s, int64_t at_s, const char *name)
{
	struct table t;

	CHECK_OK(rrd_file_fetch("a.rrd", row_s, at_s - row_s, at_s, &name, 1, &t));
	assert_int_equal(t.n_rows, 1);
	assert_int_equal(t.first_s, at_s);
	double v = t.values[0];
	table_fini(&t);
	return v;
}

static bool is(double found, double expected)
{
	return fabs(found - expected) < 1e-9;
}

static void minutes_become_hours_and_days(void **state)
{
	int64_t last;

	CHECK_OK(rrd_file_last("a.rrd", &last));
	assert_int_equal(last, 0);
	assert_true(isnan(fetch(HOUR_S, T0, "cpu0")));
	for (int64_t i = 0; i < 24; i++)
		feed(T0 + i * HOUR_S, 60, two, 2, (double)i);
	CHECK_OK(rrd_file_last("a.rrd", &last));
	assert_int_equal(last, T0 + DAY_S);
	for (int64_t i = 0; i < 24; i++) {
		assert_true(is(fetch(HOUR_S, T0 + (i + 1) * HOUR_S, two[0]), (double)i));
		assert_true(is(fetch(HOUR_S, T0 + (i + 1) * HOUR_S, two[1]), (double)i + 1));
	}
	assert_true(is(fetch(DAY_S, T0 + DAY_S, two[0]), 11.5));
	assert_true(isnan(fetch(DAY_S, T0 + DAY_S, "none")));
	assert_true(isnan(fetch(DAY_S, T0, two[0])));
}

static void a_column_is_dropped(void **state)
{
	CHECK_OK(rrd_file_drop("a.rrd", two[0]));
	feed(T0, 60, two, 2, 5);
	CHECK_OK(rrd_file_drop("a.rrd", "none"));
	CHECK_OK(rrd_file_drop("a.rrd", two[0]));
	assert_true(isnan(fetch(HOUR_S, T0 + HOUR_S, two[0])));
	assert_true(is(fetch(HOUR_S, T0 + HOUR_S, two[1]), 6));
	feed(T0 + HOUR_S, 60, two, 2, 7);
	assert_true(isnan(fetch(HOUR_S, T0 + HOUR_S, two[0])));
	assert_true(is(fetch(HOUR_S, T0 + 2 * HOUR_S, two[0]), 7));
	CHECK_OK(rrd_file_drop("a.rrd", two[0]));
	CHECK_OK(rrd_file_drop("a.rrd", two[1]));
	assert_int_equal(access("a.rrd", F_OK), -1);
}

static void columns_are_added(void **state)
{
	feed(T0, 60, two, 2, 5);
	feed(T0 + HOUR_S, 60, three, 3, 7);
	assert_true(is(fetch(HOUR_S, T0 + HOUR_S, three[0]), 5));
	assert_true(isnan(fetch(HOUR_S, T0 + HOUR_S, three[1])));
	assert_true(is(fetch(HOUR_S, T0 + HOUR_S, three[2]), 6));
	assert_true(is(fetch(HOUR_S, T0 + 2 * HOUR_S, three[0]), 7));
	assert_true(is(fetch(HOUR_S, T0 + 2 * HOUR_S, three[1]), 8));
	assert_true(is(fetch(HOUR_S, T0 + 2 * HOUR_S, three[2]), 9));
}

static void what_is_no_archive_is_an_error(void **state)
{
	int64_t last;
	struct table t = {.first_s = T0, .row_s = MINUTE_S, .n_rows = 1, .n_columns = 1};
	double value = 1;

	t.names = two;
	t.values = &value;
	put("a.rrd", "no archive");
	CHECK_ERR(rrd_file_last("a.rrd", &last), Archive_failed);
	CHECK_ERR(rrd_file_feed("a.rrd", &t), Archive_failed);
	CHECK_ERR(rrd_file_fetch("a.rrd", HOUR_S, T0, T0 + HOUR_S, two, 1, &t), Archive_failed);
	check_says("a.rrd", "no archive");
}

TEST_MAIN(IN_SCRATCH(minutes_become_hours_and_days), IN_SCRATCH(a_column_is_dropped),
	IN_SCRATCH(columns_are_added), IN_SCRATCH(what_is_no_archive_is_an_error))

#else

static void archives(void **state)
{
	SKIP("there is no librrd");
}

TEST_MAIN(IN_SCRATCH(archives))

#endif
