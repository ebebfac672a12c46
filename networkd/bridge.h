/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes the network like the configuration: a bridge with its ports, the interface of a guest, the
 * addresses of an interface. Each compares first and then changes what differs, so a second time
 * changes nothing. Called within a change (config.h), C being its next configuration.
 */
#ifndef XENITH_NETWORKD_BRIDGE_H
#define XENITH_NETWORKD_BRIDGE_H

#include "networkd/config.h"

struct net_link;

/* The bridge and its ports. It is there and up; its MAC is the one that is configured, that of its
 * first port, or the one that it was made with, and stays so whoever joins. */
MAY_WAIT must_check struct err *bridge_apply(const struct config *c, const char *name);
/* A bridge that is not there is no error. */
MAY_WAIT must_check struct err *bridge_remove(const char *name);
/* Takes an interface off the bridge, if it is on it. */
MAY_WAIT must_check struct err *bridge_release(const char *bridge, const char *interface);
/* The bridge one of whose ports has the interface, or NULL. */
const char *bridge_of_port(const struct config *c, const char *interface);

/* MTU, addresses and routes of an interface, and the MTU of the ports where it is a bridge. */
MAY_WAIT must_check struct err *interface_apply(const struct config *c, const char *name);
/* An interface's configuration as it is now, in the arena. */
struct network_interface_config interface_config_now(const struct net_link *link, struct arena *a);
/* Whose gateway is the host's default: that which was set, or the first that has one. */
const char *interface_of_gateway(const struct config *c, bool is_ipv6);

/* The guest's interface is on its bridge, sends only what it may, and is up if its cable is in. On
 * an error it is held to what it was held to before. */
MAY_WAIT must_check struct err *guest_apply(const struct network_vif *vif);
/* Off its bridge and down; what is gone is no error. */
MAY_WAIT must_check struct err *guest_remove(const struct network_vif *vif);

/* At the start: everything that is kept. What fails is logged and does not stop the rest; a guest
 * whose interface is gone is forgotten. */
MAY_WAIT must_check struct err *guests_apply(void);
MAY_WAIT must_check struct err *networkd_apply_all(void);

#endif
