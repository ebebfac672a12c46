/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guests that start and end with the toolstack. It starts once a boot of the host, or after it was
 * stopped as a whole (Guests.stop of idl/control.idl); not when a daemon is restarted or killed,
 * which no guest ever notices. A file in the run directory tells the one from the other.
 */
#ifndef XENITH_XAPID_GUESTS_H
#define XENITH_XAPID_GUESTS_H

#include "common/err.h"

/* At xapid's start, when the links are open: where the toolstack starts, a fiber starts those VMs
 * as soon as what they need is there. */
must_check struct err *guests_start(void);

#endif
