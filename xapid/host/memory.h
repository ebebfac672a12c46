/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the memory of a host could be: its xenopsd makes the balloons of running guests give when a
 * VM starts that wants more than is free.
 */
#ifndef XENITH_XAPID_HOST_MEMORY_H
#define XENITH_XAPID_HOST_MEMORY_H

#include <stdint.h>

/* What the guests that run on HOST (a reference) could give, each down to its dynamic min. */
int64_t host_balloon_bytes(const char *host);

#endif
