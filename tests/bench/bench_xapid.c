/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What clients of the XenAPI wait for: xapid, with the other daemons where a row needs them, on a
 * directory of its own, beside bare programs that do as much of the same as cannot be left out. The
 * rows are in xapid_*.c.
 */
#include "common/arena.h"
#include "common/fiber.h"
#include "common/loop.h"
#include "tests/bench/xapid_rows.h"

struct round {
	xapid_round_fn fn;
	struct bench_figures *out;
};

static MAY_WAIT void run(void *arg)
{
	struct round *r = arg;

	r->fn(r->out);
	host_end();
	loop_stop();
}

void xapid_round(void *arg, struct bench_figures *out)
{
	struct round r = {(xapid_round_fn)arg, out};

	loop_init();
	must(fiber_spawn(NULL, run, &r, "round"));
	loop_run(10 * NS_PER_S);
	loop_fini();
}

int main(int argc, char **argv)
{
	struct xapid_rows rows = {0};

	xapid_calls(&rows);
	xapid_records(&rows);
	xapid_storm(&rows);
	int code = bench_main("xapid", rows.v.v, rows.v.n, argc, argv);
	vec_fini(&rows.v);
	arena_fini(&rows.arena);
	return code;
}
