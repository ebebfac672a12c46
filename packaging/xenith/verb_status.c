/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `xenith status`: what runs, as a table or as JSON.
 */
#include "common/arena.h"
#include "common/clock.h"
#include "common/codec.h"
#include "common/rpc.h"
#include "launcher.gen.h"
#include "packaging/xenith/remote.h"
#include "packaging/xenith/verbs.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static void print_daemon(const struct launcher_daemon *d, int64_t now)
{
	char pid[24] = "-";

	if (d->pid)
		snprintf(pid, sizeof(pid), "%lld", (long long)*d->pid);
	printf("%-10s %-9s %8s %8llds %9lld  %s\n", d->name,
		type_case_name(&launcher_type_daemon_state, (int)d->state), pid,
		(long long)(now - d->since), (long long)d->restarts, d->last_end);
}

static MAY_WAIT struct err *show(struct rpc_client *c, const struct options *o)
{
	auto_arena a = {0};
	struct launcher_stack stack;
	int64_t now = clock_real_ns() / NS_PER_S;

	TRY(launcher_stack_status(c, &a, &stack, deadline_in(30 * NS_PER_S)));
	if (o->json) {
		auto_sbuf text = {0};

		codec_encode(&launcher_type_stack, &stack, &text);
		printf("%s\n", sbuf_str(&text));
		return NULL;
	}
	printf("%s: backend %s, network %s%s, supervisor %lld\n", stack.dir, stack.backend,
		stack.network,
		!strcmp(stack.backend, "qemu") && !strcmp(stack.network, "simulator")
			? " (guests get QEMU's user network)"
			: "",
		(long long)stack.supervisor_pid);
	printf("%-10s %-9s %8s %9s %9s  %s\n", "DAEMON", "STATE", "PID", "SINCE", "RESTARTS",
		"LAST END");
	for (size_t i = 0; i < stack.daemons.n; i++)
		print_daemon(&stack.daemons.v[i], now);
	return NULL;
}

int verb_status(const struct options *o)
{
	return remote_run(o, show);
}
