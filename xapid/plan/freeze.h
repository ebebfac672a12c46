/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks that running guests write to, for who makes other VDIs of them (freeze.c). Fibers of calls;
 * the operations that shut out others are under way.
 */
#ifndef XENITH_XAPID_PLAN_FREEZE_H
#define XENITH_XAPID_PLAN_FREEZE_H

#include "xapid/plan/plan.h"

/* The VBD by which a guest that is up writes to the VDI; NULL: none does. */
const char *freeze_writer(const char *vdi);
/* Of these VBDs of a VM on this host, those by which its guest writes. FROZEN is for freeze_of. */
MAY_WAIT must_check struct err *freeze_disks(
	struct call *c, const char *vm, const struct string_list *vbds, struct string_map *frozen);
/* What smd takes as `frozen` of the VBD's VDI; NULL: nobody writes to it. */
const char *freeze_of(struct call *c, const struct string_map *frozen, const char *vbd);
/* Of one VDI, whoever writes to it. */
MAY_WAIT must_check struct err *freeze_disk(struct call *c, const char *vdi, const char **frozen);

#endif
