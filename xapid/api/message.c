/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The messages of class message, which is about messages to administrators (message_store.h).
 */
#include "xapid/api/message_store.h"

#include "common/codec.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"

#include "xenapi.gen.h"

#include <string.h>

#define CLASS "message"

MAY_WAIT struct err *xapi_message_create(
	struct call *c, const struct xenapi_message_create_in *in, const char **out)
{
	const struct xenapi_message record = {
		.name = in->name,
		.priority = in->priority,
		.cls = in->cls,
		.obj_uuid = in->obj_uuid,
		.body = in->body,
	};
	const char *name = type_case_name(&xenapi_type_cls, (int)in->cls);
	const struct class *class = db_class_named(name, true);

	if (!class || !db_find_by_uuid(class, in->obj_uuid))
		return err(UUID_INVALID, name, in->obj_uuid);
	return message_store_add(&record, c->arena, out);
}

MAY_WAIT struct err *xapi_message_destroy(
	struct call *c, const struct xenapi_message_destroy_in *in)
{
	return message_store_remove(in->self);
}

MAY_WAIT struct err *xapi_message_destroy_many(
	struct call *c, const struct xenapi_message_destroy_many_in *in)
{
	for (size_t i = 0; i < in->messages.n; i++)
		TRY(message_store_remove(in->messages.v[i]));
	return NULL;
}

/* ---- reading ---- */

/* What is asked for; of a zeroed one everything fits. */
struct wanted {
	int64_t since; /* seconds; those that are newer */
	const char *obj_uuid; /* NULL: any */
	enum xenapi_cls cls; /* of that object */
	bool has_since;
};

static bool fits(const struct stored_message *m, const struct wanted *w)
{
	if (w->has_since && m->record.timestamp <= w->since)
		return false;
	return !w->obj_uuid ||
		(m->record.cls == w->cls && !strcmp(m->record.obj_uuid, w->obj_uuid));
}

static void get_those(struct arena *a, const struct wanted *w, struct xenapi_message_map *out)
{
	out->v = arena_calloc(a, message_store_count(), sizeof(*out->v));
	out->n = 0;
	for (const struct stored_message *m = NULL; (m = message_store_next(m));) {
		if (!fits(m, w))
			continue;
		out->v[out->n].key = arena_strdup(a, m->ref);
		codec_copy(xenapi_class_message.record, &m->record, a, &out->v[out->n].value);
		out->n++;
	}
}

MAY_WAIT struct err *xapi_message_get(
	struct call *c, const struct xenapi_message_get_in *in, struct xenapi_message_map *out)
{
	const struct wanted wanted = {
		.since = in->since, .has_since = true, .obj_uuid = in->obj_uuid, .cls = in->cls};

	get_those(c->arena, &wanted, out);
	return NULL;
}

MAY_WAIT struct err *xapi_message_get_since(struct call *c,
	const struct xenapi_message_get_since_in *in, struct xenapi_message_map *out)
{
	const struct wanted wanted = {.since = in->since, .has_since = true};

	get_those(c->arena, &wanted, out);
	return NULL;
}

MAY_WAIT struct err *xapi_message_get_all_records(struct call *c, struct xenapi_message_map *out)
{
	const struct wanted all = {0};

	get_those(c->arena, &all, out);
	return NULL;
}

/* They are no rows, so there are no fields to choose by: all, or none. */
MAY_WAIT struct err *xapi_message_get_all_records_where(struct call *c,
	const struct xenapi_message_get_all_records_where_in *in, struct xenapi_message_map *out)
{
	if (!strcmp(in->expr, "true"))
		return xapi_message_get_all_records(c, out);
	if (strcmp(in->expr, "false") != 0)
		return err(INVALID_VALUE, in->expr, "only true or false can choose messages");
	*out = (struct xenapi_message_map){0};
	return NULL;
}

MAY_WAIT struct err *xapi_message_get_all(struct call *c, struct string_list *out)
{
	out->v = arena_calloc(c->arena, message_store_count(), sizeof(*out->v));
	out->n = 0;
	for (const struct stored_message *m = NULL; (m = message_store_next(m));)
		out->v[out->n++] = arena_strdup(c->arena, m->ref);
	return NULL;
}

MAY_WAIT struct err *xapi_message_get_record(
	struct call *c, const struct xenapi_message_get_record_in *in, struct xenapi_message *out)
{
	const struct stored_message *m = message_store_find(in->self);

	if (!m)
		return err(HANDLE_INVALID, CLASS, in->self);
	codec_copy(xenapi_class_message.record, &m->record, c->arena, out);
	return NULL;
}

MAY_WAIT struct err *xapi_message_get_by_uuid(
	struct call *c, const struct xenapi_message_get_by_uuid_in *in, const char **out)
{
	for (const struct stored_message *m = NULL; (m = message_store_next(m));) {
		if (!strcmp(m->record.uuid, in->uuid)) {
			*out = arena_strdup(c->arena, m->ref);
			return NULL;
		}
	}
	return err(UUID_INVALID, CLASS, in->uuid);
}
