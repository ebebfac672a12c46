/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the model asks of any backend (net.h), loop thread.
 */
#include "networkd/net.h"

#include "networkd/networkd.h"

#include <string.h>
#include <strings.h>

struct net_link *net_link_named(const struct net_link_list *links, const char *name)
{
	for (size_t i = 0; i < links->n; i++)
		if (!strcmp(links->v[i].name, name))
			return &links->v[i];
	return NULL;
}

MAY_WAIT struct err *net_read_link(const char *name, struct arena *a, struct net_link **out)
{
	struct net_link_list links;

	TRY(networkd.net->read_links(a, &links));
	*out = net_link_named(&links, name);
	return NULL;
}

MAY_WAIT struct err *net_make_like(const struct net_link *link, const struct net_change *change)
{
	struct net_change c = *change;

	if (c.mac && !strcasecmp(c.mac, link->mac))
		c.mac = NULL;
	if (c.mtu == link->mtu)
		c.mtu = 0;
	if (c.power == (link->is_up ? NET_POWER_UP : NET_POWER_DOWN))
		c.power = NET_POWER_KEEP;
	if (c.master && !strcmp(c.master, link->master ? link->master : ""))
		c.master = NULL;
	if (!c.mac && !c.mtu && c.power == NET_POWER_KEEP && !c.master)
		return NULL;
	return networkd.net->change_link(link->name, &c);
}
