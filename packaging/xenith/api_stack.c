/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of the launcher interface: what runs, and to stop or restart it.
 */
#include "common/arena.h"
#include "common/loop.h"
#include "common/proc.h"
#include "common/rpc.h"
#include "core.gen.h"
#include "launcher.gen.h"
#include "packaging/xenith/supervisor.h"

#include <signal.h>

#define RESTART_GRACE (20 * NS_PER_S)

static void describe(const struct member *member, struct arena *a, struct launcher_daemon *out)
{
	*out = (struct launcher_daemon){
		.name = member->name,
		.state = member->state,
		.since = member->since_s,
		.restarts = member->restarts,
		.last_end = arena_strdup(a, member->last_end),
		.socket = member->socket_path,
		.log = member->log_path,
	};
	if (member->proc) {
		int64_t *pid = arena_new(a, int64_t);

		*pid = member->proc->pid;
		out->pid = pid;
	}
}

MAY_WAIT struct err *api_stack_status(struct call *c, struct launcher_stack *out)
{
	size_t n = 0;

	list_for_each (member, &supervisor.members, struct member, link)
		n++;
	*out = (struct launcher_stack){
		.dir = supervisor.options->dir,
		.supervisor_pid = getpid(),
		.backend = supervisor.options->backend,
		.network = network_backend(supervisor.options),
	};
	out->daemons.v = arena_calloc(c->arena, n, sizeof(*out->daemons.v));
	list_for_each (member, &supervisor.members, struct member, link)
		describe(member, c->arena, &out->daemons.v[out->daemons.n++]);
	return NULL;
}

static bool all_ready(void)
{
	list_for_each (member, &supervisor.members, struct member, link) {
		if (member->state != LAUNCHER_DAEMON_STATE_READY)
			return false;
	}
	return true;
}

/* All at once: the first may end while the last is waited for. */
MAY_WAIT struct err *api_stack_wait_ready(struct call *c, struct launcher_stack *out)
{
	do {
		list_for_each (member, &supervisor.members, struct member, link)
			TRY(member_wait_ready(member, 0));
	} while (!all_ready());
	return api_stack_status(c, out);
}

/* Ends the loop once the answer to Stack.stop has left: it leaves with the turn. */
static MAY_WAIT void end_fiber(void *arg)
{
	err_free(fiber_yield());
	err_free(fiber_yield());
	loop_stop();
}

MAY_WAIT struct err *api_stack_stop(struct call *c)
{
	fiber_cancel_mask(); /* a caller that goes away does not leave it half done */
	supervisor_stop();
	fiber_cancel_unmask();
	return fiber_spawn(NULL, end_fiber, NULL, "end");
}

MAY_WAIT struct err *api_daemon_restart(struct call *c, const struct launcher_daemon_restart_in *in)
{
	struct member *member = member_find(in->name);

	if (!member)
		return err(NO_SUCH_DAEMON, in->name);
	uint64_t start = member->starts;
	int64_t until = deadline_in(RESTART_GRACE);
	member->is_restart_asked = true;
	member_signal(member, SIGTERM);
	cond_broadcast(&supervisor.changed);
	while (member->starts == start && !supervisor.is_stopping) {
		auto_err e = cond_wait(&supervisor.changed, "the daemon to end", until);

		if (e && !err_is(e, &ERR_TIMEOUT))
			return take(e);
		if (e) {
			member_signal(member, SIGKILL);
			until = NEVER;
		}
	}
	return member_wait_ready(member, start);
}
