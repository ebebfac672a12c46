/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a clone, a snapshot and a revert have in common (vm_clone.c): the disks of a VM anew, each
 * by smd, and the rows of its devices for another VM. Fibers of calls.
 */
#ifndef XENITH_XAPID_PLAN_CLONE_H
#define XENITH_XAPID_PLAN_CLONE_H

#include "xapid/plan/plan.h"

/* One drive of the original, and what the other VM has in its place. */
struct clone_disk {
	const char *vbd; /* of the original */
	const char *vdi; /* of the other VM; REF_NULL: the drive is empty */
};

/* A plan under way; on the stack of its fiber. */
struct cloning {
	struct call *call;
	const struct plan_clone *how;
	struct clone_disk *disks;
	size_t n_disks;
	const char *memory; /* of the other VM, suspended as the original; NULL: it is halted */
	const char **made; /* VDIs that are to go if it fails */
	size_t n_made;
};

/* Makes the disks, and the memory where the operation wants it. */
MAY_WAIT must_check struct err *clone_disks(struct cloning *k);
/* Destroys what was made. K is a struct cloning. */
MAY_WAIT struct err *clone_take_back(void *k);
/* Rows for the drives and network interfaces of VM; nothing waits here. */
must_check struct err *clone_add_devices(struct cloning *k, const char *vm, bool keeps_macs);

#endif
