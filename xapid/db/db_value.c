/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memory of a field's value. Whatever a value needs beside its own bytes is one block of the
 * heap, which its first pointer points to; empty strings and null references need none. References
 * are names (db_name.c) and not in the block.
 */
#include "common/codec_build.h"
#include "common/mem.h"
#include "xapid/db/db_priv.h"

#include <string.h>

static const char nothing[] = "";

static bool is_ref(const struct type *t)
{
	return t->kind == TYPE_STRING && t->class;
}

bool db_type_holds_refs(const struct type *t)
{
	switch (t->kind) {
	case TYPE_STRING:
		return is_ref(t);
	case TYPE_LIST:
	case TYPE_MAP:
	case TYPE_OPTION:
		return db_type_holds_refs(t->of);
	case TYPE_VOID:
	case TYPE_BOOL:
	case TYPE_INT:
	case TYPE_FLOAT:
	case TYPE_SECRET:
	case TYPE_BYTES:
	case TYPE_DATETIME:
	case TYPE_ANY:
	case TYPE_ENUM:
	case TYPE_RECORD:
	case TYPE_VARIANT:
		return false;
	}
	return false;
}

/* ---- elements of lists and maps alike ---- */

static size_t stride(const struct type *t)
{
	return t->kind == TYPE_MAP ? t->entry_size : t->of->size;
}

static char *entry(const struct type *t, const void *value, size_t i)
{
	const struct any_list *list = value;

	return (char *)list->v + i * stride(t);
}

static void *element(const struct type *t, const void *value, size_t i)
{
	return entry(t, value, i) + (t->kind == TYPE_MAP ? t->value_offset : 0);
}

static const char *key_at(const struct type *t, const void *value, size_t i)
{
	return *(const char *const *)entry(t, value, i);
}

/* ---- copying ---- */

static size_t text_size(const char *s)
{
	return s && *s ? strlen(s) + 1 : 0;
}

/* An upper bound of what the copy needs beside the value's own bytes. */
static size_t size_beside(const struct type *t, const void *value)
{
	const struct any_list *list = value;
	size_t size = 0;

	switch (t->kind) {
	case TYPE_VOID:
	case TYPE_BOOL:
	case TYPE_INT:
	case TYPE_FLOAT:
	case TYPE_DATETIME:
	case TYPE_ENUM:
	case TYPE_RECORD: /* no class has one (db_class.c asserts it by the size) */
	case TYPE_VARIANT:
		return 0;
	case TYPE_STRING:
	case TYPE_SECRET:
		return is_ref(t) ? 0 : text_size(*(const char *const *)value);
	case TYPE_BYTES:
		return ((const struct bytes *)value)->n;
	case TYPE_ANY:
		return ((const struct json_text *)value)->len;
	case TYPE_OPTION:
		value = codec_option_value(t, value);
		if (!value)
			return 0;
		return t->of->size + sizeof(uint64_t) + size_beside(t->of, value) + 1;
	case TYPE_LIST:
	case TYPE_MAP:
		if (!list->n)
			return 0;
		size = list->n * stride(t) + sizeof(uint64_t);
		for (size_t i = 0; i < list->n; i++) {
			size += size_beside(t->of, element(t, value, i));
			size += t->kind == TYPE_MAP ? text_size(key_at(t, value, i)) : 0;
		}
		return size;
	}
	return size;
}

static char *take_aligned(char **at, size_t size)
{
	char *p = (char *)(((uintptr_t)*at + 7) & ~(uintptr_t)7);

	*at = p + size;
	return p;
}

static const char *put_bytes(char **at, const void *bytes, size_t n)
{
	char *p = *at;

	if (!n)
		return nothing;
	memcpy(p, bytes, n);
	*at = p + n;
	return p;
}

static const char *put_text(char **at, const char *s)
{
	return put_bytes(at, s, text_size(s));
}

static void place(const struct type *t, const void *from, void *to, char **at);

static void place_list(const struct type *t, const void *from, void *to, char **at)
{
	const struct any_list *list = from;
	struct any_list copy = {NULL, list->n};

	if (copy.n)
		copy.v = take_aligned(at, copy.n * stride(t));
	for (size_t i = 0; i < copy.n; i++) {
		if (t->kind == TYPE_MAP)
			*(const char **)entry(t, &copy, i) = put_text(at, key_at(t, from, i));
		place(t->of, element(t, from, i), element(t, &copy, i), at);
	}
	*(struct any_list *)to = copy;
}

