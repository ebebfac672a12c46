/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xapid/api/vmss_time.c: what a schedule has to have, and when it was last due, in a zone that has
 * a summer time.
 */
#include "tests/unit/test.h"
#include "xapid/api/vmss.h"

#include "core.gen.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HOURLY XENAPI_VMSS_FREQUENCY_HOURLY
#define DAILY  XENAPI_VMSS_FREQUENCY_DAILY
#define WEEKLY XENAPI_VMSS_FREQUENCY_WEEKLY

/* On the clock on the wall. */
static int64_t at(int month, int day, int hour, int min)
{
	struct tm tm = {.tm_year = 130,
		.tm_mon = month - 1,
		.tm_mday = day,
		.tm_hour = hour,
		.tm_min = min,
		.tm_isdst = -1};

	return mktime(&tm);
}

static struct string_map map(struct string_map_entry *v, size_t n)
{
	return (struct string_map){v, n};
}

static void what_a_schedule_has(void **state)
{
	struct string_map_entry full[] = {
		{"min", "45"}, {"hour", "23"}, {"days", "monday,Sunday"}, {"more", "x"}};
	struct string_map schedule = map(full, 1);

	CHECK_OK(vmss_check_schedule(HOURLY, &schedule));
	CHECK_ERR(vmss_check_schedule(DAILY, &schedule), INVALID_VALUE);
	schedule.n = 2;
	CHECK_OK(vmss_check_schedule(DAILY, &schedule));
	CHECK_ERR(vmss_check_schedule(HOURLY, &schedule), INVALID_VALUE);
	CHECK_ERR(vmss_check_schedule(WEEKLY, &schedule), INVALID_VALUE);
	schedule.n = 3;
	CHECK_OK(vmss_check_schedule(WEEKLY, &schedule));
	schedule.n = 4;
	CHECK_ERR(vmss_check_schedule(WEEKLY, &schedule), INVALID_VALUE);
}

static void what_is_refused(void **state)
{
	static const struct string_map_entry bad[] = {{"min", "10"}, {"min", "60"}, {"min", "-15"},
		{"min", "x"}, {"min", ""}, {"hour", "24"}, {"hour", ""}, {"days", "Someday"},
		{"days", ""}, {"days", "Monday,"}};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct string_map_entry v[] = {{"min", "0"}, {"hour", "0"}, {"days", "Monday"}};
		const struct string_map schedule = map(v, 3);

		for (size_t j = 0; j < 3; j++)
			if (!strcmp(v[j].key, bad[i].key))
				v[j] = bad[i];
		CHECK_ERR(vmss_check_schedule(WEEKLY, &schedule), INVALID_VALUE);
	}
}

static void when_it_was_due(void **state)
{
	struct string_map_entry v[] = {{"min", "30"}, {"hour", "4"}, {"days", "Tuesday,Friday"}};
	struct xenapi_vmss vmss = {.frequency = HOURLY, .schedule = map(v, 1)};

	assert_int_equal(vmss_last_due(&vmss, at(1, 2, 10, 29)), at(1, 2, 9, 30));
	assert_int_equal(vmss_last_due(&vmss, at(1, 2, 10, 30)), at(1, 2, 10, 30));
	vmss.frequency = DAILY;
	vmss.schedule.n = 2;
	assert_int_equal(vmss_last_due(&vmss, at(1, 2, 4, 29)), at(1, 1, 4, 30));
	assert_int_equal(vmss_last_due(&vmss, at(1, 2, 4, 30)), at(1, 2, 4, 30));
	/* The 1st of January 2030 is a Tuesday. */
	vmss.frequency = WEEKLY;
	vmss.schedule.n = 3;
	assert_int_equal(vmss_last_due(&vmss, at(1, 1, 4, 30)), at(1, 1, 4, 30));
	assert_int_equal(vmss_last_due(&vmss, at(1, 1, 4, 29)), at(1, 1, 4, 30) - 4 * 86400);
	assert_int_equal(vmss_last_due(&vmss, at(1, 4, 4, 29)), at(1, 1, 4, 30));
	assert_int_equal(vmss_last_due(&vmss, at(1, 7, 12, 0)), at(1, 4, 4, 30));
	v[2].value = "Tuesday";
	assert_int_equal(vmss_last_due(&vmss, at(1, 8, 4, 29)), at(1, 1, 4, 30));
}

/* Clocks go forward on the 31st of March: the hour of the day stays. */
static void when_clocks_change(void **state)
{
	struct string_map_entry v[] = {{"min", "0"}, {"hour", "12"}};
	const struct xenapi_vmss vmss = {.frequency = DAILY, .schedule = map(v, 2)};

	assert_int_equal(vmss_last_due(&vmss, at(3, 31, 11, 0)), at(3, 30, 12, 0));
	assert_int_equal(vmss_last_due(&vmss, at(3, 31, 12, 0)), at(3, 30, 12, 0) + 23 * 3600);
}

static int set_zone(void **state)
{
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	return 0;
}

TEST_MAIN(cmocka_unit_test_setup(what_a_schedule_has, set_zone), TEST(what_is_refused),
	TEST(when_it_was_due), TEST(when_clocks_change))
