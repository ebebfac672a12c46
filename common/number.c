/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Numbers as text (number.h). Most doubles on a wire are short decimals; those are converted with
 * exact integer arithmetic, and the C library does the rest in the C locale.
 */
#include "common/number.h"

#include "common/mem.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* Powers of ten that a double holds exactly. */
static const double exact_power[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
#define EXACT_INTEGER 9007199254740992 /* 2^53: integers up to here are exact as doubles */

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
				  "25262728293031323334353637383940414243444546474849"
				  "50515253545556575859606162636465666768697071727374"
				  "75767778798081828384858687888990919293949596979899";

/* Writes the digits of V so that they end before END; returns where they begin. */
static char *digits_before(uint64_t v, char *end)
{
	while (v >= 100) {
		end -= 2;
		memcpy(end, digit_pairs + v % 100 * 2, 2);
		v /= 100;
	}
	if (v >= 10) {
		end -= 2;
		memcpy(end, digit_pairs + v * 2, 2);
	} else {
		*--end = (char)('0' + v);
	}
	return end;
}

size_t number_put_int(int64_t v, char *out)
{
	char text[NUMBER_INT_SIZE];
	char *end = text + sizeof(text);
	char *start = digits_before(v < 0 ? -(uint64_t)v : (uint64_t)v, end);

	if (v < 0)
		*--start = '-';
	memcpy(out, start, (size_t)(end - start));
	return (size_t)(end - start);
}

static pthread_once_t locale_once = PTHREAD_ONCE_INIT;
static locale_t c_locale;

static void make_c_locale(void)
{
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (!c_locale)
		abort();
}

static locale_t the_c_locale(void)
{
	pthread_once(&locale_once, make_c_locale);
	return c_locale;
}

/* "0.25" for V = 0.25: when V is a decimal of few digits. 0: it is none. */
static size_t put_short_decimal(double v, char *out)
{
	double size = fabs(v);

	if (size >= 1e15 || (size < 1e-5 && size != 0))
		return 0;
	for (unsigned places = 1; places <= 6; places++) {
		double scaled = size * exact_power[places];

		if (scaled >= EXACT_INTEGER)
			return 0;
		uint64_t whole = (uint64_t)scaled;
		/* A quotient of two exact integers is rounded as the text would be. */
		if ((double)whole != scaled || (double)whole / exact_power[places] != size)
			continue;
		char text[NUMBER_DOUBLE_SIZE];
		char *end = text + sizeof(text);
		char *start = digits_before(whole, end);
		while (end - start <= (int)places)
			*--start = '0';
		char *o = out;
		if (signbit(v))
			*o++ = '-';
		size_t before = (size_t)(end - start) - places;
		memcpy(o, start, before);
		o[before] = '.';
		memcpy(o + before + 1, start + before, places);
		return (size_t)(o - out) + before + 1 + places;
	}
	return 0;
}

size_t number_put_double(double v, char *out)
{
	size_t len = put_short_decimal(v, out);

	if (len)
		return len;
	char text[NUMBER_DOUBLE_SIZE];
	locale_t theirs = uselocale(the_c_locale());
	for (int precision = 15; precision <= 17; precision++) {
		len = (size_t)snprintf(text, sizeof(text), "%.*g", precision, v);
		if (strtod(text, NULL) == v)
			break;
	}
	uselocale(theirs);
	if (!strpbrk(text, ".e")) {
		memcpy(text + len, ".0", 2);
		len += 2;
	}
	memcpy(out, text, len);
	return len;
}

bool number_read_int(const char *text, size_t len, int64_t *out)
{
	bool is_negative = len && text[0] == '-';
	uint64_t v = 0;

	if (len == is_negative)
		return false;
	for (size_t i = is_negative; i < len; i++) {
		unsigned digit = (unsigned)(text[i] - '0');

		if (digit > 9 || __builtin_mul_overflow(v, 10, &v) ||
			__builtin_add_overflow(v, digit, &v))
			return false;
	}
	if (v > (uint64_t)INT64_MAX + is_negative)
		return false;
	*out = (int64_t)(is_negative ? -v : v);
	return true;
}

/* A number of at most 19 digits as MANTISSA * 10^EXPONENT; false when it is longer. */
static bool take_apart(const char *p, const char *end, uint64_t *mantissa, int *exponent)
{
	int digits = 0, scale = 0;
	uint64_t m = 0;
	bool in_fraction = false;

	for (; p < end && *p != 'e' && *p != 'E'; p++) {
		if (*p == '.') {
			in_fraction = true;
			continue;
		}
		if ((m || *p != '0') && ++digits > 19)
			return false;
		m = m * 10 + (uint64_t)(*p - '0');
		scale -= in_fraction;
	}
	if (p < end) {
		int64_t written;

		p += p[1] == '+' ? 2 : 1;
		if (!number_read_int(p, (size_t)(end - p), &written) || written < -400 ||
			written > 400)
			return false;
		scale += (int)written;
	}
	*mantissa = m;
	*exponent = scale;
	return true;
}

static bool read_any_double(const char *text, size_t len, double *out)
{
	char small[64];
	auto_str large = len < sizeof(small) ? NULL : xmalloc(len + 1);
	char *copy = large ? large : small;

	memcpy(copy, text, len);
	copy[len] = '\0';
	double v = strtod_l(copy, NULL, the_c_locale());
	if (isinf(v))
		return false;
	*out = v;
	return true;
}

bool number_read_double(const char *text, size_t len, double *out)
{
	bool is_negative = text[0] == '-';
	uint64_t mantissa;
	int exponent;

	if (FLT_EVAL_METHOD != 0 ||
		!take_apart(text + is_negative, text + len, &mantissa, &exponent) ||
		mantissa > EXACT_INTEGER || exponent < -22 || exponent > 22)
		return read_any_double(text, len, out);
	/* Both operands are exact, so the one operation rounds correctly. */
	double v = exponent < 0 ? (double)mantissa / exact_power[-exponent]
				: (double)mantissa * exact_power[exponent];
	*out = is_negative ? -v : v;
	return true;
}

bool number_read_loose(const char *text, double *out)
{
	char *end;

	/* No hexadecimal, no "nan(…)". */
	if (strpbrk(text, "xXpP("))
		return false;
	double v = strtod_l(text, &end, the_c_locale());
	if (end == text || end[strspn(end, " \t\r\n")])
		return false;
	if (isinf(v) && !strpbrk(text, "iI"))
		return false;
	*out = v;
	return true;
}
