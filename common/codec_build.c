/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How values are put together from a wire form (codec_build.h), whatever the form is.
 */
#include "common/codec_build.h"

#include "common/base64.h"
#include "common/codec.h"
#include "common/datetime.h"
#include "common/mem.h"
#include "common/number.h"
#include "core.gen.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

/* As much of a peer's text as an error repeats. */
#define SHOWN 80

struct err *codec_bad(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	auto_str reason = xvasprintf(fmt, ap);
	va_end(ap);
	return err(INVALID_VALUE, "", reason);
}

/* PART is consumed. */
static struct err *at(struct err *e, char *part)
{
	auto_str front = part;
	auto_str rest = e->params[0];

	e->params[0] = xasprintf("%s%s", front, rest);
	return e;
}

struct err *codec_at_root(struct err *e, const char *root)
{
	if (!e)
		return NULL;
	if (*root)
		return at(e, xstrdup(root));
	/* Without a root the first name stands without its dot. */
	char *path = e->params[0];
	if (*path == '.')
		memmove(path, path + 1, strlen(path));
	return e;
}

struct err *codec_at_field(struct err *e, const char *name)
{
	return e ? at(e, xasprintf(".%s", name)) : NULL;
}

struct err *codec_at_index(struct err *e, size_t index)
{
	return e ? at(e, xasprintf("[%zu]", index)) : NULL;
}

struct err *codec_at_key(struct err *e, const char *key, size_t len)
{
	return e ? at(e, xasprintf("[\"%.*s\"]", len < SHOWN ? (int)len : SHOWN, key)) : NULL;
}

struct err *codec_no_such_case(const struct type *t, const char *name, size_t len)
{
	auto_sbuf cases = {0};

	for (uint32_t i = 0; i < t->n; i++)
		sbuf_printf(&cases, "%s%s", i ? ", " : "", t->cases[i].name);
	return codec_bad(
		"'%.*s' is none of: %s", len < SHOWN ? (int)len : SHOWN, name, sbuf_str(&cases));
}

const void *codec_option_value(const struct type *t, const void *value)
{
	const void *inner;

	memcpy(&inner, value, sizeof(inner));
	return inner && t->of->kind == TYPE_STRING ? value : inner;
}

void *codec_option_place(const struct type *t, struct arena *a, void *out)
{
	if (t->of->kind == TYPE_STRING)
		return out;
	void *place = arena_alloc(a, t->of->size);
	memcpy(out, &place, sizeof(place));
	return place;
}

static bool holds_default(const struct field *f, const void *value)
{
	auto_arena a = {0};
	void *usual = arena_alloc(&a, f->type->size);

	if (!f->default_json)
		return false;
	auto_err e = codec_decode(f->type, "", f->default_json, strlen(f->default_json), &a, usual);
	return !e && codec_equal(f->type, value, usual);
}

bool codec_may_be_left_out(const struct field *f, const void *value, unsigned flags)
{
	if (f->type->kind == TYPE_OPTION && !f->default_json)
		return !codec_option_value(f->type, value);
	return flags & CODEC_OMIT_DEFAULTS && holds_default(f, value);
}

const struct type_case *codec_case_of(const struct type *t, const void *value)
{
	int kind;

	memcpy(&kind, value, sizeof(kind));
	const struct type_case *c = type_case_of(t, kind);
	assert(c);
	return c;
}

const char *codec_secret_text(const struct secret *secret, unsigned flags)
{
	return flags & CODEC_MASK_SECRETS ? CODEC_MASKED : secret->hidden;
}

bool codec_is_secret_name(const char *name)
{
	static const char *const words[] = {
		"password", "passwd", "passphrase", "pwd", "psk", "private_key", "secret"};

	for (; *name; name++) {
		/* the letters that the words begin with */
		if ((*name | 0x20) != 'p' && (*name | 0x20) != 's')
			continue;
		for (size_t i = 0; i < ARRAY_LEN(words); i++)
			if (!strncasecmp(name, words[i], strlen(words[i])))
				return true;
	}
	return false;
}

bool codec_is_masked(const struct type *t, const char *name)
{
	return t->kind == TYPE_STRING && codec_is_secret_name(name);
}

struct err *codec_read_enum(const struct type *t, const char *name, size_t len, void *out)
{
	const struct type_case *found = type_case_named(t, name, len);

	if (!found && t->unknown_case < 0)
		return codec_no_such_case(t, name, len);
	memcpy(out, found ? &found->value : &t->unknown_case, sizeof(int));
	return NULL;
}

struct err *codec_read_case(const struct type *t, const char *name, size_t len, bool has_value,
	void *out, const struct type_case **found)
{
	const struct type_case *c = type_case_named(t, name, len);

	if (!c)
		return codec_no_such_case(t, name, len);
	if (has_value != (c->type != NULL))
		return codec_bad("'%s' takes %s value", c->name, has_value ? "no" : "a");
	memcpy(out, &c->value, sizeof(int));
	*found = c;
	return NULL;
}

