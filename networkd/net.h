/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the model sets things up with: one table of functions for the kernel, one for a simulator.
 * Each does one thing and reports it as Network_error; the model compares first what is with what
 * is to be (so that a call that is made twice changes nothing). The functions marked so may wait;
 * they are called from fibers, several at once.
 */
#ifndef XENITH_NETWORKD_NET_H
#define XENITH_NETWORKD_NET_H

#include "common/arena.h"
#include "common/dialect.h"
#include "common/err.h"

#include "network.gen.h"

/* An interface as it is. Its memory is an arena's. */
struct net_link {
	const char *name;
	const char *mac; /* "": it has none */
	int64_t mtu;
	bool is_up; /* somebody wants it to be */
	bool is_connected; /* the other end is there */
	bool is_bridge;
	bool is_physical; /* a network card, as far as one can tell */
	bool is_loopback;
	const char *master; /* the bridge (or bond) that it is on, or NULL */
	/* The rest is only read by read_links: */
	struct string_list ipv4, ipv6; /* "192.0.2.7/24"; no link-local ones */
	struct network_route_list routes; /* those with a gateway; 0.0.0.0/0 and ::/0 are default */
	bool has_linklocal;
};

struct net_link_list {
	struct net_link *v;
	size_t n;
};

enum net_power { NET_POWER_KEEP, NET_POWER_UP, NET_POWER_DOWN };

/* What is to change of an interface; what is zero stays. */
struct net_change {
	const char *mac;
	int64_t mtu;
	enum net_power power;
	const char *master; /* "": it is taken off what it is on */
};

struct net_ops {
	struct err *(*begin)(void);
	void (*end)(void);
	/* Every interface, in the kernel's order. */
	MAY_WAIT struct err *(*read_links)(struct arena *a, struct net_link_list *out);
	/* *OUT is NULL when there is none. */
	MAY_WAIT struct err *(*find_link)(const char *name, struct arena *a, struct net_link **out);
	/* The same for the interface of a guest, which a simulator makes: nobody else would. */
	MAY_WAIT struct err *(*find_guest)(
		const char *name, struct arena *a, struct net_link **out);
	MAY_WAIT struct err *(*make_bridge)(const char *name);
	MAY_WAIT struct err *(*remove_bridge)(const char *name);
	MAY_WAIT struct err *(*change_link)(const char *name, const struct net_change *change);
	/* IPv6 on an interface, without router advertisements, or not at all. */
	MAY_WAIT struct err *(*switch_ipv6)(const char *name, bool on);
	/* Both put what is there already without an error, and so they drop what is not there. */
	MAY_WAIT struct err *(*put_address)(const char *name, const char *address);
	MAY_WAIT struct err *(*drop_address)(const char *name, const char *address);
	MAY_WAIT struct err *(*put_route)(const char *name, const struct network_route *route);
	MAY_WAIT struct err *(*drop_route)(const char *name, const struct network_route *route);
	/* Carries out a transaction of nftables: all of it or nothing. */
	MAY_WAIT struct err *(*filter)(const char *rules);
};

extern const struct net_ops net_kernel, net_simulator;

/* Reads everything and picks the interface of this name; NULL when there is none. */
MAY_WAIT must_check struct err *net_read_link(
	const char *name, struct arena *a, struct net_link **out);
struct net_link *net_link_named(const struct net_link_list *links, const char *name);
/* Changes what differs from CHANGE, if anything does. */
MAY_WAIT must_check struct err *net_make_like(
	const struct net_link *link, const struct net_change *change);

#endif
