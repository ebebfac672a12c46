/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What this host is in its pool: the master, or a member of the one at an address. It stands in a
 * file of its own (xapid.role in the state directory), since a member has no database before it
 * has found its master. A host changes its part by writing it down and beginning anew.
 */
#ifndef XENITH_XAPID_HOST_ROLE_H
#define XENITH_XAPID_HOST_ROLE_H

#include "common/err.h"

struct role {
	bool is_member;
	char *master; /* of a member: the master's address */
	char *pin; /* of a member: the fingerprint of the master's certificate; "": none is known */
	char *host; /* the uuid of this host; NULL or "": it has none yet */
};

extern struct role own_role;

/* At the start. Blocks, as the others do. */
must_check struct err *role_load(void);
/* Durable when it returns. MASTER NULL: it is the master itself. PIN: of his certificate, or "". It
 * counts from the next start. */
must_check struct err *role_write(const char *master, const char *pin, const char *host);
/* The host is fresh again at the next start: neither role, database nor secret. */
must_check struct err *role_forget(void);
/* The reference of this host; OpaqueRef:NULL where the database does not know it. */
const char *host_here(void);

/* Begins anew as soon as the answer to the call at hand has left. */
void role_begin_anew(void);
/* Whether that is why the daemon has ended, unless it was told to stop as well. */
bool role_is_to_begin_anew(void);
void role_fini(void);

#endif
