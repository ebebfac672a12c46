/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A network in memory (net.h): two cards whose cables are in, eth0 and eth1, and what is made. It
 * ends with the daemon, as a real one does with the host; guests' interfaces come when they are
 * asked for and go when they are taken off their bridge. For stacks without root, and tests.
 */
#include "common/list.h"
#include "common/mem.h"
#include "common/vec.h"
#include "networkd/net.h"

#include <stdio.h>
#include <string.h>

#define MAC_SIZE sizeof("02:00:00:00:00:00")

struct sim_route {
	char *subnet, *gateway; /* owned */
};

struct sim_link {
	struct list link;
	struct net_link is; /* name and master owned, mac is the array; no lists */
	char mac[MAC_SIZE];
	bool is_guest;
	vec_of(char *) ipv4, ipv6; /* owned */
	vec_of(struct sim_route) routes;
};

static struct {
	struct list links;
	unsigned n_macs;
} sim;

static struct sim_link *sim_find(const char *name)
{
	list_for_each (l, &sim.links, struct sim_link, link)
		if (!strcmp(l->is.name, name))
			return l;
	return NULL;
}

static struct sim_link *sim_add(const char *name)
{
	struct sim_link *l = xnew(struct sim_link);

	snprintf(l->mac, sizeof(l->mac), "02:00:00:00:00:%02x", ++sim.n_macs & 0xff);
	l->is = (struct net_link){
		.name = xstrdup(name), .mac = l->mac, .mtu = 1500, .is_connected = true};
	list_push_back(&sim.links, &l->link);
	return l;
}

static void sim_route_free(struct sim_route *r)
{
	free(r->subnet);
	free(r->gateway);
}

static void sim_free(struct sim_link *l)
{
	list_remove(&l->link);
	vec_for_each (i, &l->ipv4)
		free(l->ipv4.v[i]);
	vec_fini(&l->ipv4);
	vec_for_each (i, &l->ipv6)
		free(l->ipv6.v[i]);
	vec_fini(&l->ipv6);
	vec_for_each (i, &l->routes)
		sim_route_free(&l->routes.v[i]);
	vec_fini(&l->routes);
	free((char *)l->is.name);
	free((char *)l->is.master);
	free(l);
}

static struct err *sim_begin(void)
{
	list_init(&sim.links);
	sim_add("eth0")->is.is_physical = true;
	sim_add("eth1")->is.is_physical = true;
	return NULL;
}

static void sim_end(void)
{
	while (!list_is_empty(&sim.links))
		sim_free(list_first(&sim.links, struct sim_link, link));
}

static const char *copied(const char *s, struct arena *a)
{
	return s ? arena_strdup(a, s) : NULL;
}

static struct string_list copied_list(char **v, size_t n, struct arena *a)
{
	struct string_list out = {.v = arena_calloc(a, n, sizeof(*out.v)), .n = n};

	for (size_t i = 0; i < n; i++)
		out.v[i] = arena_strdup(a, v[i]);
	return out;
}

static void describe(const struct sim_link *l, struct arena *a, struct net_link *out)
{
	*out = l->is;
	out->name = copied(l->is.name, a);
	out->mac = copied(l->mac, a);
	out->master = copied(l->is.master, a);
	out->ipv4 = copied_list(l->ipv4.v, l->ipv4.n, a);
	out->ipv6 = copied_list(l->ipv6.v, l->ipv6.n, a);
	out->routes.v = arena_calloc(a, l->routes.n, sizeof(*out->routes.v));
	for (out->routes.n = 0; out->routes.n < l->routes.n; out->routes.n++) {
		const struct sim_route *r = &l->routes.v[out->routes.n];

		out->routes.v[out->routes.n] = (struct network_route){
			.subnet = copied(r->subnet, a), .gateway = copied(r->gateway, a)};
	}
}

static MAY_WAIT struct err *sim_read_links(struct arena *a, struct net_link_list *out)
{
	size_t n = 0;

	list_for_each (l, &sim.links, struct sim_link, link)
		n++;
	out->v = arena_calloc(a, n, sizeof(*out->v));
	out->n = 0;
	list_for_each (l, &sim.links, struct sim_link, link)
		describe(l, a, &out->v[out->n++]);
	return NULL;
}

static MAY_WAIT struct err *sim_find_link(const char *name, struct arena *a, struct net_link **out)
{
	struct sim_link *l = sim_find(name);

	*out = l ? arena_new(a, struct net_link) : NULL;
	if (l)
		describe(l, a, *out);
	return NULL;
}

