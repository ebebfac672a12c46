/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * UUIDs and random bytes (uuid.h). For every thread.
 */
#include "common/uuid.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

/* Where the hyphens stand in the text form. */
static bool is_hyphen_place(size_t i)
{
	return i == 8 || i == 13 || i == 18 || i == 23;
}

void random_bytes(void *out, size_t n)
{
	unsigned char *at = out;

	while (n) {
		ssize_t got = getrandom(at, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		/* Without random bytes nothing that follows is safe. */
		if (got <= 0)
			abort();
		at += got;
		n -= (size_t)got;
	}
}

struct uuid uuid_random(void)
{
	struct uuid u;

	random_bytes(u.bytes, sizeof(u.bytes));
	u.bytes[6] = (unsigned char)((u.bytes[6] & 0x0f) | 0x40);
	u.bytes[8] = (unsigned char)((u.bytes[8] & 0x3f) | 0x80);
	return u;
}

char *uuid_to_text(const struct uuid *u, char out[static UUID_TEXT_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	size_t at = 0;

	for (size_t i = 0; i < sizeof(u->bytes); i++) {
		if (is_hyphen_place(at))
			out[at++] = '-';
		out[at++] = digits[u->bytes[i] >> 4];
		out[at++] = digits[u->bytes[i] & 15];
	}
	out[at] = '\0';
	return out;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int uuid_from_text(struct uuid *out, const char *text)
{
	struct uuid u = {0};
	size_t n = 0; /* digits so far */

	if (strnlen(text, UUID_TEXT_SIZE) != UUID_TEXT_SIZE - 1)
		return -EINVAL;
	for (size_t i = 0; i < UUID_TEXT_SIZE - 1; i++) {
		if (is_hyphen_place(i)) {
			if (text[i] != '-')
				return -EINVAL;
			continue;
		}
		int value = digit_value(text[i]);
		if (value < 0)
			return -EINVAL;
		u.bytes[n / 2] = (unsigned char)(u.bytes[n / 2] << 4 | value);
		n++;
	}
	*out = u;
	return 0;
}

char *uuid_random_text(char out[static UUID_TEXT_SIZE])
{
	struct uuid u = uuid_random();

	return uuid_to_text(&u, out);
}

bool uuid_is_nil(const struct uuid *u)
{
	return uuid_is_equal(u, &(struct uuid){0});
}

bool uuid_is_equal(const struct uuid *a, const struct uuid *b)
{
	return !memcmp(a, b, sizeof(*a));
}
