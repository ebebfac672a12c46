/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GET /audit_log (audit_log.h): what stood in the audit when the request came, oldest lines first;
 * with since, a point in time (ISO 8601) or seconds since 1970, the lines from then on. Fibers.
 */
#include "xapid/api/audit_log.h"

#include "common/datetime.h"
#include "common/number.h"
#include "xapid/api/redirect.h"
#include "xapid/door/door.h"
#include "xapid/gate/audit_file.h"

#include <string.h>

/* False: it is no point in time. */
static bool read_since(const char *text, int64_t *out)
{
	size_t len = strlen(text);

	*out = -1;
	if (!len)
		return true;
	if (strspn(text, "0123456789") == len)
		return number_read_int(text, len, out);
	return datetime_read(text, len, out);
}

static MAY_WAIT struct err *send(struct exchange *x, struct audit_reader *r)
{
	const char *bytes;
	size_t n;

	exchange_begin(x, 200, "text/plain; charset=utf-8", -1);
	do {
		TRY(audit_reader_next(r, &bytes, &n));
		TRY(exchange_write(x, bytes, n));
	} while (n);
	return NULL;
}

static MAY_WAIT struct err *serve(struct exchange *x)
{
	const char *since = http_query(&x->request, x->arena, "since");
	AUTO(audit_reader_fini) struct audit_reader r = {0};
	int64_t from;

	if (redirect_to_host(x))
		return NULL;
	if (!read_since(since ? since : "", &from)) {
		exchange_refuse(x, 400, "since is no point in time");
		return NULL;
	}
	exchange_header(x, "cache-control", "no-store");
	audit_reader_init(&r, from);
	return send(x, &r);
}

void audit_log_serve(void)
{
	static const struct route routes[] = {
		{
			.method = "GET",
			.path = "/audit_log",
			.action = "get_audit_log",
			.role = "read-only",
			.fn = serve,
		},
	};

	door_add_routes(routes, ARRAY_LEN(routes));
}
