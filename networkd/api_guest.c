/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of class Guest: the interface of a guest on its bridge. VLANs of guests are not built
 * yet and say so.
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

#include <arpa/inet.h>
#include <string.h>

/* So long that a guest of any sort is served, so short that its rules stay small. */
#define MAX_ADDRESSES 256
/* A hundred gigabits. */
#define MAX_KBYTES_PER_S ((int64_t)12 << 20)
#define MAX_TIMESLICE_US 10000000

/* LIST becomes one of addresses in the one way that they are written. */
static struct err *check_addresses(
	const char *path, int family, struct string_list *list, struct arena *a)
{
	if (list->n > MAX_ADDRESSES)
		return err(INVALID_VALUE, path, "more than 256 addresses");
	for (size_t i = 0; i < list->n; i++)
		TRY(check_address(path, family, list->v[i], a, &list->v[i]));
	return NULL;
}

static struct err *check_locking_mode(struct network_locking_mode *mode, struct arena *a)
{
	struct network_locked_addresses *locked = &mode->locked;

	if (mode->kind != NETWORK_LOCKING_MODE_LOCKED)
		return NULL;
	TRY(check_addresses("vif.locking_mode.locked.ipv4", AF_INET, &locked->ipv4, a));
	return check_addresses("vif.locking_mode.locked.ipv6", AF_INET6, &locked->ipv6, a);
}

static struct err *check_rate(const struct network_rate_limit *rate)
{
	if (!rate)
		return NULL;
	if (rate->kbytes_per_s < 1 || rate->kbytes_per_s > MAX_KBYTES_PER_S)
		return err(INVALID_VALUE, "vif.rate.kbytes_per_s", "not between 1 and 12582912");
	if (rate->timeslice_us < 1 || rate->timeslice_us > MAX_TIMESLICE_US)
		return err(INVALID_VALUE, "vif.rate.timeslice_us", "not between 1 and 10000000");
	return NULL;
}

static struct err *check_vif(struct network_vif *vif, struct arena *a)
{
	TRY(check_name("vif.interface", vif->interface));
	TRY(check_name("vif.bridge", vif->bridge));
	TRY(check_mac("vif.mac", vif->mac));
	TRY(check_mtu("vif.mtu", vif->mtu));
	TRY(check_locking_mode(&vif->locking_mode, a));
	TRY(check_rate(vif->rate));
	if (vif->vlan || vif->trunks.n)
		return err(NOT_IMPLEMENTED, "Guest.plug with VLANs");
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
	struct network_vif vif;

	codec_copy(&network_type_vif, &in->vif, c->arena, &vif);
	TRY(check_vif(&vif, c->arena));
	TRY(change_hold(&change));
	TRY(check_is_no_host(networkd.config, vif.interface));
	const struct network_vif *before = guest_find(vif.interface);
	bool is_like = before && codec_equal(&network_type_vif, before, &vif);
	TRY(guest_apply(&vif));
	if (is_like)
		return NULL;
	TRY(guest_keep(&vif));
	updates_add("vif", vif.interface);
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
