/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of class Interface: check what is asked for, change the configuration, make the
 * interface like it (bridge.h). DHCP, autoconf, DNS and ethtool are not built yet and say so.
 */
#define LOG_MODULE "interface"
#include "common/codec.h"
#include "common/log.h"
#include "common/rpc.h"
#include "common/updates.h"
#include "core.gen.h"
#include "networkd/bridge.h"
#include "networkd/check.h"
#include "networkd/guest.h"
#include "networkd/net.h"
#include "networkd/networkd.h"

#include <string.h>
#include <sys/socket.h>

/* ---- what is there ---- */

static void fill(const struct net_link *link, int64_t position, struct arena *a,
	struct network_interface_stat *out)
{
	const struct network_interface_config *config =
		config_interface(networkd.config, link->name);
	struct network_interface_config now = interface_config_now(link, a);

	codec_init_record(&network_type_interface_stat, a, out);
	out->interface = link->name;
	out->is_up = link->is_up;
	out->is_connected = link->is_connected;
	out->is_physical = link->is_physical;
	out->mac = link->mac;
	out->mtu = link->mtu;
	out->ipv4_addresses = link->ipv4;
	out->ipv4_gateway = now.ipv4_gateway;
	out->ipv6_addresses = link->ipv6;
	out->ipv6_gateway = now.ipv6_gateway;
	if (link->is_physical) {
		out->position = arena_new(a, int64_t);
		*out->position = position;
	}
	if (config) {
		out->config = arena_new(a, struct network_interface_config);
		codec_copy(&network_type_interface_config, config, a, out->config);
	}
}

static bool is_of_host(const struct net_link *link)
{
	return !link->is_loopback && !check_is_guest(link->name) && !guest_find(link->name);
}

MAY_WAIT struct err *api_interface_list(struct call *c, struct network_interface_stat_list *out)
{
	struct net_link_list links;
	int64_t n_physical = 0;

	TRY(networkd.net->read_links(c->arena, &links));
	out->v = arena_calloc(c->arena, links.n, sizeof(*out->v));
	for (size_t i = 0; i < links.n; i++) {
		if (!is_of_host(&links.v[i]))
			continue;
		fill(&links.v[i], n_physical, c->arena, &out->v[out->n++]);
		n_physical += links.v[i].is_physical;
	}
	return NULL;
}

MAY_WAIT struct err *api_interface_stat(struct call *c, const struct network_interface_stat_in *in,
	struct network_interface_stat *out)
{
	struct network_interface_stat_list all = {0};

	TRY(api_interface_list(c, &all));
	for (size_t i = 0; i < all.n; i++) {
		if (strcmp(all.v[i].interface, in->interface))
			continue;
		*out = all.v[i];
		return NULL;
	}
	return err(Interface_does_not_exist, in->interface);
}

/* ---- what is to be: checks, which leave each address in its one form ---- */

static struct err *check_prefixes(
	const char *path, int family, struct string_list *list, struct arena *a)
{
	const char **v = arena_calloc(a, list->n, sizeof(*v));

	for (size_t i = 0; i < list->n; i++)
		TRY(check_prefix(path, family, list->v[i], a, &v[i]));
	list->v = v;
	return NULL;
}

static struct err *check_ipv4(struct network_ipv4 *ipv4, struct arena *a)
{
	switch (ipv4->kind) {
	case NETWORK_IPV4_NONE:
		return NULL;
	case NETWORK_IPV4_DHCP:
		return err(NOT_IMPLEMENTED, "DHCP for IPv4");
	case NETWORK_IPV4_STATIC:
		return check_prefixes("ipv4", AF_INET, &ipv4->static_, a);
	}
	return err(INVALID_VALUE, "ipv4", "of no known kind");
}

static struct err *check_ipv6(struct network_ipv6 *ipv6, struct arena *a)
{
	switch (ipv6->kind) {
	case NETWORK_IPV6_NONE:
	case NETWORK_IPV6_LINKLOCAL:
		return NULL;
	case NETWORK_IPV6_DHCP:
		return err(NOT_IMPLEMENTED, "DHCP for IPv6");
	case NETWORK_IPV6_AUTOCONF:
		return err(NOT_IMPLEMENTED, "autoconf of IPv6");
	case NETWORK_IPV6_STATIC:
		return check_prefixes("ipv6", AF_INET6, &ipv6->static_, a);
	}
	return err(INVALID_VALUE, "ipv6", "of no known kind");
}

