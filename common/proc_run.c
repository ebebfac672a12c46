/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a helper to its end (proc.h): feeds its input and collects its output meanwhile. One fiber
 * waits for all of its streams and its end by an epoll descriptor of its own.
 */
#define LOG_MODULE "proc"
#include "common/fiber.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/proc.h"
#include "common/sbuf.h"
#include "common/utf8.h"
#include "core.gen.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#define DEFAULT_MAX_OUTPUT ((size_t)1 << 20)
#define DEFAULT_GRACE_NS   (2 * NS_PER_S)
/* How much of what it said goes into an error. */
#define TAIL_SIZE 1024

struct run {
	const struct proc_spec *spec;
	struct proc *proc;
	int epoll_fd;
	size_t input_sent;
	size_t max_output;
	struct sbuf out, err;
	bool has_overflown;
};

void proc_result_fini(struct proc_result *r)
{
	free(r->out);
	free(r->err);
	*r = (struct proc_result){0};
}

static void run_fini(struct run *run)
{
	proc_free(run->proc);
	close_fdp(&run->epoll_fd);
	sbuf_fini(&run->out);
	sbuf_fini(&run->err);
}

/* ---- streams ---- */

static void input_feed(struct run *run)
{
	struct proc *p = run->proc;

	while (p->in_fd >= 0) {
		size_t left = run->spec->input_len - run->input_sent;
		ssize_t n = 0;

		if (left)
			n = write(p->in_fd, (const char *)run->spec->input + run->input_sent, left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		/* A program may end, or close its input, without having read it all. */
		if (!left || n < 0) {
			close(p->in_fd);
			p->in_fd = -1;
			return;
		}
		run->input_sent += (size_t)n;
	}
}

/* Takes what is there, at most about 64 KiB a call, so that a flood leaves room for others. */
static void output_take(struct run *run, int *fd, struct sbuf *b)
{
	for (int i = 0; *fd >= 0 && i < 16; i++) {
		ssize_t n = read(*fd, sbuf_room(b, 4096), 4096);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			close(*fd);
			*fd = -1;
			return;
		}
		sbuf_added(b, (size_t)n);
		if (sbuf_len(b) > run->max_output) {
			run->has_overflown = true;
			sbuf_truncate(b, run->max_output);
		}
	}
}

static void streams_serve(struct run *run)
{
	input_feed(run);
	output_take(run, &run->proc->out_fd, &run->out);
	output_take(run, &run->proc->err_fd, &run->err);
}

/* ---- one run ---- */

static int watch(int epoll_fd, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};

	return fd >= 0 && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static struct err *watch_all(struct run *run)
{
	struct proc *p = run->proc;

	run->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (run->epoll_fd < 0)
		return err_errno(errno, "epoll");
	int r = watch(run->epoll_fd, p->pid_fd, EPOLLIN);
	r = r ? r : watch(run->epoll_fd, p->in_fd, EPOLLOUT);
	r = r ? r : watch(run->epoll_fd, p->out_fd, EPOLLIN);
	r = r ? r : watch(run->epoll_fd, p->err_fd, EPOLLIN);
	return r ? err_errno(-r, "epoll") : NULL;
}

static bool has_ended(const struct proc *p)
{
	struct pollfd poll_fd = {.fd = p->pid_fd, .events = POLLIN};

	return poll(&poll_fd, 1, 0) == 1;
}

static struct err *overflow_check(const struct run *run)
{
	if (!run->has_overflown)
		return NULL;
	auto_str limit = xasprintf("%zu bytes", run->max_output);
	return err(LIMIT_EXCEEDED, "output of a program", limit);
}

/* Until the program has ended, or somebody says that it must. */
static MAY_WAIT struct err *serve_until_end(struct run *run)
{
	int64_t deadline = run->spec->deadline ? run->spec->deadline : NEVER;

	while (!has_ended(run->proc)) {
		TRY(fiber_wait_fd(run->epoll_fd, FD_READABLE, "a program", deadline));
		streams_serve(run);
		TRY(overflow_check(run));
	}
	return NULL;
}

/* The end of what it said, on stderr if anything, on one line. */
static char *last_words(const struct run *run)
{
	const struct sbuf *b = sbuf_len(&run->err) ? &run->err : &run->out;
	size_t n = sbuf_len(b) < TAIL_SIZE ? sbuf_len(b) : TAIL_SIZE;
	const char *tail = n ? sbuf_data(b) + sbuf_len(b) - n : "";
	char text[TAIL_SIZE];
	size_t used;

	while (n && tail[n - 1] == '\n')
		n--;
	size_t len = utf8_escape(text, sizeof(text), tail, n, &used);
	return xstrndup(text, len);
}

static struct err *status_check(const struct run *run)
{
	struct proc_status status = run->proc->status;
	char text[PROC_STATUS_SIZE];

	if (run->spec->any_status || (!status.signal && !status.exit_code))
		return NULL;
	auto_str words = last_words(run);
	return err(PROGRAM_FAILED, run->spec->argv[0], proc_status_text(status, text), words);
}

static MAY_WAIT struct err *run_to_end(struct run *run)
{
	struct err *e = watch_all(run);

	if (!e)
		e = serve_until_end(run);
	if (e) {
		int64_t grace = run->spec->grace_ns ? run->spec->grace_ns : DEFAULT_GRACE_NS;

		proc_stop(run->proc, grace);
		return err_wrap(e, "running %s", run->spec->argv[0]);
	}
	TRY(proc_wait(run->proc, NEVER, NULL));
	/* What it wrote last is still in the pipes; who holds their other ends now is not waited
	 * for. */
	while (run->proc->out_fd >= 0 || run->proc->err_fd >= 0) {
		size_t before = sbuf_len(&run->out) + sbuf_len(&run->err);

		streams_serve(run);
		if (before == sbuf_len(&run->out) + sbuf_len(&run->err))
			break;
	}
	TRY(overflow_check(run));
	return status_check(run);
}

MAY_WAIT struct err *proc_run(const struct proc_spec *spec, struct proc_result *out)
{
	AUTO(run_fini) struct run run = {.spec = spec, .epoll_fd = -1};
	unsigned pipes = PROC_PIPE_OUT | (spec->merge_stderr ? PROC_MERGE_ERR : PROC_PIPE_ERR);

	if (spec->input)
		pipes |= PROC_PIPE_IN;
	run.max_output = spec->max_output ? spec->max_output : DEFAULT_MAX_OUTPUT;
	TRY(fiber_check());
	TRY(proc_start(&run.proc, spec, pipes));
	TRY(run_to_end(&run));
	if (out) {
		out->status = run.proc->status;
		out->out_len = sbuf_len(&run.out);
		out->err_len = sbuf_len(&run.err);
		out->out = sbuf_take(&run.out);
		out->err = sbuf_take(&run.err);
	}
	return NULL;
}
