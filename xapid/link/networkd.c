/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What networkd says, in the database: link, MAC and MTU of each PIF, and the addresses that DHCP
 * gave to it. A PIF's addresses are those of its bridge.
 */
#include "xapid/link/networkd.h"

#include "common/clock.h"
#include "xapid/db/db.h"
#include "xapid/link/xenopsd.h"

#include "core.gen.h"

#include <arpa/inet.h>
#include <string.h>

static int64_t soon(void)
{
	return deadline_in(LINK_CALL_NS);
}

const char *networkd_pif(const char *device)
{
	db_for_each (pif, row) {
		const struct xenapi_pif *pif = db_record(row);

		if (pif->VLAN < 0 && !strcmp(pif->device, device) &&
			!strcmp(pif->host, host_here()))
			return db_ref(row);
	}
	return NULL;
}

const char *networkd_interface(const struct xenapi_pif *pif)
{
	const struct xenapi_network *network = db_find(network, pif->network);

	return network && *network->bridge ? network->bridge : pif->device;
}

/* "192.0.2.7/24" as address and netmask. */
static void split(const char *text, struct arena *a, const char **address, const char **netmask)
{
	const char *slash = strchrnul(text, '/');
	long bits = *slash ? strtol(slash + 1, NULL, 10) : 32;
	uint32_t mask = bits <= 0 || bits > 32 ? 0 : UINT32_MAX << (32 - bits);
	struct in_addr in = {htonl(mask)};
	char out[INET_ADDRSTRLEN];

	*address = arena_strndup(a, text, (size_t)(slash - text));
	*netmask = arena_strdup(a, inet_ntop(AF_INET, &in, out, sizeof(out)));
}

static struct err *note_addresses(const char *ref, const struct network_interface_stat *stat)
{
	auto_arena arena = {0};
	const char *address = "", *netmask = "";

	if (stat->ipv4_addresses.n)
		split(stat->ipv4_addresses.v[0], &arena, &address, &netmask);
	TRY(db_write(pif, ref, IP, address));
	TRY(db_write(pif, ref, netmask, netmask));
	TRY(db_write(pif, ref, gateway, stat->ipv4_gateway ? stat->ipv4_gateway : ""));
	return db_write(pif, ref, IPv6, stat->ipv6_addresses);
}

static struct err *note_link(const char *metrics, const struct network_interface_stat *stat)
{
	if (!db_find(pif_metrics, metrics))
		return NULL;
	TRY(db_write(pif_metrics, metrics, carrier, stat->is_connected));
	TRY(db_write(pif_metrics, metrics, speed, stat->speed_mbit ? *stat->speed_mbit : 0));
	TRY(db_write(pif_metrics, metrics, duplex, stat->duplex == NETWORK_DUPLEX_FULL));
	TRY(db_write(pif_metrics, metrics, pci_bus_path,
		stat->pci_bus_path ? stat->pci_bus_path : "N/A"));
	return db_write(pif_metrics, metrics, last_updated, clock_real_ns() / NS_PER_S);
}

/* The PIF whose bridge this is; NULL: none. */
static const char *pif_of_bridge(const char *bridge)
{
	db_for_each (pif, row) {
		const struct xenapi_pif *pif = db_record(row);
		const struct xenapi_network *network = db_find(network, pif->network);

		if (network && !strcmp(network->bridge, bridge) && !strcmp(pif->host, host_here()))
			return db_ref(row);
	}
	return NULL;
}

static struct err *note(const struct network_interface_stat *stat)
{
	const char *nic = networkd_pif(stat->interface);
	const char *bridged = pif_of_bridge(stat->interface);

	if (nic) {
		const struct xenapi_pif *pif = db_find(pif, nic);

		TRY(db_write(pif, nic, MAC, stat->mac));
		TRY(db_write(pif, nic, MTU, stat->mtu));
		TRY(db_write(pif, nic, capabilities, stat->capabilities));
		TRY(note_link(pif->metrics, stat));
		if (!strcmp(networkd_interface(pif), stat->interface))
			TRY(note_addresses(nic, stat));
	}
	return bridged ? note_addresses(bridged, stat) : NULL;
}

MAY_WAIT struct err *networkd_compare(const char *interface)
{
	auto_arena arena = {0};
	const struct network_interface_stat_in in = {interface};
	struct network_interface_stat stat;
	auto_err e = network_interface_stat(link_networkd.client, &in, &arena, &stat, soon());

	if (err_is(e, &ERR_Interface_does_not_exist))
		return NULL;
	return e ? take(e) : note(&stat);
}

static MAY_WAIT struct err *update(const struct core_update *u)
{
	if (strcmp(u->class, "interface") != 0 && strcmp(u->class, "bridge") != 0)
		return NULL;
	return networkd_compare(u->id);
}

static MAY_WAIT struct err *resync(void)
{
	auto_arena arena = {0};
	struct network_interface_stat_list list;

	TRY(network_interface_list(link_networkd.client, &arena, &list, soon()));
	for (size_t i = 0; i < list.n; i++)
		TRY(note(&list.v[i]));
	return NULL;
}

static const struct link_spec spec = {.daemon = "networkd", .resync = resync, .update = update};
struct link link_networkd = {.spec = &spec};
