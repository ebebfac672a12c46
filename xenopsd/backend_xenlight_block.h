/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A disk as a block device of dom0, which is what blkback serves: a device as it is, a raw file
 * through a loop device, any other image through qemu-nbd.
 *
 * A loop device goes by itself when its last user closes it. That is us until blkback has it: so
 * there is none that nobody knows of, whenever xenopsd is killed. A qemu-nbd is a companion, by the
 * name of the drive.
 */
#ifndef XENITH_XENOPSD_BACKEND_XENLIGHT_BLOCK_H
#define XENITH_XENOPSD_BACKEND_XENLIGHT_BLOCK_H

#include "xenopsd/backend.h"

struct block {
	char path[256]; /* of the device */
	int fd; /* keeps a loop device; -1: there is none */
};

/* Makes a device of the best of WAYS. block_detach undoes it; block_release lets go of the loop
 * device, when blkback has it, or when nobody will. */
MAY_WAIT must_check struct err *block_attach(const struct device *vbd,
	const struct storage_implementation_list *ways, struct block *out);
void block_release(struct block *b);
/* When no guest has it any more; nothing is no error. */
MAY_WAIT must_check struct err *block_detach(const struct device *vbd);

#endif
