/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Routes by a gateway over netlink (nl.h): those of the main table; what the kernel or a router
 * advertisement made is theirs. Pool threads, one at a time.
 */
#include "networkd/nl.h"

#include <linux/rtnetlink.h>
#include <netlink/addr.h>
#include <netlink/cache.h>
#include <netlink/errno.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <sys/socket.h>

static void route_freep(struct rtnl_route **route)
{
	if (*route)
		rtnl_route_put(*route);
}

#define auto_route AUTO(route_freep) struct rtnl_route *

int nl_route_read_all(struct nl_sock *s, struct nl_cache **out)
{
	return rtnl_route_alloc_cache(s, AF_UNSPEC, 0, out);
}

static bool is_ours(struct rtnl_route *route)
{
	unsigned protocol = rtnl_route_get_protocol(route);

	return rtnl_route_get_table(route) == RT_TABLE_MAIN &&
		rtnl_route_get_type(route) == RTN_UNICAST && protocol != RTPROT_KERNEL &&
		protocol != RTPROT_RA && rtnl_route_get_nnexthops(route) == 1;
}

static const char *subnet_of(struct rtnl_route *route, struct arena *a)
{
	struct nl_addr *to = rtnl_route_get_dst(route);

	if (to && nl_addr_get_len(to) && nl_addr_get_prefixlen(to))
		return nl_prefix_text(to, (int)nl_addr_get_prefixlen(to), a);
	return rtnl_route_get_family(route) == AF_INET ? "0.0.0.0/0" : "::/0";
}

void nl_route_read(struct nl_cache *routes, int ifindex, struct arena *a, struct net_link *link)
{
	struct network_route_list *list = &link->routes;

	for (struct nl_object *o = nl_cache_get_first(routes); o; o = nl_cache_get_next(o)) {
		struct rtnl_route *route = (struct rtnl_route *)o;

		if (!is_ours(route))
			continue;
		struct rtnl_nexthop *hop = rtnl_route_nexthop_n(route, 0);
		struct nl_addr *gateway = rtnl_route_nh_get_gateway(hop);
		if (rtnl_route_nh_get_ifindex(hop) != ifindex || !gateway)
			continue;
		struct network_route *v = arena_calloc(a, list->n + 1, sizeof(*v));
		for (size_t i = 0; i < list->n; i++)
			v[i] = list->v[i];
		v[list->n].subnet = subnet_of(route, a);
		v[list->n++].gateway = nl_prefix_text(gateway, -1, a);
		list->v = v;
	}
}

/* The hop belongs to the route once it is added. */
static int add_hop(struct rtnl_route *route, int ifindex, struct nl_addr *gateway)
{
	struct rtnl_nexthop *hop = rtnl_route_nh_alloc();

	if (!hop)
		return -NLE_NOMEM;
	rtnl_route_nh_set_ifindex(hop, ifindex);
	rtnl_route_nh_set_gateway(hop, gateway);
	rtnl_route_add_nexthop(route, hop);
	return 0;
}

static int make(int ifindex, const struct network_route *from, struct rtnl_route **out)
{
	AUTO(nl_addr_freep) struct nl_addr *subnet = NULL;
	AUTO(nl_addr_freep) struct nl_addr *gateway = NULL;
	auto_route route = rtnl_route_alloc();
	int r = route ? nl_addr_parse(from->subnet, AF_UNSPEC, &subnet) : -NLE_NOMEM;

	if (r == 0)
		r = nl_addr_parse(from->gateway, AF_UNSPEC, &gateway);
	if (r == 0)
		r = rtnl_route_set_family(route, (uint8_t)nl_addr_get_family(gateway));
	if (r == 0)
		r = rtnl_route_set_dst(route, subnet);
	if (r == 0)
		r = add_hop(route, ifindex, gateway);
	if (r < 0)
		return r;
	rtnl_route_set_protocol(route, RTPROT_STATIC);
	rtnl_route_set_scope(route, RT_SCOPE_UNIVERSE);
	*out = take(route);
	return 0;
}

int nl_route_put(struct nl_sock *s, int ifindex, const struct network_route *route)
{
	auto_route wanted = NULL;
	int r = make(ifindex, route, &wanted);

	return r < 0 ? r : rtnl_route_add(s, wanted, NLM_F_CREATE | NLM_F_REPLACE);
}

int nl_route_drop(struct nl_sock *s, int ifindex, const struct network_route *route)
{
	auto_route unwanted = NULL;
	int r = make(ifindex, route, &unwanted);

	if (r < 0)
		return r;
	/* Whoever made it. */
	rtnl_route_set_protocol(unwanted, RTPROT_UNSPEC);
	r = rtnl_route_delete(s, unwanted, 0);
	return r == -NLE_OBJ_NOTFOUND ? 0 : r;
}
