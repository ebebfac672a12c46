/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON-RPC over a connection that was made elsewhere (rpc.h): between hosts, say. Loop thread only.
 */
#include "common/rpc_conn.h"

#define MESSAGE_SIZE ((size_t)256 * 1024 * 1024) /* the other end is trusted */

struct err *rpc_speak(struct rpc_conn **out, struct stream *s, const char *name,
	const struct service *const *services, void (*on_closed)(struct rpc_conn *c, void *arg),
	void *arg)
{
	const struct rpc_limits wide = {.message_size = MESSAGE_SIZE};
	struct rpc_limits limits = rpc_limits_filled(&wide);
	struct rpc_conn *c;

	TRY(rpc_conn_over(&c, s, name, &limits, services));
	c->ends_with_peer = true; /* it was killed, say: over TCP that is all there is to see */
	c->on_closed = on_closed;
	c->on_closed_arg = arg;
	*out = c;
	return NULL;
}

void rpc_hang_up(struct rpc_conn *c, const char *why)
{
	rpc_conn_close(c, why);
}
