/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random values. Borders (0, the least and the greatest, the empty string) come up more often than
 * chance would have them; the deeper in a value, the shorter its lists.
 */
#include "tests/unit/random_value.h"

#include "common/datetime.h"
#include "common/json.h"
#include "common/sbuf.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 6 };

static void value_at(
	struct random *r, const struct type *t, unsigned depth, struct arena *a, void *out);

uint64_t random_next(struct random *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

size_t random_below(struct random *r, size_t n)
{
	return (size_t)(random_next(r) % n);
}

static int64_t random_int(struct random *r)
{
	static const int64_t borders[] = {0, 1, -1, INT64_MAX, INT64_MIN, INT32_MAX, INT32_MIN,
		(INT64_C(1) << 53) + 1, -(INT64_C(1) << 53) - 1};

	switch (random_below(r, 3)) {
	case 0:
		return borders[random_below(r, ARRAY_LEN(borders))];
	case 1:
		return (int64_t)random_below(r, 1000) - 500;
	}
	return (int64_t)random_next(r);
}

/* Any bits that are a finite number. */
static double random_float(struct random *r)
{
	double v;

	if (!random_below(r, 3))
		return (double)random_int(r) / 4;
	do {
		uint64_t bits = random_next(r);

		memcpy(&v, &bits, sizeof(v));
	} while (v - v != 0);
	return v;
}

static void add_character(struct random *r, struct sbuf *out)
{
	static const char *const special[] = {"\"", "\\", "/", "<", ">", "&", "]]>", "'", " ", "{",
		"\t", "\n", "\r", "é", "€", "\xEF\xBF\xBD", "𐍈", "\xF4\x8F\xBF\xBD"};

	switch (random_below(r, 4)) {
	case 0:
		sbuf_adds(out, special[random_below(r, ARRAY_LEN(special))]);
		break;
	case 1:
		sbuf_addc(out, (char)(r->is_plain ? 'a' : 1 + random_below(r, 0x1F)));
		break;
	default:
		sbuf_addc(out, (char)(' ' + random_below(r, 0x7F - ' ')));
	}
}

static const char *random_string(struct random *r, struct arena *a)
{
	size_t n = random_below(r, 8) ? random_below(r, 12) : random_below(r, 600);
	auto_sbuf text = {0};

	while (n--)
		add_character(r, &text);
	return arena_strdup(a, sbuf_str(&text));
}

static struct bytes random_bytes(struct random *r, struct arena *a)
{
	struct bytes b = {.n = random_below(r, 40)};
	unsigned char *v = arena_alloc(a, b.n + 1);

	for (size_t i = 0; i < b.n; i++)
		v[i] = (unsigned char)random_next(r);
	b.v = v;
	return b;
}

static void write_any(struct random *r, unsigned depth, struct arena *a, struct json_writer *w)
{
	size_t n = random_below(r, 3);

	switch (random_below(r, depth < DEPTH_MAX ? 7 : 5)) {
	case 0:
		json_write_null(w);
		break;
	case 1:
		json_write_bool(w, random_below(r, 2));
		break;
	case 2:
		json_write_int(w, random_int(r));
		break;
	case 3:
		json_write_float(w, random_float(r));
		break;
	case 4:
		json_write_string(w, random_string(r, a));
		break;
	case 5:
		json_write_array(w);
		while (n--)
			write_any(r, depth + 1, a, w);
		json_write_array_end(w);
		break;
	case 6:
		json_write_object(w);
		for (size_t i = 0; i < n; i++) {
			json_write_name(w, arena_printf(a, "%zu%s", i, random_string(r, a)));
			write_any(r, depth + 1, a, w);
		}
		json_write_object_end(w);
		break;
	}
}

static struct json_text random_any(struct random *r, unsigned depth, struct arena *a)
{
	struct json_writer w;
	auto_sbuf text = {0};

	json_writer_init(&w, &text);
	write_any(r, depth, a, &w);
	return (struct json_text){.text = arena_strndup(a, sbuf_data(&text), sbuf_len(&text)),
		.len = sbuf_len(&text)};
}

static size_t random_length(struct random *r, unsigned depth)
{
	return depth < DEPTH_MAX ? random_below(r, DEPTH_MAX - depth) : 0;
}

static void random_list(struct random *r, const struct type *t, unsigned depth, struct arena *a,
	struct any_list *out)
{
	out->n = random_length(r, depth);
	out->v = out->n ? arena_calloc(a, out->n, t->of->size) : NULL;
	for (size_t i = 0; i < out->n; i++)
		value_at(r, t->of, depth + 1, a, (char *)out->v + i * t->of->size);
}

/* No two of a map are the same: I counts them. */
static const char *random_key(struct random *r, const struct type *key, size_t i, struct arena *a)
{
	if (key && key->kind == TYPE_ENUM)
		return key->cases[i].name;
	if (key && key->kind == TYPE_INT)
		return arena_printf(a, "%lld", (long long)random_next(r) / 64 * 64 + (long long)i);
	return arena_printf(a, "%s%zu", random_string(r, a), i);
}

static void random_map(struct random *r, const struct type *t, unsigned depth, struct arena *a,
	struct any_list *out)
{
	out->n = random_length(r, depth);
	if (t->key && t->key->kind == TYPE_ENUM && out->n > t->key->n)
		out->n = t->key->n;
	out->v = out->n ? arena_calloc(a, out->n, t->entry_size) : NULL;
	for (size_t i = 0; i < out->n; i++) {
		char *entry = (char *)out->v + i * t->entry_size;

		*(const char **)entry = random_key(r, t->key, i, a);
		value_at(r, t->of, depth + 1, a, entry + t->value_offset);
	}
}

static void random_option(
	struct random *r, const struct type *t, unsigned depth, struct arena *a, void *out)
{
	bool is_own_pointer = t->of->kind == TYPE_STRING;
	void *value;

	if (depth >= DEPTH_MAX || random_below(r, 2)) {
		*(void **)out = NULL;
		return;
	}
	value = is_own_pointer ? out : arena_alloc(a, t->of->size);
	value_at(r, t->of, depth + 1, a, value);
	if (!is_own_pointer)
		*(void **)out = value;
	if (t->of->kind == TYPE_ANY && !strcmp(((struct json_text *)value)->text, "null"))
		*(void **)out = NULL; /* an optional null is the same as none */
}

static void random_variant(
	struct random *r, const struct type *t, unsigned depth, struct arena *a, void *out)
{
	const struct type_case *c = &t->cases[random_below(r, t->n)];

	memset(out, 0, t->size);
	*(int *)out = c->value;
	if (c->type)
		value_at(r, c->type, depth + 1, a, (char *)out + t->value_offset);
}

static void value_at(
	struct random *r, const struct type *t, unsigned depth, struct arena *a, void *out)
{
	switch (t->kind) {
	case TYPE_VOID:
		break;
	case TYPE_BOOL:
		*(bool *)out = random_below(r, 2);
		break;
	case TYPE_INT:
		*(int64_t *)out = random_int(r);
		break;
	case TYPE_FLOAT:
		*(double *)out = random_float(r);
		break;
	case TYPE_STRING:
	case TYPE_SECRET:
		*(const char **)out = random_string(r, a);
		break;
	case TYPE_BYTES:
		*(struct bytes *)out = random_bytes(r, a);
		break;
	case TYPE_DATETIME:
		*(int64_t *)out = DATETIME_MIN +
			(int64_t)(random_next(r) % (uint64_t)(DATETIME_MAX - DATETIME_MIN + 1));
		break;
	case TYPE_ANY:
		*(struct json_text *)out = random_any(r, depth, a);
		break;
	case TYPE_ENUM:
		*(int *)out = t->cases[random_below(r, t->n)].value;
		break;
	case TYPE_RECORD:
		memset(out, 0, t->size);
		for (uint32_t i = 0; i < t->n; i++)
			value_at(r, t->fields[i].type, depth + 1, a,
				(char *)out + t->fields[i].offset);
		break;
	case TYPE_VARIANT:
		random_variant(r, t, depth, a, out);
		break;
	case TYPE_LIST:
		random_list(r, t, depth, a, out);
		break;
	case TYPE_MAP:
		random_map(r, t, depth, a, out);
		break;
	case TYPE_OPTION:
		random_option(r, t, depth, a, out);
		break;
	}
}

void random_value(struct random *r, const struct type *t, struct arena *a, void *out)
{
	value_at(r, t, 0, a, out);
}
