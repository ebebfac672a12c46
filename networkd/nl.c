/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The netlink socket, and what addresses look like (nl.h). Pool threads, one at a time.
 */
#include "networkd/nl.h"

#include <arpa/inet.h>
#include <netlink/addr.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

int nl_start(struct nl_sock **out)
{
	struct nl_sock *s = nl_socket_alloc();

	if (!s)
		return -NLE_NOMEM;
	int r = nl_connect(s, NETLINK_ROUTE);
	if (r < 0) {
		nl_socket_free(s);
		return r;
	}
	*out = s;
	return 0;
}

void nl_stop(struct nl_sock *s)
{
	nl_socket_free(s);
}

const char *nl_reason(int r)
{
	return nl_geterror(r);
}

const char *nl_prefix_text(const struct nl_addr *address, int length, struct arena *a)
{
	char text[INET6_ADDRSTRLEN];
	int family = nl_addr_get_family(address);

	inet_ntop(family, nl_addr_get_binary_addr(address), text, sizeof(text));
	return length < 0 ? arena_strdup(a, text) : arena_printf(a, "%s/%d", text, length);
}

void nl_addr_freep(struct nl_addr **address)
{
	if (*address)
		nl_addr_put(*address);
}
