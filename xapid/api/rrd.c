/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Passes rrdd's documents on to HTTP clients (rrd.h). Fibers.
 */
#include "xapid/api/rrd.h"

#include "common/clock.h"
#include "xapid/db/db.h"
#include "xapid/door/door.h"
#include "xapid/forward/forward.h"
#include "xapid/link/link.h"
#include "xapid/link/xenopsd.h"

#include "core.gen.h"
#include "rrd.gen.h"

#include <errno.h>
#include <string.h>

/* JSON where the query has the key json, or where the client says that it wants it. */
static enum rrd_format format_of(struct exchange *x)
{
	const char *accept = http_header(&x->request, "accept");

	if (http_query(&x->request, x->arena, "json"))
		return RRD_FORMAT_JSON;
	return accept && !strcmp(accept, "application/json") ? RRD_FORMAT_JSON : RRD_FORMAT_XML;
}

static struct err *answer(
	struct exchange *x, enum rrd_format format, const char *document, struct err *failed)
{
	auto_err e = failed;

	if (!e)
		exchange_reply(x, 200, format == RRD_FORMAT_JSON ? "application/json" : "text/xml",
			document, strlen(document));
	else if (err_is(e, &ERR_No_such_owner))
		exchange_refuse(x, 404, "nothing was measured of it");
	else if (err_is(e, &ERR_CONNECTION_REFUSED) || err_is(e, &ERR_CONNECTION_LOST))
		exchange_refuse(x, 503, "nothing is measured at present");
	else
		return take(e);
	return NULL;
}

/* A whole number of the query; false: it is something else. */
static bool read_number(struct exchange *x, const char *key, const char *text, int64_t *out)
{
	char *end;

	errno = 0;
	long long v = strtoll(text, &end, 10);
	if (errno || end == text || *end) {
		exchange_refuse(x, 400, "%s is no whole number", key);
		return false;
	}
	*out = v;
	return true;
}

/* False: it was refused. */
static bool read_query(struct exchange *x, struct rrd_rrd_updates_in *in)
{
	const char *start = http_query(&x->request, x->arena, "start");
	const char *interval = http_query(&x->request, x->arena, "interval");
	const char *cf = http_query(&x->request, x->arena, "cf");
	const char *host = http_query(&x->request, x->arena, "host");
	struct string_list *vms = arena_new(x->arena, struct string_list);

	if (!start) {
		exchange_refuse(x, 400, "start is missing");
		return false;
	}
	if (!read_number(x, "start", start, &in->start_s) ||
		(interval && !read_number(x, "interval", interval, &in->interval_s)))
		return false;
	if (cf && !strcasecmp(cf, "MIN"))
		in->consolidation = RRD_CONSOLIDATION_MIN;
	else if (cf && !strcasecmp(cf, "MAX"))
		in->consolidation = RRD_CONSOLIDATION_MAX;
	in->host = host && !strcmp(host, "true");
	*vms = http_query_all(&x->request, x->arena, "vm_uuid");
	in->vms = vms->n ? vms : NULL;
	return true;
}

static const char *host_uuid(struct arena *a)
{
	const struct xenapi_host *host = db_find(host, host_here());

	return arena_strdup(a, host ? host->uuid : "");
}

static MAY_WAIT struct err *serve_updates(struct exchange *x)
{
	struct rrd_rrd_updates_in in = RRD_RRD_UPDATES_IN_INIT;
	const char *document = NULL;

	if (!read_query(x, &in))
		return NULL;
	in.format = format_of(x);
	in.host_uuid = host_uuid(x->arena);
	struct err *e = rrd_rrd_updates(
		link_rrdd.client, &in, x->arena, &document, deadline_in(LINK_CALL_NS));
	return answer(x, in.format, document, e);
}

static MAY_WAIT struct err *serve_archive(struct exchange *x, struct rrd_owner owner)
{
	const struct rrd_rrd_dump_in in = {.owner = owner, .format = format_of(x)};
	const char *document = NULL;
	struct err *e =
		rrd_rrd_dump(link_rrdd.client, &in, x->arena, &document, deadline_in(LINK_CALL_NS));

	return answer(x, in.format, document, e);
}

static MAY_WAIT struct err *serve_host(struct exchange *x)
{
	return serve_archive(x, (struct rrd_owner){.kind = RRD_OWNER_HOST});
}

static MAY_WAIT struct err *serve_vm(struct exchange *x)
{
	const char *uuid = http_query(&x->request, x->arena, "uuid");
	bool is_elsewhere;

	if (!uuid) {
		exchange_refuse(x, 400, "uuid is missing");
		return NULL;
	}
	const char *vm = db_find_uuid(vm, uuid);
	TRY(web_elsewhere(x, vm ? place_vm_at(vm) : NULL, &is_elsewhere));
	if (is_elsewhere)
		return NULL;
	return serve_archive(x, (struct rrd_owner){.kind = RRD_OWNER_VM, .vm = uuid});
}

#define ROUTE(of_path, of_action, of_fn) \
	{ \
		.method = "GET", .path = (of_path), .action = (of_action), .role = "read-only", \
		.fn = (of_fn) \
	}

void rrd_serve(void)
{
	static const struct route routes[] = {
		ROUTE("/rrd_updates", "rrd_updates", serve_updates),
		ROUTE("/vm_rrd", "vm_rrd", serve_vm),
		ROUTE("/vm_rrds", "get_vm_rrds", serve_vm),
		ROUTE("/host_rrd", "host_rrd", serve_host),
		ROUTE("/host_rrds", "get_host_rrds", serve_host),
	};

	door_add_routes(routes, ARRAY_LEN(routes));
}
