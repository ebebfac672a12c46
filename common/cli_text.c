/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One value of the IDL as text in a line. Nothing that a terminal would obey comes through, and no
 * secret.
 */
#include "common/cli_text.h"

#include "common/codec.h"
#include "common/datetime.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The value of an option, or NULL when it is absent. Strings and ids are their own pointer. */
static const void *option_value(const struct type *t, const void *value)
{
	const void *p = *(const void *const *)value;

	if (!p)
		return NULL;
	return t->of->kind == TYPE_STRING ? value : p;
}

const void *cli_peel(const struct type **t, const void *value)
{
	while (value && (*t)->kind == TYPE_OPTION) {
		value = option_value(*t, value);
		*t = (*t)->of;
	}
	return value;
}

bool cli_is_scalar(const struct type *t)
{
	while (t->kind == TYPE_OPTION)
		t = t->of;
	return t->kind != TYPE_RECORD && t->kind != TYPE_LIST && t->kind != TYPE_MAP &&
		t->kind != TYPE_ANY;
}

void cli_add_text(struct sbuf *out, const char *s, bool keep_lines)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if ((c < 0x20 && !(keep_lines && (c == '\n' || c == '\t'))) || c == 0x7F)
			sbuf_printf(out, "\\x%02x", c);
		else
			sbuf_addc(out, *s);
	}
}

/* 8589934592 as "8 GiB"; what is no round number keeps a digit behind the point. */
static void add_size(struct sbuf *out, int64_t v)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double scaled = (double)v;
	size_t i = 0;

	for (; scaled >= 1024 || scaled <= -1024; i++)
		scaled /= 1024;
	if (scaled == (double)(int64_t)scaled)
		sbuf_printf(out, "%" PRId64 " %s", (int64_t)scaled, units[i]);
	else
		sbuf_printf(out, "%.1f %s", scaled, units[i]);
}

static void add_int(struct sbuf *out, const char *name, int64_t v)
{
	size_t len = strlen(name);

	if (len > 6 && !strcmp(name + len - 6, "_bytes"))
		add_size(out, v);
	else
		sbuf_printf(out, "%" PRId64, v);
}

const struct type_case *cli_variant_case(const struct type *t, const void *value)
{
	int kind = *(const int *)value;

	for (uint32_t i = 0; i < t->n; i++)
		if (t->cases[i].value == kind)
			return &t->cases[i];
	return NULL;
}

/* "case" or "case value" */
static void add_variant(struct sbuf *out, const struct type *t, const void *value)
{
	const struct type_case *c = cli_variant_case(t, value);

	if (!c)
		return;
	sbuf_adds(out, c->name);
	if (!c->type)
		return;
	sbuf_addc(out, ' ');
	cli_add_value(out, c->name, c->type, (const char *)value + t->value_offset);
}

static void add_list(struct sbuf *out, const char *name, const struct type *t, const void *value)
{
	const struct any_list *l = value;

	if (!l->n)
		sbuf_addc(out, '-');
	for (size_t i = 0; i < l->n; i++) {
		if (i)
			sbuf_adds(out, ", ");
		cli_add_value(out, name, t->of, (const char *)l->v + i * t->of->size);
	}
}

static void add_map(struct sbuf *out, const struct type *t, const void *value)
{
	const struct any_list *m = value;

	if (!m->n)
		sbuf_addc(out, '-');
	for (size_t i = 0; i < m->n; i++) {
		const char *entry = (const char *)m->v + i * t->entry_size;
		const char *key = *(const char *const *)entry;

		if (i)
			sbuf_adds(out, ", ");
		cli_add_text(out, key, false);
		sbuf_addc(out, '=');
		cli_add_value(out, key, t->of, entry + t->value_offset);
	}
}

static void add_json(struct sbuf *out, const struct type *t, const void *value)
{
	struct json_writer w;

	json_writer_init(&w, out);
	codec_write(t, value, CODEC_MASK_SECRETS, &w);
}

