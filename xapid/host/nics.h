/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's network devices, for facts.c: those that are hardware, or, where there is none (in a
 * container), every one that is no bridge and none of ours. Any thread; blocks.
 */
#ifndef XENITH_XAPID_HOST_NICS_H
#define XENITH_XAPID_HOST_NICS_H

#include "xapid/host/facts.h"

/* Sets the nics of OUT. */
void host_nics_read(struct arena *a, struct host_facts *out);

#endif
