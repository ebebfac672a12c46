/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a call costs: echoes of 200 bytes and a VM record of 2.3 kB, from a client process to a
 * server process, beside bare sockets that carry the same bytes (base_unix_echo.c).
 */
#include "common/clock.h"
#include "common/codec.h"
#include "common/fiber.h"
#include "common/loop.h"
#include "common/rpc.h"
#include "tests/bench/bench.h"
#include "tests/bench/vm_record.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static void must(struct err *e)
{
	if (!e)
		return;
	fprintf(stderr, "bench_rpc: %s\n", err_text(e));
	abort();
}

/* ---- what is called ---- */

struct echo_in {
	const char *text;
};

static const struct field echo_fields[] = {
	{.name = "text", .type = &type_string, .offset = offsetof(struct echo_in, text)}};
static const struct type type_echo_in = {.kind = TYPE_RECORD,
	.size = sizeof(struct echo_in),
	.name = "echo_in",
	.fields = echo_fields,
	.n = 1,
	.unknown_case = -1};

enum { CALL_ECHO, CALL_RECORD };
static const struct method methods[] = {
	[CALL_ECHO] = {.name = "echo", .in = &type_echo_in, .out = &type_string},
	[CALL_RECORD] = {.name = "record", .in = &type_vm_record, .out = &type_void},
};
static const struct interface interface = {
	.name = "bench", .version = 1, .methods = methods, .n_methods = ARRAY_LEN(methods)};

static struct err *serve_echo(struct call *c, const void *in, void *out)
{
	*(const char **)out = ((const struct echo_in *)in)->text;
	return NULL;
}

static struct err *serve_record(struct call *c, const void *in, void *out)
{
	return NULL;
}

static const method_fn handlers[] = {[CALL_ECHO] = serve_echo, [CALL_RECORD] = serve_record};
static const struct service service = {.interface = &interface, .handlers = handlers};
static const struct service *const services[] = {&service, NULL};

/* ---- the server, a process ---- */

static char dir[] = "/tmp/xenith-bench-XXXXXX";
static char path[64];

static void serve(void *arg)
{
	struct rpc_server *s;

	must(rpc_server_new(&s, path, services, NULL));
}

static pid_t server_start(void)
{
	snprintf(path, sizeof(path), "%s/sock", mkdtemp(dir));
	pid_t pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	loop_init();
	must(fiber_spawn(NULL, serve, NULL, "serve"));
	loop_run(NS_PER_S);
	_exit(0);
}

static void server_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	unlink(path);
	rmdir(dir);
}

/* ---- the client ---- */

enum { MAX_CLIENTS = 64 };

struct load {
	unsigned in_flight, connections;
	size_t calls;
	bool is_record;
	/* of a round */
	struct rpc_client *clients[MAX_CLIENTS];
	struct vm_record vm;
	struct bench_samples samples;
	size_t left;
	unsigned callers;
	struct cond ended;
};

static struct load *load;
/* an answer of 200 bytes with it */
static char text[200 - sizeof("{\"jsonrpc\":\"2.0\",\"id\":1234567890,\"result\":\"\"}\n") + 2];

static void call_once(struct rpc_client *c, struct arena *a)
{
	const char *answer;
	struct echo_in in = {text};

	if (load->is_record)
		must(rpc_call(c, &methods[CALL_RECORD], &load->vm, a, NULL, NEVER));
	else
		must(rpc_call(c, &methods[CALL_ECHO], &in, a, &answer, NEVER));
	arena_reset(a);
}

static void calls(void *arg)
{
	struct rpc_client *c = arg;
	auto_arena a = {0};

	while (load->left) {
		/* two readings of the clock are a tenth of a call: not for each one */
		bool is_sample = load->callers == 1 || load->left % 16 == 0;
		int64_t began = is_sample ? bench_now_ns() : 0;

		load->left--;
		call_once(c, &a);
		if (is_sample)
			bench_samples_add(&load->samples, bench_now_ns() - began);
	}
	if (!--load->callers)
		cond_signal(&load->ended);
}

static void connect_all(void)
{
	for (unsigned i = 0; i < load->connections; i++) {
		load->clients[i] = rpc_client_new(path, NULL);
		for (;;) { /* the server may still be starting */
			auto_err e = rpc_client_connect(load->clients[i], NEVER);
			if (!e)
				break;
			must(fiber_sleep(NS_PER_MS));
		}
	}
}

