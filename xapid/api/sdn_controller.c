/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SDN_controller: who controls the virtual switches of the pool's hosts; there is one at most. A
 * host's switch is told by its plugin "openvswitch-cfg-update", where it has one.
 */
#define LOG_MODULE "network"

#include "common/log.h"
#include "xapid/api/plugin.h"
#include "xapid/db/db.h"
#include "xapid/forward/forward.h"
#include "xapid/gate/call.h"
#include "xapid/host/role.h"

#include <string.h>

#define PLUGIN   "openvswitch-cfg-update"
#define MAX_PORT 65535

static MAY_WAIT struct err *tell_host(struct call *c, const char *host)
{
	const struct plugin_call call = {.plugin = PLUGIN, .fn = "update"};
	const char *said;
	struct json_text out;

	if (!strcmp(host, host_here()))
		return plugin_is_there(PLUGIN) ? plugin_run(c, &call, &said) : NULL;
	const char *in = arena_printf(c->arena,
		"{\"host\":\"%s\",\"plugin\":\"" PLUGIN "\",\"fn\":\"update\",\"args\":{}}", host);
	return run_message(
		xapi_call(c), host, "host.call_plugin", (struct json_text){in, strlen(in)}, &out);
}

/* What is noted counts; a switch that cannot be told is told when its host is asked again. */
static MAY_WAIT void tell_hosts(struct call *c)
{
	struct string_list hosts = {arena_calloc(c->arena, db_count(host), sizeof(*hosts.v)), 0};

	db_for_each (host, row)
		hosts.v[hosts.n++] = arena_strdup(c->arena, db_ref(row));
	for (size_t i = 0; i < hosts.n; i++) {
		auto_err e = tell_host(c, hosts.v[i]);

		if (e && !err_is(e, &ERR_XENAPI_MISSING_PLUGIN))
			log_err(LOG_WARN_, e, "telling a switch who controls it");
	}
}

MAY_WAIT struct err *xapi_sdn_controller_introduce(
	struct call *c, const struct xenapi_sdn_controller_introduce_in *in, const char **out)
{
	struct xenapi_sdn_controller row = db_blank(sdn_controller);
	bool is_called = in->protocol == XENAPI_SDN_CONTROLLER_PROTOCOL_PSSL;
	const char *ref;

	if (db_count(sdn_controller))
		return err(OPERATION_NOT_ALLOWED, "the pool has a controller already");
	/* A switch that waits to be called needs no address. */
	if (!is_called && !*in->address)
		return err(INVALID_VALUE, "address", in->address);
	if (in->port < 0 || in->port > MAX_PORT)
		return err(INVALID_VALUE, "port", "not a port");
	row.protocol = in->protocol;
	row.address = in->address;
	row.port = in->port;
	TRY(db_create(sdn_controller, &row, &ref));
	*out = arena_strdup(c->arena, ref);
	tell_hosts(c);
	return NULL;
}

MAY_WAIT struct err *xapi_sdn_controller_forget(
	struct call *c, const struct xenapi_sdn_controller_forget_in *in)
{
	TRY(db_delete(sdn_controller, in->self));
	tell_hosts(c);
	return NULL;
}
