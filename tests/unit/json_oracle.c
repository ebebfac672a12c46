/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The differential check of JSON (json_oracle.h). The two may differ in three points, which are
 * taken out: whole numbers beyond 64 bits (jansson refuses them, to us they are reals), the depth
 * (ours is 64), and a NUL byte behind the value (jansson stops there).
 */
#include "tests/unit/json_oracle.h"

#include "common/json_value.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

static never_returns void disagree(const char *what, const char *text, size_t len)
{
	fprintf(stderr, "# %s: \"", what);
	for (size_t i = 0; i < len; i++)
		fprintf(stderr, text[i] >= ' ' && text[i] < 127 ? "%c" : "\\x%02x",
			(unsigned char)text[i]);
	fprintf(stderr, "\"\n");
	abort();
}

/* *HAS_LARGE: there is a whole number beyond 64 bits, and all whole numbers were read as reals. */
static json_t *read_by_jansson(const char *text, size_t len, bool *has_large)
{
	const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY;
	json_error_t error;
	json_t *v = json_loadb(text, len, flags, &error);

	*has_large = !v && json_error_code(&error) == json_error_numeric_overflow;
	if (*has_large)
		v = json_loadb(text, len, flags | JSON_DECODE_INT_AS_REAL, &error);
	return v;
}

static bool is_same(struct json_reader *r, const json_t *v);

static bool is_same_object(struct json_reader *r, const json_t *object)
{
	const char *name;
	size_t len, n = 0;
	bool first = true;

	if (!json_is_object(object) || !json_enter_object(r))
		return false;
	for (; json_next_member(r, &first, &name, &len); n++) {
		const char *key = arena_strndup(r->arena, name, len);
		const json_t *value = json_object_get(object, key);

		if (!value || !is_same(r, value))
			return false;
	}
	return !r->problem && n == json_object_size(object);
}

static bool is_same_array(struct json_reader *r, const json_t *array)
{
	size_t n = 0;
	bool first = true;

	if (!json_is_array(array) || !json_enter_array(r))
		return false;
	for (; json_next_element(r, &first); n++)
		if (n >= json_array_size(array) || !is_same(r, json_array_get(array, n)))
			return false;
	return !r->problem && n == json_array_size(array);
}

static bool is_same_string(struct json_reader *r, const json_t *string)
{
	const char *s;
	size_t len;

	return json_read_string(r, &s, &len) && json_is_string(string) && s[len] == '\0' &&
		len == json_string_length(string) && !memcmp(s, json_string_value(string), len);
}

static bool is_same_number(struct json_reader *r, const json_t *number)
{
	int64_t i;
	double d;

	if (json_is_integer(number))
		return json_read_int(r, &i) && i == json_integer_value(number);
	return json_read_float(r, &d) && json_is_real(number) && d == json_real_value(number);
}

/* Whether the value that R reads next is V. */
static bool is_same(struct json_reader *r, const json_t *v)
{
	bool truth;

	switch (json_peek(r)) {
	case JSON_KIND_OBJECT:
		return is_same_object(r, v);
	case JSON_KIND_ARRAY:
		return is_same_array(r, v);
	case JSON_KIND_STRING:
		return is_same_string(r, v);
	case JSON_KIND_INTEGER:
	case JSON_KIND_REAL:
		return is_same_number(r, v);
	case JSON_KIND_TRUE:
	case JSON_KIND_FALSE:
		return json_read_bool(r, &truth) && json_is_boolean(v) &&
			truth == json_boolean_value(v);
	case JSON_KIND_NULL:
		return json_read_null(r) && json_is_null(v);
	case JSON_KIND_END:
	case JSON_KIND_BAD:
		break;
	}
	return false;
}

static size_t greater(size_t a, size_t b)
{
	return a > b ? a : b;
}

static size_t depth_of(const json_t *v)
{
	const char *name;
	json_t *inner;
	size_t i, deepest = 0;

	if (!json_is_object(v) && !json_is_array(v))
		return 0;
	json_object_foreach((json_t *)v, name, inner) deepest = greater(deepest, depth_of(inner));
	json_array_foreach(v, i, inner) deepest = greater(deepest, depth_of(inner));
	return deepest + 1;
}

/* What our writer makes of V is read as V by both. */
static void check_written(const json_t *v, const char *text, size_t len)
{
	auto_arena a = {0};
	bool has_large;
	struct json_reader r;
	struct json_text written = json_value_text(v, &a);

	if (memchr(written.text, '\n', written.len))
		disagree("written with a line break", text, len);
	json_reader_init(&r, written.text, written.len, &a);
	if (!is_same(&r, v) || !json_at_end(&r))
		disagree("written as another value", text, len);
	json_auto_t *again = read_by_jansson(written.text, written.len, &has_large);
	if (!json_equal(again, v))
		disagree("written as something that jansson reads otherwise", text, len);
}

static void check_tree(const json_t *v, const char *text, size_t len)
{
	json_auto_t *ours = NULL;
	auto_err e = json_value_read("", (struct json_text){text, len}, &ours);
	if (e || !json_equal(ours, v))
		disagree("json_value_read gives another value", text, len);
}

bool json_oracle_check(const char *text, size_t len)
{
	auto_arena a = {0};
	struct json_reader r;
	bool has_large = false;
	/* No JSON has a NUL byte. */
	json_auto_t *v = memchr(text, '\0', len) ? NULL : read_by_jansson(text, len, &has_large);

	json_reader_init(&r, text, len, &a);
	if (r.problem) {
		if (v && depth_of(v) <= JSON_MAX_DEPTH)
			disagree("not that deep", text, len);
		return false;
	}
	bool is_json = json_skip(&r, NULL) && json_at_end(&r);
	if (is_json != (r.problem == NULL))
		disagree("refused without a problem", text, len);
	if (is_json != (v != NULL))
		disagree(is_json ? "jansson refuses it" : "jansson takes it", text, len);
	if (!is_json)
		return false;
	if (depth_of(v) > JSON_MAX_DEPTH)
		disagree("too deep", text, len);
	json_reader_init(&r, text, len, &a);
	if (!is_same(&r, v) || !json_at_end(&r))
		disagree("read as another value", text, len);
	check_written(v, text, len);
	if (!has_large)
		check_tree(v, text, len);
	return true;
}
