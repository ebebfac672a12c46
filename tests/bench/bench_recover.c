/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long a daemon is missed that was killed while 50 VMs run on the simulator, as a client of the
 * XenAPI sees it. recover.py does it and measures; a round is one whole stack on one CPU.
 */
#include "common/clock.h"
#include "common/fiber.h"
#include "common/loop.h"
#include "common/proc.h"
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>

struct round {
	const char *daemon;
	struct bench_figures *out;
};

static MAY_WAIT void must(struct err *e)
{
	if (!e)
		return;
	fprintf(stderr, "%s\n", err_text(e));
	abort();
}

static MAY_WAIT void kill_and_wait(void *arg)
{
	struct round *r = arg;
	const char *argv[] = {"python3", "tests/bench/recover.py", r->daemon, NULL};
	const struct proc_spec spec = {.argv = argv, .merge_stderr = true};
	auto_proc_result result = {0};

	must(proc_run(&spec, &result));
	if (sscanf(result.out, "%lf", &r->out->value) != 1) {
		fprintf(stderr, "%s", result.out);
		abort();
	}
	loop_stop();
}

static void round_of(void *arg, struct bench_figures *out)
{
	struct round r = {arg, out};

	loop_init();
	must(fiber_spawn(NULL, kill_and_wait, &r, "round"));
	loop_run(10 * NS_PER_S);
	loop_fini();
}

#define ROW(of_daemon) \
	{ \
		.name = of_daemon " is killed", .unit = "s", .fn = round_of, \
		.arg = (void *)(uintptr_t)(of_daemon), .pin = BENCH_SAME, .at_most = 2 \
	}

int main(int argc, char **argv)
{
	const struct bench_row rows[] = {
		ROW("xapid"), ROW("xenopsd"), ROW("smd"), ROW("networkd"), ROW("rrdd")};

	return bench_main("recover", rows, sizeof(rows) / sizeof(rows[0]), argc, argv);
}