struct err *codec_read_bytes(const char *text, size_t len, struct arena *a, struct bytes *out)
{
	unsigned char *bytes = (unsigned char *)arena_bytes(a, base64_decoded_size(len));
	size_t n;

	if (!base64_decode(text, len, bytes, &n))
		return codec_bad("not base64");
	*out = (struct bytes){bytes, n};
	return NULL;
}

struct err *codec_read_datetime(const char *text, size_t len, int64_t *out)
{
	if (datetime_read(text, len, out))
		return NULL;
	return codec_bad("'%.*s' is no date and time, as 2026-11-21T09:12:58Z is",
		len < SHOWN ? (int)len : SHOWN, text);
}

void *codec_grow(struct codec_growing *g)
{
	if (g->list.n == g->space) {
		size_t space = g->space ? g->space * 2 : 4;

		if (g->arena->used + space * g->size > CODEC_MAX_MEMORY)
			return NULL;
		void *v = arena_calloc(g->arena, space, g->size);
		if (g->list.n)
			memcpy(v, g->list.v, g->list.n * g->size);
		g->list.v = v;
		g->space = space;
	}
	return (char *)g->list.v + g->list.n++ * g->size;
}

struct err *codec_check_key(const struct type *t, const char *key, size_t len)
{
	int64_t number;
	int value;

	if (!t->key)
		return NULL;
	if (t->key->kind == TYPE_ENUM)
		return codec_read_enum(t->key, key, len, &value);
	if (t->key->kind == TYPE_INT && !number_read_int(key, len, &number))
		return codec_bad(
			"'%.*s' is no integer of 64 bits", len < SHOWN ? (int)len : SHOWN, key);
	return NULL;
}

bool codec_keys_repeat(const struct type *t, const struct any_list *entries)
{
	AUTO(json_names_fini) struct json_names keys = {0};

	if (entries->n < 2)
		return false;
	for (size_t i = 0; i < entries->n; i++) {
		const char *key;

		memcpy(&key, (char *)entries->v + i * t->entry_size, sizeof(key));
		json_names_add(&keys, key, strlen(key));
	}
	return json_names_repeat(&keys, 0);
}

void codec_record_begin(struct codec_record *rec, const struct type *t, struct arena *a, void *out)
{
	rec->type = t;
	rec->arena = a;
	rec->out = out;
	rec->next = 0;
	rec->few = 0;
	rec->seen = t->n <= 64 ? &rec->few : arena_calloc(a, (t->n + 63) / 64, sizeof(uint64_t));
	rec->unknown = (struct json_names){0};
}

void codec_record_fini(struct codec_record *rec)
{
	if (rec->unknown.v)
		json_names_fini(&rec->unknown);
}

static inline bool is_named(const struct field *f, const char *name, size_t len)
{
	size_t i = 0;

	/* Names are short, and most of them differ early; a NUL in NAME ends no name. */
	while (i < len && f->name[i] && f->name[i] == name[i])
		i++;
	return i == len && !f->name[i];
}

/* Members mostly come in the order of the fields, so that the search begins behind the last. */
static const struct field *find_field(struct codec_record *rec, const char *name, size_t len)
{
	const struct type *t = rec->type;

	for (uint32_t tried = 0, i = rec->next; tried < t->n; tried++, i++) {
		if (i >= t->n)
			i = 0;
		if (is_named(&t->fields[i], name, len)) {
			rec->next = i + 1;
			return &t->fields[i];
		}
	}
	return NULL;
}

struct err *codec_record_member(
	struct codec_record *rec, const char *name, size_t len, const struct field **field)
{
	const struct field *f = find_field(rec, name, len);

	*field = f;
	if (!f) {
		json_names_add(&rec->unknown, name, len);
		return NULL;
	}
	size_t i = (size_t)(f - rec->type->fields);
	uint64_t bit = UINT64_C(1) << i % 64;
	if (rec->seen[i / 64] & bit)
		return codec_at_field(codec_bad("it comes twice"), f->name);
	rec->seen[i / 64] |= bit;
	return NULL;
}

static struct err *fill_missing(struct codec_record *rec, const struct field *f)
{
	if (f->default_json)
		return codec_decode(f->type, "", f->default_json, strlen(f->default_json),
			rec->arena, rec->out + f->offset);
	/* An absent option is NULL, as the zeroed record has it. */
	return f->type->kind == TYPE_OPTION ? NULL : codec_bad("missing");
}

struct err *codec_record_end(struct codec_record *rec)
{
	const struct type *t = rec->type;

	if (rec->unknown.n > 1 && json_names_repeat(&rec->unknown, 0))
		return codec_bad("an unknown member comes twice");
	for (uint32_t i = 0; i < t->n; i++)
		if (!(rec->seen[i / 64] >> i % 64 & 1))
			TRY(codec_at_field(fill_missing(rec, &t->fields[i]), t->fields[i].name));
	return NULL;
}
