/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Raw contents for a VDI from HTTP clients (import_vdi.h). Fibers.
 */
#include "xapid/api/import_vdi.h"

#include "xapid/db/db.h"
#include "xapid/door/door.h"
#include "xapid/forward/forward.h"
#include "xapid/gate/call.h"
#include "xapid/plan/plan.h"

#include <string.h>

static MAY_WAIT struct err *read_body(void *arg, const char **bytes, size_t *n)
{
	return exchange_read(arg, bytes, n);
}

/* The VDI that is named by its reference or its uuid. */
static struct err *find_vdi(const char *name, const char **out)
{
	*out = db_find(vdi, name) ? name : db_find_uuid(vdi, name);
	return *out ? NULL : err(HANDLE_INVALID, "VDI", name);
}

/* NULL: it is raw. */
static struct err *check_format(struct exchange *x, bool *is_refused)
{
	static const char *const others[] = {"vhd", "qcow2", "tar"};
	const char *format = http_query(&x->request, x->arena, "format");

	*is_refused = false;
	for (size_t i = 0; format && i < ARRAY_LEN(others); i++)
		if (!strcmp(format, others[i]))
			return err(NOT_IMPLEMENTED, "/import_raw_vdi of another format than raw");
	if (http_query(&x->request, x->arena, "chunked"))
		return err(NOT_IMPLEMENTED, "/import_raw_vdi in chunks");
	if (format && *format && strcmp(format, "raw") != 0) {
		exchange_refuse(x, 404, "there is no format %s", format);
		*is_refused = true;
	}
	return NULL;
}

static MAY_WAIT struct err *serve_import(struct exchange *x)
{
	const char *name = http_query(&x->request, x->arena, "vdi"), *vdi;
	const struct plan_bytes body = {read_body, x, x->request.length};
	bool is_refused, is_elsewhere;

	TRY(check_format(x, &is_refused));
	if (is_refused)
		return NULL;
	if (!name)
		return err(NOT_IMPLEMENTED, "/import_raw_vdi into a VDI that is not there yet");
	TRY(find_vdi(name, &vdi));
	vdi = arena_strdup(x->arena, vdi);
	TRY(web_elsewhere(x, place_vdi(vdi), &is_elsewhere));
	if (is_elsewhere)
		return NULL;
	if (!x->request.has_length) {
		exchange_refuse(x, 411, "an import needs a content-length");
		return NULL;
	}
	TRY(plan_vdi_write(&x->call->call, vdi, &body));
	exchange_reply(x, 200, NULL, NULL, 0);
	return NULL;
}

void import_vdi_serve(void)
{
	static const struct route routes[] = {
		{
			.method = "PUT",
			.path = "/import_raw_vdi",
			.action = "put_import_raw_vdi",
			.role = "vm-admin",
			.fn = serve_import,
		},
	};

	door_add_routes(routes, ARRAY_LEN(routes));
}
