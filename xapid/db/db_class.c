/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is worked out of the IDL's class tables once: the two sides of each relation, which fields
 * hold references, what is unique, and a record of defaults (db_priv.h).
 */
#include "common/codec.h"
#include "common/mem.h"
#include "xapid/db/db_priv.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

static const struct class *const *classes(void)
{
	return xenapi_interface.classes;
}

struct db_class *db_class_of(const struct class *c)
{
	for (size_t i = 0; i < db.n_classes; i++)
		if (db.classes[i].class == c)
			return &db.classes[i];
	return NULL;
}

const struct class *db_class_named(const char *name, bool ignore_case)
{
	for (size_t i = 0; i < xenapi_interface.n_classes; i++) {
		const char *own = classes()[i]->name;

		if (ignore_case ? !strcasecmp(own, name) : !strcmp(own, name))
			return classes()[i];
	}
	return NULL;
}

const struct field *db_field_named(const struct class *c, const char *name)
{
	for (uint32_t i = 0; i < c->n_fields; i++)
		if (!strcmp(c->fields[i].name, name))
			return &c->fields[i];
	return NULL;
}

/* Offsets grow from field to field. */
struct db_field *db_field_at(struct db_class *c, size_t offset)
{
	size_t from = 0, to = c->class->n_fields;

	while (to - from > 1) {
		size_t middle = (from + to) / 2;

		if (c->fields[middle].field->offset <= offset)
			from = middle;
		else
			to = middle;
	}
	assert(c->fields[from].field->offset == offset);
	return &c->fields[from];
}

bool db_is_computed(const struct class *c, const struct field *f)
{
	return db_class_of(c)->fields[f - c->fields].link == LINK_COMPUTED;
}

/* The class that a reference, or each member of a set of them, is of. */
static const struct class *referred_class(const struct type *t)
{
	if (t->kind == TYPE_LIST)
		t = t->of;
	return t->kind == TYPE_STRING ? t->class : NULL;
}

static void prepare_field(struct db_class *c, struct db_field *f, const struct field *field)
{
	bool is_dangling = field->flags & FIELD_DANGLING;
	const struct class *other = referred_class(field->type);

	assert(field->type->size <= DB_VALUE_SIZE);
	f->field = field;
	f->holds_refs = db_type_holds_refs(field->type);
	f->is_kept = c->class->flags & CLASS_KEPT ||
		(c->class->is_persistent && field->flags & FIELD_PERSISTENT);
	if (field->flags & FIELD_UNIQUE)
		f->unique = xnew(struct map);
	db_index_prepare(c, f);
	if (!strcmp(field->name, "uuid"))
		c->uuid = f;
	if (!field->inverse) {
		f->is_tracked = f->holds_refs && !is_dangling;
		return;
	}
	f->other = db_class_of(other);
	const struct field *inverse = db_field_named(other, field->inverse);
	f->inverse = &f->other->fields[inverse - other->fields];
	if (field->type->kind == TYPE_STRING)
		f->link = LINK_TO_SET;
	else if (inverse->type->kind == TYPE_LIST)
		f->link = LINK_BOTH;
	else
		f->link = LINK_COMPUTED;
	if (f->link == LINK_COMPUTED)
		f->is_kept = false;
}

/* A reference without a default is to nothing. */
static void prepare_blank(struct db_class *c)
{
	c->blank = arena_alloc(&db.arena, c->class->record->size);
	codec_init_record(c->class->record, &db.arena, c->blank);
	for (uint32_t i = 0; i < c->class->n_fields; i++) {
		const struct field *f = &c->class->fields[i];
		const char **ref = (const char **)((char *)c->blank + f->offset);

		if (f->type->kind == TYPE_STRING && f->type->class && !**ref)
			*ref = REF_NULL;
	}
}

void db_classes_init(void)
{
	db.n_classes = xenapi_interface.n_classes;
	db.classes = xcalloc(db.n_classes, sizeof(*db.classes));
	for (size_t i = 0; i < db.n_classes; i++) {
		struct db_class *c = &db.classes[i];

		c->class = classes()[i];
		c->fields = xcalloc(c->class->n_fields + 1, sizeof(*c->fields));
		list_init(&c->rows);
	}
	for (size_t i = 0; i < db.n_classes; i++) {
		struct db_class *c = &db.classes[i];

		if (!class_has_rows(c->class))
			continue;
		for (uint32_t k = 0; k < c->class->n_fields; k++)
			prepare_field(c, &c->fields[k], &c->class->fields[k]);
		prepare_blank(c);
	}
}

void db_classes_fini(void)
{
	for (size_t i = 0; i < db.n_classes; i++) {
		struct db_class *c = &db.classes[i];

		for (uint32_t k = 0; k < c->class->n_fields; k++) {
			if (c->fields[k].unique)
				map_fini(c->fields[k].unique);
			free(c->fields[k].unique);
			db_index_fini(&c->fields[k]);
		}
		free(c->fields);
	}
	free(take(db.classes));
	db.n_classes = 0;
}

const void *db_blank_record(const struct class *c)
{
	return db_class_of(c)->blank;
}
