/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looks through a database's file without opening it as one (db.h): every row is one of a class and
 * every field of its type, what is referred to is there, both sides of a relation say the same, and
 * what is unique is there once. Nothing is changed; the daemon itself would make do with most of
 * it.
 */
#include "common/codec.h"
#include "common/mem.h"
#include "xapid/db/db_priv.h"

#include "core.gen.h"

#include <string.h>

struct fsck_row {
	const char *ref;
	struct db_class *class;
	const char *record;
};

struct fsck {
	void (*report)(const char *line, void *arg);
	void *arg;
	struct arena arena;
	vec_of(struct fsck_row) rows;
	struct map by_ref; /* -> struct fsck_row *, once all are there */
	const struct fsck_row *row; /* that is looked at, */
	const struct db_field *field; /* and of it */
};

static void tell(struct fsck *f, const char *fmt, ...) printf_like(2, 3);

static void tell(struct fsck *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	auto_str line = xvasprintf(fmt, ap);
	va_end(ap);
	f->report(line, f->arg);
}

/* "VM OpaqueRef:…: VBDs: WHY". */
static void tell_field(struct fsck *f, const char *fmt, ...) printf_like(2, 3);

static void tell_field(struct fsck *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	auto_str why = xvasprintf(fmt, ap);
	va_end(ap);
	tell(f, "%s %s: %s: %s", f->row->class->class->name, f->row->ref, f->field->field->name,
		why);
}

/* ---- rows ---- */

/* Members that no field has are left out when the file is opened. */
static void check_members(struct fsck *f, const struct fsck_row *row, const char *text, size_t len)
{
	struct json_reader r;
	bool first = true, first_member = true;
	const char *name;
	size_t n;

	json_reader_init(&r, text, len, &f->arena);
	if (!json_enter_object(&r) || !json_next_member(&r, &first, &name, &n) ||
		!json_enter_object(&r))
		return;
	while (json_next_member(&r, &first_member, &name, &n)) {
		auto_str member = xstrndup(name, n);

		if (!db_field_named(row->class->class, member))
			tell(f, "%s %s: %s: no field of this class", row->class->class->name,
				row->ref, member);
		if (!json_skip(&r, NULL))
			return;
	}
}

static struct err *check_row(const struct store_row *kept, void *arg)
{
	struct fsck *f = arg;
	struct fsck_row row = {.ref = arena_strdup(&f->arena, kept->key)};
	char *record;
	auto_err e =
		db_row_decode(kept->key, kept->value, kept->size, &f->arena, &row.class, &record);

	if (e) {
		tell(f, "%s: %s", row.ref, err_text(e));
		return NULL;
	}
	row.record = record;
	check_members(f, &row, kept->value, kept->size);
	vec_push(&f->rows, row);
	return NULL;
}

/* ---- fields ---- */

static void check_ref(const char *ref, const struct class *c, void *arg)
{
	struct fsck *f = arg;
	const struct fsck_row *to = map_get(&f->by_ref, ref);

	if (!to)
		tell_field(f, "refers to %s %s, which is not there", c->name, ref);
	else if (to->class->class != c)
		tell_field(f, "refers to %s, which is no %s but a %s", ref, c->name,
			to->class->class->name);
}

static bool has(const struct string_list *set, const char *ref)
{
	for (size_t i = 0; i < set->n; i++)
		if (!strcmp(set->v[i], ref))
			return true;
	return false;
}

/* Each of two sets is the other's mirror. */
static void check_mirror(struct fsck *f, const struct string_list *set)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct fsck_row *to = map_get(&f->by_ref, set->v[i]);
		const struct field *back = f->field->inverse->field;

		if (to && to->class == f->field->other &&
			!has((const void *)(to->record + back->offset), f->row->ref))
			tell_field(f, "has %s, whose %s has not this one", to->ref, back->name);
	}
}

static void check_unique(struct fsck *f, struct map *taken)
{
	const char *text = *(const char *const *)(f->row->record + f->field->field->offset);
	auto_str name =
		xasprintf("%s.%s %s", f->row->class->class->name, f->field->field->name, text);
	const struct fsck_row *other = *text ? map_put(taken, name, (void *)f->row) : NULL;

	if (other)
		tell_field(f, "'%s' is that of %s too", text, other->ref);
}

static void check_field(struct fsck *f, struct map *taken)
{
	const void *value = f->row->record + f->field->field->offset;

	if (f->field->holds_refs && !(f->field->field->flags & FIELD_DANGLING))
		db_value_each_ref(f->field->field->type, value, check_ref, f);
	if (f->field->link == LINK_BOTH)
		check_mirror(f, value);
	if (f->field->unique)
		check_unique(f, taken);
}

static void check_fields(struct fsck *f)
{
	AUTO(map_fini) struct map taken = {0};

	vec_for_each (i, &f->rows)
		map_put(&f->by_ref, f->rows.v[i].ref, &f->rows.v[i]);
	vec_for_each (i, &f->rows) {
		f->row = &f->rows.v[i];
		for (uint32_t k = 0; k < f->row->class->class->n_fields; k++) {
			f->field = &f->row->class->fields[k];
			if (f->field->is_kept)
				check_field(f, &taken);
		}
	}
}

struct err *db_fsck(
	const char *path, void (*report)(const char *line, void *arg), void *arg, size_t *n_rows)
{
	struct fsck f = {.report = report, .arg = arg};
	struct err *e = store_look(path, DB_TABLE_OBJECT, check_row, &f);

	check_fields(&f);
	if (err_is(e, &ERR_STORE_UNUSABLE)) {
		report(err_text(e), arg);
		err_free(e);
		e = NULL;
	}
	*n_rows = f.rows.n;
	vec_fini(&f.rows);
	map_fini(&f.by_ref);
	arena_fini(&f.arena);
	return e;
}
