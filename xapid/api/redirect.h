/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests of HTTP's that another host of the pool is to serve: the client is sent there, where its
 * session counts too.
 */
#ifndef XENITH_XAPID_API_REDIRECT_H
#define XENITH_XAPID_API_REDIRECT_H

#include "xapid/door/door.h"

/* 302 to the same request at ADDRESS, over TLS if this one came so. */
void redirect_to(struct exchange *x, const char *address);
/* Whether the query's host (a reference or a uuid) is another one; then the request is answered. */
bool redirect_to_host(struct exchange *x);

#endif
