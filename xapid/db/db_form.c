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
#include "common/xml.h"
#include "xapid/db/db_priv.h"

#include <string.h>

#define DEFAULT_BYTES (UINT64_C(64) << 20)

struct db_forms {
	struct list link; /* db.forms */
	struct db_row *row;
	struct {
		char *text; /* owned; NULL: not made */
		size_t len;
	} forms[2];
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

static void write_json(const struct db_row *row, struct sbuf *out)
{
	const struct class *c = row->class->class;
	struct json_writer w;

	json_writer_init(&w, out);
	json_write_object(&w);
	for (uint32_t i = 0; i < c->n_fields; i++) {
		if (!is_shown(&c->fields[i]))
			continue;
		json_write_name(&w, c->fields[i].name);
		codec_write(c->fields[i].type, row->record + c->fields[i].offset,
			CODEC_BASIC_DATETIME, &w);
	}
	json_write_object_end(&w);
}

static void write_xml(const struct db_row *row, struct sbuf *out)
{
	const struct class *c = row->class->class;

	sbuf_adds(out, "<value><struct>");
	for (uint32_t i = 0; i < c->n_fields; i++) {
		const struct field *f = &c->fields[i];

		if (!is_shown(f))
			continue;
		sbuf_printf(out, "<member><name>%s</name>", f->name);
		codec_xmlrpc_write(
			f->type, row->record + f->offset, CODEC_XMLRPC_INT_AS_STRING, out);
		sbuf_adds(out, "</member>");
	}
	sbuf_adds(out, "</struct></value>");
}

static void drop(struct db_forms *forms)
{
	for (size_t i = 0; i < ARRAY_LEN(forms->forms); i++) {
		db.counts.form_bytes -= forms->forms[i].len;
		db_bury(forms->forms[i].text);
	}
	list_remove(&forms->link);
	forms->row->forms = NULL;
	free(forms);
}

void db_form_drop(struct db_row *row)
{
	if (row->forms)
		drop(row->forms);
}

/* All but the newest, as long as there is too much. */
static void keep_to_budget(void)
{
	size_t allowed = db.form_bytes ? db.form_bytes : DEFAULT_BYTES;

	list_for_each_safe (oldest, &db.forms, struct db_forms, link) {
		if (db.counts.form_bytes <= allowed || oldest->link.next == &db.forms)
			break;
		drop(oldest);
	}
}

struct db_text db_form(struct db_row *row, enum db_form form)
{
	if (!row->forms) {
		row->forms = xnew(struct db_forms);
		row->forms->row = row;
	}
	struct db_forms *forms = row->forms;
	list_remove(&forms->link);
	list_push_back(&db.forms, &forms->link);
	if (forms->forms[form].text) {
		db.counts.form_hits++;
		return (struct db_text){forms->forms[form].text, forms->forms[form].len};
	}
	auto_sbuf b = {0};
	if (form == DB_FORM_JSON)
		write_json(row, &b);
	else
		write_xml(row, &b);
	size_t len = sbuf_len(&b);
	char *text = xmalloc(len + 1);
	memcpy(text, sbuf_data(&b), len);
	forms->forms[form].text = text;
	forms->forms[form].len = len;
	db.counts.form_misses++;
	db.counts.form_bytes += len;
	keep_to_budget();
	return (struct db_text){text, len};
}
