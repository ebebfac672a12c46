/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Points in time as text (datetime.h), by arithmetic on days: the C library's own functions know
 * a time zone and a locale.
 */
#include "common/datetime.h"

#include <string.h>

#define DAY 86400

/* Days from 1970-01-01; months count from March, so that the leap day comes last. */
static int64_t days_of(int64_t year, int month, int day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t of_era = year - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

struct date {
	int year, month, day;
};

static struct date date_of(int64_t days)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t of_era = days - era * 146097;
	int64_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * years + years / 4 - years / 100);
	int64_t month = (5 * of_year + 2) / 153;
	struct date d = {.day = (int)(of_year - (153 * month + 2) / 5 + 1),
		.month = (int)(month < 10 ? month + 3 : month - 9)};

	d.year = (int)(years + era * 400 + (d.month <= 2));
	return d;
}

static char *put_digits(char *at, int n, unsigned v)
{
	for (int i = n; i--; v /= 10)
		at[i] = (char)('0' + v % 10);
	return at + n;
}

static char *put(int64_t seconds, bool has_dashes, char out[DATETIME_SIZE])
{
	if (seconds < DATETIME_MIN)
		seconds = DATETIME_MIN;
	if (seconds > DATETIME_MAX)
		seconds = DATETIME_MAX;
	int64_t days = seconds / DAY - (seconds % DAY < 0);
	unsigned rest = (unsigned)(seconds - days * DAY);
	struct date d = date_of(days);
	char *at = put_digits(out, 4, (unsigned)d.year);

	if (has_dashes)
		*at++ = '-';
	at = put_digits(at, 2, (unsigned)d.month);
	if (has_dashes)
		*at++ = '-';
	at = put_digits(at, 2, (unsigned)d.day);
	*at++ = 'T';
	at = put_digits(at, 2, rest / 3600);
	*at++ = ':';
	at = put_digits(at, 2, rest / 60 % 60);
	*at++ = ':';
	at = put_digits(at, 2, rest % 60);
	memcpy(at, "Z", 2);
	return out;
}

char *datetime_put(int64_t seconds, char out[DATETIME_SIZE])
{
	return put(seconds, true, out);
}

char *datetime_put_basic(int64_t seconds, char out[DATETIME_SIZE])
{
	return put(seconds, false, out);
}

/* What is left to be read. */
struct text {
	const char *at, *end;
};

static bool take_char(struct text *t, char c)
{
	if (t->at == t->end || *t->at != c)
		return false;
	t->at++;
	return true;
}

/* Exactly N digits that give LOW to HIGH. */
static bool take_number(struct text *t, int n, int low, int high, int *out)
{
	int v = 0;

	for (int i = 0; i < n; i++, t->at++) {
		if (t->at == t->end || *t->at < '0' || *t->at > '9')
			return false;
		v = v * 10 + (*t->at - '0');
	}
	*out = v;
	return v >= low && v <= high;
}

static int days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && is_leap);
}

static bool take_date(struct text *t, struct date *d)
{
	if (!take_number(t, 4, 0, 9999, &d->year))
		return false;
	bool is_extended = take_char(t, '-');
	return take_number(t, 2, 1, 12, &d->month) && (!is_extended || take_char(t, '-')) &&
		take_number(t, 2, 1, days_in_month(d->year, d->month), &d->day);
}

/* 60 is a leap second; it becomes the first second of the next minute. */
static bool take_time(struct text *t, int *seconds)
{
	int hour, minute, second;

	if (!take_number(t, 2, 0, 23, &hour) || !take_char(t, ':') ||
		!take_number(t, 2, 0, 59, &minute) || !take_char(t, ':') ||
		!take_number(t, 2, 0, 60, &second))
		return false;
	if (take_char(t, '.')) {
		const char *from = t->at;

		while (t->at < t->end && *t->at >= '0' && *t->at <= '9')
			t->at++;
		if (t->at == from)
			return false;
	}
	*seconds = hour * 3600 + minute * 60 + second;
	return true;
}

static bool take_offset(struct text *t, int *seconds)
{
	int hour, minute, sign = 1;

	*seconds = 0;
	if (t->at == t->end || take_char(t, 'Z'))
		return true;
	if (take_char(t, '-'))
		sign = -1;
	else if (!take_char(t, '+'))
		return false;
	if (!take_number(t, 2, 0, 23, &hour))
		return false;
	take_char(t, ':');
	if (!take_number(t, 2, 0, 59, &minute))
		return false;
	*seconds = sign * (hour * 3600 + minute * 60);
	return true;
}

bool datetime_read(const char *text, size_t len, int64_t *out)
{
	struct text t = {text, text + len};
	struct date d;
	int seconds, offset;

	if (!take_date(&t, &d) || !take_char(&t, 'T') || !take_time(&t, &seconds) ||
		!take_offset(&t, &offset) || t.at != t.end)
		return false;
	int64_t v = days_of(d.year, d.month, d.day) * DAY + seconds - offset;
	if (v < DATETIME_MIN || v > DATETIME_MAX)
		return false;
	*out = v;
	return true;
}
