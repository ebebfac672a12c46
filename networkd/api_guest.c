/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of class Guest: the interface of a guest on its bridge. What kernel bridges need more
 * rules for (locking, rates, VLANs) is not built yet and says so.
 */
#include "common/codec.h"
#include "common/rpc.h"
#include "common/updates.h"
#include "core.gen.h"
#include "networkd/bridge.h"
#include "networkd/check.h"
#include "networkd/guest.h"
#include "networkd/net.h"
#include "networkd/networkd.h"

#include <string.h>

static struct err *check_vif(const struct network_vif *vif)
{
	TRY(check_name("vif.interface", vif->interface));
	TRY(check_name("vif.bridge", vif->bridge));
	TRY(check_mac("vif.mac", vif->mac));
	TRY(check_mtu("vif.mtu", vif->mtu));
	if (vif->locking_mode.kind != NETWORK_LOCKING_MODE_UNLOCKED)
		return err(NOT_IMPLEMENTED, "Guest.plug with a locking mode");
	if (vif->rate)
		return err(NOT_IMPLEMENTED, "Guest.plug with a rate");
	if (vif->vlan || vif->trunks.n)
		return err(NOT_IMPLEMENTED, "Guest.plug with VLANs");
	if (!vif->carrier)
		return err(NOT_IMPLEMENTED, "Guest.plug without a carrier");
	return NULL;
}

/* What belongs to the host is nobody's cable. */
static MAY_WAIT struct err *check_is_no_host(const struct config *c, const char *name)
{
	auto_arena a = {0};
	struct net_link *link;

	TRY(networkd.net->find_link(name, &a, &link));
	if (bridge_of_port(c, name) || config_interface(c, name) ||
		(link && (link->is_bridge || link->is_loopback)) ||
		(link && link->is_physical && !check_is_guest(name)))
		return err(INVALID_VALUE, "vif.interface", "it is an interface of the host");
	return NULL;
}

MAY_WAIT struct err *api_guest_plug(struct call *c, const struct network_guest_plug_in *in)
{
	AUTO(change_end) struct change change = {0};
	const struct network_vif *vif = &in->vif;

	TRY(check_vif(vif));
	TRY(change_hold(&change));
	TRY(check_is_no_host(networkd.config, vif->interface));
	const struct network_vif *before = guest_find(vif->interface);
	bool is_like = before && codec_equal(&network_type_vif, before, vif);
	TRY(guest_apply(vif));
	if (is_like)
		return NULL;
	TRY(guest_keep(vif));
	updates_add("vif", vif->interface);
	return NULL;
}

MAY_WAIT struct err *api_guest_unplug(struct call *c, const struct network_guest_unplug_in *in)
{
	AUTO(change_end) struct change change = {0};

	TRY(change_hold(&change));
	const struct network_vif *vif = guest_find(in->interface);
	if (!vif)
		return NULL;
	TRY(guest_remove(vif));
	TRY(guest_forget(in->interface));
	updates_remove("vif", in->interface);
	return NULL;
}

MAY_WAIT struct err *api_guest_list(struct call *c, struct network_vif_list *out)
{
	out->n = 0;
	out->v = arena_calloc(c->arena, networkd.guests.n, sizeof(*out->v));
	map_for_each (slot, &networkd.guests) {
		const struct guest *g = slot->value;

		codec_copy(&network_type_vif, &g->vif, c->arena, &out->v[out->n++]);
	}
	return NULL;
}
