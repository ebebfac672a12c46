/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All state of rrdd: whose figures it keeps (owner.h), and the way to xenopsd. Only fibers touch
 * it.
 */
#ifndef XENITH_RRDD_RRDD_H
#define XENITH_RRDD_RRDD_H

#include "common/map.h"

struct rpc_client;

struct rrdd {
	struct map owners; /* "host", "vm-UUID" to struct owner */
	char *series_dir; /* owned: of the short archives */
	char *archive_dir; /* owned: of the long ones */
	struct rpc_client *xenopsd; /* owned */
};

extern struct rrdd rrdd;

#endif
