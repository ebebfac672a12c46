/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's name. On an installed system it is the machine's own, /etc/hostname; a stack in a
 * directory of its own has one of its own, in the file hostname of its configuration.
 */
#ifndef XENITH_XAPID_HOST_HOSTNAME_H
#define XENITH_XAPID_HOST_HOSTNAME_H

#include "common/arena.h"
#include "common/err.h"

/* Blocks. */
const char *hostname_read(struct arena *a);
/* HOST_NAME_INVALID. It has the name, and keeps it over reboots, when this returns. */
MAY_WAIT must_check struct err *hostname_set(const char *name);

#endif
