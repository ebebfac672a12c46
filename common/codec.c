/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Values to and from JSON by the tables (codec.h). The reader's check of the depth bounds the
 * recursion here. Everything that is read is built in zeroed memory of the arena.
 */
#include "common/codec.h"

#include "common/base64.h"
#include "common/codec_build.h"
#include "common/datetime.h"
#include "common/number.h"
#include "common/utf8.h"

#include <math.h>
#include <string.h>

/* ---- reading ---- */

/* Why the value that comes could not be read as what was EXPECTED. */
static struct err *wrong(struct json_reader *r, const char *expected)
{
	enum json_kind kind = r->problem ? JSON_KIND_BAD : json_peek(r);

	if (r->problem)
		return codec_bad("not JSON: %s", r->problem);
	return codec_bad("expected %s, found %s", expected, json_kind_words(kind));
}

static struct err *read_value(const struct type *t, struct json_reader *r, void *out);

static struct err *read_bool(struct json_reader *r, void *out)
{
	return json_read_bool(r, out) ? NULL : wrong(r, "true or false");
}

static struct err *read_int(struct json_reader *r, void *out)
{
	const char *s;
	size_t len;

	if (r->text_may_be_number && json_peek(r) == JSON_KIND_STRING &&
		json_read_string(r, &s, &len))
		return number_read_int(s, len, out)
			? NULL
			: codec_bad("'%.40s' is no integer of 64 bits", s);
	return json_read_int(r, out) ? NULL : wrong(r, "an integer of 64 bits");
}

static struct err *read_float(struct json_reader *r, double *out)
{
	const char *s;

	if (r->text_may_be_number && json_peek(r) == JSON_KIND_STRING &&
		json_read_string(r, &s, NULL))
		return number_read_loose(s, out) ? NULL : codec_bad("'%.40s' is no number", s);
	if (json_read_float(r, out))
		return NULL;
	if (r->problem || json_peek(r) != JSON_KIND_NULL)
		return wrong(r, "a number");
	*out = NAN;
	return json_read_null(r) ? NULL : wrong(r, "a number");
}

static struct err *check_text(const struct json_reader *r, const char *s, size_t len)
{
	if (r->is_for_xml && !utf8_fits_xml(s, len))
		return codec_bad("a character is none that XML can carry");
	return NULL;
}

static struct err *read_string(struct json_reader *r, const char **out)
{
	size_t len;

	if (!json_read_string(r, out, &len))
		return wrong(r, "a string");
	return check_text(r, *out, len);
}

static struct err *read_bytes(struct json_reader *r, void *out)
{
	const char *s;
	size_t len;

	if (!json_read_slice(r, &s, &len))
		return wrong(r, "a string");
	return codec_read_bytes(s, len, r->arena, out);
}

static struct err *read_datetime(struct json_reader *r, void *out)
{
	const char *s;
	size_t len;

	if (!json_read_slice(r, &s, &len))
		return wrong(r, "a string");
	return codec_read_datetime(s, len, out);
}

static struct err *read_any(struct json_reader *r, struct json_text *out)
{
	struct json_text text;

	if (!json_skip(r, &text))
		return wrong(r, "a value");
	/* It is to be one line, and the wire almost always has it so. */
	if (memchr(text.text, '\n', text.len) || memchr(text.text, '\r', text.len))
		*out = json_compact(text, r->arena);
	else
		*out = (struct json_text){arena_strndup(r->arena, text.text, text.len), text.len};
	return NULL;
}

static struct err *read_enum(const struct type *t, struct json_reader *r, void *out)
{
	const char *name;
	size_t len;

	if (!json_read_slice(r, &name, &len))
		return wrong(r, "a string");
	return codec_read_enum(t, name, len, out);
}

static struct err *read_record(const struct type *t, struct json_reader *r, void *out)
{
	AUTO(codec_record_fini) struct codec_record rec;
	const struct field *f;
	const char *name;
	size_t len;
	bool first = true;

	codec_record_begin(&rec, t, r->arena, out);
	if (!json_enter_object(r))
		return wrong(r, "an object");
	while (json_next_member(r, &first, &name, &len)) {
		TRY(codec_record_member(&rec, name, len, &f));
		if (f)
			TRY(codec_at_field(
				read_value(f->type, r, (char *)out + f->offset), f->name));
		else if (!json_skip(r, NULL))
			return wrong(r, "a value");
	}
	return r->problem ? wrong(r, "a member") : codec_record_end(&rec);
}

/* {"name": value}, exactly one member; the object has been entered. */
static struct err *read_case_with_value(const struct type *t, struct json_reader *r, void *out)
{
	const struct type_case *c;
	const char *name;
	size_t len;
	bool first = true;

