/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows of bench_xapid about many clients and many changes: one change told to a thousand, a
 * thousand VMs started at once, thousands of connections that do nothing or do it slowly.
 */
#include "common/clock.h"
#include "common/fiber.h"
#include "common/loop.h"
#include "common/stream.h"
#include "common/tls.h"
#include "tests/bench/crowd.h"
#include "tests/bench/xapid_rows.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS    1000
#define QUIET (100 * NS_PER_MS) /* after which whoever was asked waits */

enum {
	SUBSCRIBERS = 1000,
	FANOUT_ROUNDS = 40,
	STORM_VMS = 1000,
	CYCLE_CLIENTS = 16,
	IDLE = 10000,
	IDLE_TLS = 2000,
	SLOW = 1000,
	CALLS = 4000,
};

static struct crowd root; /* one connection of root's */
static char session[64];

static never_returns void fail(const char *what)
{
	fprintf(stderr, "%s\n", what);
	abort();
}

/* ---- a host with a client ---- */

static void raise_file_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		fail("no limits");
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

static MAY_WAIT void begin(unsigned daemons)
{
	struct xapid_client client;

	raise_file_limit();
	xapid_host_begin(host_folder(), daemons, "");
	xapid_client_open(&client);
	snprintf(session, sizeof(session), "%s", client.session);
	xapid_client_close(&client);
	crowd_open(&root, 1, xapid_port());
}

static void create_vm(struct crowd_conn *c, unsigned i)
{
	crowd_call(c, "VM.create",
		"\"%s\",{\"name_label\":\"storm-%06u\",\"name_description\":\"\","
		"\"user_version\":1,\"is_a_template\":false,\"affinity\":\"OpaqueRef:NULL\","
		"\"memory_static_max\":67108864,\"memory_dynamic_max\":67108864,"
		"\"memory_dynamic_min\":67108864,\"memory_static_min\":33554432,"
		"\"VCPUs_params\":{},\"VCPUs_max\":1,\"VCPUs_at_startup\":1,"
		"\"actions_after_shutdown\":\"destroy\",\"actions_after_reboot\":\"restart\","
		"\"actions_after_crash\":\"restart\",\"PV_bootloader\":\"\","
		"\"PV_kernel\":\"/boot/vmlinuz\",\"PV_ramdisk\":\"\",\"PV_args\":\"\","
		"\"PV_bootloader_args\":\"\",\"PV_legacy_args\":\"\",\"HVM_boot_policy\":\"\","
		"\"HVM_boot_params\":{},\"platform\":{},\"PCI_bus\":\"\",\"other_config\":{},"
		"\"recommendations\":\"\",\"domain_type\":\"pvh\"}",
		session, i);
}

static void make_vm(unsigned i, char ref[64])
{
	create_vm(&root.v[0], i);
	crowd_string_after(crowd_answer(&root), "\"result\":\"", ref, 64);
}

static long xapid_anon_kib(void)
{
	return host_status(host_pid("xapid"), "RssAnon");
}

/* ---- one change, told to many ---- */

struct telling {
	size_t n_left; /* that have not heard of it */
	bool done;
	size_t bytes; /* of each answer's body */
	char token[64];
};

static void hear(struct crowd_conn *c, char *body, size_t len, void *arg)
{
	struct telling *t = arg;

	if (!t->bytes)
		crowd_string_after(body, "\"token\":\"", t->token, sizeof(t->token));
	t->bytes = len;
	t->done = !--t->n_left;
}

static void listen_for_vms(struct crowd *c, const char *token)
{
	for (size_t i = 0; i < c->n; i++)
		crowd_call(&c->v[i], "event.from", "\"%s\",[\"vm\"],\"%s\",3600.0", session, token);
}

static MAY_WAIT void subscribe(struct crowd *c, char token[64])
{
	crowd_string_after(crowd_ask(&root, "event.from", "\"%s\",[\"vm\"],\"\",0.0", session),
		"\"token\":\"", token, 64);
	crowd_open(c, SUBSCRIBERS, xapid_port());
	listen_for_vms(c, token);
	must(fiber_sleep(5 * QUIET));
}

static MAY_WAIT void tell_many(struct bench_figures *out)
{
	struct bench_samples samples = {0};
	struct telling t = {0};
	struct crowd crowd;
	char vm[64];

	begin(0);
	make_vm(0, vm);
	subscribe(&crowd, t.token);
	for (unsigned i = 0; i <= FANOUT_ROUNDS; i++) {
		t = (struct telling){.n_left = crowd.n};
		int64_t began = bench_now_ns();
		crowd_call(&root.v[0], "VM.set_name_label", "\"%s\",\"%s\",\"label %03u\"", session,
			vm, i);
		if (!crowd_run(&crowd, hear, &t, &t.done, 30 * MS))
			fail("not all were told");
		if (i)
			bench_samples_add(&samples, bench_now_ns() - began);
		crowd_answer(&root);
		listen_for_vms(&crowd, t.token);
		must(fiber_sleep(QUIET));
	}
	fprintf(stderr, "# %zu bytes each\n", t.bytes);
	bench_samples_figures(&samples, out);
	out->value = out->p50;
	crowd_close(&crowd);
}

