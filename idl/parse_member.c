/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What declarations consist of: fields of records and classes, parameters, and cases of enums and
 * variants. A field or parameter is
 *
 *	name type {"=" literal | "since" string | "deprecated" string}
 *
 * and a class's field may also be marked ro, rw or create; persistent or volatile; unique; role R;
 * visible R; inverse field; keys { "pattern" role R, … }; and by the words of marks.c.
 */
#include "idl/marks.h"

#include <string.h>

enum {
	SEEN_DEFAULT = 1,
	SEEN_SINCE = 2,
	SEEN_DEPRECATED = 4,
	SEEN_ACCESS = 8,
	SEEN_PERSISTENCE = 16,
	SEEN_UNIQUE = 32,
	SEEN_ROLE = 64,
	SEEN_KEYS = 128,
	SEEN_VISIBLE = 256,
	SEEN_INVERSE = 512,
};

static struct member *member_new(struct parser *p, const struct decl *d, const char *doc)
{
	struct member *m = arena_new(&p->idl->arena, struct member);

	m->doc = doc;
	m->at = p->token.at;
	m->is_persistent = d->is_persistent;
	return m;
}

static void member_add(struct decl *d, struct member *m)
{
	struct member **end = &d->members;

	while (*end)
		end = &(*end)->next;
	*end = m;
	d->n_members++;
}

/* ---- fields and parameters ---- */

static bool parse_default(struct parser *p, struct member *m, unsigned *seen)
{
	if (!parse_mark_once(p, seen, SEEN_DEFAULT))
		return false;
	parser_advance(p);
	return parse_literal(p, &m->value);
}

static bool parse_text_mark(
	struct parser *p, unsigned *seen, unsigned bit, const char *what, const char **out)
{
	if (!parse_mark_once(p, seen, bit))
		return false;
	parser_advance(p);
	return parse_string(p, what, out);
}

/* Sets FOUND when there was a mark. */
static bool parse_field_mark(struct parser *p, struct member *m, unsigned *seen, bool *found)
{
	*found = true;
	if (parser_at(p, '='))
		return parse_default(p, m, seen);
	if (parser_at_word(p, "since"))
		return parse_text_mark(p, seen, SEEN_SINCE, "a version in quotes", &m->since);
	if (parser_at_word(p, "deprecated"))
		return parse_text_mark(
			p, seen, SEEN_DEPRECATED, "what to use instead, in quotes", &m->deprecated);
	*found = false;
	return true;
}

static bool parse_field_marks(struct parser *p, struct member *m)
{
	unsigned seen = 0;
	bool found = true;

	while (found)
		if (!parse_field_mark(p, m, &seen, &found))
			return false;
	return true;
}

static bool parse_name_and_type(struct parser *p, struct member *m, const char *what)
{
	return parse_name(p, what, &m->name, &m->at) && parse_type(p, &m->type);
}

static bool parse_field(struct parser *p, struct decl *d)
{
	struct member *m = member_new(p, d, parser_take_doc(p));

	if (!parse_name_and_type(p, m, "a field") || !parse_field_marks(p, m))
		return false;
	member_add(d, m);
	return parser_expect(p, ';', "after the field");
}

/* A case: name [type]; */
static bool parse_variant_case(struct parser *p, struct decl *d)
{
	struct member *m = member_new(p, d, parser_take_doc(p));

	if (!parse_name(p, "a case", &m->name, &m->at))
		return false;
	bool is_missing_end = p->token.doc;
	if (!parser_at(p, ';') && !is_missing_end && !parse_type(p, &m->type))
		return false;
	member_add(d, m);
	return parser_expect(p, ';', "after the case");
}

bool parse_members(struct parser *p, struct decl *d)
{
	int depth = p->depth + 1;

	if (!parser_expect(p, '{', "before the members"))
		return false;
	while (!parser_at_end(p)) {
		bool is_good =
			d->kind == DECL_VARIANT ? parse_variant_case(p, d) : parse_field(p, d);
		if (!is_good)
			parser_skip_member(p, depth);
	}
	return parser_close(p, "after the members");
}

bool parse_parameters(struct parser *p, struct decl *d)
{
	if (!parser_expect(p, '(', "before the parameters"))
		return false;
	if (parser_accept(p, ')'))
		return true;
	do {
		struct member *m = member_new(p, d, parser_take_doc(p));

		if (!parse_name_and_type(p, m, "a parameter"))
			return false;
		if (d->kind == DECL_CALL && !parse_field_marks(p, m))
			return false;
		member_add(d, m);
	} while (parser_accept(p, ','));
	return parser_expect(p, ')', "after the parameters");
}

/* ---- enums ---- */

/* A word, or in quotes what is no word. */
static bool parse_enum_case(struct parser *p, struct decl *d)
{
	struct member *m = member_new(p, d, parser_take_doc(p));

	if (p->token.kind == TOKEN_STRING) {
		if (!parse_string(p, "a case", &m->name))
			return false;
	} else if (!parse_dashed_name(p, "a case", &m->name, &m->at)) {
		return false;
	}
	member_add(d, m);
	return true;
}