void cli_add_value(struct sbuf *out, const char *name, const struct type *t, const void *value)
{
	char when[DATETIME_SIZE];

	value = cli_peel(&t, value);
	if (!value) {
		sbuf_addc(out, '-');
		return;
	}
	switch (t->kind) {
	case TYPE_VOID:
		break;
	case TYPE_BOOL:
		sbuf_adds(out, *(const bool *)value ? "yes" : "no");
		break;
	case TYPE_INT:
		add_int(out, name, *(const int64_t *)value);
		break;
	case TYPE_FLOAT:
		sbuf_printf(out, "%.10g", *(const double *)value);
		break;
	case TYPE_STRING:
		cli_add_text(out, **(const char *const *)value ? *(const char *const *)value : "-",
			false);
		break;
	case TYPE_SECRET:
		sbuf_adds(out, "***");
		break;
	case TYPE_DATETIME:
		sbuf_adds(out, datetime_put(*(const int64_t *)value, when));
		break;
	case TYPE_ENUM:
		sbuf_adds(out, type_case_name(t, *(const int *)value));
		break;
	case TYPE_VARIANT:
		add_variant(out, t, value);
		break;
	case TYPE_LIST:
		add_list(out, name, t, value);
		break;
	case TYPE_MAP:
		add_map(out, t, value);
		break;
	case TYPE_BYTES:
	case TYPE_ANY:
	case TYPE_RECORD:
	case TYPE_OPTION:
		add_json(out, t, value);
		break;
	}
}

static void add_newline(struct sbuf *out, unsigned depth)
{
	sbuf_addc(out, '\n');
	for (unsigned i = 0; i < depth; i++)
		sbuf_adds(out, "  ");
}

void cli_add_json_lines(struct sbuf *out, const char *text, size_t len)
{
	bool is_quoted = false;
	unsigned depth = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i], next = i + 1 < len ? text[i + 1] : '\0';

		if (!is_quoted && (c == '}' || c == ']'))
			add_newline(out, --depth);
		sbuf_addc(out, c);
		if (c == '\\') {
			sbuf_addc(out, next);
			i++;
		} else if (c == '"') {
			is_quoted = !is_quoted;
		} else if (is_quoted) {
			continue;
		} else if ((c == '{' && next == '}') || (c == '[' && next == ']')) {
			sbuf_addc(out, next);
			i++;
		} else if (c == '{' || c == '[') {
			add_newline(out, ++depth);
		} else if (c == ',') {
			add_newline(out, depth);
		} else if (c == ':') {
			sbuf_addc(out, ' ');
		}
	}
}

size_t cli_text_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xC0) != 0x80;
	return n;
}

static void add_cases(const struct type *t, struct arena *a, struct sbuf *out)
{
	for (uint32_t i = 0; i < t->n; i++) {
		const struct type_case *c = &t->cases[i];

		sbuf_printf(out, "%s%s", i ? "|" : "", c->name);
		if (c->type)
			sbuf_printf(out, "=%s", cli_type_text(c->type, a));
	}
}

const char *cli_type_text(const struct type *t, struct arena *a)
{
	auto_sbuf out = {0};

	switch (t->kind) {
	case TYPE_VOID:
		return "";
	case TYPE_BOOL:
		return "BOOL";
	case TYPE_INT:
		return "INT";
	case TYPE_FLOAT:
		return "NUMBER";
	case TYPE_STRING:
		return t == &type_string ? "TEXT" : t->name; /* an id has a name */
	case TYPE_SECRET:
		return "@FILE|-";
	case TYPE_BYTES:
		return "BASE64";
	case TYPE_DATETIME:
		return "TIME";
	case TYPE_ANY:
		return "JSON";
	case TYPE_RECORD:
		return arena_printf(a, "%s", t->name);
	case TYPE_OPTION:
		return cli_type_text(t->of, a);
	case TYPE_LIST:
		return arena_printf(a, "%s,…", cli_type_text(t->of, a));
	case TYPE_MAP:
		return "KEY=VALUE,…";
	case TYPE_ENUM:
	case TYPE_VARIANT:
		add_cases(t, a, &out);
		return arena_strdup(a, sbuf_str(&out));
	}
	return "";
}
