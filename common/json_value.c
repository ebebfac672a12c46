/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Between JSON text and jansson's values (json_value.h). The reader bounds the depth of what is
 * read; what is written has been read, or built by us.
 */
#include "common/json_value.h"

#include "core.gen.h"

#include <string.h>

/* NULL: it is not JSON; the reader's problem tells why. */
static json_t *read_value(struct json_reader *r);

static json_t *read_object(struct json_reader *r)
{
	json_auto_t *object = json_object();
	const char *name;
	size_t len;
	bool first = true;

	json_enter_object(r);
	while (json_next_member(r, &first, &name, &len)) {
		const char *key = arena_strndup(r->arena, name, len);

		if (json_object_get(object, key)) {
			r->problem = "a member comes twice";
			return NULL;
		}
		json_t *value = read_value(r);
		if (!value)
			return NULL;
		json_object_set_new_nocheck(object, key, value);
	}
	return r->problem ? NULL : take(object);
}

static json_t *read_array(struct json_reader *r)
{
	json_auto_t *array = json_array();
	bool first = true;

	json_enter_array(r);
	while (json_next_element(r, &first)) {
		json_t *value = read_value(r);

		if (!value)
			return NULL;
		json_array_append_new(array, value);
	}
	return r->problem ? NULL : take(array);
}

static json_t *read_string(struct json_reader *r)
{
	const char *s;
	size_t len;

	return json_read_slice(r, &s, &len) ? json_stringn_nocheck(s, len) : NULL;
}

static json_t *read_integer(struct json_reader *r)
{
	int64_t v;

	return json_read_int(r, &v) ? json_integer(v) : NULL;
}

static json_t *read_real(struct json_reader *r)
{
	double v;

	return json_read_float(r, &v) ? json_real(v) : NULL;
}

static json_t *read_value(struct json_reader *r)
{
	bool truth;

	switch (json_peek(r)) {
	case JSON_KIND_OBJECT:
		return read_object(r);
	case JSON_KIND_ARRAY:
		return read_array(r);
	case JSON_KIND_STRING:
		return read_string(r);
	case JSON_KIND_INTEGER:
		return read_integer(r);
	case JSON_KIND_REAL:
		return read_real(r);
	case JSON_KIND_TRUE:
	case JSON_KIND_FALSE:
		return json_read_bool(r, &truth) ? json_boolean(truth) : NULL;
	case JSON_KIND_NULL:
		return json_read_null(r) ? json_null() : NULL;
	case JSON_KIND_END:
	case JSON_KIND_BAD:
		break;
	}
	json_skip(r, NULL); /* it says what is wrong */
	return NULL;
}

struct err *json_value_read(const char *root, struct json_text text, json_t **out)
{
	auto_arena a = {0};
	struct json_reader r;

	json_reader_init(&r, text.text, text.len, &a);
	json_auto_t *value = read_value(&r);
	if (value && json_at_end(&r)) {
		*out = take(value);
		return NULL;
	}
	return err(INVALID_VALUE, root, r.problem);
}

static void write_object(const json_t *object, struct json_writer *w)
{
	const char *name;
	json_t *value;

	json_write_object(w);
	json_object_foreach((json_t *)object, name, value)
	{
		json_write_name(w, name);
		json_value_write(value, w);
	}
	json_write_object_end(w);
}

static void write_array(const json_t *array, struct json_writer *w)
{
	size_t i;
	json_t *value;

	json_write_array(w);
	json_array_foreach(array, i, value) json_value_write(value, w);
	json_write_array_end(w);
}

void json_value_write(const json_t *v, struct json_writer *w)
{
	switch (v ? json_typeof(v) : JSON_NULL) {
	case JSON_OBJECT:
		return write_object(v, w);
	case JSON_ARRAY:
		return write_array(v, w);
	case JSON_STRING:
		return json_write_string_n(w, json_string_value(v), json_string_length(v));
	case JSON_INTEGER:
		return json_write_int(w, json_integer_value(v));
	case JSON_REAL:
		return json_write_float(w, json_real_value(v));
	case JSON_TRUE:
		return json_write_bool(w, true);
	case JSON_FALSE:
		return json_write_bool(w, false);
	case JSON_NULL:
		return json_write_null(w);
	}
}

struct json_text json_value_text(const json_t *v, struct arena *a)
{
	auto_sbuf b = {0};
	struct json_writer w;

	json_writer_init(&w, &b);
	json_value_write(v, &w);
	size_t len = sbuf_len(&b);
	return (struct json_text){arena_strndup(a, sbuf_data(&b), len), len};
}
