/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * UTF-8 for what people read (utf8.h). Pure functions, for every thread.
 */
#include "common/utf8.h"

#include <stdio.h>
#include <string.h>

/* How many bytes a character with this first byte has; 0: none starts so. */
static size_t length_by_first(unsigned char c)
{
	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c < 0xe0)
		return 2;
	if (c >= 0xe0 && c < 0xf0)
		return 3;
	if (c >= 0xf0 && c < 0xf5)
		return 4;
	return 0;
}

size_t utf8_decode(const char *s, size_t n, uint32_t *out)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	static const unsigned char first_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};

	if (!n)
		return 0;
	unsigned char first = (unsigned char)s[0];
	size_t len = length_by_first(first);
	if (!len || len > n)
		return 0;
	uint32_t c = first & first_mask[len];
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[len] || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
		return 0;
	*out = c;
	return len;
}

size_t utf8_encode(uint32_t c, char *out)
{
	static const unsigned char first_mark[] = {0, 0, 0xc0, 0xe0, 0xf0};
	size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (size_t i = len - 1; i; i--) {
		out[i] = (char)(0x80 | (c & 0x3f));
		c >>= 6;
	}
	out[0] = (char)(first_mark[len] | c);
	return len;
}

bool utf8_is_valid(const char *s, size_t n)
{
	uint32_t c;

	for (size_t len; n; s += len, n -= len) {
		len = utf8_decode(s, n, &c);
		if (!len)
			return false;
	}
	return true;
}

static bool fits_xml(uint32_t c)
{
	return c >= ' ' ? c != 0xfffe && c != 0xffff : c == '\t' || c == '\n' || c == '\r';
}

bool utf8_fits_xml(const char *s, size_t n)
{
	uint32_t c;

	for (size_t len; n; s += len, n -= len) {
		len = utf8_decode(s, n, &c);
		if (!len || !fits_xml(c))
			return false;
	}
	return true;
}

bool utf8_is_plain(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} odd[] = {
		{0x00, 0x1f}, /* C0 */
		{0x7f, 0x9f}, /* DEL, C1 */
		{0xad, 0xad}, /* soft hyphen */
		{0x61c, 0x61c}, /* Arabic letter mark */
		{0x180e, 0x180e}, {0x200b, 0x200f}, /* zero width, direction marks */
		{0x2028, 0x202e}, /* line and paragraph separator, embeddings and overrides */
		{0x2060, 0x206f}, /* isolates, invisible operators */
		{0xfeff, 0xfeff}, /* byte order mark */
		{0xfff9, 0xfffb}, /* annotations */
		{0xe0000, 0xe007f}, /* tags */
	};

	for (size_t i = 0; i < ARRAY_LEN(odd); i++)
		if (c >= odd[i].first && c <= odd[i].last)
			return false;
	return true;
}

/* The escape of what stands at S into BUF (of 16 bytes); how many of S's bytes it stands for. */
static size_t escape_one(char *buf, const char *s, size_t n)
{
	uint32_t c;
	size_t len = utf8_decode(s, n, &c);

	if (!len) {
		snprintf(buf, 16, "\\x%02x", (unsigned char)s[0]);
		return 1;
	}
	if (c == '\n' || c == '\r' || c == '\t' || c == '\\') {
		snprintf(buf, 16, "\\%c",
			c == '\n'           ? 'n'
				: c == '\r' ? 'r'
				: c == '\t' ? 't'
					    : '\\');
	} else if (utf8_is_plain(c)) {
		memcpy(buf, s, len);
		buf[len] = '\0';
	} else {
		snprintf(buf, 16, "\\u{%x}", c);
	}
	return len;
}

/* How many of the N bytes at S are ASCII that is shown as itself. */
static size_t plain_run(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && s[i] >= ' ' && s[i] < 0x7f && s[i] != '\\')
		i++;
	return i;
}

size_t utf8_escape(char *out, size_t size, const char *s, size_t n, size_t *used)
{
	size_t written = 0, at = 0;
	char one[16];

	while (at < n) {
		size_t room = size - written;
		size_t run = plain_run(s + at, n - at < room ? n - at : room);
		memcpy(out + written, s + at, run);
		written += run;
		at += run;
		if (at == n)
			break;
		size_t taken = escape_one(one, s + at, n - at);
		size_t len = strlen(one);

		if (len > size - written)
			break;
		memcpy(out + written, one, len);
		written += len;
		at += taken;
	}
	*used = at;
	return written;
}
