/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a host has that was just installed, for host.c: each function makes its objects if there are
 * none of the kind yet, so that a start that was cut short goes on at the next.
 */
#ifndef XENITH_XAPID_HOST_FRESH_H
#define XENITH_XAPID_HOST_FRESH_H

#include "common/err.h"
#include "xapid/db/db.h"
#include "xapid/host/facts.h"

#define PRODUCT_BRAND "Xenith"

/* The pool, this host with its metrics, and the domain that it runs in. */
must_check struct err *fresh_pool(const struct host_facts *facts);
/* The roles of the model, with the references that clients know. */
must_check struct err *fresh_roles(void);
/* One of them, which points to nothing but what stays. */
extern const size_t fresh_n_roles;
void fresh_role(size_t i, struct xenapi_role *role, char ref[static DB_REF_SIZE]);
/* The templates that VMs are made of. */
must_check struct err *fresh_templates(void);
/* A network and a PIF for each device that has none, and the internal network of the host. */
must_check struct err *fresh_networks(const struct host_facts *facts, const char *host);

/* The reference of this host; OpaqueRef:NULL before fresh_pool. */
const char *fresh_host(void);

#endif
