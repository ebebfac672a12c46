/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What fibers cost: a switch, a turn, a parked one's memory, a spawn, and the way to a pool thread
 * and back.
 */
#include "common/clock.h"
#include "common/fiber.h"
#include "common/fiber_switch.h"
#include "common/loop.h"
#include "common/offload.h"
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

static void run(fiber_fn fn, void *arg)
{
	loop_init();
	if (fiber_spawn(NULL, fn, arg, "bench"))
		abort();
	loop_run(NS_PER_S);
	offload_fini();
	loop_fini();
}

static void must(struct err *e)
{
	if (e)
		abort();
}

/* What this thread has worked: the rows without a base are to say the same on a busy machine. */
static int64_t work_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* ---- the switch by itself ---- */

enum { SWITCHES = 20000000 };
static struct fiber_context here, there;

static void switches_back(void)
{
	fiber_context_entered(&there, &here);
	for (;;)
		fiber_context_switch(&there, &here);
}

static void bare_switch(void *arg, struct bench_figures *out)
{
	size_t size = 64 * 1024;
	void *stack = malloc(size);

	fiber_context_init_self(&here);
	fiber_context_init(&there, stack, size, 64, switches_back);
	int64_t began = work_ns();
	for (int i = 0; i < SWITCHES / 2; i++)
		fiber_context_switch(&here, &there);
	out->value = (double)(work_ns() - began) / SWITCHES;
}

/* ---- turns: N fibers that yield ---- */

struct ring {
	int n_fibers, n_rounds, n_left;
	int64_t began, ended;
};

static void yields(void *arg)
{
	struct ring *r = arg;

	for (int i = 0; i < r->n_rounds; i++)
		must(fiber_yield());
	if (--r->n_left == 0)
		loop_stop();
}

static void starts_ring(void *arg)
{
	struct ring *r = arg;

	r->n_left = r->n_fibers;
	for (int i = 0; i < r->n_fibers; i++)
		must(fiber_spawn(NULL, yields, r, "in the ring"));
	must(fiber_yield()); /* each has touched its stack */
	r->began = work_ns();
	fiber_cancel_mask();
	for (int i = 1; i < r->n_rounds; i++)
		must(fiber_yield());
	r->ended = work_ns();
	fiber_cancel_unmask();
}

/* From one fiber to the next one is two switches, by way of the loop. */
static void ring(void *arg, struct bench_figures *out)
{
	struct ring r = *(const struct ring *)arg;

	run(starts_ring, &r);
	out->value = (double)(r.ended - r.began) / ((double)r.n_fibers * (r.n_rounds - 1)) / 2;
}

/* ---- memory ---- */

enum { PARKED = 10000 };
static struct cond crowd;

static void parks(void *arg)
{
	err_free(cond_wait(&crowd, "the end", NEVER));
}

static double resident_kib(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f || fscanf(f, "%*d %ld", &pages) != 1)
		abort();
	fclose(f);
	return (double)pages * getpagesize() / 1024;
}

static void parks_many(void *arg)
{
	double before = resident_kib();

	cond_init(&crowd);
	for (int i = 0; i < PARKED; i++)
		must(fiber_spawn(NULL, parks, NULL, "one of many"));
	must(fiber_yield());
	*(double *)arg = resident_kib() - before;
	loop_stop();
}

static void memory(void *arg, struct bench_figures *out)
{
	double kib = 0;

	run(parks_many, &kib);
	out->value = arg ? kib * 1024 / PARKED : kib / 1024;
}

/* ---- spawn ---- */

enum { SPAWNS = 200000 };

static void ends(void *arg)
{
}

static void spawns(void *arg)
{
	must(fiber_spawn(NULL, ends, NULL, "short"));
	must(fiber_yield());
	int64_t began = work_ns();
	for (int i = 0; i < SPAWNS; i += 16) {
		for (int j = 0; j < 16; j++)
			must(fiber_spawn(NULL, ends, NULL, "short"));
		must(fiber_yield());
	}
	*(double *)arg = (double)(work_ns() - began) / SPAWNS;
	loop_stop();
}

