/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Base64 (RFC 4648, the usual alphabet, padded). Any thread.
 */
#ifndef XENITH_COMMON_BASE64_H
#define XENITH_COMMON_BASE64_H

#include "common/dialect.h"

static inline size_t base64_encoded_size(size_t n)
{
	return (n + 2) / 3 * 4;
}

/* Writes base64_encoded_size(n) characters to OUT, no NUL. */
void base64_encode(const void *bytes, size_t n, char *out);

/* How many bytes OUT needs for LEN characters, at most. */
static inline size_t base64_decoded_size(size_t len)
{
	return len / 4 * 3 + 3;
}

/* Decodes TEXT, in which white space is passed over; false: it is not base64. One text has one
 * form: padding is there, and no bits are set behind the last byte. */
bool base64_decode(const char *text, size_t len, unsigned char *out, size_t *n);

#endif
