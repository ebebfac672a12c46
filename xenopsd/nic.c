/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls of networkd (nic.h).
 */
#include "xenopsd/nic.h"

#include "common/daemon.h"
#include "common/mem.h"
#include "common/rpc.h"
#include "core.gen.h"
#include "network.gen.h"

#include <string.h>

/* A call that takes longer than that has failed. */
#define CALL_NS (300 * NS_PER_S)

static struct rpc_client *networkd;

void nic_begin(void)
{
	auto_str path = xasprintf("%s/networkd.sock", daemon_paths()->run);

	networkd = rpc_client_new(path, NULL);
}

void nic_end(void)
{
	rpc_client_free(networkd);
	networkd = NULL;
}

struct err *nic_plug(const struct device *vif, const char *interface)
{
	const struct xenops_vif *config = &vif->vif;
	auto_arena a = {0};

	if (config->backend.kind != XENOPS_VIF_BACKEND_BRIDGE)
		return err(NOT_IMPLEMENTED, "VIFs that are not on a bridge of this host");
	struct network_guest_plug_in in = {.vif = {.interface = interface,
						   .owner = vif->id,
						   .bridge = config->backend.bridge,
						   .mac = config->mac,
						   .mtu = config->mtu,
						   .locking_mode = config->locking_mode,
						   .rate = config->rate,
						   .vlan = config->vlan,
						   .trunks = config->trunks,
						   .carrier = config->carrier,
						   .other_config = config->other_config}};
	TRY_CTX(network_guest_plug(networkd, &in, &a, deadline_in(CALL_NS)),
		"putting %s on bridge %s by networkd", interface, config->backend.bridge);
	return NULL;
}

struct err *nic_unplug(const char *interface)
{
	auto_arena a = {0};
	struct network_guest_unplug_in in = {.interface = interface};

	TRY_CTX(network_guest_unplug(networkd, &in, &a, deadline_in(CALL_NS)),
		"taking %s off its bridge by networkd", interface);
	return NULL;
}

struct err *nic_unplug_all(const struct device *vif)
{
	auto_arena a = {0};
	const char *owner = arena_strdup(&a, vif->id);
	struct network_vif_list all;

	TRY_CTX(network_guest_list(networkd, &a, &all, deadline_in(CALL_NS)),
		"asking networkd for the interfaces of guests");
	for (size_t i = 0; i < all.n; i++)
		if (!strcmp(all.v[i].owner, owner))
			TRY(nic_unplug(all.v[i].interface));
	return NULL;
}
