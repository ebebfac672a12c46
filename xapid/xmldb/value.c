/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One value as the original's database has it (xmldb.h). A set or map is a list in parentheses, its
 * texts in quotes with a backslash before quotes and backslashes. An attribute's blanks are escaped
 * by a percent sign, since a reader of XML makes one of several; what XML cannot hold at all is
 * written as %xHH, byte by byte, which the original does not have.
 */
#include "xapid/xmldb/xmldb.h"

#include "common/codec.h"
#include "common/datetime.h"
#include "common/map.h"
#include "common/number.h"
#include "common/utf8.h"
#include "common/xml.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#define NO_OBJECT   "OpaqueRef:NULL"
#define MEMBERS_MAX 1000000 /* of one set or map */

/* ---- attributes ---- */

static void put_bytes(struct sbuf *out, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sbuf_printf(out, "%%x%02X", (unsigned char)bytes[i]);
}

/* The length of the character at S, and whether XML can hold it. A byte that is none is one. */
static size_t measure(const char *s, bool *is_fit)
{
	uint32_t c;
	size_t n = utf8_decode(s, strnlen(s, 4), &c);

	*is_fit = n && utf8_fits_xml(s, n);
	return n ? n : 1;
}

/* How many characters of ASCII stand for themselves here. */
static size_t plain_stretch(const char *text)
{
	size_t n = 0;

	while (text[n] > ' ' && text[n] < 0x7f && text[n] != '%')
		n++;
	return n;
}

static void protect(const char *text, struct sbuf *out)
{
	static const char plain[] = " \t\n\r%", letters[] = ".tnr%";

	for (size_t n; *text; text += n) {
		n = plain_stretch(text);
		sbuf_add(out, text, n);
		text += n;
		if (!*text)
			return;
		const char *found = strchr(plain, *text);
		bool is_fit;

		n = measure(text, &is_fit);
		if (found) {
			sbuf_addc(out, '%');
			sbuf_addc(out, letters[found - plain]);
		} else if (is_fit) {
			sbuf_add(out, text, n);
		} else {
			put_bytes(out, text, n);
		}
	}
}

