/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Types where they are used, and default values:
 *
 *	type    = simple ["?"]
 *	simple  = base | [interface "."] name | "list" simple | "set" simple | "map" simple
 *	        | "ref" class | "(" type ")"
 *	literal = JSON number, string, true, false, null | "[" "]" | "{" "}" | case
 */
#include "idl/parse.h"

#include <string.h>

static bool parse_nested(struct parser *p, unsigned depth, struct type_use **out);

static struct type_use *use_new(struct parser *p, enum type_form form)
{
	struct type_use *t = arena_new(&p->idl->arena, struct type_use);

	t->form = form;
	t->at = p->token.at;
	return t;
}

static bool parse_named(struct parser *p, struct type_use **out)
{
	struct type_use *t = use_new(p, FORM_NAMED);

	if (!parse_name(p, "a type", &t->name, &t->at))
		return false;
	if (base_type_find(t->name, &t->base))
		t->form = FORM_BASE;
	else if (parser_accept(p, '.')) {
		t->from = t->name;
		if (!parse_name(p, "a type", &t->name, &t->at))
			return false;
	}
	*out = t;
	return true;
}

static bool parse_ref(struct parser *p, struct type_use **out)
{
	struct type_use *t = use_new(p, FORM_REF);

	parser_advance(p);
	*out = t;
	return parse_name(p, "a class", &t->name, &t->at);
}

static bool parse_simple(struct parser *p, unsigned depth, struct type_use **out)
{
	static const struct {
		const char *word;
		enum type_form form;
	} makers[] = {{"list", FORM_LIST}, {"set", FORM_SET}, {"map", FORM_MAP}};

	if (depth > MAX_TYPE_DEPTH) {
		error_at(p->idl, p->token.at, "a type is at most %d deep", MAX_TYPE_DEPTH);
		return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(makers); i++) {
		if (!parser_at_word(p, makers[i].word))
			continue;
		struct type_use *t = use_new(p, makers[i].form);
		parser_advance(p);
		*out = t;
		return parse_simple(p, depth + 1, &t->of);
	}
	if (parser_at_word(p, "ref"))
		return parse_ref(p, out);
	if (parser_accept(p, '('))
		return parse_nested(p, depth + 1, out) && parser_expect(p, ')', "after the type");
	return parse_named(p, out);
}

static bool parse_nested(struct parser *p, unsigned depth, struct type_use **out)
{
	struct type_use *inner;

	if (!parse_simple(p, depth, &inner))
		return false;
	*out = inner;
	while (parser_at(p, '?')) {
		if ((*out)->form == FORM_OPTION) {
			error_at(p->idl, p->token.at, "one '?' is enough");
			return false;
		}
		struct type_use *t = use_new(p, FORM_OPTION);
		t->at = inner->at;
		t->of = inner;
		parser_advance(p);
		*out = t;
	}
	return true;
}

bool parse_type(struct parser *p, struct type_use **out)
{
	return parse_nested(p, 1, out);
}

/* ---- default values ---- */

static bool is_integer(const char *number)
{
	return !strpbrk(number, ".eE");
}

static enum literal_kind word_kind(const char *word)
{
	if (!strcmp(word, "true") || !strcmp(word, "false"))
		return LITERAL_BOOL;
	return strcmp(word, "null") ? LITERAL_WORD : LITERAL_NULL;
}

static bool parse_empty(struct parser *p, struct literal *l)
{
	bool is_list = parser_at(p, '[');

	l->kind = is_list ? LITERAL_LIST : LITERAL_OBJECT;
	l->text = is_list ? "[]" : "{}";
	parser_advance(p);
	return parser_expect(p, is_list ? ']' : '}', "(a default list or map is empty)");
}

bool parse_literal(struct parser *p, struct literal **out)
{
	struct literal *l = arena_new(&p->idl->arena, struct literal);

	l->at = p->token.at;
	l->text = p->token.text;
	l->string = p->token.string;
	*out = l;
	switch (p->token.kind) {
	case TOKEN_WORD:
		l->kind = word_kind(l->text);
		break;
	case TOKEN_NUMBER:
		l->kind = is_integer(l->text) ? LITERAL_INTEGER : LITERAL_REAL;
		break;
	case TOKEN_STRING:
		l->kind = LITERAL_STRING;
		break;
	case TOKEN_PUNCTUATION:
		if (parser_at(p, '[') || parser_at(p, '{'))
			return parse_empty(p, l);
		return parser_expected(p, "a default value");
	case TOKEN_END:
	case TOKEN_BAD:
		return parser_expected(p, "a default value");
	}
	parser_advance(p);
	return true;
}
