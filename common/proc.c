/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Helper processes (proc.h): starting, waiting, ending. Loop thread: PR_SET_PDEATHSIG follows the
 * thread that forked, and the loop's is the one that lives as long as the daemon. What runs one to
 * its end and collects its output is proc_run.c.
 */
#define LOG_MODULE "proc"
#include "common/proc.h"

#include "common/child.h"
#include "common/fiber.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mem.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* What waits at most for a process that was sent SIGKILL; it may hang in the kernel. */
#define KILL_WAIT_NS (30 * NS_PER_S)

char *proc_status_text(struct proc_status status, char buf[static PROC_STATUS_SIZE])
{
	if (status.signal)
		snprintf(buf, PROC_STATUS_SIZE, "signal %d", status.signal);
	else
		snprintf(buf, PROC_STATUS_SIZE, "exit %d", status.exit_code);
	return buf;
}

/* ---- starting ---- */

/* Both ends of the pipes of a child that is being started, -1 where there is none. */
struct streams {
	int ours[3], theirs[3];
	int report[2]; /* closes at a successful exec, else brings its errno */
};

static void streams_close(struct streams *s)
{
	for (size_t i = 0; i < 3; i++) {
		close_fdp(&s->ours[i]);
		close_fdp(&s->theirs[i]);
	}
	close_fdp(&s->report[0]);
	close_fdp(&s->report[1]);
}

/* Stream I as a pipe, our end not blocking. */
static int stream_pipe(struct streams *s, size_t i)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	bool is_input = i == 0;
	s->ours[i] = fds[is_input];
	s->theirs[i] = fds[!is_input];
	return fcntl(s->ours[i], F_SETFL, O_NONBLOCK) ? -errno : 0;
}

static int streams_open(struct streams *s, unsigned pipes, int log_fd)
{
	static const unsigned flag[] = {PROC_PIPE_IN, PROC_PIPE_OUT, PROC_PIPE_ERR};

	for (size_t i = 0; i < 3; i++) {
		int r = 0;

		if (pipes & flag[i])
			r = stream_pipe(s, i);
		else if (i == 2 && pipes & PROC_MERGE_ERR)
			s->theirs[i] = fcntl(s->theirs[1], F_DUPFD_CLOEXEC, 0);
		else if (i > 0 && log_fd > 0)
			s->theirs[i] = fcntl(log_fd, F_DUPFD_CLOEXEC, 0);
		else
			s->theirs[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (r || s->theirs[i] < 0)
			return r ? r : -errno;
	}
	return pipe2(s->report, O_CLOEXEC) ? -errno : 0;
}

static void child_run(const struct child *c, int report_fd, pid_t parent) never_returns;

/* In the child, which shares our memory and has our thread stand still until it execs. */
static void child_run(const struct child *c, int report_fd, pid_t parent)
{
	int from[CHILD_MAX_FDS];

	memcpy(from, c->fds, c->n_fds * sizeof(*from));
	from[c->n_fds] = report_fd;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || setpgid(0, 0))
		child_fail(report_fd, errno);
	if (getppid() != parent)
		_exit(127); /* the daemon died before it could kill us */
	int r = child_place_fds(from, c->n_fds + 1, c->n_fds);
	if (r)
		child_fail(report_fd, -r);
	child_reset();
	child_exec(c, (int)c->n_fds);
}

/* vfork, since a fork copies the page tables of a large daemon and of all its fibers' stacks. */
static __attribute__((__noinline__)) pid_t child_spawn(const struct child *c, int report_fd)
{
	pid_t parent = getpid();
	sigset_t before;

	child_signals_block(&before);
	pid_t pid = vfork(); /* lint: this is the process module */
	if (pid == 0)
		child_run(c, report_fd, parent);
	int saved = errno;
	child_signals_restore(&before);
	errno = saved;
	return pid;
}

/* What exec said; 0: the program runs. */
static int report_read(int fd)
{
	int errnum = 0;

	while (read(fd, &errnum, sizeof(errnum)) < 0 && errno == EINTR)
		;
	return errnum;
}

static struct proc *proc_new(const char *program, pid_t pid, struct streams *s)
{
	struct proc *p = xnew(struct proc);
	const char *slash = strrchr(program, '/');

	p->pid = pid;
	p->pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	p->in_fd = s->ours[0];
	p->out_fd = s->ours[1];
	p->err_fd = s->ours[2];
	s->ours[0] = s->ours[1] = s->ours[2] = -1;
	p->name = xstrdup(slash ? slash + 1 : program);
	return p;
}

static struct err *spawn(
	struct proc **out, const struct proc_spec *spec, struct streams *s, unsigned pipes)
{
	struct child c = {.argv = spec->argv, .env = spec->env, .cwd = spec->cwd};
	const char *program = spec->argv[0];

