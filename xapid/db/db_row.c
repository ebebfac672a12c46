/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows, and the one place where they change: create, delete, write a field. Each is a delta with a
 * number; what is kept goes to db_keep.c, which may want it taken back (db_delta_undo).
 */
#include "common/codec.h"
#include "common/mem.h"
#include "common/uuid.h"
#include "xapid/db/db_priv.h"

#include "core.gen.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* ---- memory ---- */

struct db_row *db_row_new(struct db_class *c, struct db_name *name)
{
	struct db_row *row = xcalloc(1, sizeof(*row) + c->class->record->size + db_index_room(c));

	row->class = c;
	row->name = name;
	name->n_uses++; /* until it is freed: deltas of it may be under way when it is deleted */
	return row;
}

void db_row_free(struct db_row *row)
{
	struct db_class *c = row->class;

	for (uint32_t i = 0; i < c->class->n_fields; i++)
		db_value_drop(c->fields[i].field->type, db_place(row, &c->fields[i]));
	db_form_drop(row);
	list_remove(&row->unkept);
	const char *ref = row->name->text;
	db_bury(row);
	db_name_drop(ref);
}

static void index_field(struct db_row *row, struct db_field *f, bool is_there)
{
	if (f->index)
		(is_there ? db_index_add : db_index_remove)(row, f);
	if (!f->unique)
		return;
	const char *text = *(const char *const *)db_place(row, f);
	if (*text && is_there)
		map_put(f->unique, text, row);
	else if (*text)
		map_remove(f->unique, text);
}

/* Has everything know of the row: its name, its class, what it refers to. */
void db_row_insert(struct db_row *row)
{
	struct db_class *c = row->class;

	row->name->row = row;
	list_push_back(&c->rows, &row->of_class);
	c->n_rows++;
	db.counts.rows++;
	for (uint32_t i = 0; i < c->class->n_fields; i++) {
		index_field(row, &c->fields[i], true);
		db_link(row, &c->fields[i]);
	}
	db_feed_touch(row);
	row->created = row->generation;
}

static void take_out(struct db_row *row)
{
	struct db_class *c = row->class;

	for (uint32_t i = 0; i < c->class->n_fields; i++) {
		db_unlink(row, &c->fields[i]);
		index_field(row, &c->fields[i], false);
	}
	list_remove(&row->of_class);
	c->n_rows--;
	db.counts.rows--;
	row->name->row = NULL;
	db_form_drop(row);
	db_feed_deleted(row);
}

/* ---- checks ---- */

static void check_ref(const char *ref, const struct class *c, void *arg)
{
	struct err **e = arg;

	if (!*e && !db_row(c, ref))
		*e = err(HANDLE_INVALID, c->name, ref);
}

/* What the value refers to is there, and what must be unique is. A number is finite: clients with
 * types of their own cannot read "nan". */
static struct err *check_value(
	const struct db_row *row, const struct db_field *f, const void *value)
{
	struct err *e = NULL;

	if (f->field->type->kind == TYPE_FLOAT && !isfinite(*(const double *)value))
		return err(INVALID_VALUE, f->field->name, "not a finite number");
	if (f->holds_refs && !(f->field->flags & FIELD_DANGLING))
		db_value_each_ref(f->field->type, value, check_ref, &e);
	if (e || !f->unique)
		return e;
	const char *text = *(const char *const *)value;
	const struct db_row *holder = text && *text ? map_get(f->unique, text) : NULL;
	if (!holder || holder == row)
		return NULL;
	return err(DB_UNIQUENESS_CONSTRAINT_VIOLATION, holder->class->class->name, f->field->name,
		text);
}

/* ---- create ---- */

static struct err *check_new(struct db_class *c, const char *ref, const char *record)
{
	assert(class_has_rows(c->class));
	TRY(db_keep_check(class_is_kept(c->class)));
	if (db_row(NULL, ref))
		return err(DB_UNIQUENESS_CONSTRAINT_VIOLATION, c->class->name, "_ref", ref);
	for (uint32_t i = 0; i < c->class->n_fields; i++) {
		const struct db_field *f = &c->fields[i];

		if (f->link != LINK_COMPUTED)
			TRY(check_value(NULL, f, record + f->field->offset));
	}
	return NULL;
}

static void fill(struct db_row *row, const char *record)
{
	struct db_class *c = row->class;
	char uuid[UUID_TEXT_SIZE];

	for (uint32_t i = 0; i < c->class->n_fields; i++) {
		const struct db_field *f = &c->fields[i];
		const void *value = record + f->field->offset;
		const char *new_uuid = uuid;

		if (f->link == LINK_COMPUTED)
			continue;
		if (f == c->uuid && ref_is_null(*(const char *const *)value)) {
			uuid_random_text(uuid);
			value = &new_uuid;
		}
		db_value_copy(f->field->type, value, db_place(row, f));
	}
}

struct err *db_create_record(
	const struct class *class, const char *ref, const void *record, const char **out)
{
	struct db_class *c = db_class_of(class);
	char new_ref[DB_REF_SIZE];

	if (!ref)
		ref = db_new_ref(new_ref);
	TRY(check_new(c, ref, record));
	struct db_row *row = db_row_new(c, db_name_make(ref));
	fill(row, record);
	db_row_insert(row);
	db_copy_note_create(row);
	if (class_is_kept(class))
		db_keep_add(&(struct db_delta){.kind = DELTA_CREATE, .row = row});
	if (out)
		*out = row->name->text;
	return NULL;
}

/* ---- delete ---- */

static struct err *unlink_users(struct db_row *row)
{
	bool was_following = db.is_following;

