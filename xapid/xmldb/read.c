/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * XML to records (xmldb.h). What has not the form of a database is refused, with its line. A table
 * or a field that the model does not have, and a value that is none of its field's type, is left
 * out and noted: the file may be of another version. Fields that are not there have their defaults.
 */
#include "xapid/xmldb/xmldb.h"

#include "common/codec.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/number.h"
#include "common/utf8.h"
#include "common/xml.h"

#include "core.gen.h"
#include "xenapi.gen.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

#define NOTES_MAX    10000
#define DEPTH_MAX    8
#define NAME_MAX_LEN 128

/* ---- notes and refusals ---- */

void xmldb_note(struct xmldb *db, const char *fmt, ...)
{
	va_list ap;

	if (db->n_notes++ >= NOTES_MAX)
		return;
	va_start(ap, fmt);
	vec_push(&db->notes, arena_vprintf(&db->arena, fmt, ap));
	va_end(ap);
}

static struct err *refuse(const struct xml_node *node, const char *why)
{
	auto_str text = xasprintf("line %zu: %s", node->line, why);

	return err(BAD_REQUEST, text);
}

/* ---- one table ---- */

struct table {
	struct xmldb *db;
	const struct class *class;
	void *blank; /* a record of defaults */
	struct map columns; /* name -> const struct field * */
	struct map unknown; /* name -> how many rows have it */
};

static void table_fini(struct table *t)
{
	map_fini(&t->columns);
	map_fini(&t->unknown);
}

/* A reference without a default is to nothing. */
static void make_blank(struct table *t)
{
	t->blank = arena_alloc(&t->db->arena, t->class->record->size);
	codec_init_record(t->class->record, &t->db->arena, t->blank);
	for (uint32_t i = 0; i < t->class->n_fields; i++) {
		const struct field *f = &t->class->fields[i];

		if (f->type->kind == TYPE_STRING && f->type->class)
			xmldb_get(f->type, "", &t->db->arena, (char *)t->blank + f->offset);
	}
}

static void table_init(struct table *t)
{
	make_blank(t);
	for (uint32_t i = 0; i < t->class->n_fields; i++) {
		const struct field *f = &t->class->fields[i];

		map_put(&t->columns, f->name, (void *)f);
		map_put(&t->columns, xmldb_column(t->class, f, &t->db->arena), (void *)f);
	}
}

