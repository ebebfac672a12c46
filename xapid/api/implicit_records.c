/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records as results. The database keeps their wire forms, and an answer with many sends them from
 * where they lie. Forms that have to be made first are made a few at a time, with others' turn in
 * between.
 */
#include "common/clock.h"
#include "common/fiber.h"
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

static void add(struct xapi_call *c, struct db_row *row, enum db_form form)
{
	bool has_comma = form == DB_FORM_JSON && !c->long_part.held.n;

	shared_run_add(&c->long_part, db_form_member(row, form), has_comma);
}

/* Gathers the forms of these rows, of which some may have to be made: then others run meanwhile,
 * and rows change, come and go. */
static MAY_WAIT struct err *gather_in_slices(
	struct xapi_call *c, const struct where *where, enum db_form form, bool *has_waited)
{
	const struct class *class = c->message->class;
	int64_t since = clock_mono_ns();
	uint64_t seen = 0;

	for (struct db_row *row = db_first_row(class); row; row = db_next_row(row)) {
		if (!where_matches(where, row))
			continue;
		add(c, row, form);
		seen++;
		if (seen % 8 || clock_mono_ns() - since < SLICE_NS)
			continue;
		auto_arena a = {0};
		const char *ref = arena_strdup(&a, db_ref(row));
		*has_waited = true;
		TRY(fiber_yield());
		since = clock_mono_ns();
		row = db_row(class, ref);
		/* It went away meanwhile; what is not made yet is made below. */
		if (!row)
			return NULL;
	}
	return NULL;
}

/* Nothing waits in here: the answer is that of one moment. */
static void gather(struct xapi_call *c, const struct where *where, enum db_form form)
{
	shared_run_fini(&c->long_part);
	db_for_each_of (c->message->class, row)
		if (where_matches(where, row))
			add(c, row, form);
}

struct err *implicit_get_all_records(struct xapi_call *c, const char *expr)
{
	static const char *const empty[] = {
		[DB_FORM_JSON] = "{}", [DB_FORM_XML] = "<value><struct></struct></value>"};
	const struct where *where = NULL;
	enum db_form form = form_of(c);

	if (expr)
		TRY(where_parse(c->message->class, expr, c->call.arena, &where));
	db_forms_gather();
	vec_reserve(&c->long_part.held, expr ? 0 : db_count_of(c->message->class));
	bool has_waited = false;
	struct err *e = gather_in_slices(c, where, form, &has_waited);
	if (!e && has_waited)
		gather(c, where, form);
	db_forms_gathered();
	c->wire = (struct json_text){empty[form], strlen(empty[form])};
	c->long_part_at = form == DB_FORM_JSON ? 1 : strlen("<value><struct>");
	return e;
}
