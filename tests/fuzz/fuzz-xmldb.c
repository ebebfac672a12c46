/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: a database of the original's from anybody. What it reads and settles is written and
 * reads back as the same, without a note.
 */
#include "xapid/xmldb/xmldb.h"

#include "common/codec.h"

#include "xenapi.gen.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void put_all(const struct xmldb *db, struct sbuf *out)
{
	sbuf_printf(out,
		"<database><manifest><pair key='schema_major_vsn' value='%lld'/>"
		"<pair key='schema_minor_vsn' value='%lld'/>"
		"<pair key='generation_count' value='%lld'/></manifest>",
		(long long)db->schema_major, (long long)db->schema_minor,
		(long long)db->generation);
	vec_for_each (i, &db->rows) {
		const struct xmldb_row *row = &db->rows.v[i];

		sbuf_printf(out, "<table name='%s'>", row->class->name);
		xmldb_put_row(row->class, row->ref, row->record, (struct xmldb_stamp){0}, out);
		sbuf_adds(out, "</table>");
	}
	sbuf_adds(out, "</database>");
}

static void compare(const struct xmldb_row *a, const struct xmldb_row *b)
{
	assert(a->class == b->class && !strcmp(a->ref, b->ref));
	for (uint32_t i = 0; i < a->class->n_fields; i++) {
		const struct field *f = &a->class->fields[i];

		if (xmldb_is_kept(a->class, f) &&
			!codec_equal(f->type, (char *)a->record + f->offset,
				(char *)b->record + f->offset))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	AUTO(xmldb_fini) struct xmldb db = {0}, again = {0};
	auto_sbuf text = {0};

	auto_err e = xmldb_read((const char *)bytes, size, &db);
	if (e)
		return 0;
	auto_err no_pool = xmldb_settle(&db);
	put_all(&db, &text);
	auto_err f = xmldb_read(sbuf_str(&text), sbuf_len(&text), &again);
	assert(!f);
	no_pool = no_pool ?: xmldb_settle(&again);
	assert(again.rows.n == db.rows.n && !again.n_notes);
	vec_for_each (i, &db.rows)
		compare(&db.rows.v[i], &again.rows.v[i]);
	return 0;
}
