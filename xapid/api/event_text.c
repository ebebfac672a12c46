/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events as they go out (event_text.h). The two forms differ in their marks alone, so the text is
 * put together of those; the records in it are the database's own bytes.
 */
#include "xapid/api/event_text.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/xml.h"
#include "xapid/api/event_kept.h"
#include "xapid/db/db.h"

#include "xenapi.gen.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct writer {
	enum gate_form form;
	struct sbuf *out;
	const char *timestamp;
	bool needs_comma; /* JSON */
	/* Of what is told, the oldest change: who has heard of all before is told the same. */
	uint64_t until;
};

/* ---- the marks of the two forms ---- */

static void put(struct writer *w, const char *xml, const char *json)
{
	sbuf_adds(w->out, w->form == GATE_XML ? xml : json);
}

static void comma(struct writer *w)
{
	if (w->form == GATE_JSON && w->needs_comma)
		sbuf_addc(w->out, ',');
	w->needs_comma = true;
}

static void begin_struct(struct writer *w)
{
	put(w, "<value><struct>", "{");
	w->needs_comma = false;
}

static void end_struct(struct writer *w)
{
	put(w, "</struct></value>", "}");
	w->needs_comma = true;
}

static void begin_array(struct writer *w)
{
	put(w, "<value><array><data>", "[");
	w->needs_comma = false;
}

static void end_array(struct writer *w)
{
	put(w, "</data></array></value>", "]");
	w->needs_comma = true;
}

/* NAME needs no escapes. */
static void begin_member(struct writer *w, const char *name)
{
	comma(w);
	put(w, "<member><name>", "\"");
	sbuf_adds(w->out, name);
	put(w, "</name>", "\":");
}

static void end_member(struct writer *w)
{
	put(w, "</member>", "");
	w->needs_comma = true;
}

static void member_text(struct writer *w, const char *name, const char *text)
{
	begin_member(w, name);
	db_form_write(
		&type_string, &text, w->form == GATE_XML ? DB_FORM_XML : DB_FORM_JSON, w->out);
	end_member(w);
}

/* ---- an event ---- */

static const char *in_lower_case(const char *name, char out[static 64])
{
	size_t i;

	for (i = 0; name[i] && i < 63; i++)
		out[i] = (char)tolower((unsigned char)name[i]);
	out[i] = '\0';
	return out;
}

static void begin_event(struct writer *w, const struct class *class, const char *ref,
	const char *operation, uint64_t generation)
{
	char id[24], name[64];

	snprintf(id, sizeof(id), "%llu", (unsigned long long)generation);
	comma(w);
	begin_struct(w);
	member_text(w, "id", id);
	member_text(w, "timestamp", w->timestamp);
	member_text(w, "class", in_lower_case(class->name, name));
	member_text(w, "operation", operation);
	member_text(w, "ref", ref);
}

static void write_row(struct writer *w, struct db_row *row, const char *operation)
{
	begin_event(w, db_class(row), db_ref(row), operation, db_row_generation(row));
	begin_member(w, "snapshot");
	struct db_text record = db_form(row, w->form == GATE_XML ? DB_FORM_XML : DB_FORM_JSON);
	sbuf_add(w->out, record.text, record.len);
	end_member(w);
	end_struct(w);
}

/* Who has heard of CHANGE is told something else. */
static void bound(uint64_t *until, uint64_t change)
{
	if (change < *until)
		*until = change;
}

static void write_rows(struct writer *w, const struct subscription *s, uint64_t since, bool are_new)
{
	for (struct db_row *row = db_first_change(since); row; row = db_next_change(row)) {
		uint64_t created = db_row_created(row);

		if ((created > since) != are_new ||
			!subscription_has(s, db_class(row), db_ref(row)))
			continue;
		bound(&w->until, are_new ? created : db_row_generation(row));
		write_row(w, row, are_new ? "add" : "mod");
	}
}

/* What was made and deleted since was never heard of. */
static void write_deletions(struct writer *w, const struct subscription *s, uint64_t since)
{
	for (const struct db_tombstone *t = db_first_tombstone(since); t;
		t = db_next_tombstone(t)) {
		if (!subscription_has(s, t->class, t->ref))
			continue;
		bool was_unknown = t->created > since;
		bound(&w->until, was_unknown ? t->created : t->deleted);
		if (was_unknown)
			continue;
		begin_event(w, t->class, t->ref, "del", t->deleted);
		end_struct(w);
	}
}

static void write_events(struct writer *w, const struct subscription *s, uint64_t since)
{
	begin_array(w);
	write_rows(w, s, since, true);
	write_rows(w, s, since, false);
	write_deletions(w, s, since);
	end_array(w);
}

/* ---- the answers ---- */

/* Integers in their own type also in XML, here alone. */
static void write_counts(struct writer *w)
{
	char name[64];

	begin_struct(w);
	for (uint32_t i = 0; i < xenapi_interface.n_classes; i++) {
		const struct class *class = xenapi_interface.classes[i];

		begin_member(w, in_lower_case(class->name, name));
		put(w, "<value><i4>", "");
		sbuf_printf(w->out, "%zu", db_count_of(class));
		put(w, "</i4></value>", "");
		end_member(w);
	}
	end_struct(w);
}

static struct json_text text_of(const struct sbuf *out, struct arena *a)
{
	return (struct json_text){
		.text = arena_strndup(a, sbuf_data(out), sbuf_len(out)), .len = sbuf_len(out)};
}

/* Of the original's form, where messages have a count of their own. */
const char *event_text_token(uint64_t at, struct arena *a)
{
	return arena_printf(a, "%020llu,%020u", (unsigned long long)at, 0);
}

static struct shared *shared_of(const struct sbuf *out)
{
	struct shared *s = shared_new(sbuf_len(out));

	memcpy(s->bytes, sbuf_data(out), sbuf_len(out));
	return s;
}

struct shared *event_text_batch(const struct event_batch *batch)
{
	auto_sbuf out = {0};
	auto_arena a = {0};
	struct writer w = {
		.form = batch->form, .out = &out, .timestamp = "0.0", .until = UINT64_MAX};
	struct shared *text = event_kept_find(batch);

	if (text)
		return text;
	begin_struct(&w);
	begin_member(&w, "events");
	write_events(&w, batch->to, batch->since);
	end_member(&w);
	begin_member(&w, "valid_ref_counts");
	write_counts(&w);
	end_member(&w);
	member_text(&w, "token", event_text_token(batch->newest, &a));
	end_struct(&w);
	text = shared_of(&out);
	event_kept_add(batch, w.until, text);
	return text;
}

struct json_text event_text_list(
	const struct subscription *s, uint64_t since, enum gate_form form, struct arena *a)
{
	auto_sbuf out = {0};
	const char *now = arena_printf(a, "%lld.", (long long)(clock_real_ns() / NS_PER_S));
	struct writer w = {.form = form, .out = &out, .timestamp = now};

	write_events(&w, s, since);
	return text_of(&out, a);
}