/* What a client costs that waits for events and hears of none, and how often it wakes xapid. */
static MAY_WAIT void subscribers(struct bench_figures *out)
{
	enum { SECONDS = 4 };
	struct crowd crowd;
	char token[64];

	begin(HOST_ALL);
	long before = xapid_anon_kib();
	subscribe(&crowd, token);
	out->value = (double)(xapid_anon_kib() - before) * 1.024 / SUBSCRIBERS;
	long wakes = host_status(host_pid("xapid"), "voluntary_ctxt_switches");
	must(fiber_sleep(SECONDS * NS_PER_S));
	wakes = host_status(host_pid("xapid"), "voluntary_ctxt_switches") - wakes;
	out->p50 = (double)wakes / SECONDS;
	crowd_close(&crowd);
}

static MAY_WAIT void idle_subscribers(struct bench_figures *out)
{
	subscribers(out);
	out->p50 = 0;
}

static MAY_WAIT void wakes_of_subscribers(struct bench_figures *out)
{
	subscribers(out);
	out->value = out->p50;
	out->p50 = 0;
}

/* ---- a thousand VMs at once ---- */

struct storm {
	struct crowd events;
	char refs[STORM_VMS][64];
	bool is_running[STORM_VMS];
	unsigned n_running;
	size_t n_answers;
	bool done;
	char token[64];
};

/* The next event in a batch that tells of a VM: its number and state. */
static const char *next_vm(const char *at, unsigned *i, bool *runs)
{
	static const char label[] = "\"name_label\":\"storm-", state[] = "\"power_state\":\"";
	const char *name = strstr(at, "\"snapshot\":{");
	const char *power = name ? strstr(name, state) : NULL;

	name = name ? strstr(name, label) : NULL;
	if (!name || !power)
		return NULL;
	*i = (unsigned)strtoul(name + sizeof(label) - 1, NULL, 10);
	*runs = !strncmp(power + sizeof(state) - 1, "Running", 7);
	return name > power ? name : power;
}

static void see(struct crowd_conn *c, char *body, size_t len, void *arg)
{
	struct storm *s = arg;
	unsigned i;
	bool runs;

	for (const char *at = body; (at = next_vm(at, &i, &runs));) {
		if (i >= STORM_VMS || s->is_running[i] == runs)
			continue;
		s->is_running[i] = runs;
		s->n_running += runs ? 1 : -1U;
	}
	s->done = s->n_running == STORM_VMS;
	/* The token is behind all events. */
	char *token = memmem(body + len - 100, 100, "\"token\":\"", 9);
	crowd_string_after(token ? token : body, "\"token\":\"", s->token, sizeof(s->token));
	crowd_call(c, "event.from", "\"%s\",[\"vm\"],\"%s\",30.0", session, s->token);
}

static void begin_storm(struct storm *s)
{
	for (unsigned i = 0; i < STORM_VMS; i++)
		make_vm(i, s->refs[i]);
	crowd_string_after(crowd_ask(&root, "event.from", "\"%s\",[\"vm\"],\"\",0.0", session),
		"\"token\":\"", s->token, sizeof(s->token));
	crowd_open(&s->events, 1, xapid_port());
	crowd_call(&s->events.v[0], "event.from", "\"%s\",[\"vm\"],\"%s\",30.0", session, s->token);
}

static MAY_WAIT void boot_storm(struct bench_figures *out)
{
	struct storm *s = calloc(1, sizeof(*s));
	struct crowd callers;

	begin(HOST_ALL);
	begin_storm(s);
	crowd_open(&callers, 1, xapid_port());
	int64_t began = bench_now_ns();
	for (unsigned i = 0; i < STORM_VMS; i++)
		crowd_call(&callers.v[0], "Async.VM.start", "\"%s\",\"%s\",false,false", session,
			s->refs[i]);
	if (!crowd_run(&s->events, see, s, &s->done, 120 * MS))
		fail("not all VMs run");
	out->value = (double)(bench_now_ns() - began) / 1e9;
	for (unsigned i = 0; i < STORM_VMS; i++)
		if (!strstr(crowd_ask(&root, "VM.get_power_state", "\"%s\",\"%s\"", session,
				    s->refs[i]),
			    "\"Running\""))
			fail("a VM does not run");
	crowd_close(&callers);
	crowd_close(&s->events);
	free(s);
}

/* ---- whole lives of VMs ---- */

