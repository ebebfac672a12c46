/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * blob, and create_new_blob of the classes that have some; their bytes over HTTP (blob.h). Fibers.
 */
#include "xapid/api/blob.h"

#include "common/clock.h"
#include "xapid/api/redirect.h"
#include "xapid/db/db.h"
#include "xapid/door/door.h"
#include "xapid/gate/call.h"
#include "xapid/host/role.h"
#include "xapid/plan/blob.h"

#include "xenapi.gen.h"

#include <ctype.h>
#include <string.h>

/* ---- messages ---- */

MAY_WAIT struct err *xapi_blob_create(
	struct call *c, const struct xenapi_blob_create_in *in, const char **out)
{
	return blob_make("", in->mime_type, in->public, out);
}

MAY_WAIT struct err *xapi_blob_destroy(struct call *c, const struct xenapi_blob_destroy_in *in)
{
	return blob_destroy(in->self);
}

MAY_WAIT struct err *xapi_vm_create_new_blob(
	struct call *c, const struct xenapi_vm_create_new_blob_in *in, const char **out)
{
	return blob_make_for(&xenapi_class_vm, in->vm, in->name, in->mime_type, in->public, out);
}

MAY_WAIT struct err *xapi_host_create_new_blob(
	struct call *c, const struct xenapi_host_create_new_blob_in *in, const char **out)
{
	return blob_make_for(
		&xenapi_class_host, in->host, in->name, in->mime_type, in->public, out);
}

MAY_WAIT struct err *xapi_pool_create_new_blob(
	struct call *c, const struct xenapi_pool_create_new_blob_in *in, const char **out)
{
	return blob_make_for(
		&xenapi_class_pool, in->pool, in->name, in->mime_type, in->public, out);
}

MAY_WAIT struct err *xapi_sr_create_new_blob(
	struct call *c, const struct xenapi_sr_create_new_blob_in *in, const char **out)
{
	return blob_make_for(&xenapi_class_sr, in->sr, in->name, in->mime_type, in->public, out);
}

MAY_WAIT struct err *xapi_network_create_new_blob(
	struct call *c, const struct xenapi_network_create_new_blob_in *in, const char **out)
{
	return blob_make_for(
		&xenapi_class_network, in->network, in->name, in->mime_type, in->public, out);
}

/* ---- bytes ---- */

/* The blob that the query names; NULL: there is none. */
static const char *find(struct exchange *x)
{
	const char *ref = http_query(&x->request, x->arena, "ref");
	const char *uuid = http_query(&x->request, x->arena, "uuid");

	if (ref && db_find(blob, ref))
		return ref;
	const char *found = db_find_uuid(blob, uuid ? uuid : ref ? ref : "");
	return found ? arena_strdup(x->arena, found) : NULL;
}

static bool is_public(struct exchange *x)
{
	const char *ref = find(x);
	const struct xenapi_blob *blob = ref ? db_find(blob, ref) : NULL;

	return blob && blob->public;
}

/* The master has them all. */
static bool is_elsewhere(struct exchange *x)
{
	if (own_role.is_member)
		redirect_to(x, own_role.master);
	return own_role.is_member;
}

static bool is_there(struct exchange *x, const char *ref)
{
	if (!ref)
		exchange_refuse(x, 404, "there is no such blob");
	return ref;
}

/* What a client said that it is, where that is a type and nothing else. */
static const char *type_of(const char *said)
{
	const char *slash = strchr(said, '/');

	for (const char *at = said; *at; at++)
		if (!isalnum((unsigned char)*at) && !strchr("/.+-_; =", *at))
			slash = NULL;
	return slash && slash > said && slash[1] ? said : "application/octet-stream";
}

/* A browser is to take them for bytes, and not for a page of ours. */
static void add_headers(struct exchange *x)
{
	exchange_header(x, "cache-control", "no-cache");
	exchange_header(x, "x-content-type-options", "nosniff");
	exchange_header(x, "content-disposition", "attachment");
	exchange_header(x, "content-security-policy", "sandbox; default-src 'none'");
}

static MAY_WAIT struct err *serve_get(struct exchange *x)
{
	const char *ref = find(x);
	const struct xenapi_blob *blob = ref ? db_find(blob, ref) : NULL;
	uint64_t size = 0;
	auto_fd fd = -1;

	if (is_elsewhere(x) || !is_there(x, ref))
		return NULL;
	const char *type = arena_strdup(x->arena, type_of(blob->mime_type));
	TRY(blob_open(arena_strdup(x->arena, blob->uuid), &fd, &size));
	if (fd < 0) {
		exchange_refuse(x, 404, "nothing was put there yet");
		return NULL;
	}
	add_headers(x);
	exchange_begin(x, 200, type, (int64_t)size);
	return exchange_write_file(x, fd, size);
}

static MAY_WAIT struct err *put(struct exchange *x, const char *ref)
{
	AUTO(blob_draft_end) struct blob_draft draft = {.fd = -1};
	const struct xenapi_blob *blob = db_find(blob, ref);
	uint64_t size = x->request.length;

	TRY(blob_draft_open(arena_strdup(x->arena, blob->uuid), &draft));
	TRY(exchange_read_file(x, draft.fd));
	TRY(blob_draft_keep(&draft, ref, size));
	TRY(db_barrier(x->call->since, NEVER));
	exchange_reply(x, 200, NULL, NULL, 0);
	return NULL;
}

static MAY_WAIT struct err *serve_put(struct exchange *x)
{
	const char *ref = find(x);

	if (is_elsewhere(x) || !is_there(x, ref))
		return NULL;
	if (!x->request.has_length) {
		exchange_refuse(x, 411, "a blob needs a content-length");
		return NULL;
	}
	if (x->request.length > BLOB_MAX) {
		exchange_refuse(
			x, 413, "a blob has at most %llu bytes", (unsigned long long)BLOB_MAX);
		return NULL;
	}
	return put(x, ref);
}

void blob_serve(void)
{
	static const struct route routes[] = {
		{
			.method = "GET",
			.path = "/blob",
			.action = "get_blob",
			.is_public = is_public,
			.role = "read-only",
			.fn = serve_get,
		},
		{
			.method = "PUT",
			.path = "/blob",
			.action = "put_blob",
			.role = "vm-power-admin",
			.fn = serve_put,
		},
	};

	door_add_routes(routes, ARRAY_LEN(routes));
}
