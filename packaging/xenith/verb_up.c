/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `xenith up`: starts the supervisor as a process of its own, waits until every daemon is ready,
 * and says where they are. When one fails, its last log lines are shown and nothing stays running.
 * Then comes the demo host, where it is asked for; what runs stays so when that fails.
 */
#include "common/arena.h"
#include "common/clock.h"
#include "common/fiber.h"
#include "common/file.h"
#include "common/mem.h"
#include "common/rpc.h"
#include "core.gen.h"
#include "launcher.gen.h"
#include "packaging/xenith/demo.h"
#include "packaging/xenith/log_tail.h"
#include "packaging/xenith/remote.h"
#include "packaging/xenith/supervisor.h"
#include "packaging/xenith/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#define UP_WITHIN (90 * NS_PER_S)

static pid_t supervisor_pid; /* 0: it ran before */

/* The arguments of the supervisor: ours, said again. */
static void make_argv(const struct options *o, char *port, char *tls_port, const char **argv)
{
	size_t n = 0;

	argv[n++] = "xenith";
	argv[n++] = "supervise";
	argv[n++] = "--dir";
	argv[n++] = o->dir;
	argv[n++] = "--backend";
	argv[n++] = o->backend;
	argv[n++] = "--address";
	argv[n++] = o->address;
	argv[n++] = "--port";
	argv[n++] = port;
	argv[n++] = "--tls-port";
	argv[n++] = tls_port;
	if (o->network) {
		argv[n++] = "--network";
		argv[n++] = o->network;
	}
	for (unsigned i = 0; i < o->n_extra; i++) {
		argv[n++] = "--also";
		argv[n++] = o->extra[i];
	}
	argv[n] = NULL;
}

static int spawn_supervisor(const struct options *o, const char *log_path)
{
	auto_str port = xasprintf("%ld", o->port);
	auto_str tls_port = xasprintf("%ld", o->tls_port);
	const char *argv[16 + 2 * MAX_EXTRA];
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;

	make_argv(o, port, tls_port, argv);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, 1, log_path, O_WRONLY | O_CREAT | O_APPEND, 0640);
	posix_spawn_file_actions_adddup2(&files, 1, 2);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID);
	int r = posix_spawn(
		&supervisor_pid, "/proc/self/exe", &files, &attr, (char **)argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return -r;
}

/* Until the new supervisor answers or is dead. */
static MAY_WAIT struct err *connect_to_it(struct rpc_client *c)
{
	for (;;) {
		auto_err e = rpc_client_connect(c, deadline_in(10 * NS_PER_S));

		if (!err_is(e, &ERR_CONNECTION_REFUSED))
			return take(e);
		if (waitpid(supervisor_pid, NULL, WNOHANG) != 0)
			return err(DAEMON_FAILED, "xenith", "it ended at once");
		TRY(fiber_sleep(10 * NS_PER_MS));
	}
}

static void show_log(const struct options *o, const char *daemon)
{
	auto_str path = xasprintf("%s/log/%s.log", o->dir, daemon);

	fprintf(stderr, "xenith: the end of %s:\n", path);
	log_tail(path, o->lines, "  ", stderr, NULL);
}

static void print_stack(const struct launcher_stack *stack)
{
	for (size_t i = 0; i < stack->daemons.n; i++)
		printf("%-10s ready, %s\n", stack->daemons.v[i].name, stack->daemons.v[i].socket);
	if (!stack->daemons.n)
		printf("no daemon is built yet\n");
	printf("settings for scripts: %s/env\n", stack->dir);
}

/* It answers before it ends: nothing is to run any more when `up` has failed. */
static MAY_WAIT void stop_it(struct rpc_client *c, struct arena *a)
{
	auto_fd pidfd = pidfd_open(supervisor_pid, 0);

	err_free(launcher_stack_stop(c, a, deadline_in(UP_WITHIN)));
	if (pidfd >= 0)
		err_free(fiber_wait_fd(
			pidfd, FD_READABLE, "the supervisor's end", deadline_in(UP_WITHIN)));
}

static MAY_WAIT struct err *wait_ready(struct rpc_client *c, const struct options *o)
{
	auto_arena a = {0};
	struct launcher_stack stack;
	auto_err e = launcher_stack_wait_ready(c, &a, &stack, deadline_in(UP_WITHIN));

	if (!e) {
		print_stack(&stack);
		return NULL;
	}
	if (err_is(e, &ERR_DAEMON_FAILED))
		show_log(o, e->params[0]);
	if (supervisor_pid)
		stop_it(c, &a);
	return take(e);
}

static MAY_WAIT struct err *up(struct rpc_client *c, const struct options *o)
{
	if (supervisor_pid) {
		struct err *e = connect_to_it(c);

		if (err_is(e, &ERR_DAEMON_FAILED))
			show_log(o, "xenith");
		TRY(e);
	}
	TRY(wait_ready(c, o));
	return o->demo ? demo_make(o) : NULL;
}

/* A demo host is made of XenAPI calls. */
static bool lacks_xapid(void)
{
	auto_str program = member_program("xapid");

	return access(program, X_OK) < 0;
}

int verb_up(const struct options *o)
{
	auto_str log_dir = xasprintf("%s/log", o->dir);
	auto_str log_path = xasprintf("%s/xenith.log", log_dir);

	if (o->demo && lacks_xapid()) {
		fputs("xenith: --demo needs xapid, and there is none beside this program\n",
			stderr);
		return EXIT_FAILED;
	}
	if (remote_is_up(o->dir)) {
		printf("%s runs already\n", o->dir);
		return remote_run(o, up);
	}
	int r = dir_make(log_dir, 0750);
	if (r == 0)
		r = spawn_supervisor(o, log_path);
	if (r < 0) {
		fprintf(stderr, "xenith: starting in %s: %s\n", o->dir, strerrordesc_np(-r));
		return EXIT_FAILED;
	}
	return remote_run(o, up);
}
