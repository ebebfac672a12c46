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
static inline __m128i json_load(const char *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline void json_store(char *p, __m128i x)
{
	_mm_storeu_si128((__m128i *)(void *)p, x);
}

/* The highest bit of each of the bytes that is not plain, and of no other. */
static inline __m128i json_odd(__m128i x)
{
	/* With sign, bytes from 0x80 on are below the space too. */
	__m128i below_space = _mm_subs_epi8(x, _mm_set1_epi8(0x20));
	__m128i quote = _mm_cmpeq_epi8(x, _mm_set1_epi8('"'));

	return _mm_or_si128(
		_mm_or_si128(below_space, quote), _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')));
}

/* The highest bits of the bytes of X. */
static inline unsigned json_bits(__m128i x)
{
	return (unsigned)_mm_movemask_epi8(x);
}
#endif

/*
 * The first byte from P on that is not plain; END when all are. OUT, where there is room for all of
 * them, gets the bytes before it (and some behind); NULL: nothing is copied.
 */
static inline __attribute__((__always_inline__)) const char *json_copy_plain(
	const char *p, const char *end, char *out)
{
#ifdef __SSE2__
	if (end - p >= 16) {
		const char *last = end - 16;
		char *out_last = out ? out + (last - p) : NULL;

		for (; end - p >= 32; p += 32) {
			__m128i x = json_load(p), y = json_load(p + 16);
			__m128i odd_x = json_odd(x), odd_y = json_odd(y);

			if (out) {
				json_store(out, x);
				json_store(out + 16, y);
				out += 32;
			}
			if (json_bits(_mm_or_si128(odd_x, odd_y)))
				return p + __builtin_ctz(json_bits(odd_x) | json_bits(odd_y) << 16);
		}
		while (p < end) {
			if (p > last) { /* some bytes once more */
				p = last;
				out = out_last;
			}
			__m128i x = json_load(p);
			unsigned odd = json_bits(json_odd(x));

			if (out) {
				json_store(out, x);
				out += 16;
			}
			if (odd)
				return p + __builtin_ctz(odd);
			p += 16;
		}
		return end;
	}
#endif
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	for (; end - p >= 8; p += 8) {
		uint64_t w;

		memcpy(&w, p, sizeof(w));
		uint64_t hits = json_not_plain(w);
		if (out) {
			memcpy(out, &w, sizeof(w));
			out += 8;
		}
		if (hits)
			return p + __builtin_ctzll(hits) / 8;
	}
#endif
	for (; p < end && json_is_plain(*p); p++)
		if (out)
			*out++ = *p;
	return p;
}

static inline const char *json_scan(const char *p, const char *end)
{
	return json_copy_plain(p, end, NULL);
}

#endif