static struct err *check_routes(struct network_route_list *routes, struct arena *a)
{
	for (size_t i = 0; i < routes->n; i++) {
		struct network_route *r = &routes->v[i];

		TRY(check_subnet("ipv4_routes", AF_INET, r->subnet, a, &r->subnet));
		TRY(check_address("ipv4_routes", AF_INET, r->gateway, a, &r->gateway));
	}
	return NULL;
}

static struct err *check_config(struct network_interface_config *config, struct arena *a)
{
	TRY(check_ipv4(&config->ipv4, a));
	TRY(check_ipv6(&config->ipv6, a));
	TRY(check_routes(&config->ipv4_routes, a));
	if (config->ipv4_gateway)
		TRY(check_address(
			"ipv4_gateway", AF_INET, config->ipv4_gateway, a, &config->ipv4_gateway));
	if (config->ipv6_gateway)
		TRY(check_address(
			"ipv6_gateway", AF_INET6, config->ipv6_gateway, a, &config->ipv6_gateway));
	if (config->dns && (config->dns->nameservers.n || config->dns->search.n))
		return err(NOT_IMPLEMENTED, "DNS");
	if (config->ethtool_settings.n || config->ethtool_offload.n)
		return err(NOT_IMPLEMENTED, "ethtool settings");
	return check_mtu("mtu", config->mtu);
}

/* ---- what is to be: changes ---- */

/* The default route may move from one interface to another, which gives it up first. */
static MAY_WAIT struct err *apply(const struct config *c, const char *name)
{
	const struct config *before = networkd.config;

	for (int is_ipv6 = 0; is_ipv6 < 2; is_ipv6++) {
		const char *old = interface_of_gateway(before, is_ipv6);
		const char *now = interface_of_gateway(c, is_ipv6);

		if (old && strcmp(old, name) && (!now || strcmp(old, now)) &&
			config_interface(c, old))
			TRY(interface_apply(c, old));
	}
	TRY(interface_apply(c, name));
	for (int is_ipv6 = 0; is_ipv6 < 2; is_ipv6++) {
		const char *old = interface_of_gateway(before, is_ipv6);
		const char *now = interface_of_gateway(c, is_ipv6);

		if (now && strcmp(now, name) && (!old || strcmp(old, now)))
			TRY(interface_apply(c, now));
	}
	return NULL;
}

/* The next configuration says CONFIG of the interface: checks, makes it so, and keeps it. */
static MAY_WAIT struct err *put(
	struct change *change, const char *name, const struct network_interface_config *config)
{
	const struct network_interface_config *before = config_interface(networkd.config, name);
	struct network_interface_config *next = config_add_interface(change->next, name);

	codec_copy(&network_type_interface_config, config, &change->next->arena, next);
	TRY(check_config(next, &change->next->arena));
	bool is_like = before && codec_equal(&network_type_interface_config, before, next);
	TRY(apply(change->next, name));
	TRY(change_commit(change));
	if (!is_like)
		updates_add("interface", name);
	return NULL;
}

static MAY_WAIT struct err *make_one(
	const char *name, const struct network_interface_config *config)
{
	AUTO(change_end) struct change change = {0};

	TRY(check_name("config", name));
	TRY(change_begin(&change));
	return put(&change, name, config);
}

MAY_WAIT struct err *api_interface_make_config(
	struct call *c, const struct network_interface_make_config_in *in)
{
	for (size_t i = 0; i < in->config.n; i++) {
		const char *name = in->config.v[i].key;

		if (in->conservative && !in->config.v[i].value.persistent)
			continue;
		struct err *e = make_one(name, &in->config.v[i].value);
		if (e && !in->conservative)
			return e;
		if (e)
			log_err(LOG_ERROR_, e, "interface %s is not as it should be", name);
		err_free(e);
	}
	return NULL;
}

