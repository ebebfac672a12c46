/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Serves the bytes of an image over NBD, whatever its format: a qemu-nbd as helper of this daemon,
 * on a socket of its own. It is there for copying in and out, not for guests, whose disks outlive
 * smd. Fibers.
 */
#ifndef XENITH_SMD_NBD_H
#define XENITH_SMD_NBD_H

#include "common/dialect.h"
#include "common/err.h"

#include "storage.gen.h"

struct nbd_server;

/* Answers once somebody can connect. */
MAY_WAIT must_check struct err *nbd_start(
	struct nbd_server **out, const struct storage_image_file *image, bool writes);
/* Ends it: all that was written is in the image. Masks cancellation. NULL is fine. */
MAY_WAIT void nbd_stop(struct nbd_server *s);
/* Kills it: when the daemon ends. NULL is fine. */
void nbd_free(struct nbd_server *s);

/* Where it is reached; lives as long as S. */
const char *nbd_socket(const struct nbd_server *s);
bool nbd_has_ended(const struct nbd_server *s);

#endif
