/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Companion processes (companion.h). A child is forked twice, so that init becomes its parent, and
 * waits for one byte before it becomes the program; the byte is sent when its record is durable. If
 * the daemon dies first, the pipe closes and the child ends without having begun.
 *
 *	daemon: fork ── wait for the pid ── write the record ── go ── wait for exec
 *	child:       └─ fork ─ pid ─────────── wait for go ─────────── exec
 */
#define LOG_MODULE "companion"
#include "common/companion.h"

#include "common/child.h"
#include "common/companion_record.h"
#include "common/fiber.h"
#include "common/file.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mem.h"
#include "core.gen.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define MAX_RECORD_SIZE ((size_t)1 << 20)
#define SUFFIX          ".companion"
/* How long a child may take that has only to answer; it may be stopped by a debugger. */
#define CHILD_WAIT_NS (30 * NS_PER_S)
/* What waits at most for one that was sent SIGKILL. */
#define KILL_WAIT_NS (30 * NS_PER_S)

/* ---- names and handles ---- */

static struct err *name_check(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.";
	size_t len = strlen(name);

	if (!len || len > 200 || strchr("-.", *name) || strspn(name, allowed) != len)
		return err(INVALID_VALUE, "companion name", name);
	return NULL;
}

static struct companion *companion_new(const char *dir, const char *name)
{
	struct companion *c = xnew(struct companion);

	c->dir = xstrdup(dir);
	c->name = xstrdup(name);
	c->pid_fd = -1;
	return c;
}

void companion_free(struct companion *c)
{
	if (!c)
		return;
	close_fdp(&c->pid_fd);
	free(c->dir);
	free(c->name);
	free(c);
}

static void companion_freep(struct companion **c)
{
	companion_free(*c);
}

/* ---- starting ---- */

/* What a start holds until it is over. */
struct start {
	const struct companion_spec *spec;
	struct companion *c;
	int null_fd, log_fd;
	int go[2]; /* one byte: go on and exec */
	int report[2]; /* the child's pid; then end of file at exec, or errno */
	bool has_record;
};

static void start_fini(struct start *s)
{
	int *const fds[] = {
		&s->null_fd, &s->log_fd, &s->go[0], &s->go[1], &s->report[0], &s->report[1]};

	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close_fdp(fds[i]);
	companion_free(s->c);
}

static struct err *start_open(struct start *s)
{
	const char *log = s->spec->log_path;

	s->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (s->null_fd < 0 || pipe2(s->go, O_CLOEXEC) || pipe2(s->report, O_CLOEXEC) ||
		fcntl(s->report[0], F_SETFL, O_NONBLOCK))
		return err_errno(errno, "descriptors");
	s->log_fd = log ? open(log, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640)
			: open("/dev/null", O_WRONLY | O_CLOEXEC);
	return s->log_fd < 0 ? err_errno(errno, "opening %s", log) : NULL;
}

static void child_run(const struct start *s) never_returns;

/* In the grandchild. Signals are blocked until it is the program, so only SIGKILL ends it here. */
static void child_run(const struct start *s)
{
	struct child program = {.argv = s->spec->argv,
		.env = s->spec->env,
		.cwd = s->spec->cwd ? s->spec->cwd : "/"};
	size_t n = 3 + s->spec->n_fds;
	int go_fd = (int)n, report_fd = (int)n + 1;
	int from[CHILD_MAX_FDS] = {s->null_fd, s->log_fd, s->log_fd};
	int pid = (int)getpid();
	char byte;

	for (size_t i = 0; i < s->spec->n_fds; i++)
		from[3 + i] = s->spec->fds[i];
	from[go_fd] = s->go[0];
	from[report_fd] = s->report[1];
	/* This closes our copy of the daemon's end of `go` too, and its lock, and its sockets. */
	if (setsid() < 0 || child_place_fds(from, n + 2, n))
		_exit(127);
	if (write(report_fd, &pid, sizeof(pid)) != sizeof(pid))
		_exit(127);
	if (read(go_fd, &byte, 1) != 1)
		_exit(0); /* the daemon is gone: we have never been */
	child_reset();
	child_exec(&program, report_fd);
}

static struct err *fork_twice(struct start *s)
{
	sigset_t before;