struct lives {
	char refs[CYCLE_CLIENTS][64];
	unsigned n_begun, n_ended;
	bool done;
};

static void live(struct crowd_conn *c, char *body, size_t len, void *arg)
{
	static const char *const steps[] = {"VM.start", "VM.hard_shutdown", "VM.destroy"};
	struct lives *l = arg;
	char *ref = l->refs[c->number];

	if (strstr(body, "\"error\""))
		fail(body);
	switch (c->step++) {
	case 0:
		crowd_string_after(body, "\"result\":\"", ref, 64);
		crowd_call(c, steps[0], "\"%s\",\"%s\",false,false", session, ref);
		return;
	case 1:
	case 2:
		crowd_call(c, steps[c->step - 1], "\"%s\",\"%s\"", session, ref);
		return;
	}
	c->step = 0;
	l->done = ++l->n_ended == STORM_VMS;
	if (l->n_begun < STORM_VMS)
		create_vm(c, l->n_begun++);
}

static MAY_WAIT void lives_of_vms(struct bench_figures *out)
{
	struct lives l = {0};
	struct crowd crowd;

	begin(HOST_ALL);
	crowd_open(&crowd, CYCLE_CLIENTS, xapid_port());
	int64_t began = bench_now_ns();
	for (size_t i = 0; i < crowd.n; i++)
		create_vm(&crowd.v[i], l.n_begun++);
	if (!crowd_run(&crowd, live, &l, &l.done, 120 * MS))
		fail("not all VMs have lived");
	out->value = STORM_VMS / ((double)(bench_now_ns() - began) / 1e9);
	crowd_close(&crowd);
}

/* ---- connections that do little ---- */

static MAY_WAIT void idle_connections(struct bench_figures *out)
{
	struct crowd idle;

	begin(0);
	long before = xapid_anon_kib();
	crowd_open(&idle, IDLE, xapid_port());
	must(fiber_sleep(5 * QUIET));
	out->value = (double)(xapid_anon_kib() - before) / 1024;
	crowd_close(&idle);
}

struct tls_crowd {
	struct tls_context *context;
	struct stream *v[IDLE_TLS];
};

