/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes the interfaces of guests like what is kept of them (bridge.h): what they may send first,
 * then that they are on their bridge. Loop thread.
 */
#define LOG_MODULE "guest"

#include "common/log.h"
#include "networkd/bridge.h"
#include "networkd/guest.h"
#include "networkd/guest_rules.h"
#include "networkd/net.h"
#include "networkd/networkd.h"

/* What all of them may send, in one go: nobody is free in between. */
static MAY_WAIT void hold_all(void)
{
	auto_sbuf rules = {0};
	bool are_free = true;

	guest_rules_begin(&rules);
	map_for_each (slot, &networkd.guests) {
		const struct guest *g = slot->value;

		guest_rules_put(&g->vif, &rules);
		are_free = are_free && guest_is_free(&g->vif);
	}
	auto_err e = networkd.net->filter(sbuf_str(&rules));
	/* A kernel without a filter is not missed before somebody wants it. */
	if (e)
		log_err(are_free ? LOG_INFO_ : LOG_ERROR_, e, "guests are not held to anything");
}

/* Holds the guest to its settings; NULL: to nothing. */
static MAY_WAIT struct err *hold_to(const char *interface, const struct network_vif *vif)
{
	auto_sbuf rules = {0};

	if (vif)
		guest_rules_put(vif, &rules);
	else
		guest_rules_drop(interface, &rules);
	auto_err e = networkd.net->filter(sbuf_str(&rules));
	if (!e)
		return NULL;
	/* Somebody may have emptied the filter. */
	hold_all();
	return networkd.net->filter(sbuf_str(&rules));
}

static MAY_WAIT struct err *put_on_bridge(
	const struct network_vif *vif, const struct net_link *link)
{
	const struct net_change change = {.mtu = vif->mtu,
		.power = vif->carrier ? NET_POWER_UP : NET_POWER_DOWN,
		.master = vif->bridge};

	return net_make_like(link, &change);
}

static MAY_WAIT struct err *find(
	const struct network_vif *vif, struct arena *a, struct net_link **link)
{
	struct net_link *bridge;

	TRY(networkd.net->find_link(vif->bridge, a, &bridge));
	if (!bridge || !bridge->is_bridge)
		return err(Bridge_does_not_exist, vif->bridge);
	TRY(networkd.net->find_guest(vif->interface, a, link));
	return *link ? NULL : err(Interface_does_not_exist, vif->interface);
}

MAY_WAIT struct err *guest_apply(const struct network_vif *vif)
{
	const struct network_vif *before = guest_find(vif->interface);
	bool has_rules = !guest_is_free(vif) || (before && !guest_is_free(before));
	auto_arena a = {0};
	struct net_link *link;

	TRY(find(vif, &a, &link));
	if (has_rules)
		TRY(hold_to(vif->interface, vif));
	struct err *e = put_on_bridge(vif, link);
	if (e && has_rules)
		err_free(hold_to(vif->interface, before));
	return e;
}

MAY_WAIT struct err *guest_remove(const struct network_vif *vif)
{
	const struct net_change change = {.power = NET_POWER_DOWN, .master = ""};
	auto_arena a = {0};
	struct net_link *link;

	TRY(networkd.net->find_link(vif->interface, &a, &link));
	if (link)
		TRY(net_make_like(link, &change));
	return guest_is_free(vif) ? NULL : hold_to(vif->interface, NULL);
}

/* ---- at the start ---- */

static MAY_WAIT struct err *apply_one(const struct network_vif *vif)
{
	auto_arena a = {0};
	struct net_link *link;
	auto_err e = find(vif, &a, &link);

	if (!e)
		e = put_on_bridge(vif, link);
	if (e)
		log_err(LOG_WARN_, e, "%s is no longer on %s", vif->interface, vif->bridge);
	if (!err_is(e, &ERR_Interface_does_not_exist))
		return NULL;
	if (!guest_is_free(vif))
		TRY(hold_to(vif->interface, NULL));
	return guest_forget(vif->interface);
}

/* Collected first, since the map changes when one is forgotten. */
MAY_WAIT struct err *guests_apply(void)
{
	auto_arena a = {0};
	const struct guest **all = arena_calloc(&a, networkd.guests.n, sizeof(*all));
	size_t n = 0;

	hold_all();
	map_for_each (slot, &networkd.guests)
		all[n++] = slot->value;
	for (size_t i = 0; i < n; i++)
		TRY(apply_one(&all[i]->vif));
	return NULL;
}
