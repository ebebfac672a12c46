/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls where a pool has several hosts: the master has a member run a message, and a member turns
 * clients to the master, or, root on its Unix socket, has the master serve them.
 */
#ifndef XENITH_XAPID_GATE_ORDER_H
#define XENITH_XAPID_GATE_ORDER_H

#include "xapid/gate/job.h"

/* At the master: instead of the handler. */
MAY_WAIT must_check struct err *order_serve_there(
	struct job *j, const char *host, const struct gate_router *r);

/* At a member: HOST_IS_SLAVE, or whether it serves the request itself; else it relays it. */
must_check struct err *order_check_member(
	const struct gate_request *rq, const struct message *m, bool *is_here);
MAY_WAIT must_check struct err *order_relay(const struct gate_request *rq, struct gate_result *out);

#endif
