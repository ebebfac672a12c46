/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What can be done with a value of any type without a wire form (codec.h): set to its defaults,
 * compared, copied.
 */
#include "common/codec.h"

#include "common/codec_build.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* ---- initial values ---- */

static void init_value(const struct type *t, struct arena *a, void *out);

static void init_field(const struct field *f, struct arena *a, void *out)
{
	if (!f->default_json) {
		init_value(f->type, a, out);
		return;
	}
	auto_err e =
		codec_decode(f->type, f->name, f->default_json, strlen(f->default_json), a, out);
	assert(!e); /* the compiler has checked it */
}

/* OUT is zeroed, which is right for whatever is not named here. */
static void init_value(const struct type *t, struct arena *a, void *out)
{
	switch (t->kind) {
	case TYPE_STRING:
		*(const char **)out = "";
		break;
	case TYPE_SECRET:
		((struct secret *)out)->hidden = "";
		break;
	case TYPE_ANY:
		*(struct json_text *)out = (struct json_text){"null", 4};
		break;
	case TYPE_RECORD:
		for (uint32_t i = 0; i < t->n; i++)
			init_field(&t->fields[i], a, (char *)out + t->fields[i].offset);
		break;
	case TYPE_VARIANT:
		memcpy(out, &t->cases[0].value, sizeof(int));
		if (t->cases[0].type)
			init_value(t->cases[0].type, a, (char *)out + t->value_offset);
		break;
	case TYPE_ENUM:
		memcpy(out, &t->cases[0].value, sizeof(int));
		break;
	case TYPE_VOID:
	case TYPE_BOOL:
	case TYPE_INT:
	case TYPE_FLOAT:
	case TYPE_BYTES:
	case TYPE_DATETIME:
	case TYPE_LIST:
	case TYPE_MAP:
	case TYPE_OPTION:
		break;
	}
}

void codec_init_record(const struct type *t, struct arena *a, void *out)
{
	assert(t->kind == TYPE_RECORD);
	memset(out, 0, t->size);
	init_value(t, a, out);
}

/* ---- equality ---- */

static bool equal_floats(double a, double b)
{
	return a == b || (isnan(a) && isnan(b));
}

static bool equal_bytes(const void *a, size_t n, const void *b, size_t m)
{
	return n == m && (!n || !memcmp(a, b, n));
}

static bool equal_cases(const struct type *t, const char *a, const char *b)
{
	int kind;

	if (memcmp(a, b, sizeof(kind)))
		return false;
	if (t->kind == TYPE_ENUM)
		return true;
	memcpy(&kind, a, sizeof(kind));
	const struct type_case *c = type_case_of(t, kind);
	return !c || !c->type || codec_equal(c->type, a + t->value_offset, b + t->value_offset);
}

static bool equal_lists(const struct type *t, const struct any_list *a, const struct any_list *b)
{
	size_t size = t->of->size;

	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!codec_equal(t->of, (char *)a->v + i * size, (char *)b->v + i * size))
			return false;
	return true;
}

/* The entry of M with KEY, looked for from AT on (most maps have the same order); NULL: none. */
static const char *find_entry(
	const struct type *t, const struct any_list *m, const char *key, size_t at)
{
	for (size_t i = 0; i < m->n; i++) {
		const char *entry = (char *)m->v + (at + i) % m->n * t->entry_size, *candidate;

		memcpy(&candidate, entry, sizeof(candidate));
		if (!strcmp(candidate, key))
			return entry;
	}
	return NULL;
}

static bool equal_maps(const struct type *t, const struct any_list *a, const struct any_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		const char *entry = (char *)a->v + i * t->entry_size, *key;

		memcpy(&key, entry, sizeof(key));
		const char *other = find_entry(t, b, key, i);
		if (!other || !codec_equal(t->of, entry + t->value_offset, other + t->value_offset))
			return false;
	}
	return true;
}

static bool equal_options(const struct type *t, const void *a, const void *b)
{
	a = codec_option_value(t, a);
	b = codec_option_value(t, b);
	return a && b ? codec_equal(t->of, a, b) : a == b;
}

