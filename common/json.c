/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The JSON reader (json.h); the writer is json_write.c. It stands on a byte of the text and never
 * looks behind its end. A problem is told once: the reader's end then moves to where it stands, so
 * that nothing more can be read.
 */
#include "common/json.h"

#include "common/json_scan.h"
#include "common/mem.h"
#include "common/number.h"
#include "common/utf8.h"

#include <stdlib.h>
#include <string.h>

static bool fail(struct json_reader *r, const char *problem)
{
	if (!r->problem)
		r->problem = problem;
	r->end = r->at;
	return false;
}

/* ---- depth, before anything is read ---- */

#ifdef __SSE2__
/* -1 in each of the bytes of X that is a bracket that opens: the two are one bit apart. */
static inline __m128i open_brackets(__m128i x)
{
	return _mm_cmpeq_epi8(_mm_or_si128(x, _mm_set1_epi8('[' ^ '{')), _mm_set1_epi8('{'));
}

static inline __m128i newlines(__m128i x)
{
	return _mm_cmpeq_epi8(x, _mm_set1_epi8('\n'));
}

static inline size_t sum_of_bytes(__m128i x)
{
	x = _mm_sad_epu8(x, _mm_setzero_si128());
	return (size_t)_mm_cvtsi128_si64(x) + (size_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(x, x));
}

/* By 32 bytes, of which there are that many; the last ones may be looked at twice. The sum counts
 * to 127 in each of sixteen places: more than enough to tell that it is too much. */
static const char *line_end_by_blocks(const char *p, const char *end, size_t *n_open)
{
	__m128i sum = _mm_setzero_si128();

	while (p < end) {
		if (end - p < 32)
			p = end - 32;
		__m128i x = json_load(p), y = json_load(p + 16);
		__m128i in_x = newlines(x), in_y = newlines(y);

		sum = _mm_subs_epi8(_mm_subs_epi8(sum, open_brackets(x)), open_brackets(y));
		if (json_bits(_mm_or_si128(in_x, in_y))) {
			end = p + __builtin_ctz(json_bits(in_x) | json_bits(in_y) << 16);
			break;
		}
		p += 32;
	}
	*n_open += sum_of_bytes(sum);
	return end;
}
#endif

const char *json_line_end(const char *p, const char *end, size_t *n_open)
{
#ifdef __SSE2__
	if (end - p >= 32)
		return line_end_by_blocks(p, end, n_open);
#endif
	for (; p < end && *p != '\n'; p++)
		*n_open += *p == '[' || *p == '{';
	return p;
}

/* Behind the string that begins before P; END when it does not end. */
static const char *after_string(const char *p, const char *end)
{
	while (p < end) {
		p = json_scan(p, end);
		if (p == end)
			break;
		if (*p == '"')
			return p + 1;
		p += *p == '\\' ? 2 : 1;
	}
	return end;
}

size_t json_depth(const char *text, size_t len, size_t enough)
{
	const char *p = text, *end = text + len;
	size_t bound = 0, depth = 0, deepest = 0;

	if (enough > JSON_MAX_DEPTH)
		enough = JSON_MAX_DEPTH;
	while (p < end && bound <= enough) {
		p = json_line_end(p, end, &bound);
		p += p < end;
	}
	if (bound <= enough)
		return bound;
	p = text;
	while (p < end) {
		char c = *p++;

		if (c == '"')
			p = after_string(p, end);
		else if ((c == '[' || c == '{') && ++depth > deepest)
			deepest = depth;
		else if ((c == ']' || c == '}') && depth)
			depth--;
	}
	return deepest;
}

void json_reader_init_counted(
	struct json_reader *r, const char *text, size_t len, size_t n_open, struct arena *a)
{
	*r = (struct json_reader){.at = text, .end = text + len, .start = text, .arena = a};
	if (n_open > JSON_MAX_DEPTH && json_depth(text, len, JSON_MAX_DEPTH) > JSON_MAX_DEPTH)
		fail(r, "nested more than 64 deep");
}

