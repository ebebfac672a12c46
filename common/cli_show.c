/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Values for people: a scalar is a line, a record is "key: value" lines, a list of records a table
 * (cli_table.c). Nothing is left out of a record. --json is for programs.
 */
#include "common/cli_parts.h"

#include "common/cli_table.h"
#include "common/cli_text.h"

#include <string.h>

enum { INDENT = 2 };

/* How values are being shown. */
struct showing {
	struct sbuf *out;
	unsigned width; /* of the terminal; 0: no bound */
};

static void show_below(struct showing *s, const char *name, const struct type *t, const void *value,
	unsigned indent);

static void add_spaces(struct sbuf *out, size_t n)
{
	while (n--)
		sbuf_addc(out, ' ');
}

static bool is_line(const struct type *t)
{
	return cli_is_scalar(t) || (t->kind == TYPE_LIST && cli_is_scalar(t->of));
}

/* "key:      value", or the value in lines of its own below. */
static void show_member(struct showing *s, const char *key, size_t key_width, const struct type *t,
	const void *value, unsigned indent)
{
	const struct type *inner = t;
	const void *v = cli_peel(&inner, value);

	add_spaces(s->out, indent);
	cli_add_text(s->out, key, false);
	sbuf_addc(s->out, ':');
	const struct type_case *c =
		v && inner->kind == TYPE_VARIANT ? cli_variant_case(inner, v) : NULL;
	bool is_below = c ? c->type && !is_line(c->type) : v && !is_line(inner);
	if (v && !c && (inner->kind == TYPE_LIST || inner->kind == TYPE_MAP) &&
		!((const struct any_list *)v)->n) {
		add_spaces(s->out, key_width - cli_text_width(key) + 1);
		sbuf_addc(s->out, '-');
		is_below = false;
	} else if (c && is_below) {
		add_spaces(s->out, key_width - cli_text_width(key) + 1);
		sbuf_adds(s->out, c->name);
		v = (const char *)v + inner->value_offset;
		inner = c->type;
	} else if (!is_below) {
		add_spaces(s->out, key_width - cli_text_width(key) + 1);
		cli_add_value(s->out, key, t, value);
	}
	sbuf_addc(s->out, '\n');
	if (is_below)
		show_below(s, key, inner, v, indent + INDENT);
}

static void show_record(struct showing *s, const struct type *t, const void *value, unsigned indent)
{
	size_t width = 0;

	for (uint32_t i = 0; i < t->n; i++)
		if (strlen(t->fields[i].name) > width)
			width = strlen(t->fields[i].name);
	for (uint32_t i = 0; i < t->n; i++)
		show_member(s, t->fields[i].name, width, t->fields[i].type,
			(const char *)value + t->fields[i].offset, indent);
}

static void show_map(struct showing *s, const struct type *t, const void *value, unsigned indent)
{
	const struct any_list *m = value;
	size_t width = 0;

	for (size_t i = 0; i < m->n; i++) {
		const char *key = *(const char *const *)((const char *)m->v + i * t->entry_size);

		if (cli_text_width(key) > width)
			width = cli_text_width(key);
	}
	for (size_t i = 0; i < m->n; i++) {
		const char *entry = (const char *)m->v + i * t->entry_size;

		show_member(s, *(const char *const *)entry, width, t->of, entry + t->value_offset,
			indent);
	}
}

static void show_list(struct showing *s, const char *name, const struct type *t, const void *value,
	unsigned indent)
{
	const struct any_list *l = value;

	if (t->of->kind == TYPE_RECORD) {
		cli_table(t, value, indent, s->width, s->out);
		return;
	}
	for (size_t i = 0; i < l->n; i++) {
		add_spaces(s->out, indent);
		cli_add_value(s->out, name, t->of, (const char *)l->v + i * t->of->size);
		sbuf_addc(s->out, '\n');
	}
}

static void show_any(struct showing *s, const void *value)
{
	const struct json_text *j = value;

	cli_add_json_lines(s->out, j->text, j->len);
	sbuf_addc(s->out, '\n');
}

/* "case:" and its value below. */
static void show_case(struct showing *s, const struct type *t, const void *value, unsigned indent)
{
	const struct type_case *c = cli_variant_case(t, value);

	add_spaces(s->out, indent);
	sbuf_printf(s->out, "%s:\n", c->name);
	show_below(s, c->name, c->type, (const char *)value + t->value_offset, indent + INDENT);
}

static bool has_compound_case(const struct type *t, const void *value)
{
	const struct type_case *c = t->kind == TYPE_VARIANT ? cli_variant_case(t, value) : NULL;

	return c && c->type && !is_line(c->type);
}

static void show_below(struct showing *s, const char *name, const struct type *t, const void *value,
	unsigned indent)
{
	value = cli_peel(&t, value);
	if (value && t->kind == TYPE_RECORD) {
		show_record(s, t, value, indent);
	} else if (value && t->kind == TYPE_MAP) {
		show_map(s, t, value, indent);
	} else if (value && t->kind == TYPE_LIST) {
		show_list(s, name, t, value, indent);
	} else if (value && t->kind == TYPE_ANY && !indent) {
		show_any(s, value);
	} else if (value && has_compound_case(t, value)) {
		show_case(s, t, value, indent);
	} else {
		add_spaces(s->out, indent);
		cli_add_value(s->out, name, t, value);
		sbuf_addc(s->out, '\n');
	}
}

void cli_show(const struct type *t, const void *value, unsigned width, struct sbuf *out)
{
	struct showing s = {.out = out, .width = width};
	const struct type *inner = t;
	const void *v = cli_peel(&inner, value);

	if (t->kind == TYPE_VOID)
		return;
	if (v && inner->kind == TYPE_STRING) {
		const char *text = *(const char *const *)v;
		size_t len = strlen(text);

		cli_add_text(out, text, true);
		if (!len || text[len - 1] != '\n')
			sbuf_addc(out, '\n');
		return;
	}
	show_below(&s, "", t, value, 0);
}