	/* Blocked, for the loop's handlers would write into a pipe that is the daemon's too. */
	child_signals_block(&before);
	pid_t middle = fork(); /* lint: a companion is the other kind of process */
	if (middle == 0) {
		pid_t pid = fork(); /* lint: the same */

		if (pid == 0)
			child_run(s);
		_exit(pid < 0);
	}
	int errnum = errno;
	child_signals_restore(&before);
	if (middle < 0)
		return err_errno(errnum, "fork");
	int status = 0;
	while (waitpid(middle, &status, 0) < 0 && errno == EINTR)
		; /* it ends at once */
	close_fdp(&s->go[0]);
	close_fdp(&s->report[1]);
	s->go[0] = s->report[1] = -1;
	return status ? err_errno(EAGAIN, "fork") : NULL;
}

/* The next int that the child reports; false at the end of file. */
static MAY_WAIT struct err *report_next(struct start *s, bool *found, int *out)
{
	TRY(fiber_wait_fd(
		s->report[0], FD_READABLE, "a companion's start", deadline_in(CHILD_WAIT_NS)));
	ssize_t n = read(s->report[0], out, sizeof(*out));
	if (n < 0)
		return err_errno(errno, "pipe");
	*found = n == sizeof(*out);
	return NULL;
}

/* Who the child is: it stands still, so its number is still its own. */
static MAY_WAIT struct err *child_identify(struct start *s)
{
	bool found = false;
	int pid = 0;
	int64_t start_time = 0;

	TRY(report_next(s, &found, &pid));
	if (!found)
		return err_errno(ECHILD, "the child ended early");
	s->c->pid = pid;
	s->c->pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (s->c->pid_fd < 0)
		return err_errno(errno, "pidfd");
	int r = process_start_time(pid, &start_time);
	if (r)
		return err_errno(-r, "its start time");
	s->c->start_time = (uint64_t)start_time;
	return NULL;
}

static MAY_WAIT struct err *record_store(struct start *s)
{
	auto_str path = companion_record_path(s->spec->dir, s->spec->name);
	auto_arena a = {0};
	struct companion_record record = {
		.pid = s->c->pid, .start_time = (int64_t)s->c->start_time};

	TRY(boot_id_read(&a, &record.boot_id));
	auto_str text = companion_record_text(&record, s->spec->argv);
	s->has_record = true; /* or a part of it: what fails may have written */
	return file_store(path, text, strlen(text), 0600, FILE_DURABLE);
}

/* Sends the child on its way; it is the program when this returns NULL. */
static MAY_WAIT struct err *child_release(struct start *s)
{
	bool failed = false;
	int errnum = 0;

	int r = write_all(s->go[1], "", 1);
	if (r)
		return err_errno(-r, "pipe");
	TRY(report_next(s, &failed, &errnum));
	return failed ? err_errno(errnum, "exec") : NULL;
}

static MAY_WAIT struct err *start_steps(struct start *s)
{
	TRY(start_open(s));
	TRY(fork_twice(s));
	TRY(child_identify(s));
	TRY(record_store(s));
	/* From here on it is short, and half is worse than late. */
	fiber_cancel_mask();
	struct err *e = child_release(s);
	fiber_cancel_unmask();
	return e;
}

/* A start that failed leaves no process and no record. */
static MAY_WAIT void start_undo(struct start *s)
{
	auto_str path = companion_record_path(s->spec->dir, s->spec->name);

	fiber_cancel_mask();
	close_fdp(&s->go[1]);
	s->go[1] = -1;
	companion_signal(s->c, SIGKILL);
	auto_err e = s->has_record ? file_drop(path, FILE_DURABLE) : NULL;
	if (e)
		log_err(LOG_ERROR_, e, "%s stays", path);
	fiber_cancel_unmask();
}

/* One of a name at a time: what its record says must have ended. */
static MAY_WAIT struct err *name_is_free(const struct companion_spec *spec)
{
	AUTO(companion_freep) struct companion *before = NULL;

	TRY(name_check(spec->name));
	TRY(companion_find(spec->dir, spec->name, &before));
	if (before && companion_is_running(before))
		return err(INVALID_VALUE, "companion name", "one of this name still runs");
	return NULL;
}

MAY_WAIT struct err *companion_start(const struct companion_spec *spec, struct companion **out)
{
	AUTO(start_fini)
	struct start s = {
		.spec = spec, .null_fd = -1, .log_fd = -1, .go = {-1, -1}, .report = {-1, -1}};

	assert(loop_is_here() && spec->argv[0] && 3 + spec->n_fds + 2 <= CHILD_MAX_FDS);
	TRY(name_is_free(spec));
	s.c = companion_new(spec->dir, spec->name);
	struct err *e = start_steps(&s);
	if (e) {
		start_undo(&s);
		return err_wrap(e, "starting %s (%s)", spec->argv[0], spec->name);
	}
	log_info("%s started as process %ld: %s", spec->name, (long)s.c->pid, spec->argv[0]);
	*out = take(s.c);
	return NULL;
}

