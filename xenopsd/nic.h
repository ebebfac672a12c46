/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * networkd as xenopsd uses it: the host's sides of VIFs on their bridges, owned by the VIF's id.
 */
#ifndef XENITH_XENOPSD_NIC_H
#define XENITH_XENOPSD_NIC_H

#include "xenopsd/vm.h"

/* Before the first of the others; the connection is made when it is needed. */
void nic_begin(void);
void nic_end(void);

/* Puts one of the host's sides of the VIF on its bridge, as its config says. */
MAY_WAIT must_check struct err *nic_plug(const struct device *vif, const char *interface);
/* Takes one of them off; one that is gone is no error. */
MAY_WAIT must_check struct err *nic_unplug(const char *interface);
/* Takes off whatever the VIF has on bridges, where nobody knows the names any more. */
MAY_WAIT must_check struct err *nic_unplug_all(const struct device *vif);

#endif
