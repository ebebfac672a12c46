/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * smd as xenopsd uses it: the disks of VBDs, attached under a datapath that has the VBD's id.
 */
#ifndef XENITH_XENOPSD_DISK_H
#define XENITH_XENOPSD_DISK_H

#include "storage.gen.h"
#include "xenopsd/vm.h"

/* Before the first of the others; the connection is made when it is needed. */
void disk_begin(void);
void disk_end(void);

/* The VM begins or ends its time from boot to halt, for a disk that forgets what was written. */
MAY_WAIT must_check struct err *disk_epoch_begin(const struct device *vbd);
MAY_WAIT must_check struct err *disk_epoch_end(const struct device *vbd);

/* Attaches and activates DISK (NULL: none) for the VBD. OUT: the ways to its bytes, best first. */
MAY_WAIT must_check struct err *disk_attach(const struct device *vbd,
	const struct xenops_disk *disk, struct arena *a, struct storage_implementation_list *out);
/* Ends reading and writing, so that another host can begin; disk_attach takes it up again. */
MAY_WAIT must_check struct err *disk_deactivate(const struct device *vbd);
/* Puts a new image in front of the VBD's, which has the file PATH open. OUT, in the arena: what is
 * behind it, and the ways to it. */
MAY_WAIT must_check struct err *disk_freeze(const struct device *vbd, const char *path,
	struct arena *a, struct storage_frozen_vdi *out);
/* The ways to the bytes of what the VBD has attached. */
MAY_WAIT must_check struct err *disk_ways(
	const struct device *vbd, struct arena *a, struct storage_implementation_list *out);
/* Attaches it alone, ahead of disk_attach: another host may still have it active. */
MAY_WAIT must_check struct err *disk_attach_early(const struct device *vbd);
/* Deactivates and detaches what the VBD has; nothing is no error. */
MAY_WAIT must_check struct err *disk_detach(const struct device *vbd);

/* Where the image of a suspended VM can be reached, in the arena, and its room (0: no bound). A
 * path need not be there yet. */
MAY_WAIT must_check struct err *disk_attach_image(struct vm *vm, const struct xenops_disk *disk,
	bool read_write, struct arena *a, const char **path, int64_t *max_bytes);
/* Nothing is no error. */
MAY_WAIT must_check struct err *disk_detach_image(struct vm *vm);

#endif
