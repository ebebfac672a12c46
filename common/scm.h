/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Descriptors that travel beside the bytes of a Unix socket (SCM_RIGHTS). The kernel keeps one
 * beside the first byte that it was sent with: it comes with that byte or sooner, and in order. Any
 * thread.
 */
#ifndef XENITH_COMMON_SCM_H
#define XENITH_COMMON_SCM_H

#include "common/dialect.h"

#include <sys/types.h>

#define SCM_MAX 16 /* that one read may bring; more of them is -EMFILE */

/* As read, non-blocking: bytes, 0 at the end, or -errno. What came with them goes to FDS (room for
 * SCM_MAX; close-on-exec), and is whoever called's; nothing on an error. */
ssize_t scm_read(int fd, void *room, size_t size, int *fds, size_t *n_fds);
/* As write, with PASSED beside the first byte; PASSED stays the caller's. */
ssize_t scm_write(int fd, const void *bytes, size_t n, int passed);

#endif
