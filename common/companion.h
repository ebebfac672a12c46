/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Companion processes: QEMU, swtpm, DHCP clients. A companion outlives the daemon, in a session of
 * its own, and is found again after a restart. Its record (process id, start time, boot, arguments)
 * is durable before its program begins: there is never one that nobody knows of. Fibers only.
 *
 * It is nobody's child but init's, so how it ended is not known; that it has is.
 */
#ifndef XENITH_COMMON_COMPANION_H
#define XENITH_COMMON_COMPANION_H

#include "common/arena.h"
#include "common/dialect.h"
#include "common/err.h"

#include <sys/types.h>

struct companion_spec {
	const char *dir; /* where its record is kept */
	const char *name; /* of the record: letters, digits, '-', '_', '.', not at the start */
	const char *const *argv; /* NULL-terminated; argv[0]: a path, or a name in PATH */
	const char *const *env; /* NULL: ours */
	const char *cwd; /* NULL: / */
	const char *log_path; /* stdout and stderr are added to it; NULL: /dev/null */
	const int *fds; /* become 3, 4, … in the program */
	size_t n_fds;
};

/* The start time tells a process from a later one of the same number. */
struct companion {
	char *dir, *name;
	pid_t pid;
	uint64_t start_time; /* clock ticks since boot */
	int pid_fd; /* -1: it had ended when it was looked for */
};

/*
 * Starts the program. INVALID_VALUE when the name cannot be one, or one of this name still runs;
 * SYSTEM_ERROR when it could not be started, and then there is no record.
 */
MAY_WAIT must_check struct err *companion_start(
	const struct companion_spec *spec, struct companion **out);

/*
 * The one of this name, by its record; *OUT is NULL when there is no record. Whether it runs is
 * another question. STORE_UNUSABLE when the record cannot be read.
 */
MAY_WAIT must_check struct err *companion_find(
	const char *dir, const char *name, struct companion **out);
/* The names of all records in DIR, in the arena. */
must_check struct err *companion_list(
	const char *dir, struct arena *a, const char *const **out, size_t *n);

bool companion_is_running(const struct companion *c);
MAY_WAIT must_check struct err *companion_wait(struct companion *c, int64_t deadline);
/* Sends SIGNUM, unless it has ended. To it alone, and never to a later process of its number. */
void companion_signal(struct companion *c, int signum);
/* SIGTERM, after the grace SIGKILL, until it has ended. TIMEOUT when it hangs in the kernel. Masks
 * cancellation. */
MAY_WAIT must_check struct err *companion_stop(struct companion *c, int64_t grace_ns);
/* Removes the record of one that has ended, and frees C (on an error too). */
MAY_WAIT must_check struct err *companion_forget(struct companion *c);
/* Lets go of it: it runs on and keeps its record. NULL is fine. */
void companion_free(struct companion *c);

#endif
