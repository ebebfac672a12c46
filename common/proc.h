/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Helper processes: plugins, qemu-img, PAM. A helper is spawned from the loop thread, dies with the
 * daemon, leads a process group of its own and is awaited by pidfd (SIGCHLD is left to libraries).
 * Arguments only, never a shell. What is to outlive the daemon is a companion (companion.h).
 *
 * A helper's group ends with it: what it left running in its group is killed. (What has made itself
 * a session of its own, as daemons do, stays.) When the daemon is killed, the kernel kills the
 * helper itself; that the helper's own children go too is then the service manager's work.
 */
#ifndef XENITH_COMMON_PROC_H
#define XENITH_COMMON_PROC_H

#include "common/dialect.h"
#include "common/err.h"

#include <sys/types.h>

/* How a process ended. */
struct proc_status {
	int exit_code; /* -1: a signal ended it */
	int signal; /* 0: it exited */
};

/* "exit 3", "signal 9". Writes to BUF and returns it. */
#define PROC_STATUS_SIZE 32
char *proc_status_text(struct proc_status status, char buf[static PROC_STATUS_SIZE]);

/* ---- run to its end ---- */

struct proc_spec {
	const char *const *argv; /* NULL-terminated; argv[0]: a path, or a name in PATH */
	const char *const *env; /* NULL: ours */
	const char *cwd; /* NULL: ours */
	const void *input; /* for its stdin; NULL: /dev/null */
	size_t input_len;
	size_t max_output; /* bytes of each stream (0: 1 MiB); more is LIMIT_EXCEEDED */
	int64_t deadline; /* 0: none but the fiber's */
	int64_t grace_ns; /* from SIGTERM to SIGKILL (0: 2 s) */
	bool merge_stderr; /* into out */
	bool any_status; /* an exit code other than 0, or a signal, is no error */
	int log_fd; /* proc_start: stdout and stderr, where no pipe is; 0 or -1: /dev/null */
	const int *fds; /* become 3, 4, … in the program */
	size_t n_fds;
};

/* Owned strings, each with a NUL behind it; proc_result_fini frees them. */
struct proc_result {
	struct proc_status status;
	char *out, *err;
	size_t out_len, err_len;
};
void proc_result_fini(struct proc_result *r);
#define auto_proc_result AUTO(proc_result_fini) struct proc_result

/*
 * Runs the program to its end. PROGRAM_FAILED when it did not exit with 0 (its parameters:
 * program, status, the end of what it said); SYSTEM_ERROR when it could not be started. At the
 * deadline, or when the fiber is cancelled, its group gets SIGTERM, after the grace SIGKILL, and
 * the call returns when it has ended. OUT may be NULL; it is set on success only.
 */
MAY_WAIT must_check struct err *proc_run(const struct proc_spec *spec, struct proc_result *out);

/* ---- one that stays ---- */

enum proc_pipes {
	PROC_PIPE_IN = 1,
	PROC_PIPE_OUT = 2,
	PROC_PIPE_ERR = 4,
	PROC_MERGE_ERR = 8, /* stderr goes where stdout goes */
};

struct proc {
	pid_t pid; /* of the process and its group */
	int pid_fd;
	int in_fd, out_fd, err_fd; /* our ends, non-blocking, or -1: /dev/null */
	bool has_ended; /* it was reaped: status is set */
	struct proc_status status;
	char *name; /* the program's, for messages */
};

/* Starts it; from SPEC only argv, env, cwd, log_fd, fds count. From a fiber or, before it runs, the
 * loop's thread. */
must_check struct err *proc_start(struct proc **out, const struct proc_spec *spec, unsigned pipes);
/* Waits for its end (which may have been long ago) and reaps it. */
MAY_WAIT must_check struct err *proc_wait(
	struct proc *p, int64_t deadline, struct proc_status *out);
/* Sends SIGNUM to the whole group, unless it has ended. */
void proc_signal(struct proc *p, int signum);
/* SIGTERM, after the grace SIGKILL, until it has ended. Masks cancellation. */
MAY_WAIT void proc_stop(struct proc *p, int64_t grace_ns);
/* One that still runs is killed, and reaped later. NULL is fine. */
void proc_free(struct proc *p);

#endif
