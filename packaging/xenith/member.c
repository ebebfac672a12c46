/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One daemon under the supervisor: started, watched, and started again with a pause that doubles
 * each time it dies, until it has been ready for a while.
 */
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/proc.h"
#include "common/vec.h"
#include "core.gen.h"
#include "packaging/xenith/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define READY_WITHIN  (60 * NS_PER_S)
#define FIRST_PAUSE   (100 * NS_PER_MS)
#define LONGEST_PAUSE (10 * NS_PER_S)
#define STABLE_AFTER  (2 * NS_PER_S) /* who lives so long is started again after FIRST_PAUSE */

extern char **environ;

char *member_program(const char *name)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return xstrdup(name);
	self[n] = '\0';
	return xasprintf("%.*s/%s", (int)(strrchr(self, '/') - self), self, name);
}

struct err *member_add(const char *program)
{
	const char *slash = strrchr(program, '/');
	const char *name = slash ? slash + 1 : program;
	const char *dir = supervisor.options->dir;

	if (member_find(name))
		return err(INVALID_VALUE, program, "there is a daemon of that name already");
	struct member *member = xnew(struct member);
	member->name = xstrdup(name);
	member->program = xstrdup(program);
	member->socket_path = xasprintf("%s/run/%s.sock", dir, name);
	member->log_path = xasprintf("%s/log/%s.log", dir, name);
	member->since_s = clock_real_ns() / NS_PER_S;
	list_push_back(&supervisor.members, &member->link);
	return NULL;
}

void member_free(struct member *member)
{
	list_remove(&member->link);
	proc_free(member->proc);
	free(member->name);
	free(member->program);
	free(member->socket_path);
	free(member->log_path);
	free(member);
}

struct member *member_find(const char *name)
{
	list_for_each (member, &supervisor.members, struct member, link)
		if (!strcmp(member->name, name))
			return member;
	return NULL;
}

void member_signal(struct member *member, int signum)
{
	if (member->proc)
		proc_signal(member->proc, signum);
}

static void set_state(struct member *member, enum launcher_daemon_state state)
{
	member->state = state;
	member->since_s = clock_real_ns() / NS_PER_S;
	supervisor_changed();
}

void member_is_ready(pid_t pid)
{
	list_for_each (member, &supervisor.members, struct member, link) {
		if (member->proc && member->proc->pid == pid &&
			member->state == LAUNCHER_DAEMON_STATE_STARTING) {
			log_info("%s is ready (pid %d)", member->name, (int)pid);
			set_state(member, LAUNCHER_DAEMON_STATE_READY);
		}
	}
}

static struct err *start(struct member *member)
{
	vec_of(const char *) env = {0};
	auto_str notify = xasprintf("NOTIFY_SOCKET=%s", supervisor.notify_path);
	auto_fd log_fd = open(
		member->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);

	if (log_fd < 0)
		return err_errno(errno, "opening %s", member->log_path);
	for (char **v = environ; *v; v++)
		if (strncmp(*v, "NOTIFY_SOCKET=", 14) && strncmp(*v, "WATCHDOG_", 9) &&
			strncmp(*v, "LISTEN_", 7) && strncmp(*v, "JOURNAL_STREAM=", 15))
			vec_push(&env, *v);
	vec_push(&env, notify);
	vec_push(&env, NULL);
	const struct proc_spec spec = {
		.argv = (const char *const[]){member->program, "--dir", supervisor.options->dir,
			NULL},
		.env = env.v,
		.log_fd = log_fd,
	};
	struct err *e = proc_start(&member->proc, &spec, 0);
	vec_fini(&env);
	return e;
}

/* Waits for the member's end; one that is not ready in time is killed. */
static MAY_WAIT struct err *watch(struct member *member, struct proc_status *out)
{
	struct err *e = proc_wait(member->proc, deadline_in(READY_WITHIN), out);

	if (!err_is(e, &ERR_TIMEOUT))
		return e;
	err_free(e);
	if (member->state == LAUNCHER_DAEMON_STATE_STARTING) {
		log_error("%s did not say in time that it is ready", member->name);
		member_signal(member, SIGKILL);
	}
	return proc_wait(member->proc, NEVER, out);
}