static void measure(void *arg)
{
	struct bench_figures *out = arg;

	connect_all();
	cond_init(&load->ended);
	load->left = load->calls;
	load->callers = load->connections * load->in_flight;
	int64_t began = bench_now_ns();
	for (unsigned i = 0; i < load->callers; i++)
		must(fiber_spawn(NULL, calls, load->clients[i % load->connections], "caller"));
	must(cond_wait(&load->ended, "the callers", NEVER));
	double seconds = (double)(bench_now_ns() - began) / 1e9;
	bench_samples_figures(&load->samples, out);
	out->value = (double)load->calls / seconds;
	for (unsigned i = 0; i < load->connections; i++)
		rpc_client_free(load->clients[i]);
	loop_stop();
}

static void round_of(void *arg, struct bench_figures *out)
{
	load = arg;
	memset(text, 't', sizeof(text) - 1);
	vm_record_make(&load->vm);
	pid_t server = server_start();
	loop_init();
	must(fiber_spawn(NULL, measure, out, "measure"));
	loop_run(NS_PER_S);
	loop_fini();
	server_stop(server);
}

/* ---- the rows ---- */

int main(int argc, char **argv)
{
	static struct load single = {.in_flight = 1, .connections = 1, .calls = 20000};
	static struct load many = {.in_flight = 64, .connections = 1, .calls = 400000};
	static struct load wide = {.in_flight = 1, .connections = 64, .calls = 200000};
	static struct load vm = {
		.in_flight = 1, .connections = 1, .calls = 10000, .is_record = true};
	char file[] = "/tmp/xenith-bench-record-XXXXXX", record_base[128];
	int fd = mkstemp(file);

	if (fd < 0)
		return 1;
	close(fd);
	vm_record_write(file);
	snprintf(record_base, sizeof(record_base), "base_unix_echo 2300 1 1 each jansson %s", file);
	const struct bench_row rows[] = {
		{.name = "echo, one call at a time",
			.unit = "us",
			.fn = round_of,
			.arg = &single,
			.by = BENCH_BY_P50,
			.base = "base_unix_echo 200 1 1 each",
			.pin = BENCH_SAME,
			.at_most = 1.6,
			.limit = "unix_hop_p50"},
		{.name = "echo, 64 in flight, bare one a write",
			.unit = "calls/s",
			.fn = round_of,
			.arg = &many,
			.base = "base_unix_echo 200 64 1 each",
			.pin = BENCH_SAME,
			.at_least = 2},
		{.name = "echo, 64 in flight, bare batched",
			.unit = "calls/s",
			.fn = round_of,
			.arg = &many,
			.base = "base_unix_echo 200 64 1 batched",
			.pin = BENCH_SAME,
			.at_least = 0.2},
		{.name = "echo, 64 connections",
			.unit = "calls/s",
			.fn = round_of,
			.arg = &wide,
			.base = "base_unix_echo 200 1 64 each",
			.pin = BENCH_SAME,
			.at_least = 0.8,
			.limit = "unix_hop_64_rate"},
		{.name = "VM record, bare and jansson",
			.unit = "us",
			.fn = round_of,
			.arg = &vm,
			.by = BENCH_BY_P50,
			.base = record_base,
			.pin = BENCH_SAME,
			.at_most = 1.2},
		{.name = "unpinned: echo, one call at a time",
			.unit = "us",
			.fn = round_of,
			.arg = &single,
			.by = BENCH_BY_P50,
			.base = "base_unix_echo 200 1 1 each",
			.pin = BENCH_FREE},
		{.name = "unpinned: echo, 64 in flight, bare one a write",
			.unit = "calls/s",
			.fn = round_of,
			.arg = &many,
			.base = "base_unix_echo 200 64 1 each",
			.pin = BENCH_FREE},
		{.name = "unpinned: echo, 64 in flight, bare batched",
			.unit = "calls/s",
			.fn = round_of,
			.arg = &many,
			.base = "base_unix_echo 200 64 1 batched",
			.pin = BENCH_FREE},
		{.name = "unpinned: echo, 64 connections",
			.unit = "calls/s",
			.fn = round_of,
			.arg = &wide,
			.base = "base_unix_echo 200 1 64 each",
			.pin = BENCH_FREE},
		{.name = "unpinned: VM record, bare and jansson",
			.unit = "us",
			.fn = round_of,
			.arg = &vm,
			.by = BENCH_BY_P50,
			.base = record_base,
			.pin = BENCH_FREE},
	};
	int r = bench_main("rpc", rows, ARRAY_LEN(rows), argc, argv);
	unlink(file);
	return r;
}
