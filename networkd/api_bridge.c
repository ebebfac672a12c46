/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of class Bridge: check what is asked for, change the configuration, make the network
 * like it (bridge.h). VLANs and bonds are not built yet and say so.
 */
#define LOG_MODULE "bridge"
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

MAY_WAIT struct err *api_bridge_get_kind(struct call *c, enum network_bridge_kind *out)
{
	*out = NETWORK_BRIDGE_KIND_BRIDGE;
	return NULL;
}

/* ---- what is there ---- */

static void add_name(struct string_list *list, const char *name)
{
	list->v[list->n++] = name;
}

static void fill_port(const struct net_link_list *links, const char *name,
	const struct network_port_config *config, struct arena *a, struct network_port_stat *out)
{
	out->port = name;
	out->is_bond = config->interfaces.n > 1;
	out->links_up.v = arena_calloc(a, config->interfaces.n, sizeof(*out->links_up.v));
	out->interfaces = config->interfaces;
	for (size_t i = 0; i < config->interfaces.n; i++) {
		const struct net_link *link = net_link_named(links, config->interfaces.v[i]);

		if (link && link->is_connected)
			add_name(&out->links_up, link->name);
	}
}

static void fill_members(
	const struct net_link_list *links, struct arena *a, struct network_bridge_stat *out)
{
	out->interfaces.v = arena_calloc(a, links->n, sizeof(*out->interfaces.v));
	out->physical_interfaces.v = arena_calloc(a, links->n, sizeof(*out->physical_interfaces.v));
	for (size_t i = 0; i < links->n; i++) {
		const struct net_link *link = &links->v[i];

		if (!link->master || strcmp(link->master, out->bridge))
			continue;
		add_name(&out->interfaces, link->name);
		if (link->is_physical && !guest_find(link->name) && !check_is_guest(link->name))
			add_name(&out->physical_interfaces, link->name);
	}
}

static void fill_bridge(const struct net_link_list *links, const struct net_link *link,
	struct arena *a, struct network_bridge_stat *out)
{
	const struct network_bridge_config *config = config_bridge(networkd.config, link->name);

	codec_init_record(&network_type_bridge_stat, a, out);
	out->bridge = link->name;
	codec_init_record(&network_type_bridge_config, a, &out->config);
	if (config)
		codec_copy(&network_type_bridge_config, config, a, &out->config);
	out->ports.n = out->config.ports.n;
	out->ports.v = arena_calloc(a, out->ports.n, sizeof(*out->ports.v));
	for (size_t i = 0; i < out->ports.n; i++)
		fill_port(links, out->config.ports.v[i].key, &out->config.ports.v[i].value, a,
			&out->ports.v[i]);
	fill_members(links, a, out);
}

MAY_WAIT struct err *api_bridge_list(struct call *c, struct network_bridge_stat_list *out)
{
	struct net_link_list links;

	TRY(networkd.net->read_links(c->arena, &links));
	out->v = arena_calloc(c->arena, links.n, sizeof(*out->v));
	for (size_t i = 0; i < links.n; i++)
		if (links.v[i].is_bridge)
			fill_bridge(&links, &links.v[i], c->arena, &out->v[out->n++]);
	return NULL;
}

MAY_WAIT struct err *api_bridge_stat(
	struct call *c, const struct network_bridge_stat_in *in, struct network_bridge_stat *out)
{
	struct net_link_list links;

	TRY(networkd.net->read_links(c->arena, &links));
	struct net_link *link = net_link_named(&links, in->bridge);
	if (!link || !link->is_bridge)
		return err(Bridge_does_not_exist, in->bridge);
	fill_bridge(&links, link, c->arena, out);
	return NULL;
}

/* ---- what is to be ---- */

static struct err *check_port(const struct network_port_config *port)
{
	if (port->kind == NETWORK_PORT_KIND_PVS_PROXY)
		return err(Wrong_bridge_kind, "a port for PVS proxies", "bridge");
	if (port->interfaces.n == 0)
		return err(INVALID_VALUE, "config.interfaces", "a port has an interface");
	if (port->interfaces.n > 1 || port->bond_properties.n || port->bond_mac)
		return err(NOT_IMPLEMENTED, "Bridge.add_port of a bond");
	return check_name("config.interfaces", port->interfaces.v[0]);
}

