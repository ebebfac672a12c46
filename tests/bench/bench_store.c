/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What it costs to make a change durable: from store_put to the end of store_barrier in one fiber,
 * beside a bare write and sync; and what is gained when many fibers wait at the same time. The
 * store is made anew in the working directory.
 */
#include "common/fiber.h"
#include "common/loop.h"
#include "common/mem.h"
#include "common/store.h"
#include "tests/bench/bench.h"

#include <stdio.h>
#include <string.h>

enum { KEYS = 1000, MANY = 64 };

static const char *const tables[] = {"vm", NULL};
static const struct store_schema schema = {.version = 1, .tables = tables};
static const struct store_options options = {.schema = &schema};

static void must(struct err *e)
{
	if (e) {
		fprintf(stderr, "bench_store: %s\n", err_text(e));
		abort();
	}
}

/* Fibers that put a row and wait for it, again and again. */
struct load {
	size_t row_size;
	int n_fibers, n_each;
	/* while it runs */
	struct store *store;
	char *value;
	int n_left, n_begun;
	struct cond ended;
	struct bench_samples samples;
	double rate; /* rows a second */
};

static void write_rows(void *arg)
{
	struct load *l = arg;
	int mine = l->n_begun++;
	uint64_t generation;
	char key[48];

	for (int i = 0; i < l->n_each; i++) {
		int64_t began = bench_now_ns();

		snprintf(key, sizeof(key), "OpaqueRef:%08d", (mine * l->n_each + i) * 7919 % KEYS);
		must(store_put(l->store, "vm", key, l->value, l->row_size, NULL, &generation));
		must(store_barrier(l->store, generation, NEVER));
		bench_samples_add(&l->samples, bench_now_ns() - began);
	}
	if (--l->n_left == 0)
		cond_signal(&l->ended);
}

static void run_load(struct load *l)
{
	l->n_left = l->n_fibers;
	l->n_begun = 0;
	cond_init(&l->ended);
	int64_t began = bench_now_ns();
	for (int i = 0; i < l->n_fibers; i++)
		must(fiber_spawn(NULL, write_rows, l, "writer"));
	must(cond_wait(&l->ended, "the writers", NEVER));
	l->rate = 1e9 * l->n_fibers * l->n_each / (double)(bench_now_ns() - began);
	cond_fini(&l->ended);
}

/* All rows are there already: what is measured overwrites. */
static void fill(struct store *s, const char *value, size_t size)
{
	uint64_t generation = 0;
	char key[48];

	for (int i = 0; i < KEYS; i++) {
		snprintf(key, sizeof(key), "OpaqueRef:%08d", i);
		must(store_put(s, "vm", key, value, size, NULL, &generation));
	}
	must(store_barrier(s, generation, NEVER));
	/* Until it has tidied up, as it does when nothing happens. */
	must(fiber_sleep(NS_PER_S));
}

struct bench {
	size_t row_size;
	struct load *loads; /* one after the other, on one store */
	int n_loads;
};

static void run_loads(void *arg)
{
	struct bench *b = arg;
	char path[] = "bench-store.XXXXXX";
	char *value = xcalloc(1, b->row_size);
	struct store *s;

	if (!mkdtemp(path))
		abort();
	char *file = xasprintf("%s/db", path);
	must(store_open(&s, file, &options));
	fill(s, value, b->row_size);
	for (int i = 0; i < b->n_loads; i++) {
		b->loads[i].store = s;
		b->loads[i].value = value;
		b->loads[i].row_size = b->row_size;
		run_load(&b->loads[i]);
	}
	store_close(s);
	char *command = xasprintf("rm -r %s", path);
	if (system(command))
		abort();
	free(command);
	free(file);
	free(value);
	loop_stop();
}

static void run(struct bench *b)
{
	loop_init();
	must(fiber_spawn(NULL, run_loads, b, "bench"));
	loop_run(NS_PER_S);
	loop_fini();
}

static void one_writer(void *arg, struct bench_figures *out)
{
	struct load load = {.n_fibers = 1, .n_each = 1000};
	struct bench b = {.row_size = *(const size_t *)arg, .loads = &load, .n_loads = 1};

	run(&b);
	bench_samples_figures(&load.samples, out);
	out->value = out->p50;
}

/* How many times the rate of one writer; the two take turns within the round. */
static void many_writers(void *arg, struct bench_figures *out)
{
	struct load loads[] = {
		{.n_fibers = 1, .n_each = 300},
		{.n_fibers = MANY, .n_each = 50},
		{.n_fibers = 1, .n_each = 300},
		{.n_fibers = MANY, .n_each = 50},
		{.n_fibers = 1, .n_each = 300},
		{.n_fibers = MANY, .n_each = 50},
	};
	struct bench b = {.row_size = *(const size_t *)arg, .loads = loads, .n_loads = 6};
	double one = 0, many = 0;

	run(&b);
	for (int i = 0; i < 6; i += 2) {
		one += loads[i].rate;
		many += loads[i + 1].rate;
	}
	bench_samples_figures(&loads[5].samples, out);
	out->value = many / one;
}

int main(int argc, char **argv)
{
	static size_t small = 300, middle = 1024, large = 6000;
	const struct bench_row rows[] = {
		{.name = "commit, one writer, 300 B",
			.unit = "us",
			.fn = one_writer,
			.arg = &small,
			.by = BENCH_BY_P50,
			.base = "base_fdatasync",
			.pin = BENCH_SAME,
			.at_most = 1.25,
			.limit = "fdatasync_p50"},
		{.name = "commit, one writer, 300 B, two CPUs",
			.unit = "us",
			.fn = one_writer,
			.arg = &small,
			.by = BENCH_BY_P50,
			.base = "base_fdatasync",
			.pin = BENCH_FREE},
		{.name = "64 writers by one, 300 B",
			.unit = "x",
			.fn = many_writers,
			.arg = &small,
			.pin = BENCH_SAME,
			.at_least = 12},
		{.name = "64 writers by one, 1 KiB",
			.unit = "x",
			.fn = many_writers,
			.arg = &middle,
			.pin = BENCH_SAME,
			.at_least = 12},
		{.name = "64 writers by one, 6 kB",
			.unit = "x",
			.fn = many_writers,
			.arg = &large,
			.pin = BENCH_SAME,
			.at_least = 6},
		{.name = "64 writers by one, 300 B, two CPUs",
			.unit = "x",
			.fn = many_writers,
			.arg = &small,
			.pin = BENCH_FREE},
	};

	return bench_main("store", rows, sizeof(rows) / sizeof(rows[0]), argc, argv);
}
