/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `xenith down` and `xenith restart`: the supervisor does it; this waits for it and says what it
 * answered.
 */
#include "common/arena.h"
#include "common/clock.h"
#include "common/fiber.h"
#include "common/rpc.h"
#include "core.gen.h"
#include "launcher.gen.h"
#include "packaging/xenith/remote.h"
#include "packaging/xenith/verbs.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/pidfd.h>

#define STOP_DEADLINE_S 90

/* The supervisor answers before it ends: wait for the process, so that `up` can follow at once. */
static MAY_WAIT struct err *stop(struct rpc_client *c, const struct options *o)
{
	auto_arena a = {0};
	struct launcher_stack stack;

	TRY(launcher_stack_status(c, &a, &stack, deadline_in(30 * NS_PER_S)));
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
