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

/* A record of the size and mixture of XenAPI's VM. */
struct vm {
	const char *refs[16];
	int64_t numbers[12];
	bool truths[10];
	struct string_list vbds, vifs;
	struct string_map other_config, platform;
};

#define REF(i) \
	{ \
		.name = "reference_" #i, .type = &type_string, \
		.offset = offsetof(struct vm, refs[i]) \
	}
#define NUMBER(i) \
	{ \
		.name = "memory_" #i, .type = &type_int, .offset = offsetof(struct vm, numbers[i]) \
	}
#define TRUTH(i) \
	{ \
		.name = "is_a_" #i, .type = &type_bool, .offset = offsetof(struct vm, truths[i]) \
	}

static const struct field vm_fields[] = {
	REF(0),
	REF(1),
	REF(2),
	REF(3),
	REF(4),
	REF(5),
	REF(6),
	REF(7),
	REF(8),
	REF(9),
	REF(10),
	REF(11),
	REF(12),
	REF(13),
	REF(14),
	REF(15),
	NUMBER(0),
	NUMBER(1),
	NUMBER(2),
	NUMBER(3),
	NUMBER(4),
	NUMBER(5),
	NUMBER(6),
	NUMBER(7),
	NUMBER(8),
	NUMBER(9),
	NUMBER(10),
	NUMBER(11),
	TRUTH(0),
	TRUTH(1),
	TRUTH(2),
	TRUTH(3),
	TRUTH(4),
	TRUTH(5),
	TRUTH(6),
	TRUTH(7),
	TRUTH(8),
	TRUTH(9),
	{.name = "VBDs", .type = &type_list_string, .offset = offsetof(struct vm, vbds)},
	{.name = "VIFs", .type = &type_list_string, .offset = offsetof(struct vm, vifs)},
	{.name = "other_config",
		.type = &type_map_string,
		.offset = offsetof(struct vm, other_config)},
	{.name = "platform", .type = &type_map_string, .offset = offsetof(struct vm, platform)},
};
static const struct type type_vm = {.kind = TYPE_RECORD,
	.size = sizeof(struct vm),
	.name = "vm",
	.fields = vm_fields,
	.n = ARRAY_LEN(vm_fields),
	.unknown_case = -1};

enum { CALL_ECHO, CALL_RECORD };
static const struct method methods[] = {
	[CALL_ECHO] = {.name = "echo", .in = &type_echo_in, .out = &type_string},
	[CALL_RECORD] = {.name = "record", .in = &type_vm, .out = &type_void},
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
	struct vm vm;
	struct bench_samples samples;
	size_t left;
	unsigned callers;
	struct cond ended;
};

static struct load *load;
/* an answer of 200 bytes with it */
static char text[200 - sizeof("{\"jsonrpc\":\"2.0\",\"id\":1234567890,\"result\":\"\"}\n") + 2];

static const char *const some_refs[] = {"OpaqueRef:9f1c7a52-0d8e-4b63-a1f2-6c3d5e7b9a10",
	"OpaqueRef:3b2a1908-f7e6-4d5c-b4a3-928170655443"};

static void make_vm(struct vm *vm)
{
	static const struct string_map_entry other[] = {{"auto_poweron", "true"},
		{"base_template_name", "Debian Bookworm 12"}, {"folder", "/production/web"},
		{"install-methods", "cdrom,nfs,http,ftp"}, {"mac_seed", some_refs[1] + 10}};
	static const struct string_map_entry platform[] = {{"acpi", "1"}, {"apic", "true"},
		{"device-model", "qemu-upstream-compat"}, {"hpet", "true"}, {"nx", "true"},
		{"pae", "true"}, {"timeoffset", "0"}, {"vga", "std"}, {"videoram", "8"},
		{"viridian", "false"}};

	for (size_t i = 0; i < ARRAY_LEN(vm->refs); i++)
		vm->refs[i] = some_refs[i % 2];
	for (size_t i = 0; i < ARRAY_LEN(vm->numbers); i++)
		vm->numbers[i] = (int64_t)1 << (3 * i);
	vm->vbds = (struct string_list){(const char **)some_refs, 2};
	vm->vifs = (struct string_list){(const char **)some_refs, 1};
	vm->other_config = (struct string_map){(struct string_map_entry *)other, ARRAY_LEN(other)};
	vm->platform =
		(struct string_map){(struct string_map_entry *)platform, ARRAY_LEN(platform)};
}

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
	make_vm(&load->vm);
	pid_t server = server_start();
	loop_init();
	must(fiber_spawn(NULL, measure, out, "measure"));
	loop_run(NS_PER_S);
	loop_fini();
	server_stop(server);
}

/* ---- the rows ---- */

/* The record as text, for the base. */
static void write_record(const char *file)
{
	auto_sbuf b = {0};
	struct vm vm = {0};
	FILE *f = fopen(file, "we");

	make_vm(&vm);
	codec_encode(&type_vm, &vm, &b);
	if (!f || fwrite(sbuf_data(&b), 1, sbuf_len(&b), f) != sbuf_len(&b) || fclose(f))
		abort();
}

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
	write_record(file);
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
