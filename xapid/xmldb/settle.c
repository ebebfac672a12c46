/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records that were read, made to fit together (xmldb.h): each reference and uuid is there once,
 * and what a field refers to is there and of its class, or it refers to nothing. Fields that newer
 * versions of the original have, and older ones do not, get what it gives them on such a file.
 */
#include "xapid/xmldb/xmldb.h"

#include "common/map.h"
#include "common/mem.h"

#include "core.gen.h"
#include "xenapi.gen.h"

#include <string.h>

#define NO_OBJECT "OpaqueRef:NULL"

/* ---- once ---- */

static const char *unique_text(const struct xmldb_row *row, const struct field *f)
{
	return *(const char *const *)((const char *)row->record + f->offset);
}

/* Whether nobody before has the reference, or a text that is to be unique; they are its own then.
 */
static bool take_names(struct xmldb *db, const struct xmldb_row *row, struct map *names)
{
	const struct class *c = row->class;

	if (!strncmp(row->ref, NO_OBJECT, sizeof(NO_OBJECT)) || map_has(names, row->ref)) {
		xmldb_note(db, "line %zu: %s %s: there is one with this reference: left out",
			row->line, c->name, row->ref);
		return false;
	}
	for (uint32_t i = 0; i < c->n_fields; i++) {
		const struct field *f = &c->fields[i];

		if (!(f->flags & FIELD_UNIQUE) || !*unique_text(row, f))
			continue;
		auto_str name = xasprintf("%s.%s %s", c->name, f->name, unique_text(row, f));
		if (map_put(names, name, (void *)row)) {
			xmldb_note(db, "line %zu: %s %s: there is one with this %s: left out",
				row->line, c->name, row->ref, f->name);
			return false;
		}
	}
	map_put(names, row->ref, (void *)row);
	return true;
}

static void drop_doubles(struct xmldb *db)
{
	AUTO(map_fini) struct map names = {0};
	size_t n = 0;

	vec_for_each (i, &db->rows)
		if (take_names(db, &db->rows.v[i], &names))
			db->rows.v[n++] = db->rows.v[i];
	db->rows.n = n;
}

/* ---- references ---- */

struct links {
	struct xmldb *db;
	struct map rows; /* ref -> struct xmldb_row * */
	const struct xmldb_row *row;
	const struct field *field;
};

static bool is_there(struct links *l, const struct class *c, const char *ref)
{
	const struct xmldb_row *to = map_get(&l->rows, ref);

	if (!strcmp(ref, NO_OBJECT) || (to && to->class == c))
		return true;
	xmldb_note(l->db, "line %zu: %s %s: %s refers to %s %s, which is not there", l->row->line,
		l->row->class->name, l->row->ref, l->field->name, c->name, ref);
	return false;
}

static void settle_value(struct links *l, const struct type *t, void *value);

/* Whether a member of a set, or an entry of a map, may stay. */
static bool settle_member(struct links *l, const struct type *t, char *member)
{
	bool is_map = t->kind == TYPE_MAP;
	char *value = is_map ? member + t->value_offset : member;
	const struct class *key = is_map && t->key ? t->key->class : NULL;
	const struct class *of = t->of->kind == TYPE_STRING ? t->of->class : NULL;

	if (key && !is_there(l, key, *(const char **)member))
		return false;
	if (of)
		return strcmp(*(const char **)value, NO_OBJECT) != 0 &&
			is_there(l, of, *(const char **)value);
	settle_value(l, t->of, value);
	return true;
}

static void settle_value(struct links *l, const struct type *t, void *value)
{
	struct any_list *list = value;
	size_t n = 0;

	if (t->kind == TYPE_STRING && t->class && !is_there(l, t->class, *(const char **)value))
		*(const char **)value = NO_OBJECT;
	if (t->kind != TYPE_LIST && t->kind != TYPE_MAP)
		return;
	size_t size = t->kind == TYPE_MAP ? t->entry_size : t->of->size;
	for (size_t i = 0; i < list->n; i++) {
		char *member = (char *)list->v + i * size;

		if (!settle_member(l, t, member))
			continue;
		if (n != i)
			memcpy((char *)list->v + n * size, member, size);
		n++;
	}
	list->n = n;
}

static void settle_links(struct xmldb *db)
{
	struct links l = {.db = db};

	vec_for_each (i, &db->rows)
		map_put(&l.rows, db->rows.v[i].ref, &db->rows.v[i]);
	vec_for_each (i, &db->rows) {
		l.row = &db->rows.v[i];
		for (uint32_t k = 0; k < l.row->class->n_fields; k++) {
			l.field = &l.row->class->fields[k];
			if (xmldb_is_kept(l.row->class, l.field) &&
				!(l.field->flags & FIELD_DANGLING))
				settle_value(
					&l, l.field->type, (char *)l.row->record + l.field->offset);
		}
	}
	map_fini(&l.rows);
}

/* ---- what older files do not say ---- */

#define HAS_DOMAIN_TYPES 200 /* minor version */

static void settle_vm(struct xenapi_vm *vm)
{
	const char *is_default = string_map_get(&vm->other_config, "default_template");

	if (vm->domain_type == XENAPI_DOMAIN_TYPE_UNSPECIFIED)
		vm->domain_type =
			*vm->HVM_boot_policy ? XENAPI_DOMAIN_TYPE_HVM : XENAPI_DOMAIN_TYPE_PV;
	if (vm->is_a_template && is_default && !strcmp(is_default, "true"))
		vm->is_default_template = true;
}

/* ---- all ---- */

static size_t count(const struct xmldb *db, const struct class *c)
{
	size_t n = 0;

	vec_for_each (i, &db->rows)
		n += db->rows.v[i].class == c;
	return n;
}

struct err *xmldb_settle(struct xmldb *db)
{
	drop_doubles(db);
	settle_links(db);
	vec_for_each (i, &db->rows) {
		struct xmldb_row *row = &db->rows.v[i];

		if (row->class == &xenapi_class_vm && db->schema_minor < HAS_DOMAIN_TYPES)
			settle_vm(row->record);
	}
	if (count(db, &xenapi_class_pool) != 1)
		return err(INVALID_VALUE, "table pool", "there is one pool in a database");
	if (!count(db, &xenapi_class_host))
		return err(INVALID_VALUE, "table host", "there is no host in it");
	return NULL;
}