	int r = streams_open(s, pipes, spec->log_fd);
	if (r)
		return err_errno(-r, "starting %s: pipes", program);
	memcpy(c.fds, s->theirs, sizeof(s->theirs));
	if (spec->n_fds)
		memcpy(c.fds + 3, spec->fds, spec->n_fds * sizeof(*c.fds));
	c.n_fds = 3 + spec->n_fds;
	pid_t pid = child_spawn(&c, s->report[1]);
	if (pid < 0)
		return err_errno(errno, "starting %s", program);
	close_fdp(&s->report[1]);
	s->report[1] = -1;
	int errnum = report_read(s->report[0]);
	if (errnum) {
		waitpid(pid, NULL, 0);
		return err_errno(errnum, "starting %s", program);
	}
	*out = proc_new(program, pid, s);
	return NULL;
}

struct err *proc_start(struct proc **out, const struct proc_spec *spec, unsigned pipes)
{
	AUTO(streams_close) struct streams s = {{-1, -1, -1}, {-1, -1, -1}, {-1, -1}};
	struct proc *p;

	assert(loop_is_here() && 3 + spec->n_fds + 1 <= CHILD_MAX_FDS);
	TRY(spawn(&p, spec, &s, pipes));
	if (p->pid_fd < 0) {
		/* Out of descriptors: it has hardly begun, and nobody could wait for it. */
		struct err *e = err_errno(errno, "starting %s: pidfd", p->name);

		kill(-p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
		p->has_ended = true;
		proc_free(p);
		return e;
	}
	log_debug("%s started as process %ld", p->name, (long)p->pid);
	*out = p;
	return NULL;
}

/* ---- waiting and ending ---- */

/* Reaps it if it has ended. What is left of its group goes first, while the number is still its. */
static bool try_reap(struct proc *p)
{
	siginfo_t info = {0};

	if (p->has_ended)
		return true;
	if (waitid(P_PIDFD, (id_t)p->pid_fd, &info, WEXITED | WNOHANG | WNOWAIT) || !info.si_pid)
		return false;
	kill(-p->pid, SIGKILL);
	waitid(P_PIDFD, (id_t)p->pid_fd, &info, WEXITED | WNOHANG);
	bool has_exited = info.si_code == CLD_EXITED;
	p->status.exit_code = has_exited ? info.si_status : -1;
	p->status.signal = has_exited ? 0 : info.si_status;
	p->has_ended = true;
	return true;
}

MAY_WAIT struct err *proc_wait(struct proc *p, int64_t deadline, struct proc_status *out)
{
	while (!try_reap(p))
		TRY_CTX(fiber_wait_fd(p->pid_fd, FD_READABLE, "the end of a process", deadline),
			"waiting for %s", p->name);
	if (out)
		*out = p->status;
	return NULL;
}

void proc_signal(struct proc *p, int signum)
{
	/* Until it is reaped the number cannot be another's. */
	if (!p->has_ended)
		kill(-p->pid, signum);
}

/* Whether it has ended within NS, whatever else comes. */
static MAY_WAIT bool ends_within(struct proc *p, int64_t ns)
{
	fiber_cancel_mask();
	err_free(proc_wait(p, deadline_in(ns), NULL));
	fiber_cancel_unmask();
	return p->has_ended;
}

MAY_WAIT void proc_stop(struct proc *p, int64_t grace_ns)
{
	if (try_reap(p))
		return;
	proc_signal(p, SIGTERM);
	if (ends_within(p, grace_ns))
		return;
	proc_signal(p, SIGKILL);
	if (!ends_within(p, KILL_WAIT_NS))
		log_error("%s (process %ld) does not end: it hangs in the kernel", p->name,
			(long)p->pid);
}

static void proc_destroy(struct proc *p)
{
	close_fdp(&p->pid_fd);
	close_fdp(&p->in_fd);
	close_fdp(&p->out_fd);
	close_fdp(&p->err_fd);
	free(p->name);
	free(p);
}

static MAY_WAIT void reap_later(void *arg)
{
	struct proc *p = arg;

	ends_within(p, KILL_WAIT_NS);
	proc_destroy(p);
}

void proc_free(struct proc *p)
{
	if (!p)
		return;
	if (!try_reap(p)) {
		proc_signal(p, SIGKILL);
		auto_err e = fiber_spawn(NULL, reap_later, p, "reaping %s", p->name);
		if (!e)
			return;
		log_err(LOG_WARN_, e, "%s (process %ld) stays a zombie", p->name, (long)p->pid);
	}
	proc_destroy(p);
}