static void spawn(void *arg, struct bench_figures *out)
{
	run(spawns, &out->value);
}

/* ---- waiting for a descriptor: two fibers that play ping-pong ---- */

enum { HOPS = 50000 };

struct court {
	int fds[2];
	struct bench_figures *out;
};

static void hit(int fd)
{
	char ball = 0;

	if (write(fd, &ball, 1) != 1)
		abort();
}

static void receive(int fd)
{
	char ball;

	must(fiber_wait_fd(fd, FD_READABLE, "the ball", NEVER));
	if (read(fd, &ball, 1) != 1)
		abort();
}

static void returns_balls(void *arg)
{
	struct court *c = arg;

	for (int i = 0; i < HOPS; i++) {
		receive(c->fds[1]);
		hit(c->fds[1]);
	}
}

static void serves(void *arg)
{
	struct court *c = arg;
	struct bench_samples samples = {0};

	must(fiber_spawn(NULL, returns_balls, c, "returns"));
	for (int i = 0; i < HOPS; i++) {
		int64_t began = bench_now_ns();
		hit(c->fds[0]);
		receive(c->fds[0]);
		bench_samples_add(&samples, bench_now_ns() - began);
	}
	bench_samples_figures(&samples, c->out);
	c->out->value = c->out->p50;
	loop_stop();
}

static void wait_fd(void *arg, struct bench_figures *out)
{
	struct court c = {.out = out};

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, c.fds) < 0)
		abort();
	run(serves, &c);
}

/* ---- offload ---- */

enum { OFFLOADS = 20000 };

static void nothing(void *arg)
{
}

static void offloads(void *arg)
{
	struct bench_figures *out = arg;
	struct bench_samples samples = {0};

	must(offload("nothing", nothing, NULL));
	for (int i = 0; i < OFFLOADS; i++) {
		int64_t began = bench_now_ns();
		must(offload("nothing", nothing, NULL));
		bench_samples_add(&samples, bench_now_ns() - began);
	}
	bench_samples_figures(&samples, out);
	out->value = out->p50;
	loop_stop();
}

static void offload_hop(void *arg, struct bench_figures *out)
{
	run(offloads, out);
}

int main(int argc, char **argv)
{
	static struct ring hot = {.n_fibers = 64, .n_rounds = 20000};
	static struct ring cold = {.n_fibers = 10000, .n_rounds = 100};
	static char each[] = "each";
	const struct bench_row rows[] = {
		{.name = "switch", .unit = "ns", .fn = bare_switch, .at_most = 30},
		{.name = "switch, ring of 64",
			.unit = "ns",
			.fn = ring,
			.arg = &hot,
			.at_most = 30},
		{.name = "switch, ring of 10,000 (cold)",
			.unit = "ns",
			.fn = ring,
			.arg = &cold,
			.at_most = 100},
		{.name = "10,000 parked fibers", .unit = "MiB", .fn = memory, .at_most = 60},
		{.name = "one parked fiber",
			.unit = "bytes",
			.fn = memory,
			.arg = each,
			.at_most = 6 * 1024},
		{.name = "spawn, run and end (pooled)", .unit = "ns", .fn = spawn},
		{.name = "ping-pong over a socket pair", .unit = "us", .fn = wait_fd},
		{.name = "offload and back",
			.unit = "us",
			.fn = offload_hop,
			.base = "base_thread_hop",
			.by = BENCH_BY_P50,
			.at_most = 1.5},
		{.name = "offload and back, free",
			.unit = "us",
			.fn = offload_hop,
			.base = "base_thread_hop",
			.by = BENCH_BY_P50,
			.pin = BENCH_FREE},
	};

	return bench_main("fiber", rows, ARRAY_LEN(rows), argc, argv);
}
