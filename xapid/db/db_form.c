/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Wire forms: a row's record as JSON and as XML-RPC. From the second time on that somebody asks for
 * one it is kept until the row changes: who looks at everything once does not fill the memory. When
 * they take too much of it, what was not asked for the longest goes first.
 */
#include "common/clock.h"
#include "common/codec.h"
#include "common/codec_xmlrpc.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/sbuf.h"
#include "common/shared.h"
#include "xapid/db/db_priv.h"

#include <assert.h>
#include <malloc.h>
#include <string.h>

#define DEFAULT_BYTES   (UINT64_C(64) << 20)
#define GIVE_BACK_BYTES ((size_t)2 << 20) /* after so many that were let go, */
#define GIVE_BACK_NS    (1 * NS_PER_S) /* a while later */
#define SLAB_FROM_BYTES ((size_t)512 << 10) /* so many that go together are many */
#define SCRATCH_BYTES   ((size_t)64 << 10) /* that are not given back */

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
	struct list on_trial; /* db.forms_on_trial: some were asked for the first time */
	unsigned trials; /* a bit for each of them */
	struct db_row *row;
	bool is_used; /* since it was last looked at whether it is to go */
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

/* Where it is written is used again and again: that is hardly memory to be brought, and what is
 * kept is as long as it has to be. */
static struct shared *make(const struct db_row *row, enum db_form form, bool is_on_trial)
{
	struct sbuf *b = &db.form_scratch;
	struct shared *s;

	sbuf_adds(b, around[form].before_ref);
	sbuf_adds(b, row->name->text);
	sbuf_adds(b, around[form].before_record);
	write_record(row, form, b);
	sbuf_adds(b, around[form].after_record);
	if (is_on_trial && db.trial_bytes >= SLAB_FROM_BYTES)
		s = shared_copy_into(&db.trial_slab, sbuf_data(b), sbuf_len(b));
	else
		s = shared_copy(sbuf_data(b), sbuf_len(b));
	if (is_on_trial)
		db.trial_bytes += s->n;
	if (b->size > SCRATCH_BYTES)
		sbuf_fini(b);
	else
		sbuf_clear(b);
	return s;
}

/* Who was given a form without a hold on it may look at it until the turn ends. */
static void bury(struct shared *s)
{
	vec_push(&db.buried_forms, s);
	db_turn();
}

static void drop_one(struct db_forms *forms, enum db_form form, bool is_last)
{
	struct shared *s = take(forms->forms[form]);

	if (s) {
		db.counts.form_bytes -= s->n;
		bury(s);
	}
	forms->trials &= ~(1U << form);
	if (!is_last)
		return;
	list_remove(&forms->link);
	list_remove(&forms->on_trial);
	forms->row->forms = NULL;
	free(forms);
}

void db_form_drop(struct db_row *row)
{
	if (!row->forms)
		return;
	drop_one(row->forms, DB_FORM_JSON, false);
	drop_one(row->forms, DB_FORM_XML, true);
}

/* As long as there is too much, what was not used the longest, but for the newest; what was used
 * since it came to the front goes to the end once more. */
static void keep_to_budget(void)
{
	size_t allowed = db.form_bytes ? db.form_bytes : DEFAULT_BYTES;
	struct db_forms *first;

	while (!db.n_gathering && db.counts.form_bytes > allowed &&
		(first = list_first(&db.forms, struct db_forms, link)) &&
		first->link.next != &db.forms) {
		if (!first->is_used) {
			first->row->forms_asked = 0;
			db_form_drop(first->row);
			continue;
		}
		first->is_used = false;
		list_remove(&first->link);
		list_push_back(&db.forms, &first->link);
	}
}

static struct db_forms *forms_of(struct db_row *row)
{
	struct db_forms *forms = row->forms;

	if (forms)
		return forms;
	forms = row->forms = xnew(struct db_forms);
	forms->row = row;
	list_push_back(&db.forms, &forms->link);
	return forms;
}

/* It stays for a while, or as long as others are gathered. */
static void keep(struct db_row *row, enum db_form form, struct shared *s, bool is_on_trial)
{
	struct db_forms *forms = forms_of(row);

	forms->forms[form] = s;
	db.counts.form_bytes += s->n;
	if (is_on_trial) {
		forms->trials |= 1U << form;
		if (!list_is_linked(&forms->on_trial))
			list_push_back(&db.forms_on_trial, &forms->on_trial);
	}
	keep_to_budget();
}

static struct shared *form_of(struct db_row *row, enum db_form form)
{
	if (row->forms && row->forms->forms[form]) {
		row->forms->is_used = true;
		db.counts.form_hits++;
		return row->forms->forms[form];
	}
	bool is_first = !(row->forms_asked & 1U << form);
	struct shared *s = make(row, form, is_first && db.n_gathering);
	db.counts.form_misses++;
	row->forms_asked |= (uint8_t)(1U << form);
	if (is_first && !db.n_gathering)
		bury(s);
	else
		keep(row, form, s, is_first);
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

/* Of those that are on trial nothing stays. */
static void end_trials(void)
{
	struct db_forms *forms;

	while ((forms = list_pop_front(&db.forms_on_trial, struct db_forms, on_trial))) {
		unsigned trials = forms->trials;

		for (size_t i = 0; i < ARRAY_LEN(forms->forms); i++)
			if (trials & 1U << i)
				drop_one(forms, (enum db_form)i, false);
		if (!forms->forms[DB_FORM_JSON] && !forms->forms[DB_FORM_XML])
			db_form_drop(forms->row);
	}
	shared_slab_close(&db.trial_slab);
	db.trial_bytes = 0;
}

void db_forms_gathered(void)
{
	assert(db.n_gathering);
	if (--db.n_gathering)
		return;
	end_trials();
	keep_to_budget();
}

/* What large answers took is the kernel's again, and does not stay as holes between other
 * things. */
static void give_back(struct timer *t)
{
	db.forms_let_go = 0;
	malloc_trim(0);
}

void db_forms_turn_end(void)
{
	vec_for_each (i, &db.buried_forms) {
		db.forms_let_go += db.buried_forms.v[i]->n;
		shared_replace(db.buried_forms.v[i]);
	}
	db.buried_forms.n = 0;
	if (db.forms_let_go >= GIVE_BACK_BYTES && db.give_back.at == NEVER)
		timer_arm(&db.give_back, deadline_in(GIVE_BACK_NS));
}

void db_forms_init(void)
{
	list_init(&db.forms);
	list_init(&db.forms_on_trial);
	timer_init(&db.give_back, give_back);
}

void db_forms_fini(void)
{
	db_forms_turn_end();
	timer_disarm(&db.give_back);
	shared_slab_close(&db.trial_slab);
	sbuf_fini(&db.form_scratch);
	vec_fini(&db.buried_forms);
}