static struct err *check_settings(
	const char *bridge, const struct network_vlan_of *vlan, const char *mac, const bool *snoop)
{
	TRY(check_name("bridge", bridge));
	if (vlan)
		return err(NOT_IMPLEMENTED, "Bridge.create of a VLAN");
	if (snoop)
		return err(NOT_IMPLEMENTED, "Bridge.create with igmp_snooping");
	return mac ? check_mac("mac", mac) : NULL;
}

/* Nothing else of the host has the name already, and no other bridge the interface. */
static struct err *check_is_free(const struct config *c, const char *bridge, const char *interface)
{
	const char *other = bridge_of_port(c, interface);

	if (other && strcmp(other, bridge))
		return err(Network_error, "adding a port", "another bridge has its interface");
	if (config_bridge(c, interface))
		return err(Network_error, "adding a port", "a bridge cannot be on a bridge");
	return NULL;
}

static bool are_settings_like(
	const struct network_bridge_config *b, const struct network_bridge_create_in *in)
{
	struct network_bridge_config wanted = *b;

	wanted.mac = in->mac;
	wanted.other_config = in->other_config;
	return codec_equal(&network_type_bridge_config, b, &wanted);
}

MAY_WAIT struct err *api_bridge_create(struct call *c, const struct network_bridge_create_in *in)
{
	AUTO(change_end) struct change change = {0};

	TRY(check_settings(in->bridge, in->vlan, in->mac, in->igmp_snooping));
	TRY(change_begin(&change));
	bool is_new = !config_bridge(change.next, in->bridge);
	struct network_bridge_config *b = config_add_bridge(change.next, in->bridge);
	bool is_like = !is_new && are_settings_like(b, in);
	b->mac = in->mac ? arena_strdup(&change.next->arena, in->mac) : NULL;
	codec_copy(&type_map_string, &in->other_config, &change.next->arena, &b->other_config);
	TRY(bridge_apply(change.next, in->bridge));
	TRY(change_commit(&change));
	if (!is_like)
		updates_add("bridge", in->bridge);
	return NULL;
}

/* What would lose its bridge, or NULL. */
static const struct network_vif *user_of(const char *bridge)
{
	map_for_each (slot, &networkd.guests) {
		const struct guest *g = slot->value;

		if (!strcmp(g->vif.bridge, bridge))
			return &g->vif;
	}
	return NULL;
}

MAY_WAIT struct err *api_bridge_destroy(struct call *c, const struct network_bridge_destroy_in *in)
{
	AUTO(change_end) struct change change = {0};
	const struct network_vif *user;

	TRY(check_name("bridge", in->bridge));
	TRY(change_begin(&change));
	user = user_of(in->bridge);
	if (user && !in->force)
		return err(Bridge_in_use, in->bridge, user->interface);
	TRY(bridge_remove(in->bridge));
	for (; user; user = user_of(in->bridge)) {
		TRY(guest_remove(user));
		updates_remove("vif", user->interface);
		TRY(guest_forget(user->interface));
	}
	bool was_there = config_remove_bridge(change.next, in->bridge);
	config_remove_interface(change.next, in->bridge);
	TRY(change_commit(&change));
	if (was_there)
		updates_remove("bridge", in->bridge);
	return NULL;
}

/* Interfaces of ports that BEFORE has and AFTER has not go off the bridge. */
static MAY_WAIT struct err *release_others(
	const char *bridge, const struct network_bridge_config *before, const struct config *after)
{
	for (size_t i = 0; before && i < before->ports.n; i++) {
		const struct string_list *interfaces = &before->ports.v[i].value.interfaces;

		for (size_t k = 0; k < interfaces->n; k++)
			if (!bridge_of_port(after, interfaces->v[k]))
				TRY(bridge_release(bridge, interfaces->v[k]));
	}
	return NULL;
}

static MAY_WAIT struct err *make_one(const char *name, const struct network_bridge_config *config)
{
	AUTO(change_end) struct change change = {0};

	TRY(check_settings(name, config->vlan, config->mac, config->igmp_snooping));
	TRY(change_begin(&change));
	for (size_t i = 0; i < config->ports.n; i++) {
		TRY(check_port(&config->ports.v[i].value));
		TRY(check_is_free(change.next, name, config->ports.v[i].value.interfaces.v[0]));
	}
	const struct network_bridge_config *before = config_bridge(networkd.config, name);
	bool is_like = before && codec_equal(&network_type_bridge_config, before, config);
	codec_copy(&network_type_bridge_config, config, &change.next->arena,
		config_add_bridge(change.next, name));
	TRY(release_others(name, before, change.next));
	TRY(bridge_apply(change.next, name));
	TRY(change_commit(&change));
	if (!is_like)
		updates_add("bridge", name);
	return NULL;
}

