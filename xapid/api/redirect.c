/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sending a client to another host (redirect.h). All hosts of a pool use the same ports.
 */
#include "xapid/api/redirect.h"

#include "xapid/db/db.h"
#include "xapid/host/role.h"
#include "xapid/xapid.h"

#include "xenapi.gen.h"

#include <string.h>

void redirect_to(struct exchange *x, const char *address)
{
	bool is_tls = x->peer.origin == GATE_TLS || !xapid_conf.port;
	bool is_6 = strchr(address, ':');

	exchange_header(x, "location",
		arena_printf(x->arena, "%s://%s%s%s:%lld%s", is_tls ? "https" : "http",
			is_6 ? "[" : "", address, is_6 ? "]" : "",
			(long long)(is_tls ? xapid_conf.tls_port : xapid_conf.port),
			x->request.target));
	exchange_refuse(x, 302, "another host has it");
}

bool redirect_to_host(struct exchange *x)
{
	const char *name = http_query(&x->request, x->arena, "host");

	if (!name)
		return false;
	const char *ref = db_find(host, name) ? name : db_find_uuid(host, name);
	const struct xenapi_host *host = ref ? db_find(host, ref) : NULL;
	if (host && !strcmp(ref, host_here()))
		return false;
	if (host)
		redirect_to(x, host->address);
	else
		exchange_refuse(x, 404, "there is no such host");
	return true;
}