static void place_option(const struct type *t, const void *from, void *to, char **at)
{
	const void *inner = codec_option_value(t, from);

	if (!inner) {
		memset(to, 0, t->size);
	} else if (t->of->kind == TYPE_STRING) {
		const char *s = *(const char *const *)inner;

		*(const char **)to = put_bytes(at, s, strlen(s) + 1);
	} else {
		void *p = take_aligned(at, t->of->size);

		place(t->of, inner, p, at);
		*(void **)to = p;
	}
}

static void place(const struct type *t, const void *from, void *to, char **at)
{
	const struct bytes *bytes = from;
	const struct json_text *any = from;

	switch (t->kind) {
	case TYPE_VOID:
		break;
	case TYPE_BOOL:
	case TYPE_INT:
	case TYPE_FLOAT:
	case TYPE_DATETIME:
	case TYPE_ENUM:
	case TYPE_RECORD:
	case TYPE_VARIANT:
		memcpy(to, from, t->size);
		break;
	case TYPE_STRING:
	case TYPE_SECRET:
		*(const char **)to = is_ref(t) ? db_name_take(*(const char *const *)from)
					       : put_text(at, *(const char *const *)from);
		break;
	case TYPE_BYTES:
		*(struct bytes *)to = (struct bytes){
			(const unsigned char *)put_bytes(at, bytes->v, bytes->n), bytes->n};
		break;
	case TYPE_ANY:
		*(struct json_text *)to =
			(struct json_text){put_bytes(at, any->text, any->len), any->len};
		break;
	case TYPE_LIST:
	case TYPE_MAP:
		place_list(t, from, to, at);
		break;
	case TYPE_OPTION:
		place_option(t, from, to, at);
		break;
	}
}

void db_value_copy(const struct type *t, const void *from, void *to)
{
	size_t size = size_beside(t, from);
	char *at = size ? xmalloc(size) : NULL;

	place(t, from, to, &at);
}

/* ---- giving back ---- */

static void drop_name(const char *ref, const struct class *c, void *arg)
{
	db_name_drop(ref);
}

void db_value_drop(const struct type *t, void *value)
{
	char *block;

	db_value_each_ref(t, value, drop_name, NULL);
	if (t->size < sizeof(block) || is_ref(t) || t->kind == TYPE_INT || t->kind == TYPE_FLOAT ||
		t->kind == TYPE_DATETIME)
		return;
	memcpy(&block, value, sizeof(block));
	if (block && block != nothing)
		db_bury(block);
}

/* ---- references inside ---- */

void db_value_each_ref(const struct type *t, const void *value,
	void (*fn)(const char *ref, const struct class *c, void *arg), void *arg)
{
	const struct any_list *list = value;

	if (is_ref(t)) {
		const char *ref = *(const char *const *)value;

		if (!ref_is_null(ref))
			fn(ref, t->class, arg);
		return;
	}
	if (!db_type_holds_refs(t))
		return;
	if (t->kind == TYPE_OPTION) {
		value = codec_option_value(t, value);
		if (value)
			db_value_each_ref(t->of, value, fn, arg);
		return;
	}
	for (size_t i = 0; i < list->n; i++)
		db_value_each_ref(t->of, element(t, value, i), fn, arg);
}

void db_value_without(
	const struct type *t, const void *from, const char *ref, struct arena *a, void *to)
{
	const struct any_list *list = from;
	struct any_list copy = {NULL, 0};

	if (is_ref(t)) {
		*(const char **)to = REF_NULL;
		return;
	}
	if ((t->kind != TYPE_LIST && t->kind != TYPE_MAP) || !is_ref(t->of)) {
		memcpy(to, from, t->size);
		return;
	}
	copy.v = arena_calloc(a, list->n + 1, stride(t));
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(*(const char *const *)element(t, from, i), ref) != 0)
			memcpy(entry(t, &copy, copy.n++), entry(t, from, i), stride(t));
	*(struct any_list *)to = copy;
}
