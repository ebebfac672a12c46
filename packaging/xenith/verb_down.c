/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `xenith down` and `xenith restart`: the supervisor does it; this waits for it and says what it
 * answered. Before all goes down xapid ends those guests that end with the toolstack.
 */
#include "common/arena.h"
#include "common/clock.h"
#include "common/fiber.h"
#include "common/mem.h"
#include "common/rpc.h"
#include "control.gen.h"
#include "core.gen.h"
#include "launcher.gen.h"
#include "packaging/xenith/remote.h"
#include "packaging/xenith/verbs.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/pidfd.h>

#define STOP_DEADLINE_S 90
#define ANSWERS_WITHIN  (10 * NS_PER_S)

static void print_guests(const struct control_guests_done *done)
{
	if (done->shut_down || done->suspended)
		printf("guests: %lld shut down, %lld suspended\n", (long long)done->shut_down,
			(long long)done->suspended);
	for (size_t i = 0; i < done->failures.n; i++)
		fprintf(stderr, "xenith: guest %s (%s) goes on: %s\n",
			done->failures.v[i].name_label, done->failures.v[i].uuid,
			done->failures.v[i].error);
}

/* Each guest takes its time; an xapid that does not even say its version is not waited for. */
static MAY_WAIT struct err *ask_xapid(struct rpc_client *xapid)
{
	auto_arena a = {0};
	struct core_version version;
	struct control_guests_done done;

	TRY(core_debug_version(xapid, &a, &version, deadline_in(ANSWERS_WITHIN)));
	TRY(control_guests_stop(xapid, &a, &done, NEVER));
	print_guests(&done);
	return NULL;
}

/* Where xapid does not run there is nobody to ask, and guests go on. */
static MAY_WAIT struct err *stop_guests(const struct options *o)
{
	auto_str path = xasprintf("%s/run/xapid.sock", o->dir);
	struct rpc_client *xapid = rpc_client_new(path, NULL);
	auto_err e = ask_xapid(xapid);

	rpc_client_free(xapid);
	return err_is(e, &ERR_CONNECTION_REFUSED) ? NULL : take(e);
}

/* The supervisor answers before it ends: wait for the process, so that `up` can follow at once. */
static MAY_WAIT struct err *stop(struct rpc_client *c, const struct options *o)
{
	auto_arena a = {0};
	struct launcher_stack stack;

	TRY(launcher_stack_status(c, &a, &stack, deadline_in(30 * NS_PER_S)));
	auto_err bad = stop_guests(o);
	if (bad)
		fprintf(stderr, "xenith: stopping guests: %s\n", err_text(bad));
	auto_fd pidfd = pidfd_open((pid_t)stack.supervisor_pid, 0);
	TRY(launcher_stack_stop(c, &a, deadline_in(STOP_DEADLINE_S * NS_PER_S)));
	if (pidfd < 0)
		return NULL; /* gone already */
	return fiber_wait_fd(
		pidfd, FD_READABLE, "the supervisor's end", deadline_in(30 * NS_PER_S));
}

int verb_down(const struct options *o)
{
	return remote_run(o, stop);
}

static MAY_WAIT struct err *restart_one(struct rpc_client *c, const char *name, struct arena *a)
{
	const struct launcher_daemon_restart_in in = {.name = name};

	TRY(launcher_daemon_restart(c, &in, a, deadline_in(STOP_DEADLINE_S * NS_PER_S)));
	printf("%s is ready again\n", name);
	return NULL;
}

static MAY_WAIT struct err *restart(struct rpc_client *c, const struct options *o)
{
	auto_arena a = {0};
	struct launcher_stack stack;

	if (o->operand)
		return restart_one(c, o->operand, &a);
	TRY(launcher_stack_status(c, &a, &stack, deadline_in(30 * NS_PER_S)));
	for (size_t i = 0; i < stack.daemons.n; i++)
		TRY(restart_one(c, stack.daemons.v[i].name, &a));
	return NULL;
}

int verb_restart(const struct options *o)
{
	return remote_run(o, restart);
}