void json_reader_init(struct json_reader *r, const char *text, size_t len, struct arena *a)
{
	json_reader_init_counted(r, text, len, SIZE_MAX, a);
}

/* ---- tokens ---- */

static inline void skip_space(struct json_reader *r)
{
	while (r->at < r->end &&
		(*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
		r->at++;
}

static inline bool is_digit(const char *p, const char *end)
{
	return p < end && *p >= '0' && *p <= '9';
}

static const char *skip_digits(const char *p, const char *end)
{
	while (is_digit(p, end))
		p++;
	return p;
}

/* The end of the number that begins at P, by the grammar; NULL: there is none. */
static const char *number_end(const char *p, const char *end, bool *is_real)
{
	*is_real = false;
	if (*p == '-')
		p++;
	if (!is_digit(p, end))
		return NULL;
	p = *p == '0' ? p + 1 : skip_digits(p, end);
	if (p < end && *p == '.') {
		*is_real = true;
		if (!is_digit(p + 1, end))
			return NULL;
		p = skip_digits(p + 1, end);
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		*is_real = true;
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		if (!is_digit(p, end))
			return NULL;
		p = skip_digits(p, end);
	}
	return p;
}

static enum json_kind number_kind(struct json_reader *r)
{
	bool is_real;
	int64_t v;
	const char *p = number_end(r->at, r->end, &is_real);

	if (!p)
		return JSON_KIND_BAD;
	return !is_real && number_read_int(r->at, (size_t)(p - r->at), &v) ? JSON_KIND_INTEGER
									   : JSON_KIND_REAL;
}

static inline bool stands_at(struct json_reader *r, const char *word, size_t len)
{
	return (size_t)(r->end - r->at) >= len && !memcmp(r->at, word, len);
}

enum json_kind json_peek(struct json_reader *r)
{
	skip_space(r);
	if (r->at == r->end)
		return JSON_KIND_END;
	switch (*r->at) {
	case '{':
		return JSON_KIND_OBJECT;
	case '[':
		return JSON_KIND_ARRAY;
	case '"':
		return JSON_KIND_STRING;
	case 't':
		return stands_at(r, "true", 4) ? JSON_KIND_TRUE : JSON_KIND_BAD;
	case 'f':
		return stands_at(r, "false", 5) ? JSON_KIND_FALSE : JSON_KIND_BAD;
	case 'n':
		return stands_at(r, "null", 4) ? JSON_KIND_NULL : JSON_KIND_BAD;
	default:
		return *r->at == '-' || is_digit(r->at, r->end) ? number_kind(r) : JSON_KIND_BAD;
	}
}

const char *json_kind_words(enum json_kind kind)
{
	switch (kind) {
	case JSON_KIND_END:
		return "the end of the text";
	case JSON_KIND_OBJECT:
		return "an object";
	case JSON_KIND_ARRAY:
		return "an array";
	case JSON_KIND_STRING:
		return "a string";
	case JSON_KIND_INTEGER:
		return "an integer";
	case JSON_KIND_REAL:
		return "a number";
	case JSON_KIND_TRUE:
		return "true";
	case JSON_KIND_FALSE:
		return "false";
	case JSON_KIND_NULL:
		return "null";
	case JSON_KIND_BAD:
		return "what is not JSON";
	}
	return "?";
}

/* What comes is not of the wanted kind: a problem only if it is of no kind at all. */
static bool other_kind(struct json_reader *r)
{
	switch (json_peek(r)) {
	case JSON_KIND_END:
		return fail(r, "a value is missing");
	case JSON_KIND_BAD:
		return fail(r, "no value of JSON");
	case JSON_KIND_OBJECT:
	case JSON_KIND_ARRAY:
	case JSON_KIND_STRING:
	case JSON_KIND_INTEGER:
	case JSON_KIND_REAL:
	case JSON_KIND_TRUE:
	case JSON_KIND_FALSE:
	case JSON_KIND_NULL:
		break;
	}
	return false;
}

bool json_read_bool(struct json_reader *r, bool *out)
{
	skip_space(r);
	if (stands_at(r, "true", 4)) {
		r->at += 4;
		*out = true;
		return true;
	}
	if (stands_at(r, "false", 5)) {
		r->at += 5;
		*out = false;
		return true;
	}
	return other_kind(r);
}

bool json_read_null(struct json_reader *r)
{
	skip_space(r);
	if (!stands_at(r, "null", 4))
		return other_kind(r);
	r->at += 4;
	return true;
}

/* The end of the number that stands here, or NULL. */
static const char *read_number(struct json_reader *r, bool *is_real)
{
	skip_space(r);
	if (r->at == r->end || (*r->at != '-' && !is_digit(r->at, r->end))) {
		other_kind(r);
		return NULL;
	}
	const char *p = number_end(r->at, r->end, is_real);
	if (!p)
		fail(r, "no number of JSON");
	return p;
}

bool json_read_int(struct json_reader *r, int64_t *out)
{
	bool is_real;
	const char *p = read_number(r, &is_real);

	if (!p || is_real || !number_read_int(r->at, (size_t)(p - r->at), out))
		return false;
	r->at = p;
	return true;
}

bool json_read_float(struct json_reader *r, double *out)
{
	bool is_real;
	const char *p = read_number(r, &is_real);

	if (!p)
		return false;
	if (!number_read_double(r->at, (size_t)(p - r->at), out))
		return fail(r, "a number that is too large");
	r->at = p;
	return true;
}

/* ---- strings ---- */

/* The four digits at P; -1: there are not four, or they are no digits. */
static int32_t hex4(const char *p, const char *end)
{
	int32_t v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = p[i];

		v <<= 4;
		if (c >= '0' && c <= '9')
			v |= c - '0';
		else if (c >= 'a' && c <= 'f')
			v |= c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			v |= c - 'A' + 10;
		else
			return -1;
	}
	return v;
}

/*
 * The character that the escape at P (the byte behind its backslash) stands for, and where it ends.
 * NULL: it is none; PROBLEM says why.
 */
static const char *read_escape(const char *p, const char *end, uint32_t *code, const char **problem)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *simple = p < end && *p ? strchr(from, *p) : NULL;

	*problem = "a bad escape in a string";
	if (simple) {
		*code = (uint32_t)to[simple - from];
		return p + 1;
	}
	if (p == end || *p != 'u')
		return NULL;
	int32_t v = hex4(p + 1, end);
	if (v < 0)
		return NULL;
	p += 5;
	*code = (uint32_t)v;
	if (!v)
		*problem = "a NUL in a string";
	if (v < 0xD800 || v > 0xDFFF)
		return v ? p : NULL;
	*problem = "half of a surrogate pair in a string";
	if (v > 0xDBFF || end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return NULL;
	int32_t low = hex4(p + 2, end);
	if (low < 0xDC00 || low > 0xDFFF)
		return NULL;
	*code = 0x10000 + ((uint32_t)(v - 0xD800) << 10 | (uint32_t)(low - 0xDC00));
	return p + 6;
}

/* The rest of a string from P on, where a byte is not plain. */
static __attribute__((__noinline__)) const char *check_odd_string(
	struct json_reader *r, const char *p, bool *is_plain)
{
	const char *problem;
	uint32_t code;

	for (;; p = json_scan(p, r->end)) {
		if (p == r->end) {
			fail(r, "a string does not end");
			return NULL;
		}
		if (*p == '"')
			return p;
		if (*p == '\\') {
			*is_plain = false;
			p = read_escape(p + 1, r->end, &code, &problem);
			if (p)
				continue;
		} else if ((unsigned char)*p < 0x20) {
			problem = "a control character in a string";
		} else {
			size_t n = utf8_decode(p, (size_t)(r->end - p), &code);

			p += n;
			if (n)
				continue;
			problem = "a string that is not UTF-8";
		}
		fail(r, problem);
		return NULL;
	}
}

/*
 * Checks the string that stands here; returns its closing quote, or NULL. *IS_PLAIN: its bytes
 * stand for themselves.
 */
static inline const char *check_string(struct json_reader *r, bool *is_plain)
{
	const char *p = json_scan(r->at + 1, r->end);

	*is_plain = true;
	return p < r->end && *p == '"' ? p : check_odd_string(r, p, is_plain);
}

/* Decodes what check_string has passed, between P and END, to OUT; returns how many bytes. */
static size_t decode(const char *p, const char *end, char *out)
{
	char *start = out;
	const char *problem;
	uint32_t code;

	while (p < end) {
		const char *escape = memchr(p, '\\', (size_t)(end - p));
		size_t run = (size_t)((escape ? escape : end) - p);

		memcpy(out, p, run);
		out += run;
		if (!escape)
			break;
		p = read_escape(escape + 1, end, &code, &problem);
		out += utf8_encode(code, out);
	}
	return (size_t)(out - start);
}

/* The string that stands here; false: there is none. */
static inline bool enter_string(struct json_reader *r)
{
	skip_space(r);
	return (r->at < r->end && *r->at == '"') || other_kind(r);
}

bool json_read_slice(struct json_reader *r, const char **out, size_t *len)
{
	bool is_plain;

	if (!enter_string(r))
		return false;
	const char *quote = check_string(r, &is_plain);
	if (!quote)
		return false;
	const char *s = r->at + 1;
	size_t n = (size_t)(quote - s);
	r->at = quote + 1;
	if (!is_plain) {
		char *copy = arena_bytes(r->arena, n);

		n = decode(s, quote, copy);
		s = copy;
	}
	*out = s;
	*len = n;
	return true;
}

bool json_read_string(struct json_reader *r, const char **out, size_t *len)
{
	bool is_plain;

	if (!enter_string(r))
		return false;
	const char *quote = check_string(r, &is_plain);
	if (!quote)
		return false;
	const char *s = r->at + 1;
	size_t n = (size_t)(quote - s);
	char *copy = arena_bytes(r->arena, n + 1);
	r->at = quote + 1;
	if (is_plain)
		memcpy(copy, s, n);
	else
		n = decode(s, quote, copy);
	copy[n] = '\0';
	*out = copy;
	if (len)
		*len = n;
	return true;
}

/* ---- objects and arrays ---- */

static bool enter(struct json_reader *r, char bracket)
{
	skip_space(r);
	if (r->at == r->end || *r->at != bracket)
		return other_kind(r);
	r->at++;
	r->depth++;
	return true;
}

/* Whether another element comes before the closing BRACKET, which is passed; eats the comma. */
static inline bool next(struct json_reader *r, bool *first, char bracket)
{
	bool is_first = *first;

	*first = false;
	skip_space(r);
	if (r->at == r->end)
		return fail(r, "an object or array does not end");
	if (*r->at == bracket) {
		r->at++;
		r->depth--;
		return false;
	}
	if (is_first)
		return true;
	if (*r->at != ',')
		return fail(r, "a comma or the end of an object or array is missing");
	r->at++;
	return true;
}

bool json_enter_object(struct json_reader *r)
{
	return enter(r, '{');
}

bool json_next_member(struct json_reader *r, bool *first, const char **name, size_t *len)
{
	if (!next(r, first, '}'))
		return false;
	if (!json_read_slice(r, name, len))
		return fail(r, "a member without a name");
	skip_space(r);
	if (r->at == r->end || *r->at != ':')
		return fail(r, "a colon is missing");
	r->at++;
	return true;
}

bool json_enter_array(struct json_reader *r)
{
	return enter(r, '[');
}

bool json_next_element(struct json_reader *r, bool *first)
{
	return next(r, first, ']');
}

bool json_at_end(struct json_reader *r)
{
	skip_space(r);
	if (r->problem)
		return false;
	return r->at == r->end || fail(r, "more follows behind the value");
}

/* ---- names that must not repeat ---- */

void json_names_fini(struct json_names *names)
{
	free(names->v);
	*names = (struct json_names){0};
}

void json_names_add(struct json_names *names, const char *s, size_t len)
{
	if (names->n == names->size) {
		names->size = names->size ? names->size * 2 : 16;
		names->v = xrealloc(names->v, names->size, sizeof(*names->v));
	}
	names->v[names->n++] = (struct json_name){s, len};
}

/* Any order will do, so the cheapest to compare: by length first. */
static int by_name(const void *a, const void *b)
{
	const struct json_name *x = a, *y = b;

	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return memcmp(x->s, y->s, x->len);
}

bool json_names_repeat(struct json_names *names, size_t from)
{
	const size_t few = 16;
	size_t n = names->n - from;

	if (n < 2) /* there may be no array yet */
		return false;
	struct json_name *v = names->v + from;
	if (n > few)
		qsort(v, n, sizeof(*v), by_name);
	for (size_t i = 1; i < n; i++)
		for (size_t k = n > few ? i - 1 : 0; k < i; k++)
			if (!by_name(&v[i], &v[k]))
				return true;
	return false;
}

/* ---- values that nobody looks into ---- */

static bool skip_value(struct json_reader *r, struct json_names *names);

static bool skip_object(struct json_reader *r, struct json_names *names)
{
	const char *name;
	size_t len, from = names->n;
	bool first = true;

	json_enter_object(r);
	while (json_next_member(r, &first, &name, &len)) {
		json_names_add(names, name, len);
		if (!skip_value(r, names))
			return false;
	}
	if (!r->problem && json_names_repeat(names, from))
		return fail(r, "a member comes twice");
	names->n = from;
	return !r->problem;
}

static bool skip_array(struct json_reader *r, struct json_names *names)
{
	bool first = true;

	json_enter_array(r);
	while (json_next_element(r, &first))
		if (!skip_value(r, names))
			return false;
	return !r->problem;
}

static bool skip_string(struct json_reader *r)
{
	bool is_plain;
	const char *quote = check_string(r, &is_plain);

	if (quote)
		r->at = quote + 1;
	return quote;
}

static bool skip_value(struct json_reader *r, struct json_names *names)
{
	double number;
	bool truth;

	skip_space(r);
	if (r->at == r->end)
		return other_kind(r);
	switch (*r->at) {
	case '{':
		return skip_object(r, names);
	case '[':
		return skip_array(r, names);
	case '"':
		return skip_string(r);
	case 't':
	case 'f':
		return json_read_bool(r, &truth);
	case 'n':
		return json_read_null(r);
	default:
		return json_read_float(r, &number);
	}
}

bool json_skip(struct json_reader *r, struct json_text *text)
{
	AUTO(json_names_fini) struct json_names names = {0};

	skip_space(r);
	const char *start = r->at;
	if (!skip_value(r, &names))
		return false;
	if (text)
		*text = (struct json_text){start, (size_t)(r->at - start)};
	return true;
}

struct json_text json_compact(struct json_text text, struct arena *a)
{
	const char *p = text.text, *end = p + text.len;
	char *copy = arena_bytes(a, text.len + 1), *out = copy;

	while (p < end) {
		const char *from = p;

		if (*p == '"') {
			p = after_string(p + 1, end);
			memcpy(out, from, (size_t)(p - from));
			out += p - from;
			continue;
		}
		if (*p != ' ' && *p != '\n' && *p != '\r' && *p != '\t')
			*out++ = *p;
		p++;
	}
	*out = '\0';
	return (struct json_text){copy, (size_t)(out - copy)};
}
