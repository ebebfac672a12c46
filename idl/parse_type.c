/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Types where they are used, and default values:
 *
 *	type    = simple ["?"]
 *	simple  = base | [interface "."] name | "list" simple | "set" simple
 *	        | "map" [simple "to"] simple | "ref" class | "record" class | "(" type ")"
 *	literal = JSON number, string, true, false, null | "[" … "]" | "{" … "}" | case
 */
#include "idl/parse.h"

#include <string.h>

static bool parse_nested(struct parser *p, unsigned depth, struct type_use **out);

static bool parse_simple(struct parser *p, unsigned depth, struct type_use **out);

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

static bool parse_of_class(struct parser *p, struct type_use **out)
{
	bool is_record = parser_at_word(p, "record");
	struct type_use *t = use_new(p, is_record ? FORM_NAMED : FORM_REF);

	t->is_class = is_record;
	parser_advance(p);
	*out = t;
	return parse_name(p, "a class", &t->name, &t->at);
}

/* "map K to V": what was parsed were the keys. */
static bool parse_map_value(struct parser *p, unsigned depth, struct type_use *t)
{
	if (t->form != FORM_MAP || !parser_accept_word(p, "to"))
		return true;
	t->key = t->of;
	return parse_simple(p, depth + 1, &t->of);
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
		return parse_simple(p, depth + 1, &t->of) && parse_map_value(p, depth, t);
	}
	if (parser_at_word(p, "ref") || parser_at_word(p, "record"))
		return parse_of_class(p, out);
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

/* One value of a list, or one entry of an object; TEXT is that of those before. */
static bool parse_item(struct parser *p, bool is_list, const char *text, struct literal **out)
{
	const char *key = "", *colon = "";

	if (!is_list) {
		if (p->token.kind != TOKEN_STRING)
			return parser_expected(p, "a key in quotes");
		key = p->token.text;
		colon = ": ";
		parser_advance(p);
		if (!parser_expect(p, ':', "after the key"))
			return false;
	}
	if (!parse_literal(p, out))
		return false;
	(*out)->text_before = arena_printf(
		&p->idl->arena, "%s%s%s%s%s", text, *text ? ", " : "", key, colon, (*out)->text);
	return true;
}

/* Only the fields of classes have a default with something in it. */
static bool parse_items(struct parser *p, struct literal *l)
{
	bool is_list = parser_at(p, '[');
	char end = is_list ? ']' : '}';
	struct literal **next = &l->items;
	const char *text = "";

	l->kind = is_list ? LITERAL_LIST : LITERAL_OBJECT;
	parser_advance(p);
	bool may_have_items = p->may_have_items;
	p->may_have_items = false;
	if (may_have_items && !parser_at(p, end)) {
		do {
			if (!parse_item(p, is_list, text, next))
				return false;
			text = (*next)->text_before;
			next = &(*next)->next;
		} while (parser_accept(p, ','));
	}
	l->text = arena_printf(&p->idl->arena, is_list ? "[%s]" : "{%s}", text);
	return parser_expect(p, end, "(a default list or map is empty)");
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
			return parse_items(p, l);
		return parser_expected(p, "a default value");
	case TOKEN_END:
	case TOKEN_BAD:
		return parser_expected(p, "a default value");
	}
	parser_advance(p);
	return true;
}
