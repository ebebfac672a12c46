/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * host and pool: which network they are managed over. The PIF says so, the host's address is the
 * PIF's, and what leaves the host goes by its gateway. xapid itself listens as xapid.conf says: on
 * all addresses, or on one, and then the PIF has to have that one.
 */
#include "xapid/db/db.h"
#include "xapid/forward/forward.h"
#include "xapid/gate/call.h"
#include "xapid/host/host.h"
#include "xapid/host/role.h"
#include "xapid/link/networkd.h"
#include "xapid/plan/plan.h"

#include <string.h>

/* A PIF that could be the one, plugged and with its address. */
static MAY_WAIT struct err *prepare(const char *ref, const struct xenapi_pif **out)
{
	const struct xenapi_pif *pif;

	TRY(db_get(pif, ref, &pif));
	if (!ref_is_null(pif->bond_slave_of))
		return err(CANNOT_PLUG_BOND_SLAVE, ref);
	if (pif->ip_configuration_mode == XENAPI_IP_CONFIGURATION_MODE_NONE)
		return err(PIF_HAS_NO_NETWORK_CONFIGURATION, ref);
	if (!pif->currently_attached)
		TRY(plan_pif_plug(ref));
	TRY(db_get(pif, ref, &pif));
	if (!*pif->IP)
		return err(INTERFACE_HAS_NO_IP, pif->device);
	if (!host_listens_on(pif->IP))
		return err(OPERATION_NOT_ALLOWED, "xapid listens on another address alone");
	*out = pif;
	return NULL;
}

/* An interface that networkd was not given to look after has the gateway that the system gave it.
 */
static MAY_WAIT struct err *set_gateway(const struct xenapi_pif *pif)
{
	auto_arena a = {0};
	const char *interface = arena_strdup(&a, networkd_interface(pif));
	const struct network_interface_set_gateway_in in = {interface};

	if (!*pif->gateway)
		return NULL;
	TRY(link_error(link_wait_up(&link_networkd), NULL));
	auto_err e = network_interface_set_gateway(link_networkd.client, &in, &a, plan_soon());
	return !e || err_is(e, &ERR_Interface_does_not_exist) ? NULL : link_error(take(e), NULL);
}

static struct err *note(const char *ref)
{
	const struct xenapi_pif *pif;

	TRY(db_get(pif, ref, &pif));
	db_for_each (pif, row) {
		const struct xenapi_pif *other = db_record(row);

		if (!strcmp(other->host, pif->host))
			TRY(db_write(pif, db_ref(row), management, !strcmp(db_ref(row), ref)));
	}
	return db_write(host, pif->host, address, pif->IP);
}

/* The members of a pool know their master by his address. */
static struct err *check_address(const struct xenapi_pif *pif)
{
	const struct xenapi_host *host;

	TRY(db_get(host, host_here(), &host));
	if (own_role.is_member || db_count(host) == 1 || !strcmp(host->address, pif->IP))
		return NULL;
	return err(NOT_IMPLEMENTED, "host.management_reconfigure of a master with members");
}

MAY_WAIT struct err *xapi_host_management_reconfigure(
	struct call *c, const struct xenapi_host_management_reconfigure_in *in)
{
	const struct xenapi_pif *pif;

	TRY(db_get(pif, in->pif, &pif));
	if (strcmp(pif->host, host_here()) != 0)
		return err(PIF_NOT_PRESENT, host_here(), pif->network);
	TRY(prepare(in->pif, &pif));
	TRY(check_address(pif));
	TRY(set_gateway(pif));
	return note(in->pif);
}

/* ---- of all hosts ---- */

/* The host's PIF on the network. */
static struct err *find_pif(const char *host, const char *network, const char **out)
{
	db_for_each (pif, row) {
		const struct xenapi_pif *pif = db_record(row);

		if (!strcmp(pif->host, host) && !strcmp(pif->network, network)) {
			*out = db_ref(row);
			return NULL;
		}
	}
	return err(PIF_NOT_PRESENT, host, network);
}

static MAY_WAIT struct err *tell_host(struct call *c, const char *host, const char *pif)
{
	const char *in = arena_printf(c->arena, "{\"pif\":\"%s\"}", pif);
	struct json_text out;

	return run_message(xapi_call(c), host, "host.management_reconfigure",
		(struct json_text){in, strlen(in)}, &out);
}

/* The master last: the others are told by way of where he is now. */
MAY_WAIT struct err *xapi_pool_management_reconfigure(
	struct call *c, const struct xenapi_pool_management_reconfigure_in *in)
{
	const struct xenapi_network *network;
	size_t n = db_count(host), at = 0;
	const char **hosts = arena_calloc(c->arena, n, sizeof(*hosts));
	const char **pifs = arena_calloc(c->arena, n, sizeof(*pifs));

	TRY(db_get(network, in->network, &network));
	db_for_each (host, row) {
		hosts[at] = arena_strdup(c->arena, db_ref(row));
		TRY(find_pif(hosts[at], in->network, &pifs[at]));
		pifs[at] = arena_strdup(c->arena, pifs[at]);
		at++;
	}
	for (size_t i = 0; i < n; i++)
		if (strcmp(hosts[i], host_here()) != 0)
			TRY(tell_host(c, hosts[i], pifs[i]));
	for (size_t i = 0; i < n; i++) {
		const struct xenapi_host_management_reconfigure_in own = {pifs[i]};

		if (!strcmp(hosts[i], host_here()))
			TRY(xapi_host_management_reconfigure(c, &own));
	}
	return NULL;
}
