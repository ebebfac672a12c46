/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An interface of the host made like its configuration: MTU, addresses, routes (bridge.h). What is
 * too much goes first: with an IPv4 address the kernel takes others of its subnet away, so after
 * each removal everything is read anew. Loop thread.
 */
#include "common/codec.h"
#include "networkd/bridge.h"
#include "networkd/net.h"
#include "networkd/networkd.h"

#include <string.h>

#define DEFAULT_IPV4 "0.0.0.0/0"
#define DEFAULT_IPV6 "::/0"

static bool is_among(const struct string_list *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++)
		if (!strcmp(list->v[i], text))
			return true;
	return false;
}

static bool is_route_among(const struct network_route_list *list, const struct network_route *r)
{
	for (size_t i = 0; i < list->n; i++)
		if (!strcmp(list->v[i].subnet, r->subnet) &&
			!strcmp(list->v[i].gateway, r->gateway))
			return true;
	return false;
}

/* Reads the interface anew; that it is gone is an error. */
static MAY_WAIT struct err *read_again(const char *name, struct arena *a, struct net_link **link)
{
	TRY(net_read_link(name, a, link));
	return *link ? NULL : err(Interface_does_not_exist, name);
}

static MAY_WAIT struct err *drop_others(
	const char *name, const struct string_list *have, const struct string_list *want)
{
	for (size_t i = 0; i < have->n; i++)
		if (!is_among(want, have->v[i]))
			TRY(networkd.net->drop_address(name, have->v[i]));
	return NULL;
}

static MAY_WAIT struct err *put_missing(
	const char *name, const struct string_list *have, const struct string_list *want)
{
	for (size_t i = 0; i < want->n; i++)
		if (!is_among(have, want->v[i]))
			TRY(networkd.net->put_address(name, want->v[i]));
	return NULL;
}

static MAY_WAIT struct err *apply_addresses(
	const struct network_interface_config *config, struct net_link *link, struct arena *a)
{
	static const struct string_list none;
	const struct string_list *ipv4 =
		config->ipv4.kind == NETWORK_IPV4_STATIC ? &config->ipv4.static_ : &none;
	const struct string_list *ipv6 =
		config->ipv6.kind == NETWORK_IPV6_STATIC ? &config->ipv6.static_ : &none;

	TRY(networkd.net->switch_ipv6(link->name, config->ipv6.kind != NETWORK_IPV6_NONE));
	TRY(drop_others(link->name, &link->ipv4, ipv4));
	TRY(drop_others(link->name, &link->ipv6, ipv6));
	TRY(read_again(link->name, a, &link));
	TRY(put_missing(link->name, &link->ipv4, ipv4));
	return put_missing(link->name, &link->ipv6, ipv6);
}

static void add_route(struct network_route_list *list, const char *subnet, const char *gateway)
{
	list->v[list->n++] = (struct network_route){.subnet = subnet, .gateway = gateway};
}

static struct network_route_list wanted_routes(
	const struct config *c, const char *name, struct arena *a)
{
	const struct network_interface_config *config = config_interface(c, name);
	const char *ipv4 = interface_of_gateway(c, false), *ipv6 = interface_of_gateway(c, true);
	struct network_route_list out = {
		.v = arena_calloc(a, config->ipv4_routes.n + 2, sizeof(*out.v))};

	for (size_t i = 0; i < config->ipv4_routes.n; i++)
		out.v[out.n++] = config->ipv4_routes.v[i];
	if (ipv4 && !strcmp(ipv4, name))
		add_route(&out, DEFAULT_IPV4, config->ipv4_gateway);
	if (ipv6 && !strcmp(ipv6, name))
		add_route(&out, DEFAULT_IPV6, config->ipv6_gateway);
	return out;
}

static MAY_WAIT struct err *apply_routes(const struct config *c, const char *name, struct arena *a)
{
	struct network_route_list want = wanted_routes(c, name, a);
	struct net_link *link;

	TRY(read_again(name, a, &link));
	for (size_t i = 0; i < link->routes.n; i++)
		if (!is_route_among(&want, &link->routes.v[i]))
			TRY(networkd.net->drop_route(name, &link->routes.v[i]));
	for (size_t i = 0; i < want.n; i++)
		if (!is_route_among(&link->routes, &want.v[i]))
			TRY(networkd.net->put_route(name, &want.v[i]));
	return NULL;
}

MAY_WAIT struct err *interface_apply(const struct config *c, const char *name)
{
	const struct network_interface_config *config = config_interface(c, name);
	auto_arena a = {0};
	struct net_change change = {.mtu = config->mtu, .power = NET_POWER_UP};
	struct net_link *link;

	TRY(read_again(name, &a, &link));
	if (config_bridge(c, name))
		TRY(bridge_apply(c, name));
	TRY(net_make_like(link, &change));
	TRY(apply_addresses(config, link, &a));
	return apply_routes(c, name, &a);
}

static const char *gateway_of(const struct network_interface_config *config, bool is_ipv6)
{
	if (is_ipv6)
		return config->ipv6.kind == NETWORK_IPV6_STATIC ? config->ipv6_gateway : NULL;
	return config->ipv4.kind == NETWORK_IPV4_STATIC ? config->ipv4_gateway : NULL;
}

const char *interface_of_gateway(const struct config *c, bool is_ipv6)
{
	const char *chosen = c->kept.gateway_interface;
	const struct network_interface_config *config = chosen ? config_interface(c, chosen) : NULL;

	if (config && gateway_of(config, is_ipv6))
		return chosen;
	for (size_t i = 0; i < c->kept.interfaces.n; i++)
		if (gateway_of(&c->kept.interfaces.v[i].value, is_ipv6))
			return c->kept.interfaces.v[i].key;
	return NULL;
}

struct network_interface_config interface_config_now(const struct net_link *link, struct arena *a)
{
	struct network_interface_config out;

	codec_init_record(&network_type_interface_config, a, &out);
	out.mtu = link->mtu;
	if (link->ipv4.n) {
		out.ipv4.kind = NETWORK_IPV4_STATIC;
		out.ipv4.static_ = link->ipv4;
	}
	if (link->ipv6.n) {
		out.ipv6.kind = NETWORK_IPV6_STATIC;
		out.ipv6.static_ = link->ipv6;
	} else if (link->has_linklocal) {
		out.ipv6.kind = NETWORK_IPV6_LINKLOCAL;
	}
	out.ipv4_routes.v = arena_calloc(a, link->routes.n, sizeof(*out.ipv4_routes.v));
	for (size_t i = 0; i < link->routes.n; i++) {
		if (!strcmp(link->routes.v[i].subnet, DEFAULT_IPV4))
			out.ipv4_gateway = link->routes.v[i].gateway;
		else if (!strcmp(link->routes.v[i].subnet, DEFAULT_IPV6))
			out.ipv6_gateway = link->routes.v[i].gateway;
		else if (!strchr(link->routes.v[i].subnet, ':'))
			out.ipv4_routes.v[out.ipv4_routes.n++] = link->routes.v[i];
	}
	struct network_interface_config copy;
	codec_copy(&network_type_interface_config, &out, a, &copy);
	return copy;
}
