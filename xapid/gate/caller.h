/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Callers: kinds of clients, told by what they call themselves and by their address, and how many
 * requests they may make. A row of Caller is a pattern of both: "" is anything, "x*" what begins
 * with x, all else that very text. A request counts for every row that it matches; of those that
 * have a Rate_limit the most specific one's counts, a bucket which fill_rate fills up to
 * burst_size and which all callers of that Rate_limit share.
 *
 * A request whose bucket has not enough for it waits for its turn; one that would wait for longer
 * than caller_wait (xapid.conf) is refused at once. One process of root's on this host is counted,
 * and never kept waiting. Counts are of this run. Fibers of the loop's thread.
 */
#ifndef XENITH_XAPID_GATE_CALLER_H
#define XENITH_XAPID_GATE_CALLER_H

#include "xapid/gate/gate.h"
#include "xapid/gate/message.h"

/* What a request costs. */
#define CALLER_COST_READ   1.0
#define CALLER_COST_CHANGE 5.0 /* it is written to the disk */
#define CALLER_COST_WORK   20.0 /* it has a task: other daemons work for it */

double caller_cost(const struct message *m);

/* Counts a request, and returns when it may be served. LIMIT_EXCEEDED. */
MAY_WAIT must_check struct err *caller_admit(
	const struct gate_peer *peer, double cost, struct arena *a);

/* Whoever has logged in gets a row of its own, where register_callers says so. */
must_check struct err *caller_register(const struct gate_peer *peer);

struct caller_usage {
	int64_t calls;
	double tokens;
};
/* Of the row SELF, 0 where nothing was counted for it. */
struct caller_usage caller_usage(const char *self);

/* The row with just these patterns; NULL: none. */
const char *caller_find(const char *user_agent, const char *client_ip);

void callers_stop(void);

#endif
