/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Networks and PIFs (fresh.h): one of each for every network device of the host, as they are now;
 * what networkd does with them later is noted by its link.
 */
#include "xapid/host/fresh.h"

#include "common/clock.h"
#include "common/mem.h"
#include "xapid/db/db.h"

#include "xenapi.gen.h"

#include <string.h>

#define INTERNAL_BRIDGE "xenapi"
#define MBIT            1

/* ---- the internal network of the host ---- */

static struct err *make_internal(void)
{
	struct string_map_entry config[] = {{"is_guest_installer_network", "true"},
		{"is_host_internal_management_network", "true"}, {"ip_begin", "169.254.0.1"},
		{"ip_end", "169.254.255.254"}, {"netmask", "255.255.0.0"}};
	struct xenapi_network network = db_blank(network);

	db_for_each (network, row) {
		const struct xenapi_network *there = db_record(row);

		if (!strcmp(there->bridge, INTERNAL_BRIDGE))
			return NULL;
	}
	network.name_label = "Host internal management network";
	network.name_description = "Guests on it get a link-local address and reach the XenAPI";
	network.bridge = INTERNAL_BRIDGE;
	network.other_config = (struct string_map){config, ARRAY_LEN(config)};
	return db_create(network, &network, NULL);
}

/* ---- a device ---- */

static bool has_pif(const struct nic_facts *nic, const char *host)
{
	db_for_each (pif, row) {
		const struct xenapi_pif *pif = db_record(row);

		if (pif->VLAN < 0 && !strcmp(pif->device, nic->name) && !strcmp(pif->host, host))
			return true;
	}
	return false;
}

static bool is_used(const char *bridge)
{
	db_for_each (network, row)
		if (!strcmp(((const struct xenapi_network *)db_record(row))->bridge, bridge))
			return true;
	return false;
}

/* xenbr and the number of the device; of one without a number, the first that is free. */
static char *bridge_of(const char *nic)
{
	const char *number = nic + strlen(nic);

	while (number > nic && number[-1] >= '0' && number[-1] <= '9')
		number--;
	char *bridge = xasprintf("xenbr%s", *number ? number : "0");
	for (unsigned i = 0; is_used(bridge); i++) {
		free(bridge);
		bridge = xasprintf("xenbr%u", i);
	}
	return bridge;
}

static struct err *make_network(const struct nic_facts *nic, const char **ref)
{
	auto_str bridge = bridge_of(nic->name);
	auto_str name = xasprintf("Pool-wide network associated with %s", nic->name);
	struct xenapi_network network = db_blank(network);

	network.name_label = name;
	network.bridge = bridge;
	network.MTU = nic->mtu;
	return db_create(network, &network, ref);
}

static struct err *make_metrics(const struct nic_facts *nic, const char **ref)
{
	struct xenapi_pif_metrics metrics = db_blank(pif_metrics);

	metrics.carrier = nic->has_carrier;
	metrics.speed = nic->speed * MBIT;
	metrics.duplex = nic->speed > 0;
	metrics.pci_bus_path = "N/A";
	metrics.last_updated = clock_real_ns() / NS_PER_S;
	return db_create(pif_metrics, &metrics, ref);
}

static struct err *make_pif(const struct nic_facts *nic, const char *host, bool is_management)
{
	struct xenapi_pif pif = db_blank(pif);

	TRY(make_network(nic, &pif.network));
	TRY(make_metrics(nic, &pif.metrics));
	pif.device = nic->name;
	pif.host = host;
	pif.MAC = nic->mac;
	pif.MTU = nic->mtu;
	pif.VLAN = -1;
	pif.physical = true;
	pif.currently_attached = nic->is_up;
	pif.management = is_management;
	if (*nic->ip) {
		pif.ip_configuration_mode = XENAPI_IP_CONFIGURATION_MODE_STATIC;
		pif.IP = nic->ip;
		pif.netmask = nic->netmask;
		pif.gateway = nic->gateway;
	}
	return db_create(pif, &pif, NULL);
}

/* ---- all ---- */

/* The host is managed over the device that leads to everywhere, else the first with an address. */
static const struct nic_facts *management(const struct host_facts *facts)
{
	const struct nic_facts *best = NULL;

	for (size_t i = 0; i < facts->nics.n; i++) {
		const struct nic_facts *nic = &facts->nics.v[i];

		if (*nic->ip && (!best || (*nic->gateway && !*best->gateway)))
			best = nic;
	}
	return best ? best : facts->nics.v;
}

static bool has_management(const char *host)
{
	db_for_each (pif, row) {
		const struct xenapi_pif *pif = db_record(row);

		if (pif->management && !strcmp(pif->host, host))
			return true;
	}
	return false;
}

struct err *fresh_networks(const struct host_facts *facts, const char *host)
{
	const struct nic_facts *managed = has_management(host) ? NULL : management(facts);

	for (size_t i = 0; i < facts->nics.n; i++) {
		const struct nic_facts *nic = &facts->nics.v[i];

		if (!has_pif(nic, host))
			TRY(make_pif(nic, host, nic == managed));
	}
	return make_internal();
}
