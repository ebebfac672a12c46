/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Blobs: bytes that clients keep with an object. A blob is a row, and a file of its uuid in the
 * master's state directory as soon as somebody has put something there.
 */
#ifndef XENITH_XAPID_PLAN_BLOB_H
#define XENITH_XAPID_PLAN_BLOB_H

#include "common/err.h"
#include "common/schema.h"

#define BLOB_MAX ((uint64_t)1 << 30) /* bytes of one */

/* At the master's start: files without a row go, sizes are what the files have. */
MAY_WAIT must_check struct err *blob_start(void);

must_check struct err *blob_make(
	const char *name, const char *mime_type, bool is_public, const char **ref);
/* The object of CLASS has it as NAME: HANDLE_INVALID, MAP_DUPLICATE_KEY. */
must_check struct err *blob_make_for(const struct class *class, const char *self, const char *name,
	const char *mime_type, bool is_public, const char **ref);
/* Nobody has it any more. */
MAY_WAIT must_check struct err *blob_destroy(const char *ref);
/* All those that the object has: before it is deleted. */
MAY_WAIT must_check struct err *blob_destroy_all(const struct class *class, const char *self);

/* Its bytes: *FD (-1: there are none yet) and *SIZE. */
MAY_WAIT must_check struct err *blob_open(const char *uuid, int *fd, uint64_t *size);

/* Bytes to be: written to FD, then kept, in the place of the old ones, or dropped. */
struct blob_draft {
	char *path; /* owned */
	int fd;
};
MAY_WAIT must_check struct err *blob_draft_open(const char *uuid, struct blob_draft *out);
/* HANDLE_INVALID: the blob is gone meanwhile. */
MAY_WAIT must_check struct err *blob_draft_keep(
	struct blob_draft *d, const char *ref, uint64_t size);
MAY_WAIT void blob_draft_end(struct blob_draft *d);

#endif