bool parse_cases(struct parser *p, struct decl *d)
{
	int depth = p->depth + 1;

	if (!parser_expect(p, '{', "before the cases"))
		return false;
	while (!parser_at_end(p))
		if (parse_enum_case(p, d))
			parser_accept(p, ',');
		else
			parser_skip_member(p, depth);
	return parser_close(p, "after the cases");
}

/* ---- classes ---- */

static bool parse_access(struct parser *p, struct member *m, unsigned *seen)
{
	m->access = parser_at_word(p, "rw")   ? ACCESS_READ_WRITE
		: parser_at_word(p, "create") ? ACCESS_CREATE
					      : ACCESS_READ_ONLY;
	if (!parse_mark_once(p, seen, SEEN_ACCESS))
		return false;
	parser_advance(p);
	return true;
}

static bool parse_persistence(struct parser *p, struct member *m, unsigned *seen)
{
	m->is_persistent = parser_at_word(p, "persistent");
	if (!parse_mark_once(p, seen, SEEN_PERSISTENCE))
		return false;
	parser_advance(p);
	return true;
}

static bool parse_unique(struct parser *p, struct member *m, unsigned *seen)
{
	m->is_unique = true;
	if (!parse_mark_once(p, seen, SEEN_UNIQUE))
		return false;
	parser_advance(p);
	return true;
}

static bool parse_role_mark(struct parser *p, unsigned *seen, unsigned bit, struct role_use *out)
{
	if (!parse_mark_once(p, seen, bit))
		return false;
	parser_advance(p);
	return parse_role(p, out);
}

static bool parse_inverse(struct parser *p, struct member *m, unsigned *seen)
{
	if (!parse_mark_once(p, seen, SEEN_INVERSE))
		return false;
	parser_advance(p);
	return parse_name(p, "a field of the other class", &m->inverse, &m->inverse_at);
}

static bool parse_keys(struct parser *p, struct member *m, unsigned *seen)
{
	struct key_role **end = &m->keys;

	if (!parse_mark_once(p, seen, SEEN_KEYS))
		return false;
	parser_advance(p);
	if (!parser_expect(p, '{', "before the keys"))
		return false;
	do {
		struct key_role *k = arena_new(&p->idl->arena, struct key_role);

		if (!parse_string(p, "a key in quotes", &k->key))
			return false;
		if (!parser_accept_word(p, "role"))
			return parser_expected(p, "'role'");
		if (!parse_dashed_name(p, "a role", &k->role, &k->at))
			return false;
		*end = k;
		end = &k->next;
	} while (parser_accept(p, ','));
	return parser_expect(p, '}', "after the keys");
}

static bool parse_class_mark(struct parser *p, struct member *m, unsigned *seen, bool *found)
{
	if (!parse_field_mark(p, m, seen, found))
		return false;
	if (*found)
		return true;
	*found = true;
	if (parser_at_word(p, "ro") || parser_at_word(p, "rw") || parser_at_word(p, "create"))
		return parse_access(p, m, seen);
	if (parser_at_word(p, "persistent") || parser_at_word(p, "volatile"))
		return parse_persistence(p, m, seen);
	if (parser_at_word(p, "unique"))
		return parse_unique(p, m, seen);
	if (parser_at_word(p, "role"))
		return parse_role_mark(p, seen, SEEN_ROLE, &m->role);
	if (parser_at_word(p, "visible"))
		return parse_role_mark(p, seen, SEEN_VISIBLE, &m->reader);
	if (parser_at_word(p, "inverse"))
		return parse_inverse(p, m, seen);
	if (parser_at_word(p, "keys"))
		return parse_keys(p, m, seen);
	return parse_word_mark(p, MARK_OF_FIELD, &m->marks, found);
}

static bool parse_class_field(struct parser *p, struct decl *d, const char *doc)
{
	struct member *m = member_new(p, d, doc);
	unsigned seen = 0;
	bool found = true;

	if (!parse_name_and_type(p, m, "a field"))
		return false;
	while (found) {
		p->may_have_items = true;
		bool is_good = parse_class_mark(p, m, &seen, &found);
		p->may_have_items = false;
		if (!is_good)
			return false;
	}
	member_add(d, m);
	return parser_expect(p, ';', "after the field");
}

/* A field, or a message. */
static bool parse_class_member(struct parser *p, struct decl *d)
{
	const char *doc = parser_take_doc(p);

	if (parser_accept_word(p, "call"))
		return parse_call(p, d, doc);
	return parse_class_field(p, d, doc);
}

bool parse_class_body(struct parser *p, struct decl *d)
{
	int depth = p->depth + 1;

	if (!parser_expect(p, '{', "before the members"))
		return false;
	while (!parser_at_end(p))
		if (!parse_class_member(p, d))
			parser_skip_member(p, depth);
	return parser_close(p, "after the members");
}
