/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bridges and the ports of the host that are on them (bridge.h). Loop thread.
 */
#define LOG_MODULE "bridge"
#include "networkd/bridge.h"

#include "common/log.h"
#include "common/mem.h"
#include "networkd/net.h"
#include "networkd/networkd.h"

#include <string.h>

/* A port's own configuration says its MTU, else that of its bridge does; 0: nobody does. */
static int64_t port_mtu(const struct config *c, const char *bridge, const char *interface)
{
	const struct network_interface_config *own = config_interface(c, interface);
	const struct network_interface_config *of_bridge = config_interface(c, bridge);

	return own ? own->mtu : of_bridge ? of_bridge->mtu : 0;
}

static MAY_WAIT struct err *apply_port(
	const struct config *c, const char *bridge, const struct network_port_config *port)
{
	auto_arena a = {0};

	for (size_t i = 0; i < port->interfaces.n; i++) {
		const char *interface = port->interfaces.v[i];
		struct net_change change = {.mtu = port_mtu(c, bridge, interface),
			.power = NET_POWER_UP,
			.master = bridge};
		struct net_link *link;

		TRY(networkd.net->find_link(interface, &a, &link));
		if (!link)
			return err(Interface_does_not_exist, interface);
		TRY(net_make_like(link, &change));
	}
	return NULL;
}

/* The MAC that the bridge is to have; NULL: the one that it has. */
static MAY_WAIT struct err *choose_mac(
	const struct network_bridge_config *b, struct arena *a, const char **out)
{
	struct net_link *link = NULL;

	*out = b->mac;
	for (size_t i = 0; !*out && i < b->ports.n; i++) {
		const struct string_list *interfaces = &b->ports.v[i].value.interfaces;

		if (interfaces->n)
			TRY(networkd.net->find_link(interfaces->v[0], a, &link));
		if (link)
			*out = link->mac;
	}
	return NULL;
}

/* A new bridge gets its own MAC once more: the kernel then leaves it alone when others join. */
static MAY_WAIT struct err *make(const char *name, struct arena *a, struct net_link **out)
{
	TRY(networkd.net->make_bridge(name));
	TRY(networkd.net->find_link(name, a, out));
	if (!*out)
		return err(Network_error, "making a bridge", "it went away at once");
	struct net_change change = {.mac = (*out)->mac};
	return networkd.net->change_link(name, &change);
}

MAY_WAIT struct err *bridge_apply(const struct config *c, const char *name)
{
	const struct network_bridge_config *b = config_bridge(c, name);
	auto_arena a = {0};
	struct net_change change = {.power = NET_POWER_UP};
	struct net_link *link;

	TRY(networkd.net->find_link(name, &a, &link));
	if (!link)
		TRY(make(name, &a, &link));
	if (!link->is_bridge)
		return err(Network_error, "making a bridge", "an interface has its name");
	TRY(choose_mac(b, &a, &change.mac));
	TRY(net_make_like(link, &change));
	for (size_t i = 0; i < b->ports.n; i++)
		TRY(apply_port(c, name, &b->ports.v[i].value));
	return NULL;
}

MAY_WAIT struct err *bridge_remove(const char *name)
{
	auto_arena a = {0};
	struct net_link *link;

	TRY(networkd.net->find_link(name, &a, &link));
	if (!link)
		return NULL;
	if (!link->is_bridge)
		return err(Network_error, "taking a bridge away", "it is none");
	return networkd.net->remove_bridge(name);
}

MAY_WAIT struct err *bridge_release(const char *bridge, const char *interface)
{
	auto_arena a = {0};
	struct net_change change = {.master = ""};
	struct net_link *link;

	TRY(networkd.net->find_link(interface, &a, &link));
	if (!link || !link->master || strcmp(link->master, bridge))
		return NULL;
	return net_make_like(link, &change);
}

static bool has_port_with(const struct network_bridge_config *b, const char *interface)
{
	for (size_t i = 0; i < b->ports.n; i++)
		for (size_t k = 0; k < b->ports.v[i].value.interfaces.n; k++)
			if (!strcmp(b->ports.v[i].value.interfaces.v[k], interface))
				return true;
	return false;
}

const char *bridge_of_port(const struct config *c, const char *interface)
{
	for (size_t i = 0; i < c->kept.bridges.n; i++)
		if (has_port_with(&c->kept.bridges.v[i].value, interface))
			return c->kept.bridges.v[i].key;
	return NULL;
}

MAY_WAIT struct err *networkd_apply_all(void)
{
	AUTO(change_end) struct change change = {0};

	TRY(change_begin(&change));
	const struct network_config *kept = &change.next->kept;
	for (size_t i = 0; i < kept->bridges.n; i++) {
		auto_err e = bridge_apply(change.next, kept->bridges.v[i].key);

		if (e)
			log_err(LOG_ERROR_, e, "bridge %s is not as it should be",
				kept->bridges.v[i].key);
	}
	for (size_t i = 0; i < kept->interfaces.n; i++) {
		auto_err e = interface_apply(change.next, kept->interfaces.v[i].key);

		if (e)
			log_err(LOG_ERROR_, e, "interface %s is not as it should be",
				kept->interfaces.v[i].key);
	}
	TRY(guests_apply());
	return change_commit(&change);
}
