/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The flows in which hosts change their part: a host joins a pool, leaves it, becomes the master.
 * Each is noted durably before the next one is told, and a host changes by beginning anew (role.h).
 */
#ifndef XENITH_XAPID_PLAN_POOL_H
#define XENITH_XAPID_PLAN_POOL_H

#include "common/rpc.h"

struct plan_join {
	const char *address, *user; /* of the pool's master */
	struct secret password;
	bool force; /* although the processors differ */
};
/* This host becomes a member; it begins anew when the call is answered. */
MAY_WAIT must_check struct err *plan_pool_join(struct call *c, const struct plan_join *how);
/* Of the master: the host is none of the pool's any more, and begins anew as a fresh one. */
MAY_WAIT must_check struct err *plan_pool_eject(struct call *c, const char *host);
/* What is known of a host that is away is forgotten. */
MAY_WAIT must_check struct err *plan_host_destroy(struct call *c, const char *host);

/* The master's part goes to another host; both begin anew, the others follow. */
MAY_WAIT must_check struct err *plan_pool_designate(struct call *c, const char *host);
/* Of a member: it is the master now, of what its copy has. */
must_check struct err *plan_pool_lead(void);
/* Of a member: its master is there. */
must_check struct err *plan_pool_follow(const char *address);
/* Of the master: hosts that are away are told that it is the master. *OUT: those that follow. */
MAY_WAIT must_check struct err *plan_pool_recover(struct call *c, struct string_list *out);

#endif