static void note_end(struct member *member, const struct proc_status *status)
{
	char text[PROC_STATUS_SIZE];

	snprintf(member->last_end, sizeof(member->last_end), "%s", proc_status_text(*status, text));
	if (supervisor.is_stopping || member->is_restart_asked)
		log_info("%s has ended (%s)", member->name, member->last_end);
	else
		log_warn("%s has died (%s)", member->name, member->last_end);
}

/* One life: from the start to the end. */
static MAY_WAIT struct err *live(struct member *member)
{
	struct proc_status status;
	struct err *e = start(member);

	member->starts++;
	if (!e)
		set_state(member, LAUNCHER_DAEMON_STATE_STARTING);
	if (!e)
		e = watch(member, &status);
	if (e)
		snprintf(member->last_end, sizeof(member->last_end), "%s", err_text(e));
	else
		note_end(member, &status);
	member->has_failed_to_start = member->state != LAUNCHER_DAEMON_STATE_READY;
	proc_free(take(member->proc));
	return e;
}

/* It ended with the exit status that says: my command line, or my configuration, is wrong. */
static bool is_hopeless(const struct member *member)
{
	return !strcmp(member->last_end, "exit 2") || !strcmp(member->last_end, "exit 78");
}

/* The pause before the next start: ends early when somebody asks for a start, or the stack
 * stops. */
static MAY_WAIT void rest(struct member *member, int64_t pause)
{
	int64_t until = deadline_in(pause);

	while (!supervisor.is_stopping && !member->is_restart_asked) {
		auto_err e = cond_wait(&supervisor.changed, "the next start", until);

		if (e)
			break;
	}
	member->is_restart_asked = false;
}

/* What follows a death: nothing, when somebody asked for it; else a pause, which is returned. */
static int64_t pause_after_death(struct member *member, int64_t lived, int64_t *next)
{
	if (member->is_restart_asked) {
		member->is_restart_asked = false;
		return 0;
	}
	if (is_hopeless(member)) {
		log_error("%s is not started again before somebody asks", member->name);
		set_state(member, LAUNCHER_DAEMON_STATE_STOPPED);
		return NEVER;
	}
	int64_t pause = lived > STABLE_AFTER ? FIRST_PAUSE : *next;
	*next = pause * 2 < LONGEST_PAUSE ? pause * 2 : LONGEST_PAUSE;
	member->restarts++;
	log_warn("%s is started again in %" PRId64 " ms", member->name, pause / NS_PER_MS);
	return pause;
}

MAY_WAIT void member_fiber(void *arg)
{
	struct member *member = arg;
	int64_t next = FIRST_PAUSE;

	while (!supervisor.is_stopping) {
		int64_t began = clock_mono_ns();
		auto_err e = live(member);

		if (e && !err_is(e, &ERR_SHUTTING_DOWN))
			log_error("%s: %s", member->name, err_text(e));
		if (supervisor.is_stopping)
			break;
		set_state(member, LAUNCHER_DAEMON_STATE_WAITING);
		int64_t pause = pause_after_death(member, clock_mono_ns() - began, &next);
		if (pause)
			rest(member, pause);
	}
	set_state(member, LAUNCHER_DAEMON_STATE_STOPPED);
}

/* It ended before it was ready, or will not be started again. */
static bool has_failed(const struct member *member)
{
	if (member->state == LAUNCHER_DAEMON_STATE_STOPPED)
		return true;
	return member->has_failed_to_start && member->state != LAUNCHER_DAEMON_STATE_STARTING;
}

MAY_WAIT struct err *member_wait_ready(struct member *member, uint64_t start)
{
	while (member->starts <= start || member->state != LAUNCHER_DAEMON_STATE_READY) {
		if (member->starts > start && has_failed(member))
			return err(DAEMON_FAILED, member->name, member->last_end);
		if (supervisor.is_stopping)
			return err(SHUTTING_DOWN);
		TRY(cond_wait(&supervisor.changed, "a daemon to be ready", NEVER));
	}
	return NULL;
}
