/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * UTF-8 for what people read: decoding, and escaping of all that could deceive a terminal or the
 * reader of a log. Pure functions, for every thread.
 */
#ifndef XENITH_COMMON_UTF8_H
#define XENITH_COMMON_UTF8_H

#include "common/dialect.h"

/* The character at the start of the N bytes at S: how many bytes it takes (OUT: its code point), or
 * 0 where the bytes are not UTF-8 (truncated, overlong, a surrogate, above U+10FFFF) or N is 0. */
size_t utf8_decode(const char *s, size_t n, uint32_t *out);
bool utf8_is_valid(const char *s, size_t n);

/* Whether XML 1.0 can carry the text: it has no way to write most control characters. */
bool utf8_fits_xml(const char *s, size_t n);

/* The character that stands for what cannot be shown, U+FFFD. */
#define UTF8_REPLACEMENT "\xEF\xBF\xBD"

/* Writes the character C (a valid code point) to OUT, at most 4 bytes; returns how many. */
size_t utf8_encode(uint32_t c, char *out);

/* Whether a character is shown as itself: no control character, line separator, direction mark or
 * other invisible one. */
bool utf8_is_plain(uint32_t code_point);

/*
 * Writes the N bytes at S to OUT, on one line and harmless: \n \r \t \\, \xHH for a byte that is
 * not UTF-8, \u{H…} for a character that is not plain. Writes at most SIZE bytes (no NUL), never
 * part of a character or escape. Returns how many were written; *USED: how many of the N these
 * stand for.
 */
size_t utf8_escape(char *out, size_t size, const char *s, size_t n, size_t *used);

#endif
