/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The interfaces of guests that are plugged, each in a file of its own in the run directory, which
 * a reboot empties: there may be thousands, and one that comes or goes is no work for the rest.
 * They are changed while `changing` is held (change_hold of config.h).
 */
#ifndef XENITH_NETWORKD_GUEST_H
#define XENITH_NETWORKD_GUEST_H

#include "common/arena.h"
#include "common/dialect.h"
#include "common/err.h"

#include "network.gen.h"

struct guest {
	struct arena arena; /* of the VIF */
	struct network_vif vif;
};

/* Reads the files into networkd.guests. STORE_UNUSABLE when one is not right. */
MAY_WAIT must_check struct err *guests_load(void);
void guests_free(void);

/* NULL when it is not plugged. */
const struct network_vif *guest_find(const char *interface);
/* Notes it, or as what it is now plugged. */
MAY_WAIT must_check struct err *guest_keep(const struct network_vif *vif);
/* INTERFACE may be the guest's own. */
MAY_WAIT must_check struct err *guest_forget(const char *interface);

#endif
