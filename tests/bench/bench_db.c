/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What xapid's database costs by itself: one object among few and among many, all records of a
 * large pool, and opening such a pool's file.
 */
#include "common/clock.h"
#include "common/fiber.h"
#include "common/loop.h"
#include "core.gen.h"
#include "tests/bench/bench.h"
#include "tests/unit/xapid/full_pool.h"
#include "xapid/api/implicit.h"

#include <stdlib.h>

enum { FEW = 100, MANY = 16000, POOL = 2400, STEPS = 200000 };

struct in_fiber {
	void (*fn)(struct bench_figures *out);
	struct bench_figures *out;
};

static void fiber_main(void *arg)
{
	const struct in_fiber *in = arg;

	in->fn(in->out);
	db_close();
	loop_stop();
}

/* One round, in a fiber: ARG is the function. */
static void round_in_fiber(void *arg, struct bench_figures *out)
{
	struct in_fiber in = {.fn = *(void (*const *)(struct bench_figures *))arg, .out = out};

	loop_init();
	full_pool_must(fiber_spawn(NULL, fiber_main, &in, "bench"));
	loop_run(10 * NS_PER_S);
	loop_fini();
}

static void open_in_memory(void)
{
	full_pool_must(db_open(&(struct db_options){0}));
}

/* ---- one object among others ---- */

static void touch_one(unsigned n)
{
	struct xenapi_vbd vbd = db_blank(vbd);
	struct full_pool pool;
	const struct xenapi_vm *vm;
	const char *ref, *other;

	full_pool_make(&pool, 0);
	for (unsigned i = 0; i < n; i++)
		ref = full_pool_vm(&pool, i);
	full_pool_must(db_get(vm, ref, &vm));
	auto_str uuid = xstrdup(vm->uuid);
	vbd.VM = ref;
	for (int64_t i = 0; i < STEPS; i++) {
		full_pool_must(db_get(vm, ref, &vm));
		full_pool_must(db_get_uuid(vm, uuid, &other));
		full_pool_must(db_write(vm, ref, memory_target, i));
		full_pool_must(db_write(vm, ref, resident_on, i % 2 ? pool.host : REF_NULL));
		if (i % 10)
			continue;
		full_pool_must(db_create(vbd, &vbd, &other));
		full_pool_must(db_delete(vbd, other));
		full_pool_must(fiber_yield());
	}
}

static int64_t time_of_touching(unsigned n)
{
	open_in_memory();
	int64_t start = bench_now_ns();
	touch_one(n);
	int64_t all = bench_now_ns() - start;
	db_close();
	open_in_memory();
	struct full_pool pool;
	start = bench_now_ns();
	full_pool_make(&pool, 0);
	for (unsigned i = 0; i < n; i++)
		full_pool_vm(&pool, i);
	int64_t making = bench_now_ns() - start;
	db_close();
	return all - making;
}

static void one_of_many(struct bench_figures *out)
{
	double few = (double)time_of_touching(FEW), many = (double)time_of_touching(MANY);

	out->p50 = few / STEPS / 1000;
	out->p99 = many / STEPS / 1000;
	out->value = many / few;
}

/* ---- all records ---- */

static void get_all_records(struct arena *a, enum gate_form form)
{
	const struct message m = {
		.kind = MESSAGE_GET_ALL_RECORDS, .class = &xenapi_class_vm, .is_read_only = true};
	struct xapi_call c = {.call = {.arena = a}, .message = &m, .form = form, .name = ""};

	full_pool_must(implicit_serve(&c, NULL, NULL));
}

/* Milliseconds: with no form at hand, and with all. */
static double time_of_all(struct arena *a)
{
	int64_t start = bench_now_ns();

	get_all_records(a, GATE_XML);
	return (double)(bench_now_ns() - start) / 1e6;
}

static void all_records_cold(struct bench_figures *out)
{
	struct full_pool pool;
	auto_arena a = {0};

	open_in_memory();
	full_pool_make(&pool, POOL);
	out->value = time_of_all(&a);
}

static void all_records_warm(struct bench_figures *out)
{
	struct full_pool pool;
	auto_arena a = {0};

	open_in_memory();
	full_pool_make(&pool, POOL);
	time_of_all(&a);
	arena_reset(&a);
	out->value = time_of_all(&a);
}

/* ---- opening ---- */

static void opening(struct bench_figures *out)
{
	auto_str path = xasprintf("%s/bench-db", getenv("TMPDIR") ?: "/tmp");
	auto_str command = xasprintf("rm -f %s %s-*", path, path);
	const struct db_options options = {.path = path};
	struct full_pool pool;

	full_pool_must(db_open(&options));
	full_pool_make(&pool, POOL);
	full_pool_must(db_barrier(0, NEVER));
	db_close();
	int64_t start = bench_now_ns();
	full_pool_must(db_open(&options));
	out->value = (double)(bench_now_ns() - start) / 1e6;
	db_close();
	if (system(command) != 0)
		abort();
}

int main(int argc, char **argv)
{
	static void (*const fns[])(struct bench_figures *) = {
		one_of_many, all_records_cold, all_records_warm, opening};
	const struct bench_row rows[] = {
		{.name = "one object of 16,000 by one of 100",
			.unit = "times",
			.fn = round_in_fiber,
			.arg = (void *)&fns[0],
			.pin = BENCH_SAME,
			.at_most = 1.2},
		{.name = "all of 2,400 VMs, nothing at hand",
			.unit = "ms",
			.fn = round_in_fiber,
			.arg = (void *)&fns[1],
			.pin = BENCH_SAME},
		{.name = "all of 2,400 VMs again",
			.unit = "ms",
			.fn = round_in_fiber,
			.arg = (void *)&fns[2],
			.pin = BENCH_SAME},
		{.name = "opening the file of 2,400 VMs",
			.unit = "ms",
			.fn = round_in_fiber,
			.arg = (void *)&fns[3],
			.pin = BENCH_SAME,
			.at_most = 250},
	};

	return bench_main("db", rows, ARRAY_LEN(rows), argc, argv);
}