bool codec_equal(const struct type *t, const void *a, const void *b)
{
	const struct bytes *x = a, *y = b;
	const struct json_text *p = a, *q = b;

	switch (t->kind) {
	case TYPE_VOID:
		return true;
	case TYPE_BOOL:
		return *(const bool *)a == *(const bool *)b;
	case TYPE_INT:
	case TYPE_DATETIME:
		return *(const int64_t *)a == *(const int64_t *)b;
	case TYPE_FLOAT:
		return equal_floats(*(const double *)a, *(const double *)b);
	case TYPE_STRING:
	case TYPE_SECRET:
		return !strcmp(*(const char *const *)a, *(const char *const *)b);
	case TYPE_BYTES:
		return equal_bytes(x->v, x->n, y->v, y->n);
	case TYPE_ANY:
		return equal_bytes(p->text, p->len, q->text, q->len);
	case TYPE_ENUM:
	case TYPE_VARIANT:
		return equal_cases(t, a, b);
	case TYPE_RECORD:
		for (uint32_t i = 0; i < t->n; i++) {
			const struct field *f = &t->fields[i];

			if (!codec_equal(f->type, (const char *)a + f->offset,
				    (const char *)b + f->offset))
				return false;
		}
		return true;
	case TYPE_LIST:
		return equal_lists(t, a, b);
	case TYPE_MAP:
		return equal_maps(t, a, b);
	case TYPE_OPTION:
		return equal_options(t, a, b);
	}
	return false;
}

/* ---- copies ---- */

/* N bytes and a NUL; S may be NULL when there are none. */
static char *copy_bytes(const void *s, size_t n, struct arena *a)
{
	return n ? arena_strndup(a, s, n) : arena_strdup(a, "");
}

static void copy_variant(const struct type *t, const char *from, struct arena *a, char *to)
{
	int kind;

	memcpy(to, from, t->size);
	memcpy(&kind, from, sizeof(kind));
	const struct type_case *c = type_case_of(t, kind);
	if (c && c->type)
		codec_copy(c->type, from + t->value_offset, a, to + t->value_offset);
}

static void copy_list(
	const struct type *t, const struct any_list *from, struct arena *a, struct any_list *to)
{
	size_t size = t->of->size;

	*to = (struct any_list){arena_calloc(a, from->n, size), from->n};
	for (size_t i = 0; i < from->n; i++)
		codec_copy(t->of, (char *)from->v + i * size, a, (char *)to->v + i * size);
}

static void copy_map(
	const struct type *t, const struct any_list *from, struct arena *a, struct any_list *to)
{
	*to = (struct any_list){arena_calloc(a, from->n, t->entry_size), from->n};
	for (size_t i = 0; i < from->n; i++) {
		const char *source = (char *)from->v + i * t->entry_size, *key;
		char *entry = (char *)to->v + i * t->entry_size;

		memcpy(&key, source, sizeof(key));
		key = arena_strdup(a, key);
		memcpy(entry, &key, sizeof(key));
		codec_copy(t->of, source + t->value_offset, a, entry + t->value_offset);
	}
}

static void copy_option(const struct type *t, const void *from, struct arena *a, void *to)
{
	const void *inner = codec_option_value(t, from);

	if (inner)
		codec_copy(t->of, inner, a, codec_option_place(t, a, to));
	else
		memset(to, 0, t->size);
}

void codec_copy(const struct type *t, const void *from, struct arena *a, void *to)
{
	const struct bytes *bytes = from;
	const struct json_text *any = from;

	switch (t->kind) {
	case TYPE_VOID:
	case TYPE_BOOL:
	case TYPE_INT:
	case TYPE_FLOAT:
	case TYPE_DATETIME:
	case TYPE_ENUM:
		if (t->size)
			memcpy(to, from, t->size);
		break;
	case TYPE_STRING:
	case TYPE_SECRET:
		*(const char **)to = arena_strdup(a, *(const char *const *)from);
		break;
	case TYPE_BYTES:
		*(struct bytes *)to = (struct bytes){
			(unsigned char *)copy_bytes(bytes->v, bytes->n, a), bytes->n};
		break;
	case TYPE_ANY:
		*(struct json_text *)to =
			(struct json_text){copy_bytes(any->text, any->len, a), any->len};
		break;
	case TYPE_RECORD:
		for (uint32_t i = 0; i < t->n; i++)
			codec_copy(t->fields[i].type, (const char *)from + t->fields[i].offset, a,
				(char *)to + t->fields[i].offset);
		break;
	case TYPE_VARIANT:
		copy_variant(t, from, a, to);
		break;
	case TYPE_LIST:
		copy_list(t, from, a, to);
		break;
	case TYPE_MAP:
		copy_map(t, from, a, to);
		break;
	case TYPE_OPTION:
		copy_option(t, from, a, to);
		break;
	}
}

void codec_keep(const struct type *t, const void *from, struct arena *a, void *to)
{
	auto_arena measured = {0};

	codec_copy(t, from, &measured, to);
	arena_fit(a, measured.used);
	codec_copy(t, from, a, to);
}
