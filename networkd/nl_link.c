/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Interfaces over netlink (nl.h): reading them, changing them, bridges. Pool threads, one at a
 * time.
 */
#include "networkd/nl.h"

#include <linux/if.h>
#include <linux/if_arp.h>
#include <netlink/addr.h>
#include <netlink/cache.h>
#include <netlink/errno.h>
#include <netlink/route/link.h>
#include <netlink/route/link/bridge.h>
#include <netlink/socket.h>
#include <string.h>

static void link_freep(struct rtnl_link **link)
{
	if (*link)
		rtnl_link_put(*link);
}

static void cache_freep(struct nl_cache **cache)
{
	if (*cache)
		nl_cache_free(*cache);
}

#define auto_link  AUTO(link_freep) struct rtnl_link *
#define auto_cache AUTO(cache_freep) struct nl_cache *

/* What a kernel device is: a card has no kind of its own, what software makes has one. */
static void fill(struct rtnl_link *from, struct arena *a, struct net_link *out)
{
	unsigned flags = rtnl_link_get_flags(from);
	const char *kind = rtnl_link_get_type(from);
	struct nl_addr *mac = rtnl_link_get_addr(from);
	char text[64] = "";

	if (mac && nl_addr_get_len(mac) == 6)
		nl_addr2str(mac, text, sizeof(text));
	out->name = arena_strdup(a, rtnl_link_get_name(from));
	out->mac = arena_strdup(a, text);
	out->mtu = rtnl_link_get_mtu(from);
	out->is_up = flags & IFF_UP;
	out->is_connected = flags & IFF_LOWER_UP;
	out->is_loopback = flags & IFF_LOOPBACK;
	out->is_bridge = kind && !strcmp(kind, "bridge");
	out->is_physical = !kind && rtnl_link_get_arptype(from) == ARPHRD_ETHER;
}

int nl_link_read_all(struct nl_sock *s, struct arena *a, struct net_link_list *out)
{
	auto_cache links = NULL;
	auto_cache addresses = NULL;
	auto_cache routes = NULL;
	char master[IFNAMSIZ];
	size_t n = 0;

	int r = rtnl_link_alloc_cache(s, AF_UNSPEC, &links);
	if (r == 0)
		r = nl_address_read_all(s, &addresses);
	if (r == 0)
		r = nl_route_read_all(s, &routes);
	if (r < 0)
		return r;
	struct net_link_list found = {
		.v = arena_calloc(a, (size_t)nl_cache_nitems(links), sizeof(*found.v))};
	for (struct nl_object *o = nl_cache_get_first(links); o; o = nl_cache_get_next(o)) {
		struct rtnl_link *from = (struct rtnl_link *)o;
		struct net_link *link = &found.v[n++];
		int ifindex = rtnl_link_get_ifindex(from);

		fill(from, a, link);
		if (rtnl_link_i2name(links, rtnl_link_get_master(from), master, sizeof(master)))
			link->master = arena_strdup(a, master);
		nl_address_read(addresses, ifindex, a, link);
		nl_route_read(routes, ifindex, a, link);
	}
	found.n = n;
	*out = found;
	return 0;
}

static bool is_gone(int r)
{
	return r == -NLE_OBJ_NOTFOUND || r == -NLE_NODEV;
}

int nl_link_find(struct nl_sock *s, const char *name, struct arena *a, struct net_link **out)
{
	auto_link from = NULL;
	auto_link master = NULL;

	int r = rtnl_link_get_kernel(s, 0, name, &from);
	if (is_gone(r)) {
		*out = NULL;
		return 0;
	}
	if (r < 0)
		return r;
	if (rtnl_link_get_master(from) > 0)
		r = rtnl_link_get_kernel(s, rtnl_link_get_master(from), NULL, &master);
	if (r < 0 && !is_gone(r))
		return r;
	struct net_link *link = arena_new(a, struct net_link);
	fill(from, a, link);
	if (master)
		link->master = arena_strdup(a, rtnl_link_get_name(master));
	*out = link;
	return 0;
}

static int set_mac(struct rtnl_link *link, const char *text)
{
	AUTO(nl_addr_freep) struct nl_addr *mac = NULL;
	int r = nl_addr_parse(text, AF_LLC, &mac);

	if (r == 0)
		rtnl_link_set_addr(link, mac);
	return r;
}

static int set_master(struct nl_sock *s, struct rtnl_link *link, const char *name)
{
	auto_link master = NULL;
	int r = *name ? rtnl_link_get_kernel(s, 0, name, &master) : 0;

	if (r == 0)
		rtnl_link_set_master(link, master ? rtnl_link_get_ifindex(master) : 0);
	return r;
}

int nl_link_change(struct nl_sock *s, const char *name, const struct net_change *change)
{
	auto_link now = NULL;
	auto_link next = rtnl_link_alloc();
	int r = next ? rtnl_link_get_kernel(s, 0, name, &now) : -NLE_NOMEM;

	if (r == 0 && change->mac)
		r = set_mac(next, change->mac);
	if (r == 0 && change->master)
		r = set_master(s, next, change->master);
	if (r < 0)
		return r;
	if (change->mtu)
		rtnl_link_set_mtu(next, (unsigned)change->mtu);
	if (change->power == NET_POWER_UP)
		rtnl_link_set_flags(next, IFF_UP);
	else if (change->power == NET_POWER_DOWN)
		rtnl_link_unset_flags(next, IFF_UP);
	return rtnl_link_change(s, now, next, 0);
}

int nl_link_make_bridge(struct nl_sock *s, const char *name)
{
	return rtnl_link_bridge_add(s, name);
}

int nl_link_remove(struct nl_sock *s, const char *name)
{
	auto_link link = rtnl_link_alloc();

	if (!link)
		return -NLE_NOMEM;
	rtnl_link_set_name(link, name);
	int r = rtnl_link_delete(s, link);
	return is_gone(r) ? 0 : r;
}
