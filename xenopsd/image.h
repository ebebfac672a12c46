/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The image of a suspended VM: a file or block device that begins with a header (idl/xenopsd.idl),
 * behind which, at IMAGE_BODY, is what the backend has written. The header is cleared first and
 * written last, when all else is on the disk: an image that has one is whole. Read again, an image
 * of another VM or backend is refused at once, and a damaged one at its end, where its checksum is
 * known; the guest must not run before that.
 *
 * Fibers only; what blocks goes to the pool.
 */
#ifndef XENITH_XENOPSD_IMAGE_H
#define XENITH_XENOPSD_IMAGE_H

#include "common/err.h"
#include "common/task.h"
#include "xenopsd/vm.h"

#define IMAGE_BODY 4096 /* where the backend's bytes begin */

struct image;
struct channel;

/* Begins a new one for VM at PATH, made when it is not there. MAX_BYTES: its room; 0: no bound. */
MAY_WAIT must_check struct err *image_create(
	const struct vm *vm, const char *path, int64_t max_bytes, struct image **out);
/* All was written: from now on it is an image; or all was sent. */
MAY_WAIT must_check struct err *image_finish(struct image *image);
/* Opens VM's, to be read. Image_unusable. */
MAY_WAIT must_check struct err *image_open(
	const struct vm *vm, const char *path, struct image **out);
/* What goes to another host, or comes from there: no file but P (channel.h), which outlives it. */
struct image *image_of_channel(const struct vm *vm, struct channel *p);
/* NULL is fine. One that was not finished is none. */
void image_free(struct image *image);

/* The guest's, of one that is created; and of one that was opened (0: it does not tell). */
void image_set_memory_bytes(struct image *image, int64_t bytes);
int64_t image_memory_bytes(const struct image *image);

/* What is written and read moves TASK (may be NULL) from progress FROM to TO; of one that is
 * created about EXPECTED_BYTES are awaited. */
void image_report(
	struct image *image, struct task *task, double from, double to, int64_t expected_bytes);

/* ---- for backends ---- */

MAY_WAIT must_check struct err *image_write(struct image *image, const void *bytes, size_t n);
/* At most SIZE of the next bytes; *N is 0 at the end, and then the checksum was right. */
MAY_WAIT must_check struct err *image_read(
	struct image *image, void *bytes, size_t size, size_t *n);
/* Writes what comes out of FD (a socket or pipe, non-blocking) until its end. */
MAY_WAIT must_check struct err *image_fill(struct image *image, int fd);
/* Sends all that is in it into FD (non-blocking). */
MAY_WAIT must_check struct err *image_send(struct image *image, int fd);

#endif