void xmldb_put_attr(const char *text, struct sbuf *out)
{
	auto_sbuf safe = {0};

	protect(text, &safe);
	xml_add_attr(out, sbuf_str(&safe), sbuf_len(&safe));
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* What an escape at AT stands for goes to OUT; returns its length, 0 when it is none. */
static size_t unescape(const char *at, char **out)
{
	static const char letters[] = ".tnr%", plain[] = " \t\n\r%";
	const char *found = at[1] ? strchr(letters, at[1]) : NULL;

	if (found) {
		*(*out)++ = plain[found - letters];
		return 2;
	}
	if (at[1] == '_') { /* of old files: two blanks */
		*(*out)++ = ' ';
		*(*out)++ = ' ';
		return 2;
	}
	int high = at[1] == 'x' ? hex_digit(at[2]) : -1, low = high < 0 ? -1 : hex_digit(at[3]);
	if (low < 0 || !(high | low))
		return 0;
	*(*out)++ = (char)(high << 4 | low);
	return 4;
}

const char *xmldb_get_attr(const char *text, struct arena *a)
{
	if (!strchr(text, '%'))
		return text;
	char *plain = arena_bytes(a, strlen(text) + 1), *out = plain;
	while (*text) {
		size_t n = *text == '%' ? unescape(text, &out) : 0;

		if (!n)
			*out++ = *text;
		text += n ? n : 1;
	}
	*out = '\0';
	return plain;
}

/* ---- writing ---- */

static void put_quoted(const char *text, struct sbuf *out)
{
	sbuf_addc(out, '\'');
	for (; *text; text++) {
		if (strchr("\\\"'", *text))
			sbuf_addc(out, '\\');
		sbuf_addc(out, *text);
	}
	sbuf_addc(out, '\'');
}

static void put_member(const struct type *t, const void *value, struct sbuf *out)
{
	auto_sbuf text = {0};

	xmldb_put(t, value, &text);
	put_quoted(sbuf_str(&text), out);
}

static void put_set(const struct type *t, const struct any_list *set, struct sbuf *out)
{
	sbuf_addc(out, '(');
	for (size_t i = 0; i < set->n; i++) {
		if (i)
			sbuf_addc(out, ' ');
		put_member(t->of, (const char *)set->v + i * t->of->size, out);
	}
	sbuf_addc(out, ')');
}

static void put_map(const struct type *t, const struct any_list *map, struct sbuf *out)
{
	sbuf_addc(out, '(');
	for (size_t i = 0; i < map->n; i++) {
		const char *entry = (const char *)map->v + i * t->entry_size;

		sbuf_adds(out, i ? " (" : "(");
		put_quoted(*(const char *const *)entry, out);
		sbuf_addc(out, ' ');
		put_member(t->of, entry + t->value_offset, out);
		sbuf_addc(out, ')');
	}
	sbuf_addc(out, ')');
}

static void put_float(double v, struct sbuf *out)
{
	if (__builtin_isfinite(v))
		sbuf_added(out, number_put_double(v, sbuf_room(out, NUMBER_DOUBLE_SIZE)));
	else
		sbuf_adds(out, __builtin_isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
}

void xmldb_put(const struct type *t, const void *value, struct sbuf *out)
{
	char when[DATETIME_SIZE];

	switch (t->kind) {
	case TYPE_BOOL:
		sbuf_adds(out, *(const bool *)value ? "true" : "false");
		break;
	case TYPE_INT:
		sbuf_added(out,
			number_put_int(*(const int64_t *)value, sbuf_room(out, NUMBER_INT_SIZE)));
		break;
	case TYPE_FLOAT:
		put_float(*(const double *)value, out);
		break;
	case TYPE_STRING:
		sbuf_adds(out, *(const char *const *)value);
		break;
	case TYPE_SECRET:
		sbuf_adds(out, ((const struct secret *)value)->hidden);
		break;
	case TYPE_DATETIME:
		sbuf_adds(out, datetime_put_basic(*(const int64_t *)value, when));
		break;
	case TYPE_ENUM:
		sbuf_adds(out, type_case_name(t, *(const int *)value) ?: "");
		break;
	case TYPE_LIST:
		put_set(t, value, out);
		break;
	case TYPE_MAP:
		put_map(t, value, out);
		break;
	case TYPE_VOID:
	case TYPE_BYTES:
	case TYPE_ANY:
	case TYPE_RECORD:
	case TYPE_VARIANT:
	case TYPE_OPTION: /* no field of a class that is kept */
		codec_encode(t, value, out);
		break;
	}
}

/* ---- reading lists ---- */

struct reader {
	const char *at;
	struct arena *arena;
};

static void skip_blanks(struct reader *r)
{
	while (isspace((unsigned char)*r->at))
		r->at++;
}

static bool take_char(struct reader *r, char c)
{
	skip_blanks(r);
	if (*r->at != c)
		return false;
	r->at++;
	return true;
}

/* How long a text is up to its closing QUOTE, escapes and all. */
static size_t quoted_length(const char *text, char quote)
{
	size_t n = 0;

	while (text[n] && text[n] != quote)
		n += text[n] == '\\' && text[n + 1] ? 2 : 1;
	return n;
}

/* Of a word without quotes. By hand: where strcspn is checked, it looks to the end of the text, for
 * each word of a long list. */
static size_t word_length(const char *text)
{
	size_t n = 0;

	while (text[n] && text[n] != ' ' && text[n] != '(' && text[n] != ')')
		n++;
	return n;
}

/* In either kind of quotes, or a bare word. */
static bool take_text(struct reader *r, const char **out)
{
	skip_blanks(r);
	char quote = *r->at == '"' || *r->at == '\'' ? *r->at++ : '\0';
	size_t len = quote ? quoted_length(r->at, quote) : word_length(r->at);
	char *text = arena_bytes(r->arena, len + 1), *to = text;

	for (const char *end = r->at + len; r->at < end;) {
		if (quote && *r->at == '\\' && r->at + 1 < end)
			r->at++;
		*to++ = *r->at++;
	}
	*to = '\0';
	if (quote && *r->at != quote)
		return false;
	r->at += quote ? 1 : 0;
	*out = text;
	return quote || len;
}

/* A member of a set, or an entry of a map (else VALUE is NULL). */
struct member {
	const char *text, *value;
};

typedef vec_of(struct member) member_vec;

static bool take_member(struct reader *r, bool is_map, struct member *out)
{
	*out = (struct member){0};
	if (!is_map)
		return take_text(r, &out->text);
	return take_char(r, '(') && take_text(r, &out->text) && take_text(r, &out->value) &&
		take_char(r, ')');
}

/* No text at all is an empty list. */
static bool take_members(struct reader *r, bool is_map, member_vec *out)
{
	struct member m;

	skip_blanks(r);
	if (!*r->at)
		return true;
	if (!take_char(r, '('))
		return false;
	while (!take_char(r, ')')) {
		if (out->n == MEMBERS_MAX || !take_member(r, is_map, &m))
			return false;
		vec_push(out, m);
	}
	skip_blanks(r);
	return !*r->at;
}

/* ---- reading values ---- */

static const char *no_such(const char *text, const char *what, struct arena *a)
{
	return arena_printf(a, "'%.60s' is %s", text, what);
}

static const char *get_list(const struct type *t, const char *text, struct arena *a, void *out)
{
	bool is_map = t->kind == TYPE_MAP;
	size_t size = is_map ? t->entry_size : t->of->size, offset = is_map ? t->value_offset : 0;
	AUTO(map_fini) struct map seen = {0};
	struct any_list *list = out;
	const char *why = NULL;
	struct reader r = {text, a};
	member_vec members = {0};

	if (!take_members(&r, is_map, &members)) {
		vec_fini(&members);
		return no_such(text, is_map ? "no map" : "no set", a);
	}
	char *v = arena_calloc(a, members.n, size);
	list->v = v;
	list->n = 0;
	vec_for_each (i, &members) {
		const struct member *m = &members.v[i];
		const char *bad = NULL;
		int64_t key; /* or whatever keys are: it is only looked whether this is one */

		if (is_map && t->key)
			bad = xmldb_get(t->key, m->text, a, &key);
		if ((is_map || t->is_set) && map_put(&seen, m->text, v))
			bad = no_such(m->text, "there twice", a);
		else if (!bad)
			bad = xmldb_get(
				t->of, is_map ? m->value : m->text, a, v + list->n * size + offset);
		why = why ? why : bad;
		if (bad)
			continue;
		if (is_map)
			*(const char **)(v + list->n * size) = m->text;
		list->n++;
	}
	vec_fini(&members);
	return why;
}

static const char *get_string(
	const struct type *t, const char *text, struct arena *a, const char **out)
{
	*out = t->class && !*text ? NO_OBJECT : arena_strdup(a, text);
	return NULL;
}

static const char *get_enum(const struct type *t, const char *text, struct arena *a, int *out)
{
	const struct type_case *found = type_case_named(t, text, strlen(text));

	if (!found)
		return no_such(text, arena_printf(a, "no %s", t->name), a);
	*out = found->value;
	return NULL;
}

static const char *get_json(const struct type *t, const char *text, struct arena *a, void *out)
{
	auto_err e = codec_decode(t, "", text, strlen(text), a, out);

	return e ? arena_strdup(a, err_text(e)) : NULL;
}

const char *xmldb_get(const struct type *t, const char *text, struct arena *a, void *out)
{
	bool is_true = !strcmp(text, "true");

	switch (t->kind) {
	case TYPE_BOOL:
		if (!is_true && strcmp(text, "false") != 0)
			return no_such(text, "neither true nor false", a);
		*(bool *)out = is_true;
		return NULL;
	case TYPE_INT:
		return number_read_int(text, strlen(text), out) ? NULL
								: no_such(text, "no number", a);
	case TYPE_FLOAT:
		return number_read_loose(text, out) && isfinite(*(double *)out)
			? NULL
			: no_such(text, "no number", a);
	case TYPE_DATETIME:
		return datetime_read(text, strlen(text), out) ? NULL : no_such(text, "no time", a);
	case TYPE_STRING:
		return get_string(t, text, a, out);
	case TYPE_SECRET:
		return get_string(t, text, a, &((struct secret *)out)->hidden);
	case TYPE_ENUM:
		return get_enum(t, text, a, out);
	case TYPE_LIST:
	case TYPE_MAP:
		return get_list(t, text, a, out);
	case TYPE_VOID:
	case TYPE_BYTES:
	case TYPE_ANY:
	case TYPE_RECORD:
	case TYPE_VARIANT:
	case TYPE_OPTION:
		return get_json(t, text, a, out);
	}
	__builtin_unreachable();
}
