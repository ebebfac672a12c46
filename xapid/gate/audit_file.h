/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file of the audit: lines that are the kernel's before the caller goes on, so that they
 * outlive xapid however it ends. At a size the file steps aside, as PATH.1, and what is older one
 * further; the oldest goes. Loop thread; reading is done by the pool.
 */
#ifndef XENITH_XAPID_GATE_AUDIT_FILE_H
#define XENITH_XAPID_GATE_AUDIT_FILE_H

#include "common/err.h"

#include <sys/types.h>

#define AUDIT_FILES_MAX 64

/* MAX_BYTES of a file (a line is never parted), KEPT older ones beside it. */
must_check struct err *audit_file_open(const char *path, int64_t max_bytes, int64_t kept);
void audit_file_set_limits(int64_t max_bytes, int64_t kept);
/* A line, its newline included. Without an open file it is dropped. */
void audit_file_add(const char *line, size_t n);
void audit_file_close(void);

/* What had been written when it was opened, oldest first; what is added or steps aside meanwhile
 * does not matter. */
struct audit_reader {
	struct {
		int fd;
		off_t at, size;
	} files[AUDIT_FILES_MAX + 1];
	size_t n, i;
	char since[24]; /* "": all */
	char *block; /* owned */
	size_t used; /* of the block: bytes that were read */
	size_t given; /* of these, what the caller has, or did not want */
};

/* What was written from SINCE (seconds since 1970; negative: all) on. */
void audit_reader_init(struct audit_reader *r, int64_t since);
/* The next bytes, whole lines; *N 0: there are no more. They live until the next call. */
MAY_WAIT must_check struct err *audit_reader_next(
	struct audit_reader *r, const char **bytes, size_t *n);
void audit_reader_fini(struct audit_reader *r);

#endif
