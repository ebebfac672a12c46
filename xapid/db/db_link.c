/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Relations: when a field refers to an object, the object knows of it, in the set of the relation's
 * other side or, where the IDL has none, among its name's users. So a row can be deleted without
 * looking through all others. The sets here hold names (db_name.c): the same address, the same
 * object.
 */
#include "common/mem.h"
#include "xapid/db/db_priv.h"

#include <assert.h>
#include <string.h>

/* ---- sets that are the other side ---- */

/* The block of a computed set has room for the next power of two; that of a set that somebody wrote
 * is as large as the set. What is there is not changed: who walks it meanwhile is not hurt. */
static void set_add(struct string_list *set, bool is_computed, const char *text)
{
	if (!is_computed || (set->n & (set->n - 1)) == 0) {
		size_t size = is_computed && set->n ? set->n * 2 : set->n + 1;
		const char **v = xcalloc(size, sizeof(*v));

		if (set->n)
			memcpy(v, set->v, set->n * sizeof(*v));
		db_bury(set->v);
		set->v = v;
	}
	set->v[set->n++] = text;
}

static bool set_has(const struct string_list *set, const char *text)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->v[i] == text)
			return true;
	return false;
}

/* From the end: what came last goes first, mostly. */
static bool set_remove(struct string_list *set, const char *text)
{
	for (size_t i = set->n; i-- > 0;) {
		if (set->v[i] != text)
			continue;
		memmove(&set->v[i], &set->v[i + 1], (set->n - i - 1) * sizeof(*set->v));
		set->n--;
		return true;
	}
	return false;
}

/* The row that the relation leads to, if it is there. */
static struct db_row *other_row(const struct db_field *f, const char *text)
{
	const struct db_name *n = db_name_of(text);

	return n && n->row && n->row->class == f->other ? n->row : NULL;
}

static void join(struct db_row *row, struct db_field *f, const char *text)
{
	struct db_row *other = other_row(f, text);

	if (!other)
		return;
	struct string_list *set = db_place(other, f->inverse);
	if (f->link == LINK_BOTH && set_has(set, row->name->text))
		return;
	set_add(set, f->link == LINK_TO_SET, db_name_take(row->name->text));
	db_feed_touch(other);
	if (f->link == LINK_BOTH)
		db_keep_again(other);
}

static void part(struct db_row *row, struct db_field *f, const char *text)
{
	struct db_row *other = other_row(f, text);

	if (!other || !set_remove(db_place(other, f->inverse), row->name->text))
		return;
	db_name_drop(row->name->text);
	db_feed_touch(other);
	if (f->link == LINK_BOTH)
		db_keep_again(other);
}

/* ---- users ---- */

struct tracking {
	struct db_row *row;
	struct db_field *field;
};

static void track(const char *text, const struct class *c, void *arg)
{
	const struct tracking *t = arg;

	vec_push(&db_name_of(text)->users, (struct db_user){t->row, t->field});
}

static void untrack(const char *text, const struct class *c, void *arg)
{
	const struct tracking *t = arg;
	struct db_name *n = db_name_of(text);

	for (size_t i = n->users.n; i-- > 0;) {
		if (n->users.v[i].row != t->row || n->users.v[i].field != t->field)
			continue;
		n->users.v[i] = n->users.v[n->users.n - 1];
		n->users.n--;
		return;
	}
}

/* ---- both ---- */

static void each(struct db_row *row, struct db_field *f,
	void (*fn)(struct db_row *row, struct db_field *f, const char *text))
{
	const struct string_list *set = db_place(row, f);

	if (f->link == LINK_TO_SET)
		fn(row, f, *(const char *const *)db_place(row, f));
	else
		for (size_t i = 0; i < set->n; i++)
			fn(row, f, set->v[i]);
}

void db_link(struct db_row *row, struct db_field *f)
{
	if (f->link == LINK_TO_SET || f->link == LINK_BOTH)
		each(row, f, join);
	if (f->is_tracked)
		db_value_each_ref(
			f->field->type, db_place(row, f), track, &(struct tracking){row, f});
}

void db_unlink(struct db_row *row, struct db_field *f)
{
	if (f->link == LINK_TO_SET || f->link == LINK_BOTH)
		each(row, f, part);
	if (f->is_tracked)
		db_value_each_ref(
			f->field->type, db_place(row, f), untrack, &(struct tracking){row, f});
}

/* ---- a row that goes ---- */

static struct err *clear(struct db_row *user, struct db_field *f, const char *text)
{
	auto_arena a = {0};
	_Alignas(8) char value[DB_VALUE_SIZE];

	db_value_without(f->field->type, db_place(user, f), text, &a, value);
	return db_row_write(user, f, value);
}

/* Those that refer to the row by a relation: the members of its own set. */
static struct err *clear_set(struct db_row *row, struct db_field *f)
{
	struct string_list *set = db_place(row, f);

	while (set->n) {
		size_t n = set->n;
		struct db_row *user = db_name_of(set->v[n - 1])->row;

		TRY(clear(user, f->inverse, row->name->text));
		assert(set->n < n);
	}
	return NULL;
}

struct err *db_unlink_users(struct db_row *row)
{
	struct db_class *c = row->class;
	struct db_name *name = row->name;

	for (uint32_t i = 0; i < c->class->n_fields; i++)
		if (c->fields[i].link == LINK_COMPUTED)
			TRY(clear_set(row, &c->fields[i]));
	while (name->users.n) {
		size_t n = name->users.n;
		struct db_user user = name->users.v[n - 1];

		TRY(clear(user.row, user.field, name->text));
		assert(name->users.n < n);
	}
	return NULL;
}
