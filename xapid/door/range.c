/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One range of bytes (range.h): "bytes=0-99", "bytes=100-", "bytes=-100". Several at once, and
 * those that hold only for what has not changed, get everything, as RFC 9110 lets a server do.
 */
#include "xapid/door/range.h"

#include "common/number.h"

#include <string.h>

#define UNIT "bytes="

static bool read_count(const char *text, size_t len, uint64_t *out)
{
	int64_t v;

	if (strspn(text, "0123456789") < len || !number_read_int(text, len, &v))
		return false;
	*out = (uint64_t)v;
	return true;
}

/* The last N bytes. */
static enum range tail(const char *text, uint64_t size, uint64_t *first, uint64_t *n)
{
	if (!read_count(text, strlen(text), n))
		return RANGE_ALL;
	if (!*n || !size)
		return RANGE_BEYOND;
	*n = *n < size ? *n : size;
	*first = size - *n;
	return RANGE_PART;
}

enum range range_wanted(const struct http_request *r, uint64_t size, uint64_t *first, uint64_t *n)
{
	const char *text = http_header(r, "range");
	uint64_t last;

	if (!text || strncmp(text, UNIT, strlen(UNIT)) != 0 || http_header(r, "if-range") ||
		strcmp(r->method, "GET") != 0)
		return RANGE_ALL;
	text += strlen(UNIT);
	const char *dash = strchr(text, '-');
	if (!dash)
		return RANGE_ALL;
	if (dash == text)
		return tail(dash + 1, size, first, n);
	if (!read_count(text, (size_t)(dash - text), first))
		return RANGE_ALL;
	if (!dash[1])
		last = UINT64_MAX;
	else if (!read_count(dash + 1, strlen(dash + 1), &last) || last < *first)
		return RANGE_ALL;
	if (*first >= size)
		return RANGE_BEYOND;
	*n = (last < size ? last + 1 : size) - *first;
	return RANGE_PART;
}
