/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Single calls: one that reads, beside an HTTP server that looks at nothing; some that change
 * something, beside the sum of the steps that they cannot do without (base_call.c).
 */
#include "common/arena.h"
#include "tests/bench/bare_http.h"
#include "tests/bench/xapid_rows.h"

#include <stdio.h>

enum { ALONE = 20000, TOGETHER = 60000, WARM_UP = 50, CHANGES = 500, STARTS = 200 };

/* ---- reading ---- */

/* As base_evhttp.c asks. The host is in memory: nothing is written. */
static MAY_WAIT void get_power_state(unsigned n_conns, size_t n, struct bench_figures *out)
{
	struct xapid_client c;
	struct bare_figures f;
	auto_arena a = {0};

	xapid_host_begin(host_folder(), 0, "");
	xapid_client_open(&c);
	const char *vm = xapid_make_vm(&c, &a, "vm");
	struct bare_load load = {.port = xapid_port(), .n_conns = n_conns, .n = n};
	load.request = xapid_request(&a, &load.len, &c, "VM.get_power_state", vm, NULL);
	bare_http_load(&load, &f);
	*out = (struct bench_figures){f.rate, f.p50, f.p99};
	xapid_client_close(&c);
}

static MAY_WAIT void get_power_state_1(struct bench_figures *out)
{
	get_power_state(1, ALONE, out);
}

static MAY_WAIT void get_power_state_64(struct bench_figures *out)
{
	get_power_state(64, TOGETHER, out);
}

/* ---- changing ---- */

/* Each label is another one, and as long as the others. */
static MAY_WAIT void set_name_label(struct bench_figures *out)
{
	struct xapid_client root, c;
	struct bench_samples samples = {0};
	auto_arena a = {0};

	xapid_host_begin(xapid_disk_folder(), 0, "");
	xapid_client_open(&root);
	xapid_client_open_tcp(&c, &root);
	const char *vm = xapid_make_vm(&c, &a, "vm");
	for (int i = 0; i < WARM_UP + CHANGES; i++) {
		char label[16];

		snprintf(label, sizeof(label), "vm %06d", i);
		int64_t began = bench_now_ns();
		xapid_call(&c, "VM.set_name_label", vm, label, NULL);
		if (i >= WARM_UP)
			bench_samples_add(&samples, bench_now_ns() - began);
	}
	bench_samples_figures(&samples, out);
	out->value = out->p50;
	xapid_client_close(&c);
	xapid_client_close(&root);
}

#define FALSE_VALUE "<value><boolean>0</boolean></value>"

/* The times of the starts alone. */
static MAY_WAIT void start(struct bench_figures *out)
{
	struct xapid_client root, c;
	struct bench_samples samples = {0};
	auto_arena a = {0};

	xapid_host_begin(xapid_disk_folder(), HOST_XENOPSD, "");
	xapid_client_open(&root);
	xapid_client_open_tcp(&c, &root);
	const char *vm = xapid_make_vm(&c, &a, "vm");
	for (int i = 0; i < WARM_UP + STARTS; i++) {
		int64_t began = bench_now_ns();

		xapid_call(&c, "VM.start", vm, FALSE_VALUE, FALSE_VALUE, NULL);
		if (i >= WARM_UP)
			bench_samples_add(&samples, bench_now_ns() - began);
		xapid_call(&c, "VM.hard_shutdown", vm, NULL);
	}
	bench_samples_figures(&samples, out);
	out->value = out->p50;
	xapid_client_close(&c);
	xapid_client_close(&root);
}

/* ---- the rows ---- */

void xapid_calls(struct xapid_rows *rows)
{
	struct arena *a = &rows->arena;
	const char *disk = xapid_disk_folder();
	const struct bench_row calls[] = {
		{.name = "VM.get_power_state",
			.unit = "/s",
			.fn = xapid_round,
			.arg = (void *)get_power_state_1,
			.base = "base_evhttp 1",
			.pin = BENCH_SAME,
			.at_least = 0.9,
			.limit = "evhttp_rate"},
		{.name = "VM.get_power_state, 64 clients",
			.unit = "/s",
			.fn = xapid_round,
			.arg = (void *)get_power_state_64,
			.base = "base_evhttp 64",
			.pin = BENCH_SAME,
			.at_least = 1.0,
			.limit = "evhttp_64_rate"},
		{.name = "the same, the slowest of a hundred",
			.unit = "us",
			.fn = xapid_round,
			.arg = (void *)get_power_state_64,
			.by = BENCH_BY_P99,
			.base = "base_evhttp 64",
			.pin = BENCH_SAME,
			.at_most = 3},
		{.name = "VM.get_power_state, two CPUs",
			.unit = "/s",
			.fn = xapid_round,
			.arg = (void *)get_power_state_1,
			.base = "base_evhttp 1",
			.pin = BENCH_FREE},
		{.name = "VM.set_name_label",
			.unit = "us",
			.fn = xapid_round,
			.arg = (void *)set_name_label,
			.by = BENCH_BY_P50,
			.base = arena_printf(a, "base_call 2 0 0 1 %s", disk),
			.pin = BENCH_SAME,
			.at_most = 1,
			.limit = "set_label_us"},
		{.name = "VM.start, no devices",
			.unit = "us",
			.fn = xapid_round,
			.arg = (void *)start,
			.by = BENCH_BY_P50,
			.base = arena_printf(a, "base_call 1 4 2 0 %s", disk),
			.pin = BENCH_SAME,
			.at_most = 4,
			.limit = "start_us"},
	};

	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		vec_push(&rows->v, calls[i]);
}
