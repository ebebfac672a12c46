/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's network over netlink, through libnl. Every function blocks for a moment, so they run
 * in the pool (net_kernel.c), one at a time on a socket, and return 0 or what nl_reason explains.
 * Results are in the arena that is given.
 */
#ifndef XENITH_NETWORKD_NL_H
#define XENITH_NETWORKD_NL_H

#include "common/dialect.h"
#include "networkd/net.h"

struct nl_sock;

/* A socket of its own, in the network namespace of the process. */
must_check int nl_start(struct nl_sock **out);
void nl_stop(struct nl_sock *s);
/* The words for a result that is not 0. */
const char *nl_reason(int r);

/* Every interface with its addresses and routes. */
must_check int nl_link_read_all(struct nl_sock *s, struct arena *a, struct net_link_list *out);
/* One without; *OUT is NULL when there is none. */
must_check int nl_link_find(
	struct nl_sock *s, const char *name, struct arena *a, struct net_link **out);
must_check int nl_link_change(struct nl_sock *s, const char *name, const struct net_change *change);
must_check int nl_link_make_bridge(struct nl_sock *s, const char *name);
must_check int nl_link_remove(struct nl_sock *s, const char *name);

/* To put what is there, or to drop what is not, is no error. */
must_check int nl_address_put(struct nl_sock *s, int ifindex, const char *address);
must_check int nl_address_drop(struct nl_sock *s, int ifindex, const char *address);
must_check int nl_route_put(struct nl_sock *s, int ifindex, const struct network_route *route);
must_check int nl_route_drop(struct nl_sock *s, int ifindex, const struct network_route *route);

/* For nl_link_read_all: adds what there is of IFINDEX to LINK. */
struct nl_cache;
void nl_address_read(
	struct nl_cache *addresses, int ifindex, struct arena *a, struct net_link *link);
void nl_route_read(struct nl_cache *routes, int ifindex, struct arena *a, struct net_link *link);
/* Every address, every route; given back with nl_cache_free. */
must_check int nl_address_read_all(struct nl_sock *s, struct nl_cache **out);
must_check int nl_route_read_all(struct nl_sock *s, struct nl_cache **out);
/* "ADDRESS/LENGTH", in the one way that check.h writes it. */
struct nl_addr;
const char *nl_prefix_text(const struct nl_addr *address, int length, struct arena *a);
void nl_addr_freep(struct nl_addr **address);

#endif
