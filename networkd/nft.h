/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's packet filter, through libnftables, which is seen in nft.c alone. Blocks for a
 * moment, so it runs in the pool (net_kernel.c), one call at a time.
 */
#ifndef XENITH_NETWORKD_NFT_H
#define XENITH_NETWORKD_NFT_H

#include "common/arena.h"
#include "common/dialect.h"

/* Does what TEXT says, all of it or nothing, in the network namespace of the process. NULL, or why
 * it could not, in the arena. */
const char *nft_run(const char *text, struct arena *a);

#endif
