/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inner loop of JSON strings, both ways: how far a run of bytes goes that stand for themselves.
 * SSE2 is part of every x86-64; elsewhere eight bytes are looked at together.
 */
#ifndef XENITH_COMMON_JSON_SCAN_H
#define XENITH_COMMON_JSON_SCAN_H

#include "common/dialect.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* ASCII, no control character, no quote, no backslash. */
static inline bool json_is_plain(char c)
{
	return (signed char)c >= 0x20 && c != '"' && c != '\\';
}

/* The bits 0x80 of the bytes of W that are not plain. */
static inline uint64_t json_not_plain(uint64_t w)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = ones * 0x80;
	uint64_t quote = w ^ ones * '"', backslash = w ^ ones * '\\';

	/* Borrows may mark a byte above a marked one wrongly: the first mark is always right. */
	return (w | (w - ones * 0x20) | (quote - ones) | (backslash - ones)) & high;
}

#ifdef __SSE2__
/* A bit for each of the 16 bytes at P that is not plain. */
static inline unsigned json_odd_bytes(const char *p)
{
	__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
	/* Compared with sign, bytes from 0x80 on are below the space too. */
	__m128i odd = _mm_cmplt_epi8(x, _mm_set1_epi8(0x20));

	odd = _mm_or_si128(odd, _mm_cmpeq_epi8(x, _mm_set1_epi8('"')));
	odd = _mm_or_si128(odd, _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')));
	return (unsigned)_mm_movemask_epi8(odd);
}
#endif

/* The first byte from P on that is not plain; END when all are. */
static inline const char *json_scan(const char *p, const char *end)
{
#ifdef __SSE2__
	if (end - p >= 16) {
		unsigned odd = 0;

		while (end - p > 16 && !(odd = json_odd_bytes(p)))
			p += 16;
		if (!odd) {
			p = end - 16; /* perhaps some bytes once more */
			odd = json_odd_bytes(p);
		}
		return odd ? p + __builtin_ctz(odd) : end;
	}
#endif
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	for (; end - p >= 8; p += 8) {
		uint64_t w;

		memcpy(&w, p, sizeof(w));
		uint64_t hits = json_not_plain(w);
		if (hits)
			return p + __builtin_ctzll(hits) / 8;
	}
#endif
	while (p < end && json_is_plain(*p))
		p++;
	return p;
}

#endif
