/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What was begun and not ended is put right: after a restart of xenopsd, and when smd or networkd
 * could not take back what they gave.
 */
#ifndef XENITH_XENOPSD_REPAIR_H
#define XENITH_XENOPSD_REPAIR_H

#include "common/json.h"
#include "xenopsd/vm.h"

/* At the start: each VM gets its turn to be repaired, before anybody can ask for another one. */
MAY_WAIT must_check struct err *repair_all(void);
/* Something could not be taken from VM: tries again by and by, until it is gone. */
void repair_later(struct vm *vm);
/* Takes back what was on its way in or out, before something else is done with it: in its VM's
 * turn, and the VM is up. */
MAY_WAIT must_check struct err *repair_half_done(struct device *d);
/* For diagnostics: the VMs that are not yet put right, or not yet looked at after a change. */
void repair_dump(struct json_writer *w);

#endif
