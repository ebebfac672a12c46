/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the schedule of a VMSS says (vmss.h): "min", a quarter of an hour, for every hour; "hour" too
 * for every day; "days", "Monday,Thursday", too for every week.
 */
#include "common/mem.h"
#include "common/number.h"
#include "xapid/api/vmss.h"

#include "core.gen.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#define HOUR_S 3600

static const char *const days[] = {
	"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

/* The bits of the days in TEXT; 0: there is one that is none. */
static unsigned read_days(const char *text)
{
	auto_str copy = xstrdup(text);
	char *rest = copy, *word;
	unsigned set = 0;

	while ((word = strsep(&rest, ",")) != NULL) {
		size_t i = 0;

		while (i < ARRAY_LEN(days) && strcasecmp(days[i], word) != 0)
			i++;
		if (i == ARRAY_LEN(days))
			return 0;
		set |= 1U << i;
	}
	return set;
}

/* A whole number of the schedule; -1: it is none, or too large. */
static int64_t read_number(const struct string_map *schedule, const char *key, int64_t max)
{
	const char *text = string_map_get(schedule, key);
	int64_t v;

	if (!text || !number_read_int(text, strlen(text), &v) || v < 0 || v > max)
		return -1;
	return v;
}

struct err *vmss_check_schedule(
	enum xenapi_vmss_frequency frequency, const struct string_map *schedule)
{
	bool has_hour = frequency != XENAPI_VMSS_FREQUENCY_HOURLY;
	bool has_days = frequency == XENAPI_VMSS_FREQUENCY_WEEKLY;
	const char *listed = string_map_get(schedule, "days");
	int64_t min = read_number(schedule, "min", 59);

	for (size_t i = 0; i < schedule->n; i++) {
		const char *key = schedule->v[i].key;

		if (strcmp(key, "min") && !(has_hour && !strcmp(key, "hour")) &&
			!(has_days && !strcmp(key, "days")))
			return err(INVALID_VALUE, "schedule", key);
	}
	if (min < 0 || min % 15)
		return err(INVALID_VALUE, "schedule", "min");
	if (has_hour && read_number(schedule, "hour", 23) < 0)
		return err(INVALID_VALUE, "schedule", "hour");
	if (has_days && (!listed || !read_days(listed)))
		return err(INVALID_VALUE, "schedule", "days");
	return NULL;
}

/* DAYS ago, at this time of the day. */
static int64_t at(const struct tm *now, int days_ago, const struct string_map *schedule)
{
	struct tm then = *now;

	then.tm_mday -= days_ago;
	then.tm_hour = (int)read_number(schedule, "hour", 23);
	then.tm_min = (int)read_number(schedule, "min", 59);
	then.tm_sec = 0;
	then.tm_isdst = -1;
	return mktime(&then);
}

static int64_t last_of_hour(const struct tm *local, int64_t now, const struct string_map *schedule)
{
	int64_t begin = now - local->tm_min * 60 - local->tm_sec;
	int64_t due = begin + read_number(schedule, "min", 59) * 60;

	return due > now ? due - HOUR_S : due;
}

int64_t vmss_last_due(const struct xenapi_vmss *vmss, int64_t now)
{
	const char *listed = string_map_get(&vmss->schedule, "days");
	bool is_weekly = vmss->frequency == XENAPI_VMSS_FREQUENCY_WEEKLY;
	unsigned wanted = is_weekly && listed ? read_days(listed) : ~0U;
	time_t seconds = (time_t)now;
	struct tm local;

	localtime_r(&seconds, &local);
	if (vmss->frequency == XENAPI_VMSS_FREQUENCY_HOURLY)
		return last_of_hour(&local, now, &vmss->schedule);
	for (int ago = 0; ago <= 7; ago++) {
		int64_t due = at(&local, ago, &vmss->schedule);
		unsigned day = (unsigned)(local.tm_wday - ago + 7) % 7;

		if (due <= now && wanted & (1U << day))
			return due;
	}
	return 0;
}
