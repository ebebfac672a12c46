/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Networks on this host: the bridge of a network, and the PIF that leads out of it. networkd is
 * told how things are to be, so each of these may be done twice.
 */
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/link/networkd.h"
#include "xapid/link/xenopsd.h"
#include "xapid/plan/plan.h"

#include <arpa/inet.h>
#include <string.h>

/* The PIF of a network on this host; NULL: none. */
static const char *pif_here(const struct xenapi_network *network)
{
	for (size_t i = 0; i < network->PIFs.n; i++) {
		const struct xenapi_pif *pif = db_find(pif, network->PIFs.v[i]);

		if (pif && !strcmp(pif->host, host_here()))
			return network->PIFs.v[i];
	}
	return NULL;
}

static MAY_WAIT struct err *make_bridge(const char *bridge, const char *mac)
{
	auto_arena arena = {0};
	const struct network_bridge_create_in in = {.bridge = bridge, .mac = mac};

	return link_error(
		network_bridge_create(link_networkd.client, &in, &arena, plan_soon()), NULL);
}

MAY_WAIT struct err *plan_network_attach(const char *network)
{
	auto_arena arena = {0};
	const struct xenapi_network *row;

	TRY(db_get(network, network, &row));
	if (!row->managed)
		return NULL;
	const struct xenapi_pif *pif = db_find(pif, pif_here(row));
	if (pif && !pif->currently_attached)
		return plan_pif_plug(arena_strdup(&arena, pif_here(row)));
	const char *bridge = arena_strdup(&arena, row->bridge);
	TRY(link_error(link_wait_up(&link_networkd), NULL));
	return make_bridge(bridge, NULL);
}

MAY_WAIT struct err *plan_network_detach(const char *network)
{
	auto_arena arena = {0};
	const struct xenapi_network *row;

	TRY(db_get(network, network, &row));
	if (!row->managed || !*row->bridge)
		return NULL;
	const struct network_bridge_destroy_in in = {arena_strdup(&arena, row->bridge), false};
	TRY(link_error(link_wait_up(&link_networkd), NULL));
	return link_error(
		network_bridge_destroy(link_networkd.client, &in, &arena, plan_soon()), NULL);
}

/* ---- PIFs ---- */

/* "255.255.255.0" is 24. */
static int prefix_of(const char *netmask)
{
	struct in_addr in;

	return inet_pton(AF_INET, netmask, &in) == 1 ? __builtin_popcount(in.s_addr) : 32;
}

static struct network_dns *dns_of(const struct xenapi_pif *pif, struct arena *a)
{
	struct network_dns *out;
	char *rest = arena_strdup(a, pif->DNS), *word;

	if (!*pif->DNS)
		return NULL;
	out = arena_new(a, struct network_dns);
	out->nameservers.v = arena_calloc(a, strlen(rest) + 1, sizeof(*out->nameservers.v));
	while ((word = strsep(&rest, ", ")) != NULL) {
		if (*word)
			out->nameservers.v[out->nameservers.n++] = word;
	}
	return out;
}

/* The addresses that the PIF is to have. */
static struct network_interface_config config_of(const struct xenapi_pif *pif, struct arena *a)
{
	struct network_interface_config out = NETWORK_INTERFACE_CONFIG_INIT;
	const char **address = arena_new(a, const char *);

	switch (pif->ip_configuration_mode) {
	case XENAPI_IP_CONFIGURATION_MODE_NONE:
		break;
	case XENAPI_IP_CONFIGURATION_MODE_DHCP:
		out.ipv4.kind = NETWORK_IPV4_DHCP;
		break;
	case XENAPI_IP_CONFIGURATION_MODE_STATIC:
		*address = arena_printf(a, "%s/%d", pif->IP, prefix_of(pif->netmask));
		out.ipv4.kind = NETWORK_IPV4_STATIC;
		out.ipv4.static_ = (struct string_list){address, 1};
		out.ipv4_gateway = *pif->gateway ? arena_strdup(a, pif->gateway) : NULL;
		out.dns = dns_of(pif, a);
		break;
	}
	out.mtu = pif->MTU > 0 ? pif->MTU : 1500;
	out.persistent = true;
	return out;
}

/* A PIF, as networkd wants to know it. */
struct uplink {
	const char *device, *bridge, *mac;
	struct network_interface_config config;
};

static struct err *uplink_of(const char *pif, struct arena *a, struct uplink *out)
{
	const struct xenapi_pif *row;

	TRY(db_get(pif, pif, &row));
	if (!row->managed)
		return err(PIF_UNMANAGED, pif);
	if (!row->physical || row->VLAN >= 0)
		return err(NOT_IMPLEMENTED, "PIF.plug of a PIF that is no network card");
	*out = (struct uplink){arena_strdup(a, row->device),
		arena_strdup(a, networkd_interface(row)), arena_strdup(a, row->MAC),
		config_of(row, a)};
	return NULL;
}

static MAY_WAIT struct err *configure(const struct uplink *up)
{
	auto_arena arena = {0};
	struct network_interface_config_map_entry entry = {up->bridge, up->config};
	const struct network_interface_make_config_in in = {.config = {&entry, 1}};

	return network_interface_make_config(link_networkd.client, &in, &arena, plan_soon());
}

static MAY_WAIT struct err *bridge_uplink(const struct uplink *up)
{
	auto_arena arena = {0};
	const struct network_bridge_add_port_in port_in = {
		up->bridge, up->device, {.interfaces = {(const char *[]){up->device}, 1}}};
	const struct network_bridge_set_persistent_in keep_in = {up->bridge, true};

	TRY(make_bridge(up->bridge, up->mac));
	TRY(network_bridge_add_port(link_networkd.client, &port_in, &arena, plan_soon()));
	TRY(configure(up));
	return network_bridge_set_persistent(link_networkd.client, &keep_in, &arena, plan_soon());
}

static struct err *pif_error(struct err *e, const char *pif)
{
	auto_err own = e;

	return e ? err(PIF_CONFIGURATION_ERROR, pif, err_text(e)) : NULL;
}

MAY_WAIT struct err *plan_pif_plug(const char *pif)
{
	auto_arena arena = {0};
	struct uplink up;

	TRY(uplink_of(pif, &arena, &up));
	TRY(plan_commit());
	TRY(link_error(link_wait_up(&link_networkd), NULL));
	TRY(pif_error(bridge_uplink(&up), pif));
	if (!db_find(pif, pif))
		return NULL;
	TRY(db_write(pif, pif, currently_attached, true));
	return link_error(networkd_compare(up.bridge), NULL);
}

MAY_WAIT struct err *plan_pif_unplug(const char *pif)
{
	auto_arena arena = {0};
	struct uplink up;

	TRY(uplink_of(pif, &arena, &up));
	TRY(link_error(link_wait_up(&link_networkd), NULL));
	const struct network_interface_bring_down_in down_in = {up.bridge};
	const struct network_bridge_destroy_in in = {up.bridge, false};
	auto_err e =
		network_interface_bring_down(link_networkd.client, &down_in, &arena, plan_soon());
	if (e && !err_is(e, &ERR_Interface_does_not_exist))
		return pif_error(take(e), pif);
	TRY(pif_error(network_bridge_destroy(link_networkd.client, &in, &arena, plan_soon()), pif));
	return db_find(pif, pif) ? db_write(pif, pif, currently_attached, false) : NULL;
}
