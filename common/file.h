/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whole files: read with a bound, written so that a reader and a crash see the old content or the
 * new, never a part. Functions that return int block (before the loop runs, or in offloaded work;
 * any thread) and give 0 or -errno; those that return an error are for fibers.
 */
#ifndef XENITH_COMMON_FILE_H
#define XENITH_COMMON_FILE_H

#include "common/dialect.h"
#include "common/err.h"

#include <sys/types.h>

/*
 * The content of a regular file of at most MAX_BYTES, from malloc with a NUL behind it; *LEN (may
 * be NULL) its length. -EFBIG when there is more, -EINVAL for what is no regular file.
 */
must_check int file_read(const char *path, size_t max_bytes, char **out, size_t *len);

enum file_flags {
	FILE_DURABLE =
		1, /* on disk when the call returns; else only whole (for the run directory) */
};

/* Puts a new file with this content and exactly this mode in the place of PATH; a symbolic link
 * there is replaced, not followed. On failure what was there is untouched (but when only the
 * directory cannot be synced, the new content is there and may not last). */
must_check int file_write(
	const char *path, const void *bytes, size_t n, mode_t mode, unsigned flags);
/* Durable: the name is gone from the disk too. A missing file is fine. */
must_check int file_remove(const char *path, unsigned flags);

/* The same for fibers, by the pool. */
MAY_WAIT must_check struct err *file_load(
	const char *path, size_t max_bytes, char **out, size_t *len);
MAY_WAIT must_check struct err *file_store(
	const char *path, const void *bytes, size_t n, mode_t mode, unsigned flags);

MAY_WAIT must_check struct err *file_drop(const char *path, unsigned flags);

/*
 * Removes what file_write left in DIR when it was killed: for files whose names start with START.
 * Only while nobody else writes such files there.
 */
must_check int dir_remove_temporaries(const char *dir, const char *start);

/* DIR and those above it that are missing (they get mode 0755 less the umask, DIR exactly MODE; one
 * that was there keeps its own). The names are durable. -ENOTDIR when something else is there. */
must_check int dir_make(const char *dir, mode_t mode);

/*
 * Takes the directory for this process: one daemon a directory. Holds while *OUT is open. The error
 * says which process has it. A file of NAME in DIR keeps the lock and our process id.
 */
must_check struct err *dir_lock(const char *dir, const char *name, int *out_fd);
/* The same of a directory that a process had which was killed: waits for a child that it had just
 * begun, which has all that was open until it executes its program. */
must_check struct err *dir_lock_after_death(const char *dir, const char *name, int *out_fd);

/* Makes DIR's names durable: after a rename, link or unlink in it. */
must_check int dir_sync(const char *dir);

/* All N bytes to FD, over short writes. */
must_check int write_all(int fd, const void *bytes, size_t n);

#endif
