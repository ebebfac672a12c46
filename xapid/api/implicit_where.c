/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The expressions of get_all_records_where (implicit.h): parsed once into nodes in the call's
 * arena, then asked of each row.
 */
#include "common/sbuf.h"
#include "xapid/api/implicit.h"
#include "xapid/xmldb/xmldb.h"

#include "core.gen.h"

#include <ctype.h>
#include <string.h>

/* Both are walked by recursion, and no person's expression comes near. */
#define MAX_DEPTH 64
#define MAX_NODES 500

enum where_kind { WHERE_TRUE, WHERE_FALSE, WHERE_EQUAL, WHERE_NOT, WHERE_AND, WHERE_OR };

/* A field, or a text. */
struct operand {
	const struct field *field;
	const char *text;
};

struct where {
	enum where_kind kind;
	const struct where *left, *right; /* NOT has a left one */
	struct operand operands[2]; /* EQUAL */
};

struct parser {
	const struct class *class;
	struct arena *arena;
	const char *whole, *at;
	unsigned depth, n_nodes;
};

/* ---- words ---- */

static struct err *wrong(const struct parser *p, const char *expected)
{
	auto_arena a = {0};

	return err(INVALID_VALUE, p->whole,
		arena_printf(&a, "at character %zu: expected %s", (size_t)(p->at - p->whole) + 1,
			expected));
}

static void skip_blanks(struct parser *p)
{
	while (isspace((unsigned char)*p->at))
		p->at++;
}

static bool take_char(struct parser *p, char c)
{
	skip_blanks(p);
	if (*p->at != c)
		return false;
	p->at++;
	return true;
}

static bool take_word(struct parser *p, const char *word)
{
	size_t len = strlen(word);

	skip_blanks(p);
	if (strncmp(p->at, word, len) != 0 || isalnum((unsigned char)p->at[len]))
		return false;
	p->at += len;
	return true;
}

static struct err *take_string(struct parser *p, const char **out)
{
	skip_blanks(p);
	char quote = *p->at;
	if (quote != '"' && quote != '\'')
		return wrong(p, "a string in quotes");
	char *text = arena_bytes(p->arena, strlen(p->at));
	size_t n = 0;
	for (p->at++; *p->at != quote; p->at++) {
		if (*p->at == '\\')
			p->at++;
		if (!*p->at)
			return wrong(p, "the string's end");
		text[n++] = *p->at;
	}
	p->at++;
	text[n] = '\0';
	*out = text;
	return NULL;
}

/* ---- grammar ---- */

static const struct field *find_field(const struct class *class, const char *name)
{
	auto_sbuf plain = {0};

	for (; *name; name++)
		if (name[0] != '_' || name[1] != '_')
			sbuf_addc(&plain, *name);
	const struct field *f = db_field_named(class, sbuf_str(&plain));
	return f && !(f->flags & FIELD_INTERNAL) ? f : NULL;
}

static struct err *parse_operand(struct parser *p, struct operand *out)
{
	const char *text;

	if (!take_word(p, "field")) {
		TRY(take_string(p, &text));
		*out = (struct operand){.text = text};
		return NULL;
	}
	TRY(take_string(p, &text));
	const struct field *f = find_field(p->class, text);
	if (!f)
		return wrong(p, "the name of a field");
	*out = (struct operand){.field = f};
	return NULL;
}

static struct err *parse_or(struct parser *p, const struct where **out);

static struct where *node(struct parser *p, enum where_kind kind)
{
	struct where *w = arena_new(p->arena, struct where);

	p->n_nodes++;
	w->kind = kind;
	return w;
}

static struct err *parse_equal(struct parser *p, const struct where **out)
{
	struct where *w = node(p, WHERE_EQUAL);

	TRY(parse_operand(p, &w->operands[0]));
	if (!take_char(p, '='))
		return wrong(p, "'='");
	TRY(parse_operand(p, &w->operands[1]));
	*out = w;
	return NULL;
}

static struct err *parse_simple(struct parser *p, const struct where **out)
{
	if (take_word(p, "true")) {
		*out = node(p, WHERE_TRUE);
		return NULL;
	}
	if (take_word(p, "false")) {
		*out = node(p, WHERE_FALSE);
		return NULL;
	}
	if (!take_char(p, '('))
		return parse_equal(p, out);
	TRY(parse_or(p, out));
	return take_char(p, ')') ? NULL : wrong(p, "')'");
}

static struct err *parse_not(struct parser *p, const struct where **out)
{
	bool is_negated = false;

	if (p->n_nodes > MAX_NODES)
		return wrong(p, "a shorter expression");
	while (take_word(p, "not"))
		is_negated = !is_negated;
	TRY(parse_simple(p, out));
	if (is_negated) {
		struct where *w = node(p, WHERE_NOT);

		w->left = *out;
		*out = w;
	}
	return NULL;
}

static struct err *parse_and(struct parser *p, const struct where **out)
{
	TRY(parse_not(p, out));
	while (take_word(p, "and")) {
		struct where *w = node(p, WHERE_AND);

		w->left = *out;
		TRY(parse_not(p, &w->right));
		*out = w;
	}
	return NULL;
}

static struct err *parse_or(struct parser *p, const struct where **out)
{
	if (p->depth++ > MAX_DEPTH)
		return wrong(p, "less nesting");
	TRY(parse_and(p, out));
	while (take_word(p, "or")) {
		struct where *w = node(p, WHERE_OR);

		w->left = *out;
		TRY(parse_and(p, &w->right));
		*out = w;
	}
	p->depth--;
	return NULL;
}

struct err *where_parse(
	const struct class *class, const char *expr, struct arena *a, const struct where **out)
{
	struct parser p = {.class = class, .arena = a, .whole = expr, .at = expr};

	TRY(parse_or(&p, out));
	skip_blanks(&p);
	return *p.at ? wrong(&p, "the end") : NULL;
}

/* ---- asking ---- */

static const char *operand_text(
	const struct operand *o, const struct db_row *row, struct sbuf *buffer)
{
	if (!o->field)
		return o->text;
	if (o->field->type->kind == TYPE_STRING)
		return *(const char *const *)db_value(row, o->field);
	xmldb_put(o->field->type, db_value(row, o->field), buffer);
	return sbuf_str(buffer);
}

static bool is_equal(const struct where *w, const struct db_row *row)
{
	auto_sbuf left = {0}, right = {0};

	return !strcmp(operand_text(&w->operands[0], row, &left),
		operand_text(&w->operands[1], row, &right));
}

bool where_matches(const struct where *w, const struct db_row *row)
{
	if (!w)
		return true;
	switch (w->kind) {
	case WHERE_TRUE:
		return true;
	case WHERE_FALSE:
		return false;
	case WHERE_EQUAL:
		return is_equal(w, row);
	case WHERE_NOT:
		return !where_matches(w->left, row);
	case WHERE_AND:
		return where_matches(w->left, row) && where_matches(w->right, row);
	case WHERE_OR:
		return where_matches(w->left, row) || where_matches(w->right, row);
	}
	return false;
}

struct err *implicit_get_all_where(struct xapi_call *c, const char *expr, void *out)
{
	const struct class *class = c->message->class;
	struct arena *a = c->call.arena;
	struct string_list refs = {arena_calloc(a, db_count_of(class) + 1, sizeof(*refs.v)), 0};
	const struct where *where;

	TRY(where_parse(class, expr, a, &where));
	db_for_each_of (class, row)
		if (where_matches(where, row))
			refs.v[refs.n++] = arena_strdup(a, db_ref(row));
	*(struct string_list *)out = refs;
	return NULL;
}
