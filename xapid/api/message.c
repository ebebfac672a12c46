/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The messages of class message, which is about messages to administrators: the newest 10,000 of
 * them are kept, as rows of the database.
 */
#include "common/clock.h"
#include "common/codec.h"
#include "common/datetime.h"
#include "xapid/api/implicit.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"

#include "core.gen.h"
#include "xenapi.gen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_KEPT 10000

/* One more comes. */
static struct err *make_room(void)
{
	const struct db_row *oldest = NULL;

	if (db_count(message) < MAX_KEPT)
		return NULL;
	db_for_each (message, row) {
		const struct xenapi_message *m = db_record(row), *o = db_record(oldest);

		if (!o || m->timestamp < o->timestamp)
			oldest = row;
	}
	return db_delete(message, db_ref(oldest));
}

MAY_WAIT struct err *xapi_message_create(
	struct call *c, const struct xenapi_message_create_in *in, const char **out)
{
	const char *name = type_case_name(&xenapi_type_cls, (int)in->cls);
	const struct class *class = db_class_named(name, true);
	struct xenapi_message row = db_blank(message);
	const char *ref;

	if (!class || !db_find_by_uuid(class, in->obj_uuid))
		return err(UUID_INVALID, name, in->obj_uuid);
	row.name = in->name;
	row.priority = in->priority;
	row.cls = in->cls;
	row.obj_uuid = in->obj_uuid;
	row.body = in->body;
	row.timestamp = clock_real_ns() / NS_PER_S;
	TRY(make_room());
	TRY(db_create(message, &row, &ref));
	*out = arena_strdup(c->arena, ref);
	return NULL;
}

MAY_WAIT struct err *xapi_message_destroy(
	struct call *c, const struct xenapi_message_destroy_in *in)
{
	return db_delete(message, in->self);
}

MAY_WAIT struct err *xapi_message_destroy_many(
	struct call *c, const struct xenapi_message_destroy_many_in *in)
{
	for (size_t i = 0; i < in->messages.n; i++)
		TRY(db_delete(message, in->messages.v[i]));
	return NULL;
}

/* Which messages go, of all that there are. */
struct chosen {
	int64_t after, before, priority; /* NEVER: any priority */
};

static struct err *read_filter(const char *key, const char *value, struct chosen *out)
{
	bool is_priority = !strcmp(key, "priority"), is_after = !strcmp(key, "after");
	char *end;

	if (!is_priority && !is_after && strcmp(key, "before") != 0)
		return err(INVALID_VALUE, "filters", key);
	if (is_priority) {
		errno = 0;
		out->priority = strtoll(value, &end, 10);
		return *value && !*end && !errno ? NULL : err(INVALID_VALUE, key, value);
	}
	if (!datetime_read(value, strlen(value), is_after ? &out->after : &out->before))
		return err(INVALID_VALUE, key, value);
	return NULL;
}

MAY_WAIT struct err *xapi_message_destroy_all(
	struct call *c, const struct xenapi_message_destroy_all_in *in)
{
	struct chosen chosen = {INT64_MIN, INT64_MAX, NEVER};

	for (size_t i = 0; i < in->filters.n; i++)
		TRY(read_filter(in->filters.v[i].key, in->filters.v[i].value, &chosen));
	db_for_each (message, row) {
		const struct xenapi_message *m = db_record(row);

		if (m->timestamp <= chosen.after || m->timestamp >= chosen.before)
			continue;
		if (chosen.priority == NEVER || m->priority == chosen.priority)
			TRY(db_delete(message, db_ref(row)));
	}
	return NULL;
}

/* ---- reading ---- */

/* Those that are newer than SINCE, in seconds, and, with an OBJ_UUID, are of that object. */
static void get_newer(struct arena *a, int64_t since, enum xenapi_cls cls, const char *obj_uuid,
	struct xenapi_message_map *out)
{
	out->v = arena_calloc(a, db_count(message) + 1, sizeof(*out->v));
	out->n = 0;
	db_for_each (message, row) {
		const struct xenapi_message *m = db_record(row);

		if (m->timestamp <= since)
			continue;
		if (obj_uuid && (m->cls != cls || strcmp(m->obj_uuid, obj_uuid) != 0))
			continue;
		out->v[out->n].key = arena_strdup(a, db_ref(row));
		codec_copy(xenapi_class_message.record, m, a, &out->v[out->n++].value);
	}
}

MAY_WAIT struct err *xapi_message_get(
	struct call *c, const struct xenapi_message_get_in *in, struct xenapi_message_map *out)
{
	get_newer(c->arena, in->since, in->cls, in->obj_uuid, out);
	return NULL;
}

MAY_WAIT struct err *xapi_message_get_since(struct call *c,
	const struct xenapi_message_get_since_in *in, struct xenapi_message_map *out)
{
	get_newer(c->arena, in->since, 0, NULL, out);
	return NULL;
}

MAY_WAIT struct err *xapi_message_get_all_records(struct call *c, struct xenapi_message_map *out)
{
	return implicit_get_all_records(xapi_call(c), NULL);
}

MAY_WAIT struct err *xapi_message_get_all_records_where(struct call *c,
	const struct xenapi_message_get_all_records_where_in *in, struct xenapi_message_map *out)
{
	return implicit_get_all_records(xapi_call(c), in->expr);
}

MAY_WAIT struct err *xapi_message_get_all(struct call *c, struct string_list *out)
{
	out->v = arena_calloc(c->arena, db_count(message) + 1, sizeof(*out->v));
	out->n = 0;
	db_for_each (message, row)
		out->v[out->n++] = arena_strdup(c->arena, db_ref(row));
	return NULL;
}

MAY_WAIT struct err *xapi_message_get_record(
	struct call *c, const struct xenapi_message_get_record_in *in, struct xenapi_message *out)
{
	return implicit_get_record(xapi_call(c), in->self);
}

MAY_WAIT struct err *xapi_message_get_by_uuid(
	struct call *c, const struct xenapi_message_get_by_uuid_in *in, const char **out)
{
	db_for_each (message, row) {
		const struct xenapi_message *m = db_record(row);

		if (strcmp(m->uuid, in->uuid) != 0)
			continue;
		*out = arena_strdup(c->arena, db_ref(row));
		return NULL;
	}
	return err(UUID_INVALID, "message", in->uuid);
}