/* What is kept of an interface, or else how it is now. */
static MAY_WAIT struct err *config_or_now(struct change *change, const char *name, struct arena *a,
	struct network_interface_config *out)
{
	const struct network_interface_config *kept = config_interface(change->next, name);
	const struct network_bridge_config *bridge = config_bridge(change->next, name);
	struct net_link *link;

	TRY(check_name("interface", name));
	TRY(net_read_link(name, a, &link));
	if (!link)
		return err(Interface_does_not_exist, name);
	*out = kept ? *kept : interface_config_now(link, a);
	if (!kept && bridge)
		out->persistent = bridge->persistent;
	return NULL;
}

MAY_WAIT struct err *api_interface_set_addresses(
	struct call *c, const struct network_interface_set_addresses_in *in)
{
	AUTO(change_end) struct change change = {0};
	struct network_interface_config config;

	TRY(change_begin(&change));
	TRY(config_or_now(&change, in->interface, c->arena, &config));
	if (in->ipv4)
		config.ipv4 = *in->ipv4;
	if (in->ipv4_gateway)
		config.ipv4_gateway = in->ipv4_gateway;
	if (in->ipv6)
		config.ipv6 = *in->ipv6;
	if (in->ipv6_gateway)
		config.ipv6_gateway = in->ipv6_gateway;
	if (in->dns)
		config.dns = in->dns;
	return put(&change, in->interface, &config);
}

MAY_WAIT struct err *api_interface_set_mtu(
	struct call *c, const struct network_interface_set_mtu_in *in)
{
	AUTO(change_end) struct change change = {0};
	struct network_interface_config config;

	TRY(change_begin(&change));
	TRY(config_or_now(&change, in->interface, c->arena, &config));
	config.mtu = in->mtu;
	return put(&change, in->interface, &config);
}

MAY_WAIT struct err *api_interface_set_persistent(
	struct call *c, const struct network_interface_set_persistent_in *in)
{
	AUTO(change_end) struct change change = {0};

	TRY(change_begin(&change));
	struct network_interface_config *config = config_interface(change.next, in->interface);
	/* Of what nobody has configured there is nothing to keep. */
	if (!config)
		return err(Interface_does_not_exist, in->interface);
	bool is_like = config->persistent == in->persistent;
	config->persistent = in->persistent;
	TRY(change_commit(&change));
	if (!is_like)
		updates_add("interface", in->interface);
	return NULL;
}

MAY_WAIT struct err *api_interface_set_gateway(
	struct call *c, const struct network_interface_set_gateway_in *in)
{
	AUTO(change_end) struct change change = {0};

	TRY(change_begin(&change));
	if (in->interface && !config_interface(change.next, in->interface))
		return err(Interface_does_not_exist, in->interface);
	change.next->kept.gateway_interface =
		in->interface ? arena_strdup(&change.next->arena, in->interface) : NULL;
	const struct network_interface_config_map *all = &change.next->kept.interfaces;
	for (size_t i = 0; i < all->n; i++)
		TRY(apply(change.next, all->v[i].key));
	return change_commit(&change);
}

MAY_WAIT struct err *api_interface_bring_down(
	struct call *c, const struct network_interface_bring_down_in *in)
{
	AUTO(change_end) struct change change = {0};
	struct network_interface_config nothing;
	struct net_change down = {.power = NET_POWER_DOWN};
	struct net_link *link;

	TRY(change_begin(&change));
	TRY(net_read_link(in->interface, c->arena, &link));
	if (!link || link->is_loopback)
		return err(Interface_does_not_exist, in->interface);
	codec_init_record(&network_type_interface_config, c->arena, &nothing);
	nothing.mtu = link->mtu;
	*config_add_interface(change.next, in->interface) = nothing;
	TRY(apply(change.next, in->interface));
	TRY(net_read_link(in->interface, c->arena, &link));
	if (link)
		TRY(net_make_like(link, &down));
	config_remove_interface(change.next, in->interface);
	TRY(change_commit(&change));
	updates_add("interface", in->interface);
	return NULL;
}