	db.is_following = true;
	struct err *e = db_unlink_users(row);
	db.is_following = was_following;
	return e;
}

struct err *db_delete_record(const struct class *class, const char *ref)
{
	struct db_row *row = db_row(class, ref);

	if (!row)
		return err(HANDLE_INVALID, class->name, ref ? ref : "");
	TRY(db_keep_check(class_is_kept(class)));
	db_copy_note_delete(row);
	TRY(unlink_users(row));
	take_out(row);
	if (class_is_kept(class))
		db_keep_add(&(struct db_delta){.kind = DELTA_DELETE, .row = row});
	else
		db_row_free(row);
	return NULL;
}

/* ---- write ---- */

/* Puts VALUE, which becomes the row's own, in the place of what was there: that is in OLD then. */
static void exchange(struct db_row *row, struct db_field *f, void *value, void *old)
{
	size_t size = f->field->type->size;

	db_unlink(row, f);
	index_field(row, f, false);
	memcpy(old, db_place(row, f), size);
	memcpy(db_place(row, f), value, size);
	index_field(row, f, true);
	db_link(row, f);
	db_feed_touch(row);
}

struct err *db_row_write(struct db_row *row, struct db_field *f, const void *value)
{
	return db_row_write_part(row, f, value, NULL);
}

struct err *db_row_write_part(
	struct db_row *row, struct db_field *f, const void *value, const struct db_part *part)
{
	const struct type *t = f->field->type;
	struct db_delta d = {.kind = DELTA_WRITE, .row = row, .field = f};
	_Alignas(8) char copy[DB_VALUE_SIZE];

	if (f->link == LINK_COMPUTED)
		return err(INTERNAL_ERROR, "the other side of a relation is not written");
	TRY(check_value(row, f, value));
	db_value_copy(t, value, copy);
	if (codec_equal(t, copy, db_place(row, f))) {
		db_value_drop(t, copy);
		return NULL;
	}
	struct err *e = db_keep_check(f->is_kept);
	if (e) {
		db_value_drop(t, copy);
		return e;
	}
	exchange(row, f, copy, d.old);
	db_copy_note_write(row, f, part);
	if (f->is_kept)
		db_keep_add(&d);
	else
		db_value_drop(t, d.old);
	return NULL;
}

struct err *db_write_at(
	const struct class *class, const char *ref, size_t offset, const void *value)
{
	struct db_row *row = db_row(class, ref);

	if (!row)
		return err(HANDLE_INVALID, class->name, ref ? ref : "");
	return db_row_write(row, db_field_at(row->class, offset), value);
}

/* ---- taking back ---- */

static void undo_write(struct db_delta *d)
{
	_Alignas(8) char newer[DB_VALUE_SIZE];

	exchange(d->row, d->field, d->old, newer);
	db_value_drop(d->field->field->type, newer);
}

/* What volatile fields refer to it forget it. */
static void undo_create(struct db_row *row)
{
	err_free(db_unlink_users(row));
	take_out(row);
	db_row_free(row);
}

void db_delta_undo(struct db_delta *d)
{
	switch (d->kind) {
	case DELTA_CREATE:
		undo_create(d->row);
		break;
	case DELTA_DELETE:
		db_feed_undeleted(d->row);
		db_row_insert(d->row);
		break;
	case DELTA_WRITE:
		undo_write(d);
		break;
	}
}

void db_delta_done(struct db_delta *d)
{
	if (d->kind == DELTA_DELETE)
		db_row_free(d->row);
	else if (d->kind == DELTA_WRITE)
		db_value_drop(d->field->field->type, d->old);
}

/* ---- reading ---- */

struct db_row *db_row(const struct class *c, const char *ref)
{
	struct db_name *n = db_name_find(ref);

	if (!n || !n->row || (c && n->row->class->class != c))
		return NULL;
	return n->row;
}

const void *db_find_record(const struct class *c, const char *ref)
{
	return db_record(db_row(c, ref));
}

struct err *db_get_record(const struct class *c, const char *ref, const void **out)
{
	const struct db_row *row = db_row(c, ref);

	if (!row)
		return err(HANDLE_INVALID, c->name, ref ? ref : "");
	*out = row->record;
	return NULL;
}

const char *db_find_by_uuid(const struct class *class, const char *uuid)
{
	struct db_class *c = db_class_of(class);
	const struct db_row *row =
		c->uuid && c->uuid->unique ? map_get(c->uuid->unique, uuid) : NULL;

	return row ? row->name->text : NULL;
}

struct err *db_get_by_uuid(const struct class *c, const char *uuid, const char **ref)
{
	const char *found = db_find_by_uuid(c, uuid);

	if (!found)
		return err(UUID_INVALID, c->name, uuid);
	*ref = found;
	return NULL;
}

size_t db_count_of(const struct class *c)
{
	return db_class_of(c)->n_rows;
}

struct db_row *db_first_row(const struct class *c)
{
	return list_first(&db_class_of(c)->rows, struct db_row, of_class);
}

struct db_row *db_next_row(const struct db_row *row)
{
	if (!row || row->of_class.next == &row->class->rows)
		return NULL;
	return list_entry(row->of_class.next, struct db_row, of_class);
}

const void *db_record(const struct db_row *row)
{
	return row ? row->record : NULL;
}

const char *db_ref(const struct db_row *row)
{
	return row->name->text;
}

const char *db_ref_or_null(const struct db_row *row)
{
	return row ? row->name->text : REF_NULL;
}

const struct class *db_class(const struct db_row *row)
{
	return row->class->class;
}

const void *db_value(const struct db_row *row, const struct field *f)
{
	return row->record + f->offset;
}

void db_touch(struct db_row *row)
{
	db_feed_touch(row);
}
