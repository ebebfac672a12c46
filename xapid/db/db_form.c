/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Wire forms: a row's record as JSON and as XML-RPC, made once and kept until the row changes. What
 * was not asked for the longest goes first when they take too much memory.
 */
#include "common/codec.h"
#include "common/codec_xmlrpc.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/sbuf.h"
#include "common/shared.h"
#include "xapid/db/db_priv.h"

#include <assert.h>
#include <string.h>

#define DEFAULT_BYTES (UINT64_C(64) << 20)

/* The whole of a form is a member of a map from references to records: "REF": {…} with a comma
 * before it, or <member><name>REF</name><value>…</value></member>. What is around the record is as
 * long as this and the reference. */
static const struct {
	const char *before_ref, *before_record, *after_record;
} around[] = {
	[DB_FORM_JSON] = {",\"", "\":", ""},
	[DB_FORM_XML] = {"<member><name>", "</name>", "</member>"},
};

struct db_forms {
	struct list link; /* db.forms */
	struct db_row *row;
	struct shared *forms[ARRAY_LEN(around)]; /* held; NULL: not made */
};

static bool is_shown(const struct field *f)
{
	return !(f->flags & FIELD_INTERNAL);
}

void db_form_write(const struct type *t, const void *value, enum db_form form, struct sbuf *out)
{
	struct json_writer w;

	switch (form) {
	case DB_FORM_JSON:
		json_writer_init(&w, out);
		codec_write(t, value, CODEC_BASIC_DATETIME, &w);
		break;
	case DB_FORM_XML:
		codec_xmlrpc_write(t, value, CODEC_XMLRPC_INT_AS_STRING, out);
		break;
	}
}

/* What stands before each value that is shown, made once. */
static const struct json_text *labels_of(struct db_class *c, enum db_form form)
{
	struct json_text *labels = c->labels[form];
	const char *comma = "";

	if (labels)
		return labels;
	labels = c->labels[form] = arena_calloc(&db.arena, c->class->n_fields + 1, sizeof(*labels));
	for (uint32_t i = 0; i < c->class->n_fields; i++) {
		const char *name = c->class->fields[i].name;

		if (!is_shown(&c->class->fields[i]))
			continue;
		labels[i].text = form == DB_FORM_JSON
			? arena_printf(&db.arena, "%s\"%s\":", comma, name)
			: arena_printf(&db.arena, "<member><name>%s</name>", name);
		labels[i].len = strlen(labels[i].text);
		comma = ",";
	}
	return labels;
}

static void write_record(const struct db_row *row, enum db_form form, struct sbuf *out)
{
	const struct class *c = row->class->class;
	const struct json_text *labels = labels_of(row->class, form);

	sbuf_adds(out, form == DB_FORM_JSON ? "{" : "<value><struct>");
	for (uint32_t i = 0; i < c->n_fields; i++) {
		if (!labels[i].text)
			continue;
		sbuf_add(out, labels[i].text, labels[i].len);
		db_form_write(c->fields[i].type, row->record + c->fields[i].offset, form, out);
		if (form == DB_FORM_XML)
			sbuf_adds(out, "</member>");
	}
	sbuf_adds(out, form == DB_FORM_JSON ? "}" : "</struct></value>");
}

/* Into a buffer that is kept: a form is a copy of the size that it has. */
static struct shared *make(const struct db_row *row, enum db_form form)
{
	struct sbuf *b = &db.form_buffer;

	sbuf_clear(b);
	sbuf_adds(b, around[form].before_ref);
	sbuf_adds(b, row->name->text);
	sbuf_adds(b, around[form].before_record);
	write_record(row, form, b);
	sbuf_adds(b, around[form].after_record);
	struct shared *s = shared_new(sbuf_len(b));
	memcpy(s->bytes, sbuf_data(b), sbuf_len(b));
	return s;
}

/* Who was given a form without a hold on it may look at it until the turn ends. */
static void bury(struct shared *s, bool has_changed)
{
	vec_push(&db.buried_forms, (struct db_buried_form){s, has_changed});
	db_turn();
}

/* HAS_CHANGED: the row, or it is gone. */
static void drop(struct db_forms *forms, bool has_changed)
{
	for (size_t i = 0; i < ARRAY_LEN(forms->forms); i++) {
		struct shared *s = forms->forms[i];

		if (!s)
			continue;
		db.counts.form_bytes -= s->n;
		bury(s, has_changed);
	}
	list_remove(&forms->link);
	forms->row->forms = NULL;
	free(forms);
}

void db_form_drop(struct db_row *row)
{
	if (row->forms)
		drop(row->forms, true);
}

/* All but the newest, as long as there is too much. */
static void keep_to_budget(void)
{
	size_t allowed = db.form_bytes ? db.form_bytes : DEFAULT_BYTES;

	if (db.n_gathering)
		return;
	list_for_each_safe (oldest, &db.forms, struct db_forms, link) {
		if (db.counts.form_bytes <= allowed || oldest->link.next == &db.forms)
			break;
		drop(oldest, false);
	}
}

static struct shared *form_of(struct db_row *row, enum db_form form)
{
	struct db_forms *forms = row->forms;

	if (!forms) {
		forms = row->forms = xnew(struct db_forms);
		forms->row = row;
	}
	list_remove(&forms->link);
	list_push_back(&db.forms, &forms->link);
	if (forms->forms[form]) {
		db.counts.form_hits++;
		return forms->forms[form];
	}
	struct shared *s = forms->forms[form] = make(row, form);
	db.counts.form_misses++;
	db.counts.form_bytes += s->n;
	keep_to_budget();
	return s;
}

struct db_text db_form(struct db_row *row, enum db_form form)
{
	const struct shared *s = form_of(row, form);
	size_t before = strlen(around[form].before_ref) + strlen(row->name->text) +
		strlen(around[form].before_record);

	return (struct db_text){
		s->bytes + before, s->n - before - strlen(around[form].after_record)};
}

struct shared *db_form_member(struct db_row *row, enum db_form form)
{
	return shared_hold(form_of(row, form));
}

void db_forms_gather(void)
{
	db.n_gathering++;
}

void db_forms_gathered(void)
{
	assert(db.n_gathering);
	db.n_gathering--;
	keep_to_budget();
}

void db_forms_turn_end(void)
{
	vec_for_each (i, &db.buried_forms) {
		const struct db_buried_form *b = &db.buried_forms.v[i];

		(b->has_changed ? shared_replace : shared_drop)(b->form);
	}
	db.buried_forms.n = 0;
}

void db_forms_fini(void)
{
	db_forms_turn_end();
	vec_fini(&db.buried_forms);
	sbuf_fini(&db.form_buffer);
}
