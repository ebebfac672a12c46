/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The messages that nobody wrote down: what follows from fields and from what a class is. The gate
 * has checked session, role and types; here the database is read and written by the class tables.
 * What does more for one class stands in hooks.c and comes first.
 */
#include "xapid/api/implicit.h"

#include "common/codec.h"
#include "xapid/api/hooks.h"

#include "core.gen.h"

#include <string.h>

static const char *text_arg(const void *arg)
{
	return *(const char *const *)arg;
}

/* The row that the message is for. */
static struct err *self_row(const struct message *m, const void *const *args, struct db_row **row)
{
	const char *ref = text_arg(args[0]);

	*row = db_row(m->class, ref);
	return *row ? NULL : err(HANDLE_INVALID, m->class->name, ref);
}

/* ---- finding ---- */

static void add_ref(struct arena *a, struct string_list *out, const struct db_row *row)
{
	out->v[out->n++] = arena_strdup(a, db_ref(row));
}

static struct err *get_all(struct xapi_call *c, void *out)
{
	const struct class *class = c->message->class;
	struct string_list refs = {
		arena_calloc(c->call.arena, db_count_of(class) + 1, sizeof(*refs.v)), 0};

	db_for_each_of (class, row)
		add_ref(c->call.arena, &refs, row);
	*(struct string_list *)out = refs;
	return NULL;
}

static struct err *get_by_uuid(struct xapi_call *c, const void *const *args, void *out)
{
	const char *ref;

	TRY(db_get_by_uuid(c->message->class, text_arg(args[0]), &ref));
	*(const char **)out = arena_strdup(c->call.arena, ref);
	return NULL;
}

static struct err *get_by_name_label(struct xapi_call *c, const void *const *args, void *out)
{
	const struct class *class = c->message->class;
	const struct field *label = db_field_named(class, "name_label");
	const struct db_row *first = db_first_named(class, label, text_arg(args[0]));
	struct string_list refs = {NULL, 0};

	for (const struct db_row *row = first; row; row = db_next_named(row, label))
		refs.n++;
	refs.v = arena_calloc(c->call.arena, refs.n + 1, sizeof(*refs.v));
	refs.n = 0;
	for (const struct db_row *row = first; row; row = db_next_named(row, label))
		add_ref(c->call.arena, &refs, row);
	*(struct string_list *)out = refs;
	return NULL;
}

/* ---- objects ---- */

static struct err *create(struct xapi_call *c, const void *const *args, void *out)
{
	const char *ref;

	TRY(db_create_record(c->message->class, NULL, args[0], &ref));
	*(const char **)out = arena_strdup(c->call.arena, ref);
	return NULL;
}

/* ---- fields ---- */

static struct err *get(struct xapi_call *c, const void *const *args, void *out)
{
	const struct field *f = c->message->field;
	struct db_row *row;

	TRY(self_row(c->message, args, &row));
	codec_copy(f->type, db_value(row, f), c->call.arena, out);
	return NULL;
}

static struct err *add_to(const struct message *m, const void *const *args)
{
	const char *key = text_arg(args[1]);
	struct db_row *row;

	TRY(self_row(m, args, &row));
	if (db_has_key(row, m->field, key))
		return err(MAP_DUPLICATE_KEY, m->class->name, m->field->name, db_ref(row), key);
	return db_map_put_at(m->class, db_ref(row), m->field->offset, key, args[2]);
}

/* ---- all of them ---- */

static MAY_WAIT struct err *serve(struct xapi_call *c, const void *const *args, void *out)
{
	const struct message *m = c->message;

	switch (m->kind) {
	case MESSAGE_EXPLICIT:
		break;
	case MESSAGE_GET_ALL:
		return get_all(c, out);
	case MESSAGE_GET_ALL_WHERE:
		return implicit_get_all_where(c, text_arg(args[0]), out);
	case MESSAGE_GET_ALL_RECORDS:
		return implicit_get_all_records(c, NULL);
	case MESSAGE_GET_ALL_RECORDS_WHERE:
		return implicit_get_all_records(c, text_arg(args[0]));
	case MESSAGE_GET_BY_UUID:
		return get_by_uuid(c, args, out);
	case MESSAGE_GET_BY_NAME_LABEL:
		return get_by_name_label(c, args, out);
	case MESSAGE_GET_RECORD:
		return implicit_get_record(c, text_arg(args[0]));
	case MESSAGE_CREATE:
		return create(c, args, out);
	case MESSAGE_DESTROY:
		return db_delete_record(m->class, text_arg(args[0]));
	case MESSAGE_GET:
		return get(c, args, out);
	case MESSAGE_SET:
		return db_write_at(m->class, text_arg(args[0]), m->field->offset, args[1]);
	case MESSAGE_ADD_TO:
		return add_to(m, args);
	case MESSAGE_REMOVE_FROM:
		return db_map_remove_at(
			m->class, text_arg(args[0]), m->field->offset, text_arg(args[1]));
	case MESSAGE_ADD:
		return db_set_add_at(m->class, text_arg(args[0]), m->field->offset, args[1]);
	case MESSAGE_REMOVE:
		return db_set_remove_at(m->class, text_arg(args[0]), m->field->offset, args[1]);
	}
	return err(INTERNAL_ERROR, "a message with a handler of its own came here");
}

struct err *implicit_serve(struct xapi_call *c, const void *const *args, void *out)
{
	const struct hook *hook = hook_find(c->message);

	if (hook)
		return hook->fn(c, args, out);
	/* What is not written down is not built. */
	if (message_needs_hook(c->message))
		return err(NOT_IMPLEMENTED, c->name);
	return serve(c, args, out);
}
