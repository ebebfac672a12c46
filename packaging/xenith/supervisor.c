/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `xenith supervise`: the process that stays behind `xenith up`. It starts the daemons of a private
 * directory, starts one that dies again, and answers the launcher interface on D/run/xenith.sock.
 * Where to read on: member.c (one daemon), api_stack.c (the calls).
 */
#include "packaging/xenith/supervisor.h"

#include "common/file.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mem.h"
#include "common/rpc.h"
#include "core.gen.h"
#include "packaging/xenith/notify.h"
#include "packaging/xenith/remote.h"
#include "packaging/xenith/verbs.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A daemon that ignores SIGTERM for so long is killed: its state survives that. */
#define STOP_GRACE (20 * NS_PER_S)

static const char *const daemons[] = {"xapid", "xenopsd", "smd", "networkd", "rrdd"};

struct supervisor supervisor = {.notify_fd = -1};

void supervisor_changed(void)
{
	cond_broadcast(&supervisor.changed);
	auto_err e = env_file_write();
	if (e)
		log_error("%s", err_text(e));
}

static bool all_stopped(void)
{
	list_for_each (member, &supervisor.members, struct member, link)
		if (member->state != LAUNCHER_DAEMON_STATE_STOPPED)
			return false;
	return true;
}

static void signal_all(int signum)
{
	list_for_each (member, &supervisor.members, struct member, link)
		member_signal(member, signum);
}

MAY_WAIT void supervisor_stop(void)
{
	int64_t until = deadline_in(STOP_GRACE);

	supervisor.is_stopping = true;
	cond_broadcast(&supervisor.changed);
	signal_all(SIGTERM);
	while (!all_stopped()) {
		auto_err e = cond_wait(&supervisor.changed, "the daemons to end", until);

		if (e) {
			log_warn("a daemon did not end in time: it is killed");
			signal_all(SIGKILL);
			until = NEVER;
			if (!err_is(e, &ERR_TIMEOUT))
				return;
		}
	}
}

static MAY_WAIT void stop_fiber(void *arg)
{
	supervisor_stop();
	loop_stop();
}

static void stop_signal(int signum)
{
	log_info("signal %d: stopping", signum);
	auto_err e = fiber_spawn(NULL, stop_fiber, NULL, "stop");
	if (e)
		loop_stop();
}

static MAY_WAIT void notify_fiber(void *arg)
{
	struct notice notice;
	struct err *e = NULL;

	while (!e) {
		while (notify_read(supervisor.notify_fd, &notice) > 0)
			if (notice.is_ready)
				member_is_ready(notice.pid);
		e = fiber_wait_fd(supervisor.notify_fd, FD_READABLE, "notices", NEVER);
	}
	err_free(e);
}

/* A daemon that is not built yet is left out. */
static struct err *add_daemons(void)
{
	for (size_t i = 0; i < ARRAY_LEN(daemons); i++) {
		auto_str program = member_program(daemons[i]);

		if (access(program, X_OK) == 0)
			TRY(member_add(program));
		else
			log_info("there is no %s: left out", program);
	}
	for (unsigned i = 0; i < supervisor.options->n_extra; i++)
		TRY(member_add(supervisor.options->extra[i]));
	return NULL;
}

static struct err *start_members(void)
{
	if (member_find("xapid"))
		TRY(account_write());
	list_for_each (member, &supervisor.members, struct member, link) {
		TRY(member_conf_write(member->name));
		TRY(fiber_spawn(NULL, member_fiber, member, "daemon %s", member->name));
	}
	return env_file_write();
}

static struct err *make_dirs(const char *dir)
{
	static const char *const below[] = {"", "/run", "/log", "/etc", "/lib"};

	for (size_t i = 0; i < ARRAY_LEN(below); i++) {
		auto_str path = xasprintf("%s%s", dir, below[i]);
		int r = dir_make(path, 0750);

		if (r < 0)
			return err_errno(-r, "making %s", path);
	}
	return NULL;
}

static struct err *start(struct rpc_server **server, int *lock_fd)
{
	static const struct service *const services[] = {&launcher_service, NULL};
	const char *dir = supervisor.options->dir;
	auto_str run_dir = xasprintf("%s/run", dir);
	auto_str socket_path = remote_socket(dir);

	TRY(make_dirs(dir));
	TRY(dir_lock_after_death(run_dir, "xenith.lock", lock_fd));
	supervisor.notify_path = xasprintf("%s/run/notify", dir);
	TRY(notify_open(supervisor.notify_path, &supervisor.notify_fd));
	TRY(fiber_spawn(NULL, notify_fiber, NULL, "notices"));
	TRY(loop_on_signal(SIGTERM, stop_signal));
	TRY(loop_on_signal(SIGINT, stop_signal));
	TRY(add_daemons());
	TRY(start_members());
	return rpc_server_new(server, socket_path, services, NULL);
}

static void clean_up(struct rpc_server *server)
{
	rpc_server_free(server);
	list_for_each_safe (member, &supervisor.members, struct member, link)
		member_free(member);
	if (supervisor.notify_fd >= 0)
		close(supervisor.notify_fd);
	if (supervisor.notify_path)
		unlink(supervisor.notify_path);
	free(supervisor.notify_path);
	free(supervisor.password);
	loop_fini();
}

int verb_supervise(const struct options *o)
{
	struct rpc_server *server = NULL;
	auto_fd lock_fd = -1;

	umask(027);
	log_init("xenith");
	loop_init();
	supervisor.options = o;
	list_init(&supervisor.members);
	cond_init(&supervisor.changed);
	auto_err e = start(&server, &lock_fd);
	if (e)
		log_error("%s", err_text(e));
	else
		loop_run(STOP_GRACE);
	clean_up(server);
	return e ? EXIT_FAILED : EXIT_OK;
}
