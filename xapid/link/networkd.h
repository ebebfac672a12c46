/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The link to networkd, which has the networks of this host: what it says of an interface is what
 * its PIF has.
 */
#ifndef XENITH_XAPID_LINK_NETWORKD_H
#define XENITH_XAPID_LINK_NETWORKD_H

#include "xapid/link/link.h"

#include "network.gen.h"
#include "xenapi.gen.h"

/* Makes the database say of an interface's PIF what networkd does, before the fiber goes on. */
MAY_WAIT must_check struct err *networkd_compare(const char *interface);
/* The PIF of this host with this device name and no VLAN; NULL: none. */
const char *networkd_pif(const char *device);
/* The interface that has the PIF's addresses: its network's bridge, if there is one. */
const char *networkd_interface(const struct xenapi_pif *pif);

#endif