	if (!json_next_member(r, &first, &name, &len))
		return r->problem ? wrong(r, "a member")
				  : codec_bad("expected one member, found none");
	TRY(codec_read_case(t, name, len, true, out, &c));
	TRY(codec_at_field(read_value(c->type, r, (char *)out + t->value_offset), c->name));
	if (json_next_member(r, &first, &name, &len))
		return codec_bad("expected one member, found more");
	return r->problem ? wrong(r, "one member") : NULL;
}

static struct err *read_variant(const struct type *t, struct json_reader *r, void *out)
{
	const struct type_case *c;
	const char *name;
	size_t len;

	if (json_read_slice(r, &name, &len))
		return codec_read_case(t, name, len, false, out, &c);
	if (r->problem || !json_enter_object(r))
		return wrong(r, "a string or an object");
	return read_case_with_value(t, r, out);
}

static struct err *read_list(const struct type *t, struct json_reader *r, struct any_list *out)
{
	struct codec_growing g = {.arena = r->arena, .size = t->of->size};
	bool first = true;

	if (!json_enter_array(r))
		return wrong(r, "an array");
	while (json_next_element(r, &first)) {
		void *element = codec_grow(&g);

		if (!element)
			return codec_bad(CODEC_TOO_LARGE);
		TRY(codec_at_index(read_value(t->of, r, element), g.list.n - 1));
	}
	*out = g.list;
	return r->problem ? wrong(r, "an element") : NULL;
}

static struct err *read_map(const struct type *t, struct json_reader *r, struct any_list *out)
{
	struct codec_growing g = {.arena = r->arena, .size = t->entry_size};
	const char *name;
	size_t len;
	bool first = true;

	if (!json_enter_object(r))
		return wrong(r, "an object");
	while (json_next_member(r, &first, &name, &len)) {
		char *entry = codec_grow(&g);

		if (!entry)
			return codec_bad(CODEC_TOO_LARGE);
		TRY(check_text(r, name, len));
		TRY(codec_check_key(t, name, len));
		const char *key = arena_strndup(r->arena, name, len);
		memcpy(entry, &key, sizeof(key));
		TRY(codec_at_key(read_value(t->of, r, entry + t->value_offset), name, len));
	}
	if (r->problem)
		return wrong(r, "a member");
	if (codec_keys_repeat(t, &g.list))
		return codec_bad("a member comes twice");
	*out = g.list;
	return NULL;
}

static struct err *read_option(const struct type *t, struct json_reader *r, void *out)
{
	if (json_peek(r) == JSON_KIND_NULL)
		return json_read_null(r) ? NULL : wrong(r, "null");
	return read_value(t->of, r, codec_option_place(t, r->arena, out));
}

static struct err *read_void(struct json_reader *r)
{
	return json_skip(r, NULL) ? NULL : wrong(r, "a value");
}

/* OUT is zeroed. */
static struct err *read_value(const struct type *t, struct json_reader *r, void *out)
{
	switch (t->kind) {
	case TYPE_VOID:
		return read_void(r);
	case TYPE_BOOL:
		return read_bool(r, out);
	case TYPE_INT:
		return read_int(r, out);
	case TYPE_FLOAT:
		return read_float(r, out);
	case TYPE_STRING:
		return read_string(r, out);
	case TYPE_SECRET:
		return read_string(r, &((struct secret *)out)->hidden);
	case TYPE_BYTES:
		return read_bytes(r, out);
	case TYPE_DATETIME:
		return read_datetime(r, out);
	case TYPE_ANY:
		return read_any(r, out);
	case TYPE_ENUM:
		return read_enum(t, r, out);
	case TYPE_RECORD:
		return read_record(t, r, out);
	case TYPE_VARIANT:
		return read_variant(t, r, out);
	case TYPE_LIST:
		return read_list(t, r, out);
	case TYPE_MAP:
		return read_map(t, r, out);
	case TYPE_OPTION:
		return read_option(t, r, out);
	}
	return codec_bad("of no type");
}

/* OUT is untouched on failure, so the value is built beside it. */
static void hand_over(const struct type *t, const void *value, void *out)
{
	if (t->size)
		memcpy(out, value, t->size);
}

struct err *codec_read_new(
	const struct type *t, const char *root, struct json_reader *r, void **out)
{
	*out = arena_alloc(r->arena, t->size);
	return codec_at_root(read_value(t, r, *out), root);
}

struct err *codec_read(const struct type *t, const char *root, struct json_reader *r, void *out)
{
	void *value;

	TRY(codec_read_new(t, root, r, &value));
	hand_over(t, value, out);
	return NULL;
}

struct err *codec_decode(const struct type *t, const char *root, const char *text, size_t len,
	struct arena *a, void *out)
{
	struct json_reader r;

	json_reader_init(&r, text, len, a);
	void *value = arena_alloc(a, t->size);
	TRY(codec_at_root(read_value(t, &r, value), root));
	if (!json_at_end(&r))
		return codec_at_root(wrong(&r, "the end"), root);
	hand_over(t, value, out);
	return NULL;
}

