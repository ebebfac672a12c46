/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Values into XML-RPC (codec_xmlrpc.h), appended to a string buffer without white space between
 * elements.
 */
#include "common/base64.h"
#include "common/codec_build.h"
#include "common/codec_xmlrpc.h"
#include "common/datetime.h"
#include "common/number.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static void write_inside(const struct type *t, const void *value, unsigned flags, struct sbuf *out);

static void add_string(struct sbuf *out, const char *s)
{
	xml_add_string(out, s);
}

static void add_int(struct sbuf *out, int64_t v, unsigned flags)
{
	bool is_bare = flags & CODEC_XMLRPC_INT_AS_STRING;
	bool is_small = v >= INT32_MIN && v <= INT32_MAX;

	if (!is_bare)
		sbuf_adds(out, is_small ? "<i4>" : "<i8>");
	sbuf_added(out, number_put_int(v, sbuf_room(out, NUMBER_INT_SIZE)));
	if (!is_bare)
		sbuf_adds(out, is_small ? "</i4>" : "</i8>");
}

static void add_float(struct sbuf *out, double v)
{
	sbuf_adds(out, "<double>");
	if (isnan(v))
		sbuf_adds(out, "nan");
	else if (isinf(v))
		sbuf_adds(out, v < 0 ? "-inf" : "inf");
	else
		sbuf_added(out, number_put_double(v, sbuf_room(out, NUMBER_DOUBLE_SIZE)));
	sbuf_adds(out, "</double>");
}

static void add_bool(struct sbuf *out, bool v)
{
	sbuf_adds(out, v ? "<boolean>1</boolean>" : "<boolean>0</boolean>");
}

static void add_bytes(struct sbuf *out, const struct bytes *b)
{
	size_t size = base64_encoded_size(b->n);

	sbuf_adds(out, "<base64>");
	base64_encode(b->v, b->n, sbuf_room(out, size));
	sbuf_added(out, size);
	sbuf_adds(out, "</base64>");
}

static void add_datetime(struct sbuf *out, int64_t seconds)
{
	char text[DATETIME_SIZE];

	sbuf_adds(out, "<dateTime.iso8601>");
	sbuf_adds(out, datetime_put_basic(seconds, text));
	sbuf_adds(out, "</dateTime.iso8601>");
}

static void begin_member(struct sbuf *out, const char *name, size_t len)
{
	sbuf_adds(out, "<member><name>");
	xml_add_text(out, name, len);
	sbuf_adds(out, "</name><value>");
}

static void end_member(struct sbuf *out)
{
	sbuf_adds(out, "</value></member>");
}

static void write_member(
	const struct type *t, const char *name, const void *value, unsigned flags, struct sbuf *out)
{
	begin_member(out, name, strlen(name));
	write_inside(t, value, flags, out);
	end_member(out);
}

static void write_record(const struct type *t, const char *value, unsigned flags, struct sbuf *out)
{
	sbuf_adds(out, "<struct>");
	for (uint32_t i = 0; i < t->n; i++) {
		const struct field *f = &t->fields[i];

		if (!codec_may_be_left_out(f, value + f->offset, flags))
			write_member(f->type, f->name, value + f->offset, flags, out);
	}
	sbuf_adds(out, "</struct>");
}

static void write_variant(const struct type *t, const char *value, unsigned flags, struct sbuf *out)
{
	const struct type_case *c = codec_case_of(t, value);

	if (!c->type) {
		add_string(out, c->name);
		return;
	}
	sbuf_adds(out, "<struct>");
	write_member(c->type, c->name, value + t->value_offset, flags, out);
	sbuf_adds(out, "</struct>");
}

static void write_list(
	const struct type *t, const struct any_list *list, unsigned flags, struct sbuf *out)
{
	sbuf_adds(out, "<array><data>");
	for (size_t i = 0; i < list->n; i++)
		codec_xmlrpc_write(t->of, (char *)list->v + i * t->of->size, flags, out);
	sbuf_adds(out, "</data></array>");
}

static void write_map(
	const struct type *t, const struct any_list *map, unsigned flags, struct sbuf *out)
{
	sbuf_adds(out, "<struct>");
	for (size_t i = 0; i < map->n; i++) {
		const char *entry = (char *)map->v + i * t->entry_size, *key;

		memcpy(&key, entry, sizeof(key));
		write_member(t->of, key, entry + t->value_offset, flags, out);
	}
	sbuf_adds(out, "</struct>");
}

static void write_option(const struct type *t, const void *value, unsigned flags, struct sbuf *out)
{
	const void *inner = codec_option_value(t, value);

	if (inner)
		write_inside(t->of, inner, flags, out);
	else
		sbuf_adds(out, "<nil/>");
}

/* ---- any: JSON as XML-RPC ---- */

static void write_json(struct json_reader *r, unsigned flags, struct sbuf *out);

