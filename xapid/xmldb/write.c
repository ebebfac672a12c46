/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows and tables as XML (xmldb.h), all of it on two lines as the original writes it. The order of
 * a row's first attributes is the one that its reader wants.
 */
#include "xapid/xmldb/xmldb.h"

#include "common/mem.h"
#include "xapid/db/db.h"

#include "xenapi.gen.h"

#include <string.h>

/* ---- which fields, and what they are called ---- */

static const struct field *inverse_of(const struct field *f)
{
	const struct class *other = f->type->kind == TYPE_LIST ? f->type->of->class : NULL;

	for (uint32_t i = 0; f->inverse && other && i < other->n_fields; i++)
		if (!strcmp(other->fields[i].name, f->inverse))
			return &other->fields[i];
	return NULL;
}

bool xmldb_is_kept(const struct class *c, const struct field *f)
{
	const struct field *inverse = inverse_of(f);
	bool follows = inverse && inverse->type->kind != TYPE_LIST;

	return c->is_persistent && f->flags & FIELD_PERSISTENT && !follows;
}

/* Fields of a name space begin with its name. */
static const struct {
	const char *class; /* NULL: of every class */
	const char *space;
	const char *fields; /* how their names begin */
} spaces[] = {
	{"VM", "memory", "memory_"},
	{"VM", "VCPUs", "VCPUs_"},
	{"VM", "actions", "actions_after_"},
	{"VM", "PV", "PV_"},
	{"VM", "HVM", "HVM_"},
	{"VM_metrics", "memory", "memory_"},
	{"VM_metrics", "VCPUs", "VCPUs_"},
	{"host", "memory", "memory_"},
	{"host", "API_version", "API_version_"},
	{"host_metrics", "memory", "memory_"},
	{"PIF_metrics", "io", "io_"},
	{"VIF_metrics", "io", "io_"},
	{"VBD_metrics", "io", "io_"},
	{"VIF", "qos", "qos_"},
	{"VBD", "qos", "qos_"},
	{"pool", NULL, "name_"},
	{NULL, "name", "name_label"},
	{NULL, "name", "name_description"},
};

const char *xmldb_column(const struct class *c, const struct field *f, struct arena *a)
{
	for (size_t i = 0; i < ARRAY_LEN(spaces); i++) {
		const char *space = spaces[i].space;

		if ((spaces[i].class && strcmp(spaces[i].class, c->name) != 0) ||
			strncmp(f->name, spaces[i].fields, strlen(spaces[i].fields)) != 0)
			continue;
		if (!space)
			break;
		return arena_printf(a, "%s__%s", space, f->name + strlen(space) + 1);
	}
	return f->name;
}

/* ---- rows ---- */

struct column {
	const struct field *field;
	const char *name;
};

struct table {
	const struct class *class;
	struct column *columns; /* in the arena, as the names */
	size_t n;
	struct arena arena;
	struct sbuf text; /* of a value */
};

static void table_init(struct table *t)
{
	const struct class *c = t->class;

	t->columns = arena_calloc(&t->arena, c->n_fields, sizeof(*t->columns));
	for (uint32_t i = 0; i < c->n_fields; i++)
		if (xmldb_is_kept(c, &c->fields[i]))
			t->columns[t->n++] = (struct column){
				&c->fields[i], xmldb_column(c, &c->fields[i], &t->arena)};
}

static void table_fini(struct table *t)
{
	arena_fini(&t->arena);
	sbuf_fini(&t->text);
}

static void put_pair(const char *name, const char *text, struct sbuf *out)
{
	sbuf_addc(out, ' ');
	sbuf_adds(out, name);
	sbuf_adds(out, "=\"");
	xmldb_put_attr(text, out);
	sbuf_addc(out, '"');
}

static void put_row(struct table *t, const char *ref, const void *record, struct xmldb_stamp stamp,
	struct sbuf *out)
{
	sbuf_adds(out, "<row");
	put_pair("ref", ref, out);
	sbuf_printf(out, " __ctime=\"%llu\" __mtime=\"%llu\"", (unsigned long long)stamp.created,
		(unsigned long long)stamp.changed);
	put_pair("_ref", ref, out);
	for (size_t i = 0; i < t->n; i++) {
		const struct field *f = t->columns[i].field;

		sbuf_clear(&t->text);
		xmldb_put(f->type, (const char *)record + f->offset, &t->text);
		put_pair(t->columns[i].name, sbuf_str(&t->text), out);
	}
	sbuf_adds(out, "/>");
}

void xmldb_put_row(const struct class *c, const char *ref, const void *record,
	struct xmldb_stamp stamp, struct sbuf *out)
{
	AUTO(table_fini) struct table t = {.class = c};

	table_init(&t);
	put_row(&t, ref, record, stamp, out);
}

/* ---- all ---- */

static void put_rows(const struct class *c, struct sbuf *out)
{
	AUTO(table_fini) struct table t = {.class = c};

	table_init(&t);
	db_for_each_of (c, row) {
		const struct xmldb_stamp stamp = {db_row_created(row), db_row_generation(row)};

		put_row(&t, db_ref(row), db_record(row), stamp, out);
	}
}

static void put_table(const struct class *c, struct sbuf *out)
{
	sbuf_printf(out, "<table name=\"%s\">", c->name);
	if (c->is_persistent)
		put_rows(c, out);
	sbuf_adds(out, "</table>");
}

static int by_name(const void *a, const void *b)
{
	const struct class *const *left = a, *const *right = b;

	return strcmp((*left)->name, (*right)->name);
}

void xmldb_dump(struct sbuf *out)
{
	size_t n = xenapi_interface.n_classes;
	const struct class **classes = xcalloc(n, sizeof(*classes));

	memcpy(classes, xenapi_interface.classes, n * sizeof(*classes));
	qsort(classes, n, sizeof(*classes), by_name);
	sbuf_printf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<database><manifest>"
		"<pair key=\"schema_major_vsn\" value=\"%d\"/>"
		"<pair key=\"schema_minor_vsn\" value=\"%d\"/>"
		"<pair key=\"generation_count\" value=\"%llu\"/></manifest>",
		XMLDB_SCHEMA_MAJOR, XMLDB_SCHEMA_MINOR, (unsigned long long)db_generation());
	for (size_t i = 0; i < n; i++)
		if (!(classes[i]->flags & CLASS_STATELESS))
			put_table(classes[i], out);
	sbuf_adds(out, "</database>\n");
	free(classes);
}