MAY_WAIT struct err *api_bridge_make_config(
	struct call *c, const struct network_bridge_make_config_in *in)
{
	for (size_t i = 0; i < in->config.n; i++) {
		const char *name = in->config.v[i].key;

		if (in->conservative && !in->config.v[i].value.persistent)
			continue;
		struct err *e = make_one(name, &in->config.v[i].value);
		if (e && !in->conservative)
			return e;
		if (e)
			log_err(LOG_ERROR_, e, "bridge %s is not as it should be", name);
		err_free(e);
	}
	return NULL;
}

/* The bridge in the next configuration. */
static struct err *need(struct change *change, const char *name, struct network_bridge_config **out)
{
	struct network_bridge_config *b = config_bridge(change->next, name);

	if (!b)
		return err(Bridge_does_not_exist, name);
	*out = b;
	return NULL;
}

MAY_WAIT struct err *api_bridge_set_persistent(
	struct call *c, const struct network_bridge_set_persistent_in *in)
{
	AUTO(change_end) struct change change = {0};
	struct network_bridge_config *b;

	TRY(change_begin(&change));
	TRY(need(&change, in->bridge, &b));
	bool is_like = b->persistent == in->persistent;
	b->persistent = in->persistent;
	TRY(change_commit(&change));
	if (!is_like)
		updates_add("bridge", in->bridge);
	return NULL;
}

/* The port of this name, or a new one. */
static struct network_port_config *add_port(
	struct config *c, struct network_bridge_config *b, const char *name)
{
	for (size_t i = 0; i < b->ports.n; i++)
		if (!strcmp(b->ports.v[i].key, name))
			return &b->ports.v[i].value;
	struct network_port_config_map_entry *v =
		arena_calloc(&c->arena, b->ports.n + 1, sizeof(*v));
	for (size_t i = 0; i < b->ports.n; i++)
		v[i] = b->ports.v[i];
	b->ports.v = v;
	v[b->ports.n].key = arena_strdup(&c->arena, name);
	return &v[b->ports.n++].value;
}

MAY_WAIT struct err *api_bridge_add_port(
	struct call *c, const struct network_bridge_add_port_in *in)
{
	AUTO(change_end) struct change change = {0};
	struct network_bridge_config *b;

	TRY(check_name("port", in->port));
	TRY(check_port(&in->config));
	TRY(change_begin(&change));
	TRY(need(&change, in->bridge, &b));
	TRY(check_is_free(change.next, in->bridge, in->config.interfaces.v[0]));
	struct network_port_config *port = add_port(change.next, b, in->port);
	bool is_like = codec_equal(&network_type_port_config, port, &in->config);
	codec_copy(&network_type_port_config, &in->config, &change.next->arena, port);
	TRY(release_others(in->bridge, config_bridge(networkd.config, in->bridge), change.next));
	TRY(bridge_apply(change.next, in->bridge));
	TRY(change_commit(&change));
	if (!is_like)
		updates_add("bridge", in->bridge);
	return NULL;
}

MAY_WAIT struct err *api_bridge_remove_port(
	struct call *c, const struct network_bridge_remove_port_in *in)
{
	AUTO(change_end) struct change change = {0};
	struct network_bridge_config *b;
	size_t i = 0;

	TRY(change_begin(&change));
	TRY(need(&change, in->bridge, &b));
	while (i < b->ports.n && strcmp(b->ports.v[i].key, in->port))
		i++;
	if (i == b->ports.n)
		return NULL;
	b->ports.n--;
	memmove(&b->ports.v[i], &b->ports.v[i + 1], (b->ports.n - i) * sizeof(*b->ports.v));
	TRY(release_others(in->bridge, config_bridge(networkd.config, in->bridge), change.next));
	TRY(change_commit(&change));
	updates_add("bridge", in->bridge);
	return NULL;
}
