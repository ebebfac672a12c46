/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls, of an interface or of a class:
 *
 *	call = "call" [group "."] name "(" parameters ")" [":" type] {mark} ";"
 *	mark = "task" | "read" | "errors" code {"," code} | "role" name | "since" string
 *	     | "deprecated" string
 *
 * and one of a class may be marked "static", "self" name, and by the words of marks.c.
 */
#include "idl/marks.h"

#include <string.h>

enum {
	SEEN_TASK = 1,
	SEEN_READ = 2,
	SEEN_STATIC = 4,
	SEEN_ERRORS = 8,
	SEEN_ROLE = 16,
	SEEN_SINCE = 32,
	SEEN_DEPRECATED = 64,
	SEEN_SELF = 128,
};

static bool parse_errors(struct parser *p, struct decl *d)
{
	struct error_use **end = &d->errors;

	do {
		struct error_use *u = arena_new(&p->idl->arena, struct error_use);

		if (!parse_name(p, "an error", &u->code, &u->at))
			return false;
		*end = u;
		end = &u->next;
	} while (parser_accept(p, ','));
	return true;
}

static unsigned call_mark(const struct parser *p, const struct decl *d)
{
	static const struct {
		const char *word;
		unsigned bit;
	} marks[] = {{"task", SEEN_TASK}, {"read", SEEN_READ}, {"errors", SEEN_ERRORS},
		{"role", SEEN_ROLE}, {"since", SEEN_SINCE}, {"deprecated", SEEN_DEPRECATED}};

	for (size_t i = 0; i < ARRAY_LEN(marks); i++)
		if (parser_at_word(p, marks[i].word))
			return marks[i].bit;
	if (d->class && parser_at_word(p, "self"))
		return SEEN_SELF;
	return d->class && parser_at_word(p, "static") ? SEEN_STATIC : 0;
}

static bool parse_call_mark(struct parser *p, struct decl *d, unsigned mark)
{
	d->is_task |= mark == SEEN_TASK;
	d->is_read |= mark == SEEN_READ;
	d->is_static |= mark == SEEN_STATIC;
	parser_advance(p);
	if (mark == SEEN_ERRORS)
		return parse_errors(p, d);
	if (mark == SEEN_ROLE)
		return parse_role(p, &d->role);
	if (mark == SEEN_SELF)
		return parse_name(p, "the first parameter's name", &d->self, &d->self_at);
	if (mark == SEEN_SINCE)
		return parse_string(p, "a version in quotes", &d->since);
	if (mark == SEEN_DEPRECATED)
		return parse_string(p, "what to use instead, in quotes", &d->deprecated);
	return true;
}

static bool parse_call_marks(struct parser *p, struct decl *d)
{
	unsigned seen = 0;
	bool found = true;

	while (found) {
		unsigned mark = call_mark(p, d);

		if (mark && (!parse_mark_once(p, &seen, mark) || !parse_call_mark(p, d, mark)))
			return false;
		found = mark;
		if (!mark && d->class && !parse_word_mark(p, MARK_OF_CALL, &d->marks, &found))
			return false;
	}
	return true;
}

/* `start`, `VM.start`, or in class VM `start` again. */
static bool parse_call_name(struct parser *p, struct decl *d)
{
	const char *first = d->class ? d->class->name : NULL, *last;

	if (!parse_name(p, "a call", &last, &d->at))
		return false;
	if (!first && parser_accept(p, '.')) {
		struct loc at;

		first = last;
		if (!parse_name(p, "a call", &last, &at))
			return false;
	}
	d->name = first ? arena_printf(&p->idl->arena, "%s.%s", first, last) : last;
	return true;
}

/* A message is sent to an object, unless it is static. */
static void add_self(struct parser *p, struct decl *d)
{
	struct member *self = arena_new(&p->idl->arena, struct member);
	struct type_use *t = arena_new(&p->idl->arena, struct type_use);

	*t = (struct type_use){.form = FORM_REF, .at = d->at, .name = d->class->name};
	*self = (struct member){.next = d->members, .at = d->at, .name = "self", .type = t};
	if (d->self)
		self->name = d->self;
	d->members = self;
	d->n_members++;
}

bool parse_call(struct parser *p, struct decl *class, const char *doc)
{
	struct decl *d = parse_decl_new(p, DECL_CALL, doc);

	d->class = class;
	if (!parse_call_name(p, d) || !parse_parameters(p, d))
		return false;
	if (parser_accept(p, ':') && !parse_type(p, &d->result))
		return false;
	if (!parse_call_marks(p, d))
		return false;
	if (d->class && !d->is_static)
		add_self(p, d);
	return parser_expect(p, ';', "after the call");
}