static void write_json_object(struct json_reader *r, unsigned flags, struct sbuf *out)
{
	const char *name;
	size_t len;
	bool first = true;

	sbuf_adds(out, "<struct>");
	json_enter_object(r);
	while (json_next_member(r, &first, &name, &len)) {
		begin_member(out, name, len);
		write_json(r, flags, out);
		end_member(out);
	}
	sbuf_adds(out, "</struct>");
}

static void write_json_array(struct json_reader *r, unsigned flags, struct sbuf *out)
{
	bool first = true;

	sbuf_adds(out, "<array><data>");
	json_enter_array(r);
	while (json_next_element(r, &first)) {
		sbuf_adds(out, "<value>");
		write_json(r, flags, out);
		sbuf_adds(out, "</value>");
	}
	sbuf_adds(out, "</data></array>");
}

static void write_json(struct json_reader *r, unsigned flags, struct sbuf *out)
{
	const char *s = "";
	size_t len = 0;
	int64_t i = 0;
	double d = 0;
	bool b = false;

	switch (json_peek(r)) {
	case JSON_KIND_OBJECT:
		return write_json_object(r, flags, out);
	case JSON_KIND_ARRAY:
		return write_json_array(r, flags, out);
	case JSON_KIND_STRING:
		json_read_slice(r, &s, &len);
		return xml_add_text(out, s, len);
	case JSON_KIND_INTEGER:
		json_read_int(r, &i);
		return add_int(out, i, flags);
	case JSON_KIND_REAL:
		json_read_float(r, &d);
		return add_float(out, d);
	case JSON_KIND_TRUE:
	case JSON_KIND_FALSE:
		json_read_bool(r, &b);
		return add_bool(out, b);
	case JSON_KIND_NULL:
		json_read_null(r);
		return sbuf_adds(out, "<nil/>");
	case JSON_KIND_END:
	case JSON_KIND_BAD:
		break;
	}
	assert(!"the value of an any is JSON");
}

static void write_any(const struct json_text *any, unsigned flags, struct sbuf *out)
{
	auto_arena a = {0};
	struct json_reader r;

	json_reader_init(&r, any->text ? any->text : "null", any->text ? any->len : 4, &a);
	write_json(&r, flags, out);
}

/* What stands between <value> and </value>. */
static void write_inside(const struct type *t, const void *value, unsigned flags, struct sbuf *out)
{
	switch (t->kind) {
	case TYPE_VOID:
		return;
	case TYPE_BOOL:
		return add_bool(out, *(const bool *)value);
	case TYPE_INT:
		return add_int(out, *(const int64_t *)value, flags);
	case TYPE_FLOAT:
		return add_float(out, *(const double *)value);
	case TYPE_STRING:
		return add_string(out, *(const char *const *)value);
	case TYPE_SECRET:
		return add_string(out, codec_secret_text(value, flags));
	case TYPE_BYTES:
		return add_bytes(out, value);
	case TYPE_DATETIME:
		return add_datetime(out, *(const int64_t *)value);
	case TYPE_ANY:
		return write_any(value, flags, out);
	case TYPE_ENUM:
		return add_string(out, codec_case_of(t, value)->name);
	case TYPE_RECORD:
		return write_record(t, value, flags, out);
	case TYPE_VARIANT:
		return write_variant(t, value, flags, out);
	case TYPE_LIST:
		return write_list(t, value, flags, out);
	case TYPE_MAP:
		return write_map(t, value, flags, out);
	case TYPE_OPTION:
		return write_option(t, value, flags, out);
	}
}

void codec_xmlrpc_write(const struct type *t, const void *value, unsigned flags, struct sbuf *out)
{
	sbuf_adds(out, "<value>");
	write_inside(t, value, flags, out);
	sbuf_adds(out, "</value>");
}

/* ---- messages ---- */

void codec_xmlrpc_begin_call(const char *method, struct sbuf *out)
{
	sbuf_adds(out, "<?xml version=\"1.0\"?><methodCall><methodName>");
	add_string(out, method);
	sbuf_adds(out, "</methodName><params>");
}

void codec_xmlrpc_add_param(
	const struct type *t, const void *value, unsigned flags, struct sbuf *out)
{
	sbuf_adds(out, "<param>");
	codec_xmlrpc_write(t, value, flags, out);
	sbuf_adds(out, "</param>");
}

void codec_xmlrpc_end_call(struct sbuf *out)
{
	sbuf_adds(out, "</params></methodCall>");
}

void codec_xmlrpc_write_answer(
	const struct type *t, const void *value, unsigned flags, struct sbuf *out)
{
	sbuf_adds(out, "<?xml version=\"1.0\"?><methodResponse><params>");
	codec_xmlrpc_add_param(t, value, flags, out);
	sbuf_adds(out, "</params></methodResponse>");
}
