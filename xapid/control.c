/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What xapid answers on its own socket (idl/control.idl): the database as it is. For root alone,
 * and for looking: nothing here changes anything.
 */
#include "common/clock.h"
#include "common/codec.h"
#include "common/fiber.h"
#include "common/json.h"
#include "common/rpc.h"
#include "common/vec.h"
#include "xapid/db/db.h"

#include "control.gen.h"
#include "core.gen.h"

#include <string.h>

static const char *text_field(const struct db_row *row, const char *name)
{
	const struct field *f = db_field_named(db_class(row), name);

	return f && f->type->kind == TYPE_STRING ? *(const char *const *)db_value(row, f) : "";
}

static struct control_row_head head_of(const struct db_row *row, struct arena *a)
{
	return (struct control_row_head){
		.class = db_class(row)->name,
		.ref = arena_strdup(a, db_ref(row)),
		.uuid = arena_strdup(a, text_field(row, "uuid")),
		.name_label = arena_strdup(a, text_field(row, "name_label")),
		.generation = (int64_t)db_row_generation(row),
		.created = (int64_t)db_row_created(row),
	};
}

/* ---- the database ---- */

struct err *api_db_stat(struct call *c, struct control_database *out)
{
	const struct interface *model = &xenapi_interface;
	struct control_class_rows *rows = arena_calloc(c->arena, model->n_classes, sizeof(*rows));
	const char *problem = db_read_only();
	size_t n = 0;

	for (size_t i = 0; i < model->n_classes; i++)
		if (db_count_of(model->classes[i]))
			rows[n++] = (struct control_class_rows){
				model->classes[i]->name, (int64_t)db_count_of(model->classes[i])};
	*out = (struct control_database){
		.generation = (int64_t)db_generation(),
		.read_only = problem ? arena_strdup(c->arena, problem) : NULL,
		.classes = {rows, n},
	};
	return NULL;
}

struct err *api_db_list(
	struct call *c, const struct control_db_list_in *in, struct control_row_head_list *out)
{
	const struct class *class = db_class_named(in->class, true);

	if (!class)
		return err(Does_not_exist, "class", in->class);
	out->v = arena_calloc(c->arena, db_count_of(class) + 1, sizeof(*out->v));
	out->n = 0;
	db_for_each_of (class, row)
		out->v[out->n++] = head_of(row, c->arena);
	return NULL;
}

/* ---- one object ---- */

static struct db_row *find(const char *id)
{
	struct db_row *row = db_row(NULL, id);

	for (size_t i = 0; !row && i < xenapi_interface.n_classes; i++) {
		const struct class *class = xenapi_interface.classes[i];
		const char *ref = db_find_by_uuid(class, id);

		row = ref ? db_row(class, ref) : NULL;
	}
	return row;
}

static struct json_text fields_of(const struct db_row *row, struct arena *a)
{
	auto_sbuf b = {0};

	db_dump_fields(row, &b);
	return (struct json_text){arena_strndup(a, sbuf_data(&b), sbuf_len(&b)), sbuf_len(&b)};
}

struct err *api_db_get(struct call *c, const struct control_db_get_in *in, struct control_row *out)
{
	const struct db_row *row = find(in->id);

	if (!row)
		return err(Does_not_exist, "object", in->id);
	*out = (struct control_row){
		.head = head_of(row, c->arena), .fields = fields_of(row, c->arena)};
	return NULL;
}

/* ---- what changes ---- */

typedef vec_of(struct control_change) change_vec;

static void add_changes(uint64_t since, struct arena *a, change_vec *out)
{
	db_for_each_change (since, row) {
		vec_push(out,
			(struct control_change){
				.generation = (int64_t)db_row_generation(row),
				.kind = db_row_created(row) > since ? CONTROL_CHANGE_KIND_ADDED
								    : CONTROL_CHANGE_KIND_CHANGED,
				.class = db_class(row)->name,
				.ref = arena_strdup(a, db_ref(row)),
			});
	}
}

/* But for what was made since as well. */
static void add_deletions(uint64_t since, struct arena *a, change_vec *out)
{
	for (const struct db_tombstone *t = db_first_tombstone(since); t;
		t = db_next_tombstone(t)) {
		if (t->created > since)
			continue;
		vec_push(out,
			(struct control_change){
				.generation = (int64_t)t->deleted,
				.kind = CONTROL_CHANGE_KIND_DELETED,
				.class = t->class->name,
				.ref = arena_strdup(a, t->ref),
			});
	}
}

static int by_generation(const void *a, const void *b)
{
	const struct control_change *left = a, *right = b;

	return left->generation < right->generation ? -1 : left->generation > right->generation;
}

MAY_WAIT struct err *api_db_changes(
	struct call *c, const struct control_db_changes_in *in, struct control_changes *out)
{
	uint64_t since = in->since ? (uint64_t)*in->since : db_generation();
	double timeout = in->timeout > 0 && in->timeout < 3600 ? in->timeout : 3600;
	change_vec found = {0};

	auto_err e = db_wait_change(since, clock_mono_ns() + (int64_t)(timeout * (double)NS_PER_S));
	if (e && !err_is(e, &ERR_TIMEOUT))
		return take(e);
	add_changes(since, c->arena, &found);
	add_deletions(since, c->arena, &found);
	if (found.n)
		qsort(found.v, found.n, sizeof(*found.v), by_generation);
	out->generation = (int64_t)db_generation();
	out->changes.v = arena_calloc(c->arena, found.n + 1, sizeof(*found.v));
	out->changes.n = found.n;
	if (found.n)
		memcpy(out->changes.v, found.v, found.n * sizeof(*found.v));
	vec_fini(&found);
	return NULL;
}