static MAY_WAIT struct err *sim_find_guest(const char *name, struct arena *a, struct net_link **out)
{
	if (!sim_find(name))
		sim_add(name)->is_guest = true;
	return sim_find_link(name, a, out);
}

/* The link, or what the kernel would say. */
static struct err *need(const char *name, const char *what, struct sim_link **out)
{
	struct sim_link *l = sim_find(name);

	if (!l)
		return err(Network_error, what, "No such device");
	*out = l;
	return NULL;
}

static MAY_WAIT struct err *sim_make_bridge(const char *name)
{
	if (sim_find(name))
		return err(Network_error, "making a bridge", "Object exists");
	sim_add(name)->is.is_bridge = true;
	return NULL;
}

static MAY_WAIT struct err *sim_remove_bridge(const char *name)
{
	struct sim_link *bridge = sim_find(name);

	if (bridge)
		sim_free(bridge);
	list_for_each_safe (l, &sim.links, struct sim_link, link) {
		if (!l->is.master || strcmp(l->is.master, name))
			continue;
		free((char *)l->is.master);
		l->is.master = NULL;
		if (l->is_guest)
			sim_free(l);
	}
	return NULL;
}

static MAY_WAIT struct err *sim_change_link(const char *name, const struct net_change *change)
{
	struct sim_link *l, *master;

	TRY(need(name, "changing an interface", &l));
	if (change->master && *change->master)
		TRY(need(change->master, "changing an interface", &master));
	if (change->mac)
		snprintf(l->mac, sizeof(l->mac), "%s", change->mac);
	if (change->mtu)
		l->is.mtu = change->mtu;
	if (change->power != NET_POWER_KEEP)
		l->is.is_up = change->power == NET_POWER_UP;
	if (!change->master)
		return NULL;
	free((char *)l->is.master);
	l->is.master = *change->master ? xstrdup(change->master) : NULL;
	if (l->is_guest && !l->is.master)
		sim_free(l);
	return NULL;
}

static MAY_WAIT struct err *sim_switch_ipv6(const char *name, bool on)
{
	struct sim_link *l;

	TRY(need(name, "switching IPv6", &l));
	l->is.has_linklocal = on;
	return NULL;
}

static MAY_WAIT struct err *sim_drop_address(const char *name, const char *address)
{
	struct sim_link *l;

	TRY(need(name, "removing an address", &l));
	char **v = strchr(address, ':') ? l->ipv6.v : l->ipv4.v;
	size_t *n = strchr(address, ':') ? &l->ipv6.n : &l->ipv4.n;
	for (size_t i = 0; i < *n; i++) {
		if (strcmp(v[i], address))
			continue;
		free(v[i]);
		v[i] = v[--*n];
	}
	return NULL;
}

static MAY_WAIT struct err *sim_put_address(const char *name, const char *address)
{
	struct sim_link *l;

	TRY(sim_drop_address(name, address));
	TRY(need(name, "adding an address", &l));
	if (strchr(address, ':'))
		vec_push(&l->ipv6, xstrdup(address));
	else
		vec_push(&l->ipv4, xstrdup(address));
	return NULL;
}

static MAY_WAIT struct err *sim_drop_route(const char *name, const struct network_route *route)
{
	struct sim_link *l;

	TRY(need(name, "removing a route", &l));
	for (size_t i = l->routes.n; i-- > 0;) {
		if (strcmp(l->routes.v[i].subnet, route->subnet) ||
			strcmp(l->routes.v[i].gateway, route->gateway))
			continue;
		sim_route_free(&l->routes.v[i]);
		vec_remove(&l->routes, i);
	}
	return NULL;
}

static MAY_WAIT struct err *sim_put_route(const char *name, const struct network_route *route)
{
	struct sim_link *l;

	TRY(sim_drop_route(name, route));
	TRY(need(name, "adding a route", &l));
	vec_push(&l->routes, (struct sim_route){xstrdup(route->subnet), xstrdup(route->gateway)});
	return NULL;
}

/* Nothing is sent here that could be held to anything. */
static MAY_WAIT struct err *sim_filter(const char *rules)
{
	return NULL;
}

const struct net_ops net_simulator = {
	.begin = sim_begin,
	.end = sim_end,
	.read_links = sim_read_links,
	.find_link = sim_find_link,
	.find_guest = sim_find_guest,
	.make_bridge = sim_make_bridge,
	.remove_bridge = sim_remove_bridge,
	.change_link = sim_change_link,
	.switch_ipv6 = sim_switch_ipv6,
	.put_address = sim_put_address,
	.drop_address = sim_drop_address,
	.put_route = sim_put_route,
	.drop_route = sim_drop_route,
	.filter = sim_filter,
};
