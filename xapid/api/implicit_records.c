/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records as results. The database keeps their wire forms, so what is left is to put them after one
 * another. Forms that have to be made first are made a few at a time, with others' turn in between.
 */
#include "common/clock.h"
#include "common/fiber.h"
#include "common/vec.h"
#include "xapid/api/implicit.h"

#include <string.h>

/* As long as one may hold up the others. */
#define SLICE_NS (5 * NS_PER_MS)

static enum db_form form_of(const struct xapi_call *c)
{
	return c->form == GATE_XML ? DB_FORM_XML : DB_FORM_JSON;
}

struct err *implicit_get_record(struct xapi_call *c, const char *ref)
{
	struct db_row *row = db_row(c->message->class, ref);

	if (!row)
		return err(HANDLE_INVALID, c->message->class->name, ref);
	struct db_text text = db_form(row, form_of(c));
	c->wire = (struct json_text){arena_strndup(c->call.arena, text.text, text.len), text.len};
	return NULL;
}

/* What stands around the records of a map from references to them. */
struct brackets {
	const char *open, *close;
	const char *before_ref, *after_ref, *after_record;
	const char *between;
};

static const struct brackets brackets[] = {
	[DB_FORM_JSON] = {"{", "}", "\"", "\":", "", ","},
	[DB_FORM_XML] = {"<value><struct>", "</struct></value>", "<member><name>", "</name>",
		"</member>", ""},
};

/* Has the forms of these rows made, and lets others run meanwhile: rows may come and go. */
static MAY_WAIT struct err *make_forms(
	const struct class *class, const struct where *where, enum db_form form)
{
	int64_t since = clock_mono_ns();
	uint64_t seen = 0;

	for (struct db_row *row = db_first_row(class); row; row = db_next_row(row)) {
		if (!where_matches(where, row))
			continue;
		db_form(row, form);
		seen++;
		if (seen % 8 || clock_mono_ns() - since < SLICE_NS)
			continue;
		auto_arena a = {0};
		const char *ref = arena_strdup(&a, db_ref(row));
		TRY(fiber_yield());
		since = clock_mono_ns();
		row = db_row(class, ref);
		/* It went away meanwhile; what is not made yet is made below. */
		if (!row)
			return NULL;
	}
	return NULL;
}

static char *put(char *at, const char *text, size_t len)
{
	return (char *)memcpy(at, text, len) + len;
}

static char *puts_at(char *at, const char *text)
{
	return put(at, text, strlen(text));
}

struct found {
	struct db_row *row;
	struct db_text text;
};

/* Nothing waits in here, so the forms stay. */
static void join(struct xapi_call *c, const struct where *where)
{
	const struct brackets *b = &brackets[form_of(c)];
	size_t around = strlen(b->before_ref) + strlen(b->after_ref) + strlen(b->after_record) +
		strlen(b->between);
	size_t size = strlen(b->open) + strlen(b->close) + 1;
	vec_of(struct found) found = {0};

	db_for_each_of (c->message->class, row) {
		if (!where_matches(where, row))
			continue;
		vec_push(&found, (struct found){row, db_form(row, form_of(c))});
		size += around + strlen(db_ref(row)) + found.v[found.n - 1].text.len;
	}
	char *start = arena_bytes(c->call.arena, size);
	char *at = puts_at(start, b->open);
	vec_for_each (i, &found) {
		at = puts_at(at, i ? b->between : "");
		at = puts_at(at, b->before_ref);
		at = puts_at(at, db_ref(found.v[i].row));
		at = puts_at(at, b->after_ref);
		at = put(at, found.v[i].text.text, found.v[i].text.len);
		at = puts_at(at, b->after_record);
	}
	at = puts_at(at, b->close);
	*at = '\0';
	vec_fini(&found);
	c->wire = (struct json_text){start, (size_t)(at - start)};
}

struct err *implicit_get_all_records(struct xapi_call *c, const char *expr)
{
	const struct where *where = NULL;

	if (expr)
		TRY(where_parse(c->message->class, expr, c->call.arena, &where));
	TRY(make_forms(c->message->class, where, form_of(c)));
	join(c, where);
	return NULL;
}
