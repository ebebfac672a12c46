/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Between fork and exec (child.h).
 */
#include "common/child.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* Set before there are children. */
static unsigned long file_limit;

void child_set_file_limit(unsigned long soft)
{
	file_limit = soft;
}

void child_signals_block(sigset_t *before)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, before);
}

void child_signals_restore(const sigset_t *before)
{
	pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* Closes all from FIRST on, also what a library forgot to mark. */
static void close_from(int first)
{
#ifdef SYS_close_range
	if (!syscall(SYS_close_range, first, ~0U, 0))
		return;
#endif
	/* A kernel before 5.9: mark at least what we can reach. */
	for (int fd = first; fd < 65536; fd++)
		close(fd);
}

int child_place_fds(const int *from, size_t n, size_t keep)
{
	int high[CHILD_MAX_FDS];

	/* First out of the way of all targets, else one would overwrite another's source. */
	for (size_t i = 0; i < n; i++) {
		high[i] = fcntl(from[i], F_DUPFD_CLOEXEC, (int)n);
		if (high[i] < 0)
			return -errno;
	}
	for (size_t i = 0; i < n; i++)
		if (dup3(high[i], (int)i, i < keep ? 0 : O_CLOEXEC) < 0)
			return -errno;
	close_from((int)n);
	return 0;
}

void child_reset(void)
{
	struct sigaction standard = {.sa_handler = SIG_DFL};
	struct rlimit limit;
	sigset_t none;

	for (int signum = 1; signum < NSIG; signum++)
		sigaction(signum, &standard, NULL); /* fails for those that cannot be changed */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (file_limit && !getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = file_limit;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

void child_fail(int report_fd, int errnum)
{
	ssize_t ignored = write(report_fd, &errnum, sizeof(errnum));

	(void)ignored;
	_exit(127);
}

void child_exec(const struct child *c, int report_fd)
{
	char *const *argv = (char *const *)c->argv;

	if (c->cwd && chdir(c->cwd))
		child_fail(report_fd, errno);
	execvpe(argv[0], argv, c->env ? (char *const *)c->env : environ);
	child_fail(report_fd, errno);
}
