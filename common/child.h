/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a forked child does between fork and exec, for proc.c and companion.c alone. Everything here
 * is safe after a fork of a process with threads, and after vfork: no heap, no locks, no log.
 */
#ifndef XENITH_COMMON_CHILD_H
#define XENITH_COMMON_CHILD_H

#include "common/dialect.h"

#include <signal.h>

/* Standard streams, those that a caller hands on, and the two pipes of a companion. */
#define CHILD_MAX_FDS 32

struct child {
	const char *const *argv; /* argv[0]: a path, or a name to be found in PATH */
	const char *const *env; /* NULL: ours */
	const char *cwd; /* NULL: ours */
	int fds[CHILD_MAX_FDS]; /* what becomes descriptor 0, 1, 2, … of the program */
	size_t n_fds;
};

/* The soft limit of open files that children get back (daemon_run raises its own). */
void child_set_file_limit(unsigned long soft);

/* Blocks every signal, so that no handler runs in a child that shares our memory. */
void child_signals_block(sigset_t *before);
void child_signals_restore(const sigset_t *before);

/*
 * In the child: FROM[i] becomes descriptor i, for the N given; all others are closed. Those of
 * index KEEP and above close at exec. 0 or -errno.
 */
int child_place_fds(const int *from, size_t n, size_t keep);
/* In the child: handlers back to default, no signal blocked, limits back. */
void child_reset(void);
/* In the child: becomes the program, or writes errno (an int) to REPORT_FD and ends. */
void child_exec(const struct child *c, int report_fd) never_returns;
void child_fail(int report_fd, int errnum) never_returns;

#endif