/* ---- writing ---- */

static void write_value(
	const struct type *t, const void *value, unsigned flags, struct json_writer *w);

static void write_bytes(const struct bytes *b, struct json_writer *w)
{
	size_t size = base64_encoded_size(b->n);
	/* Quoted in place: base64 has nothing to escape. */
	auto_sbuf text = {0};
	char *o = sbuf_room(&text, size + 2);

	o[0] = o[size + 1] = '"';
	base64_encode(b->v, b->n, o + 1);
	json_write_raw(w, o, size + 2);
}

/* What has a name, which may tell that it is a secret. */
static void write_named(const struct type *t, const char *name, const void *value, unsigned flags,
	struct json_writer *w)
{
	if (flags & CODEC_MASK_SECRETS && codec_is_masked(t, name))
		json_write_string(w, CODEC_MASKED);
	else
		write_value(t, value, flags, w);
}

static void write_record(
	const struct type *t, const char *value, unsigned flags, struct json_writer *w)
{
	json_write_object(w);
	for (uint32_t i = 0; i < t->n; i++) {
		const struct field *f = &t->fields[i];

		if (codec_may_be_left_out(f, value + f->offset, flags))
			continue;
		json_write_name(w, f->name);
		write_named(f->type, f->name, value + f->offset, flags, w);
	}
	json_write_object_end(w);
}

static void write_variant(
	const struct type *t, const char *value, unsigned flags, struct json_writer *w)
{
	const struct type_case *c = codec_case_of(t, value);

	if (!c->type) {
		json_write_string(w, c->name);
		return;
	}
	json_write_object(w);
	json_write_name(w, c->name);
	write_value(c->type, value + t->value_offset, flags, w);
	json_write_object_end(w);
}

static void write_list(
	const struct type *t, const struct any_list *list, unsigned flags, struct json_writer *w)
{
	json_write_array(w);
	for (size_t i = 0; i < list->n; i++)
		write_value(t->of, (char *)list->v + i * t->of->size, flags, w);
	json_write_array_end(w);
}

static void write_map(
	const struct type *t, const struct any_list *map, unsigned flags, struct json_writer *w)
{
	json_write_object(w);
	for (size_t i = 0; i < map->n; i++) {
		const char *entry = (char *)map->v + i * t->entry_size, *key;

		memcpy(&key, entry, sizeof(key));
		json_write_name(w, key);
		write_named(t->of, key, entry + t->value_offset, flags, w);
	}
	json_write_object_end(w);
}

static void write_option(
	const struct type *t, const void *value, unsigned flags, struct json_writer *w)
{
	const void *inner = codec_option_value(t, value);

	if (inner)
		write_value(t->of, inner, flags, w);
	else
		json_write_null(w);
}

static void write_any(const struct json_text *any, struct json_writer *w)
{
	if (any->text)
		json_write_raw(w, any->text, any->len);
	else
		json_write_null(w);
}

static void write_value(
	const struct type *t, const void *value, unsigned flags, struct json_writer *w)
{
	char text[DATETIME_SIZE];

	switch (t->kind) {
	case TYPE_VOID:
		return json_write_null(w);
	case TYPE_BOOL:
		return json_write_bool(w, *(const bool *)value);
	case TYPE_INT:
		return json_write_int(w, *(const int64_t *)value);
	case TYPE_FLOAT:
		return json_write_float(w, *(const double *)value);
	case TYPE_STRING:
		return json_write_string(w, *(const char *const *)value);
	case TYPE_SECRET:
		return json_write_string(w, codec_secret_text(value, flags));
	case TYPE_BYTES:
		return write_bytes(value, w);
	case TYPE_DATETIME:
		return json_write_string(w,
			(flags & CODEC_BASIC_DATETIME ? datetime_put_basic : datetime_put)(
				*(const int64_t *)value, text));
	case TYPE_ANY:
		return write_any(value, w);
	case TYPE_ENUM:
		return json_write_string(w, codec_case_of(t, value)->name);
	case TYPE_RECORD:
		return write_record(t, value, flags, w);
	case TYPE_VARIANT:
		return write_variant(t, value, flags, w);
	case TYPE_LIST:
		return write_list(t, value, flags, w);
	case TYPE_MAP:
		return write_map(t, value, flags, w);
	case TYPE_OPTION:
		return write_option(t, value, flags, w);
	}
}

void codec_write(const struct type *t, const void *value, unsigned flags, struct json_writer *w)
{
	write_value(t, value, flags, w);
}

void codec_encode(const struct type *t, const void *value, struct sbuf *out)
{
	struct json_writer w;

	json_writer_init(&w, out);
	write_value(t, value, 0, &w);
}
