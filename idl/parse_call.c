/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls, of an interface or of a class:
 *
 *	call = "call" [group "."] name "(" parameters ")" [":" type] {mark} ";"
 *	mark = "task" | "read" | "errors" code {"," code} | "role" name | "since" string
 *	     | "deprecated" string | "static" (of a class's call)
 */
#include "idl/parse.h"

#include <string.h>

enum {
	MARK_TASK = 1,
	MARK_READ = 2,
	MARK_STATIC = 4,
	MARK_ERRORS = 8,
	MARK_ROLE = 16,
	MARK_SINCE = 32,
	MARK_DEPRECATED = 64,
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
	} marks[] = {{"task", MARK_TASK}, {"read", MARK_READ}, {"errors", MARK_ERRORS},
		{"role", MARK_ROLE}, {"since", MARK_SINCE}, {"deprecated", MARK_DEPRECATED}};

	for (size_t i = 0; i < ARRAY_LEN(marks); i++)
		if (parser_at_word(p, marks[i].word))
			return marks[i].bit;
	return d->class && parser_at_word(p, "static") ? MARK_STATIC : 0;
}

static bool parse_call_mark(struct parser *p, struct decl *d, unsigned mark)
{
	d->is_task |= mark == MARK_TASK;
	d->is_read |= mark == MARK_READ;
	d->is_static |= mark == MARK_STATIC;
	parser_advance(p);
	if (mark == MARK_ERRORS)
		return parse_errors(p, d);
	if (mark == MARK_ROLE)
		return parse_dashed_name(p, "a role", &d->role, &d->role_at);
	if (mark == MARK_SINCE)
		return parse_string(p, "a version in quotes", &d->since);
	if (mark == MARK_DEPRECATED)
		return parse_string(p, "what to use instead, in quotes", &d->deprecated);
	return true;
}

static bool parse_call_marks(struct parser *p, struct decl *d)
{
	unsigned seen = 0;

	for (unsigned mark; (mark = call_mark(p, d));)
		if (!parse_mark_once(p, &seen, mark) || !parse_call_mark(p, d, mark))
			return false;
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
