/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Base64 (base64.h): four characters for three bytes.
 */
#include "common/base64.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *bytes, size_t n, char *out)
{
	const unsigned char *b = bytes;

	for (; n; out += 4) {
		uint32_t group = (uint32_t)b[0] << 16;

		if (n > 1)
			group |= (uint32_t)b[1] << 8;
		if (n > 2)
			group |= b[2];
		out[0] = alphabet[group >> 18];
		out[1] = alphabet[group >> 12 & 63];
		out[2] = n > 1 ? alphabet[group >> 6 & 63] : '=';
		out[3] = n > 2 ? alphabet[group & 63] : '=';
		b += n > 2 ? 3 : n;
		n -= n > 2 ? 3 : n;
	}
}

/* The six bits that C stands for; -1: it is no character of base64. */
static int six_bits(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

bool base64_decode(const char *text, size_t len, unsigned char *out, size_t *n)
{
	unsigned char *o = out;
	uint32_t group = 0;
	unsigned filled = 0, padding = 0; /* characters of this group */

	for (size_t i = 0; i < len; i++) {
		if (is_space(text[i]))
			continue;
		int bits = six_bits(text[i]);
		if (text[i] == '=' && filled + padding >= 2 && filled + padding < 4 && filled)
			padding++;
		else if (bits >= 0 && !padding)
			group = group << 6 | (uint32_t)bits, filled++;
		else
			return false;
		if (filled == 4) {
			*o++ = (unsigned char)(group >> 16);
			*o++ = (unsigned char)(group >> 8);
			*o++ = (unsigned char)group;
			group = 0;
			filled = 0;
		}
	}
	if (filled + padding != 0 && filled + padding != 4)
		return false;
	if (filled == 3) {
		if (group & 3)
			return false;
		*o++ = (unsigned char)(group >> 10);
		*o++ = (unsigned char)(group >> 2);
	} else if (filled == 2) {
		if (group & 15)
			return false;
		*o++ = (unsigned char)(group >> 4);
	}
	*n = (size_t)(o - out);
	return true;
}