static MAY_WAIT void open_tls(struct tls_crowd *t)
{
	const struct tls_client_spec spec = {.verify = TLS_VERIFY_NONE};

	must(tls_client_new(&t->context, &spec));
	for (size_t i = 0; i < IDLE_TLS; i++) {
		struct sockaddr_in at = {.sin_family = AF_INET,
			.sin_port = htons((uint16_t)xapid_tls_port()),
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
			fail("cannot connect");
		t->v[i] = stream_new(fd);
		must(tls_connect(t->v[i], t->context, NULL, deadline_in(30 * NS_PER_S)));
	}
}

static void close_tls(struct tls_crowd *t)
{
	for (size_t i = 0; i < IDLE_TLS; i++)
		stream_free(t->v[i]);
	tls_context_free(t->context);
}

static MAY_WAIT void idle_tls_connections(struct bench_figures *out)
{
	struct tls_crowd *idle = calloc(1, sizeof(*idle));

	begin(HOST_TLS);
	long before = xapid_anon_kib();
	open_tls(idle);
	must(fiber_sleep(5 * QUIET));
	out->value = (double)(xapid_anon_kib() - before) / 1024;
	close_tls(idle);
	free(idle);
}

/* ---- a good client beside them ---- */

/* Slow ones, who send a byte now and then, each of them one every ten seconds. */
struct slow {
	struct crowd crowd;
	size_t next;
	int64_t due;
};

#define SLOW_NS (10 * NS_PER_S / SLOW)

static void slow_byte(struct slow *s)
{
	if (bench_now_ns() < s->due)
		return;
	s->due += SLOW_NS;
	crowd_send(&s->crowd.v[s->next], "P", 1);
	s->next = (s->next + 1) % s->crowd.n;
}

/* The 99th percentile of calls on one connection. */
static double p99_of_calls(struct slow *slow, const char *vm)
{
	struct bench_samples samples = {0};
	struct bench_figures figures;
	struct crowd good;

	crowd_open(&good, 1, xapid_port());
	for (int i = 0; i < CALLS + CALLS / 10; i++) {
		int64_t began = bench_now_ns();

		crowd_ask(&good, "VM.get_power_state", "\"%s\",\"%s\"", session, vm);
		if (i >= CALLS / 10)
			bench_samples_add(&samples, bench_now_ns() - began);
		if (slow)
			slow_byte(slow);
	}
	crowd_close(&good);
	bench_samples_figures(&samples, &figures);
	return figures.p99;
}

/* Alone and with the others, in turns: what else the machine does meets both. */
static MAY_WAIT void compare(struct bench_figures *out, MAY_WAIT void (*come)(void),
	MAY_WAIT void (*go)(void), struct slow *slow)
{
	enum { TURNS = 3 };
	double ratios[TURNS];
	char vm[64];

	begin(HOST_TLS);
	make_vm(0, vm);
	for (int i = 0; i < TURNS; i++) {
		double alone = p99_of_calls(NULL, vm);

		come();
		out->p99 = p99_of_calls(slow, vm);
		ratios[i] = out->p99 / alone;
		go();
		must(fiber_sleep(QUIET));
	}
	out->value = bench_median(ratios, TURNS);
}

static struct crowd idlers;
static struct tls_crowd tls_idlers;
static struct slow slow_ones;

static MAY_WAIT void idle_come(void)
{
	crowd_open(&idlers, IDLE, xapid_port());
	must(fiber_sleep(QUIET));
}

static MAY_WAIT void idle_go(void)
{
	crowd_close(&idlers);
}

static MAY_WAIT void beside_idle(struct bench_figures *out)
{
	compare(out, idle_come, idle_go, NULL);
}

static MAY_WAIT void tls_come(void)
{
	open_tls(&tls_idlers);
}

static MAY_WAIT void tls_go(void)
{
	close_tls(&tls_idlers);
}

static MAY_WAIT void beside_tls(struct bench_figures *out)
{
	compare(out, tls_come, tls_go, NULL);
}

static MAY_WAIT void slow_come(void)
{
	crowd_open(&slow_ones.crowd, SLOW, xapid_port());
	for (size_t i = 0; i < SLOW; i++)
		crowd_send(&slow_ones.crowd.v[i], "P", 1);
	slow_ones.next = 0;
	must(fiber_sleep(QUIET));
	slow_ones.due = bench_now_ns();
}

static MAY_WAIT void slow_go(void)
{
	crowd_close(&slow_ones.crowd);
}

static MAY_WAIT void beside_slow(struct bench_figures *out)
{
	compare(out, slow_come, slow_go, &slow_ones);
}

/* ---- the rows ---- */

/* As large as an answer with one VM is. */
#define FANOUT_BASE "base_fanout 1000 3900 40 100"

void xapid_storm(struct xapid_rows *rows)
{
	const struct bench_row storm[] = {
		{.name = "a change to 1000 subscribers",
			.unit = "us",
			.fn = xapid_round,
			.arg = (void *)tell_many,
			.by = BENCH_BY_P50,
			.base = FANOUT_BASE,
			.pin = BENCH_PAIR,
			.at_most = 1.5},
		{.name = "the same, the slowest of 40",
			.unit = "us",
			.fn = xapid_round,
			.arg = (void *)tell_many,
			.by = BENCH_BY_P99,
			.base = FANOUT_BASE,
			.pin = BENCH_PAIR,
			.at_most = 2},
		{.name = "memory of an idle subscriber",
			.unit = "kB",
			.fn = xapid_round,
			.arg = (void *)idle_subscribers,
			.pin = BENCH_PAIR,
			.at_most = 12},
		{.name = "1000 of them, wake-ups a second",
			.unit = "",
			.fn = xapid_round,
			.arg = (void *)wakes_of_subscribers,
			.pin = BENCH_PAIR,
			.at_most = 1},
		{.name = "1000 VMs started at once",
			.unit = "s",
			.fn = xapid_round,
			.arg = (void *)boot_storm,
			.pin = BENCH_PAIR,
			.at_most = 2},
		{.name = "VM: create, start, stop, destroy",
			.unit = "/s",
			.fn = xapid_round,
			.arg = (void *)lives_of_vms,
			.pin = BENCH_PAIR},
		{.name = "10000 idle connections",
			.unit = "MiB",
			.fn = xapid_round,
			.arg = (void *)idle_connections,
			.pin = BENCH_PAIR,
			.at_most = 60},
		{.name = "2000 idle connections, TLS",
			.unit = "MiB",
			.fn = xapid_round,
			.arg = (void *)idle_tls_connections,
			.pin = BENCH_PAIR,
			.at_most = 40},
		{.name = "p99 beside 10000 idle, to alone",
			.unit = "",
			.fn = xapid_round,
			.arg = (void *)beside_idle,
			.pin = BENCH_PAIR,
			.at_most = 2},
		{.name = "p99 beside 2000 idle, TLS",
			.unit = "",
			.fn = xapid_round,
			.arg = (void *)beside_tls,
			.pin = BENCH_PAIR,
			.at_most = 2},
		{.name = "p99 beside 1000 slow ones",
			.unit = "",
			.fn = xapid_round,
			.arg = (void *)beside_slow,
			.pin = BENCH_PAIR,
			.at_most = 2},
	};

	for (size_t i = 0; i < ARRAY_LEN(storm); i++)
		vec_push(&rows->v, storm[i]);
}
