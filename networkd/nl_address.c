/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Addresses of interfaces over netlink (nl.h). Pool threads, one at a time.
 */
#include "networkd/nl.h"

#include <linux/rtnetlink.h>
#include <netlink/addr.h>
#include <netlink/cache.h>
#include <netlink/errno.h>
#include <netlink/route/addr.h>
#include <sys/socket.h>

static void address_freep(struct rtnl_addr **address)
{
	if (*address)
		rtnl_addr_put(*address);
}

#define auto_address AUTO(address_freep) struct rtnl_addr *

int nl_address_read_all(struct nl_sock *s, struct nl_cache **out)
{
	return rtnl_addr_alloc_cache(s, out);
}

/* The list and one more. Addresses are few: what is left behind in the arena is little. */
static void add(struct string_list *list, const char *text, struct arena *a)
{
	const char **v = arena_calloc(a, list->n + 1, sizeof(*v));

	for (size_t i = 0; i < list->n; i++)
		v[i] = list->v[i];
	v[list->n++] = text;
	list->v = v;
}

void nl_address_read(
	struct nl_cache *addresses, int ifindex, struct arena *a, struct net_link *link)
{
	for (struct nl_object *o = nl_cache_get_first(addresses); o; o = nl_cache_get_next(o)) {
		struct rtnl_addr *from = (struct rtnl_addr *)o;
		int family = rtnl_addr_get_family(from);
		struct nl_addr *local = rtnl_addr_get_local(from);

		if (rtnl_addr_get_ifindex(from) != ifindex || !local)
			continue;
		const char *text = nl_prefix_text(local, rtnl_addr_get_prefixlen(from), a);
		if (family == AF_INET)
			add(&link->ipv4, text, a);
		else if (family == AF_INET6 && rtnl_addr_get_scope(from) == RT_SCOPE_LINK)
			link->has_linklocal = true;
		else if (family == AF_INET6)
			add(&link->ipv6, text, a);
	}
}

/* An address object for a request. */
static int make(int ifindex, const char *text, struct rtnl_addr **out)
{
	AUTO(nl_addr_freep) struct nl_addr *local = NULL;
	auto_address address = rtnl_addr_alloc();
	int r = address ? nl_addr_parse(text, AF_UNSPEC, &local) : -NLE_NOMEM;

	if (r < 0)
		return r;
	rtnl_addr_set_ifindex(address, ifindex);
	r = rtnl_addr_set_local(address, local);
	if (r < 0)
		return r;
	*out = take(address);
	return 0;
}

int nl_address_put(struct nl_sock *s, int ifindex, const char *address)
{
	auto_address wanted = NULL;
	int r = make(ifindex, address, &wanted);

	if (r == 0)
		r = rtnl_addr_add(s, wanted, 0);
	return r == -NLE_EXIST ? 0 : r;
}

int nl_address_drop(struct nl_sock *s, int ifindex, const char *address)
{
	auto_address unwanted = NULL;
	int r = make(ifindex, address, &unwanted);

	if (r == 0)
		r = rtnl_addr_delete(s, unwanted, 0);
	return r == -NLE_NOADDR || r == -NLE_OBJ_NOTFOUND ? 0 : r;
}