static bool is_about_row(const char *name)
{
	static const char *const names[] = {"ref", "_ref", "__ctime", "__mtime"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

static void read_field(
	struct table *t, const struct xmldb_row *row, const struct field *f, const char *attr)
{
	const char *text = xmldb_get_attr(attr, &t->db->arena);
	const char *why = utf8_is_valid(text, strlen(text))
		? xmldb_get(f->type, text, &t->db->arena, (char *)row->record + f->offset)
		: "it is not UTF-8";

	if (why)
		xmldb_note(t->db, "line %zu: %s %s: %s: %s", row->line, t->class->name, row->ref,
			f->name, why);
}

static void count_unknown(struct table *t, const char *name)
{
	uintptr_t n = (uintptr_t)map_get(&t->unknown, name);

	map_put(&t->unknown, name, (void *)(n + 1));
}

static void read_fields(struct table *t, const struct xmldb_row *row, const struct xml_node *node)
{
	for (size_t i = 0; i < node->n_attrs; i++) {
		const struct xml_attr *attr = &node->attrs[i];
		const struct field *f = map_get(&t->columns, attr->name);

		if (f && xmldb_is_kept(t->class, f))
			read_field(t, row, f, attr->value);
		else if (!f && !is_about_row(attr->name))
			count_unknown(t, attr->name);
	}
}

/* Names of objects stand in quotes, in paths and in names of files, everywhere. */
static bool is_name(const char *text)
{
	for (const char *at = text; *at; at++)
		if (!isalnum((unsigned char)*at) && !strchr("-_:", *at))
			return false;
	return *text && strlen(text) <= NAME_MAX_LEN;
}

static struct err *read_row(struct table *t, const struct xml_node *node)
{
	const char *ref = xml_attr_value(node, "ref") ?: xml_attr_value(node, "_ref");
	const char *uuid = xml_attr_value(node, "uuid");
	struct xmldb_row row = {.class = t->class, .line = node->line};

	if (strcmp(node->name, "row") != 0)
		return refuse(node, "a table has rows, and nothing else");
	if (!ref || !*ref)
		return refuse(node, "a row without a reference");
	if (!is_name(ref) || (uuid && *uuid && !is_name(uuid)))
		return refuse(node, "a reference or a uuid that is none");
	if (node->first)
		return refuse(node, "a row has attributes, and nothing else");
	if (t->db->arena.used > XMLDB_MEMORY_MAX)
		return err(LIMIT_EXCEEDED, "memory of a database", "512 MiB");
	row.ref = arena_strdup(&t->db->arena, ref);
	row.record = arena_alloc(&t->db->arena, t->class->record->size);
	memcpy(row.record, t->blank, t->class->record->size);
	read_fields(t, &row, node);
	vec_push(&t->db->rows, row);
	return NULL;
}

static void note_unknown(struct table *t)
{
	map_for_each (slot, &t->unknown)
		xmldb_note(t->db, "%s: the field %s is not known: left out of %zu rows",
			t->class->name, slot->key, (size_t)slot->value);
}

static const struct class *class_named(const char *name)
{
	for (size_t i = 0; i < xenapi_interface.n_classes; i++)
		if (!strcmp(xenapi_interface.classes[i]->name, name))
			return xenapi_interface.classes[i];
	return NULL;
}

static size_t count_children(const struct xml_node *node)
{
	size_t n = 0;

	for (const struct xml_node *child = node->first; child; child = child->next)
		n++;
	return n;
}

static struct err *read_table(struct xmldb *db, const struct xml_node *node)
{
	const char *name = xml_attr_value(node, "name");
	const struct class *class = name ? class_named(name) : NULL;

	if (!name)
		return refuse(node, "a table without a name");
	if (!class && node->first)
		xmldb_note(db, "line %zu: there is no class %s: %zu rows are left out", node->line,
			name, count_children(node));
	if (!class || class->flags & CLASS_STATELESS || !class->is_persistent)
		return NULL;
	AUTO(table_fini) struct table t = {.db = db, .class = class};
	table_init(&t);
	for (const struct xml_node *row = node->first; row; row = row->next)
		TRY(read_row(&t, row));
	note_unknown(&t);
	return NULL;
}

/* ---- what it is ---- */

static struct err *read_number(const struct xml_node *manifest, const char *key, int64_t *out)
{
	for (const struct xml_node *pair = manifest->first; pair; pair = pair->next) {
		const char *name = xml_attr_value(pair, "key");
		const char *value = xml_attr_value(pair, "value");

		if (!name || !value || strcmp(name, key) != 0)
			continue;
		return number_read_int(value, strlen(value), out)
			? NULL
			: refuse(pair, "a number of the manifest is none");
	}
	auto_str why = xasprintf("the manifest has no %s", key);
	return refuse(manifest, why);
}

static struct err *read_manifest(struct xmldb *db, const struct xml_node *root)
{
	const struct xml_node *manifest = xml_child(root, "manifest");

	if (!manifest)
		return refuse(root, "there is no manifest");
	TRY(read_number(manifest, "schema_major_vsn", &db->schema_major));
	TRY(read_number(manifest, "schema_minor_vsn", &db->schema_minor));
	return read_number(manifest, "generation_count", &db->generation);
}

struct err *xmldb_read(const char *text, size_t len, struct xmldb *db)
{
	const struct xml_limits limits = {
		.size = XMLDB_SIZE_MAX, .depth = DEPTH_MAX, .counts_lines = true};
	const struct xml_node *root;
	auto_arena a = {0};

	TRY(xml_parse(text, len, &limits, &a, &root));
	if (strcmp(root->name, "database") != 0)
		return refuse(root, "this is not a database");
	TRY(read_manifest(db, root));
	for (const struct xml_node *node = root->first; node; node = node->next) {
		if (!strcmp(node->name, "table"))
			TRY(read_table(db, node));
		else if (strcmp(node->name, "manifest") != 0)
			return refuse(
				node, "a database has a manifest and tables, and nothing else");
	}
	return NULL;
}

void xmldb_fini(struct xmldb *db)
{
	vec_fini(&db->rows);
	vec_fini(&db->notes);
	arena_fini(&db->arena);
}