/* ---- finding again ---- */

/* Opens C's process if what has its number now is still the one of the record. */
static struct err *process_open(struct companion *c, const struct companion_record *record)
{
	auto_arena a = {0};
	const char *boot_id;
	int64_t start_time;

	TRY(boot_id_read(&a, &boot_id));
	c->pid = (pid_t)record->pid;
	c->start_time = (uint64_t)record->start_time;
	if (strcmp(boot_id, record->boot_id))
		return NULL;
	/* The descriptor first: what is asked about the number then is about the same process. */
	auto_fd fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	if (fd < 0)
		return errno == ESRCH || errno == EINVAL ? NULL : err_errno(errno, "pidfd");
	if (process_start_time(c->pid, &start_time) || start_time != record->start_time)
		return NULL;
	c->pid_fd = fd;
	fd = -1;
	return NULL;
}

MAY_WAIT struct err *companion_find(const char *dir, const char *name, struct companion **out)
{
	AUTO(companion_freep) struct companion *c = NULL;
	auto_arena a = {0};
	struct companion_record record;
	auto_str text = NULL;
	size_t len;

	TRY(name_check(name));
	auto_str path = companion_record_path(dir, name);
	if (access(path, F_OK) && errno == ENOENT) {
		*out = NULL;
		return NULL;
	}
	TRY(file_load(path, MAX_RECORD_SIZE, &text, &len));
	TRY(companion_record_parse(path, text, len, &a, &record));
	c = companion_new(dir, name);
	TRY(process_open(c, &record));
	*out = take(c);
	return NULL;
}

static int is_record(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name), suffix = sizeof(SUFFIX) - 1;

	return entry->d_name[0] != '.' && len > suffix &&
		!strcmp(entry->d_name + len - suffix, SUFFIX);
}

struct err *companion_list(const char *dir, struct arena *a, const char *const **out, size_t *out_n)
{
	struct dirent **entries;

	int n = scandir(dir, &entries, is_record, alphasort);
	if (n < 0)
		return err_errno(errno, "reading %s", dir);
	const char **names = arena_calloc(a, (size_t)n, sizeof(*names));
	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;

		names[i] = arena_strndup(a, name, strlen(name) - strlen(SUFFIX));
		free(entries[i]);
	}
	free(entries);
	*out = names;
	*out_n = (size_t)n;
	return NULL;
}

/* ---- running and ending ---- */

bool companion_is_running(const struct companion *c)
{
	struct pollfd p = {.fd = c->pid_fd, .events = POLLIN};

	/* Readable once it has ended, whether it was reaped or not. */
	return c->pid_fd >= 0 && poll(&p, 1, 0) == 0;
}

MAY_WAIT struct err *companion_wait(struct companion *c, int64_t deadline)
{
	while (companion_is_running(c))
		TRY_CTX(fiber_wait_fd(c->pid_fd, FD_READABLE, "a companion's end", deadline),
			"waiting for %s", c->name);
	return NULL;
}

void companion_signal(struct companion *c, int signum)
{
	if (c->pid_fd >= 0)
		syscall(SYS_pidfd_send_signal, c->pid_fd, signum, NULL, 0);
}

/* Whether it has ended within NS, whatever else comes. */
static MAY_WAIT bool ends_within(struct companion *c, int64_t ns)
{
	fiber_cancel_mask();
	err_free(companion_wait(c, deadline_in(ns)));
	fiber_cancel_unmask();
	return !companion_is_running(c);
}

MAY_WAIT struct err *companion_stop(struct companion *c, int64_t grace_ns)
{
	if (!companion_is_running(c))
		return NULL;
	companion_signal(c, SIGTERM);
	if (ends_within(c, grace_ns))
		return NULL;
	companion_signal(c, SIGKILL);
	return ends_within(c, KILL_WAIT_NS) ? NULL : err(TIMEOUT, c->name);
}

MAY_WAIT struct err *companion_forget(struct companion *c)
{
	auto_str path = companion_record_path(c->dir, c->name);

	assert(!companion_is_running(c));
	struct err *e = file_drop(path, FILE_DURABLE);
	companion_free(c);
	return e;
}
