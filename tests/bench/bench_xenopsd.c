/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What VMs cost: a client, xenopsd and the simulator, whose operations take no time, on two CPUs
 * (host.h). Rows that tell how long something takes are compared with a loop of work of the same
 * kind on the same machine (base_work.c).
 */
#include "common/clock.h"
#include "common/codec.h"
#include "common/fiber.h"
#include "common/loop.h"
#include "common/map.h"
#include "common/mem.h"
#include "core.gen.h"
#include "storage.gen.h"
#include "tests/bench/bench.h"
#include "tests/bench/host.h"
#include "xenops.gen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((int64_t)1 << 20)

enum { CALLERS = 64, WARM_UP = 64, VMS = 1000, IDLE_VMS = 2000 };

/* ---- a client: calls over one connection, watches over another ---- */

struct waiter {
	struct cond changed;
	unsigned n_changes;
};

static struct {
	struct rpc_client *calls, *watch;
	struct map waiters; /* for tasks, by id */
	struct waiter barrier, any;
} client;

static void wake(struct waiter *w)
{
	if (!w)
		return;
	w->n_changes++;
	cond_broadcast(&w->changed);
}

static MAY_WAIT void wait_for(struct waiter *w, unsigned n_changes)
{
	while (w->n_changes == n_changes)
		must(cond_wait(&w->changed, "a change", NEVER));
}

static void take_update(const struct core_update *u)
{
	if (!strcmp(u->class, "task"))
		wake(map_get(&client.waiters, u->id));
	else if (!strcmp(u->class, "barrier"))
		wake(&client.barrier);
}

static MAY_WAIT void watch(void *arg)
{
	auto_str token = NULL;

	for (;;) {
		auto_arena a = {0};
		const struct core_updates_get_in in = {.since = token, .timeout = 3600};
		struct core_updates_answer answer;
		auto_err e = core_updates_get(client.watch, &in, &a, &answer, NEVER);

		if (e) /* the round has ended */
			return;
		for (size_t i = 0; i < answer.updates.n; i++)
			take_update(&answer.updates.v[i]);
		wake(&client.any);
		free(token);
		token = xstrdup(answer.token);
	}
}

static MAY_WAIT void client_begin(const char *socket)
{
	unsigned n = client.any.n_changes;

	client.calls = host_connect(socket);
	client.watch = host_connect(socket);
	cond_init(&client.barrier.changed);
	cond_init(&client.any.changed);
	must(fiber_spawn(NULL, watch, NULL, "watch"));
	wait_for(&client.any, n); /* for all that there is */
}

static void client_end(void)
{
	rpc_client_free(client.calls);
	rpc_client_free(client.watch);
	client.calls = client.watch = NULL;
}

/* When it returns, every event of what has been done so far has come. */
static MAY_WAIT void wait_for_events(void)
{
	auto_arena a = {0};
	unsigned n = client.barrier.n_changes;

	must(core_updates_barrier(
		client.calls, &(struct core_updates_barrier_in){.id = "bench"}, &a, NEVER));
	wait_for(&client.barrier, n);
}

/* Until the task has ended well, then it is forgotten; what it tells, in the arena. */
static MAY_WAIT struct core_task wait_for_task(const char *id, struct arena *a)
{
	struct waiter w = {0};
	struct core_task task;
	const struct core_task_destroy_in destroy = {.task = id};

	cond_init(&w.changed);
	map_put(&client.waiters, id, &w);
	for (;;) {
		unsigned n = w.n_changes;

		must(core_task_stat(
			client.calls, &(struct core_task_stat_in){.task = id}, a, &task, NEVER));
		if (task.state != CORE_TASK_STATE_RUNNING)
			break;
		wait_for(&w, n);
	}
	map_remove(&client.waiters, id);
	if (task.state != CORE_TASK_STATE_DONE)
		must(err(INTERNAL_ERROR, task.error ? task.error->code : "cancelled"));
	must(core_task_destroy(client.calls, &destroy, a, NEVER));
	return task;
}

/* ---- VDIs of smd, two for each VM ---- */

#define SR "00000000-0000-4000-8000-0000000000aa"

static char vdis[WARM_UP + VMS][2][40];

static unsigned number_of(const char *vm)
{
	return (unsigned)strtoul(strrchr(vm, '-') + 1, NULL, 10);
}

static MAY_WAIT void make_sr(void)
{
	auto_arena a = {0};
	struct storage_secret_map_entry location = {"location", {host_path("sr", &a)}};
	const struct storage_secret_map config = {&location, 1};
	const struct storage_sr_create_in create = {.sr = SR,
		.type = "file",
		.device_config = config,
		.name_label = "",
		.name_description = ""};
	const struct storage_sr_attach_in attach = {
		.sr = SR, .type = "file", .device_config = config};
	const char *task;

	must(storage_sr_create(client.calls, &create, &a, &task, NEVER));
	wait_for_task(task, &a);
	must(storage_sr_attach(client.calls, &attach, &a, &task, NEVER));
	wait_for_task(task, &a);
}

static MAY_WAIT void make_vdis(const char *vm)
{
	for (int i = 0; i < 2; i++) {
		auto_arena a = {0};
		struct storage_vdi_create_in in = {.sr = SR};
		struct storage_vdi vdi;
		const char *id;

		codec_init_record(&storage_type_vdi_spec, &a, &in.spec);
		in.spec.virtual_size_bytes = MIB;
		must(storage_vdi_create(client.calls, &in, &a, &id, NEVER));
		struct core_task task = wait_for_task(id, &a);
		must(codec_decode(&storage_type_vdi, "result", task.result->text, task.result->len,
			&a, &vdi));
		snprintf(vdis[number_of(vm)][i], sizeof(vdis[0][0]), "%s", vdi.vdi);
	}
}

/* ---- lives of VMs ---- */

static MAY_WAIT void add_vm(const char *id)
{
	auto_arena a = {0};
	struct xenops_vm_add_in in = {0};

	codec_init_record(&xenops_type_vm, &a, &in.vm);
	in.vm.vm = id;
	in.vm.name = "a VM of the bench";
	in.vm.memory_dynamic_min_bytes = in.vm.memory_dynamic_max_bytes = 64 * MIB;
	in.vm.memory_static_max_bytes = 64 * MIB;
	must(xenops_vm_add(client.calls, &in, &a, NEVER));
}

static MAY_WAIT void add_vbd(
	const char *vm, const char *name, struct xenops_disk disk, struct arena *a)
{
	struct xenops_vbd_add_in in = {0};

	codec_init_record(&xenops_type_vbd, a, &in.vbd);
	in.vbd.vbd = arena_printf(a, "%s/%s", vm, name);
	in.vbd.position = name;
	in.vbd.backend = &disk;
	must(xenops_vbd_add(client.calls, &in, a, NEVER));
}

static MAY_WAIT void add_vif(const char *vm, struct arena *a)
{
	struct xenops_vif_add_in in = {0};

	codec_init_record(&xenops_type_vif, a, &in.vif);
	in.vif.vif = arena_printf(a, "%s/0", vm);
	in.vif.mac = "02:00:00:00:00:01";
	in.vif.backend =
		(struct xenops_vif_backend){.kind = XENOPS_VIF_BACKEND_BRIDGE, .bridge = "xenbr0"};
	must(xenops_vif_add(client.calls, &in, a, NEVER));
}

static MAY_WAIT void add_vusb(const char *vm, struct arena *a)
{
	struct xenops_vusb_add_in in = {0};

	codec_init_record(&xenops_type_vusb, a, &in.vusb);
	in.vusb.vusb = arena_printf(a, "%s/0", vm);
	in.vusb.hostbus = "1";
	in.vusb.hostport = "1.2";
	in.vusb.version = "2.00";
	in.vusb.path = "/dev/bus/usb/001/002";
	must(xenops_vusb_add(client.calls, &in, a, NEVER));
}

static MAY_WAIT void start(const char *id)
{
	auto_arena a = {0};
	const char *task;

	must(xenops_vm_start(
		client.calls, &(struct xenops_vm_start_in){.vm = id}, &a, &task, NEVER));
	wait_for_task(task, &a);
}

static MAY_WAIT void shut_down(const char *id)
{
	auto_arena a = {0};
	const char *task;

	must(xenops_vm_shutdown(
		client.calls, &(struct xenops_vm_shutdown_in){.vm = id}, &a, &task, NEVER));
	wait_for_task(task, &a);
}

static MAY_WAIT void remove_vm(const char *id)
{
	auto_arena a = {0};

	must(xenops_vm_remove(client.calls, &(struct xenops_vm_remove_in){.vm = id}, &a, NEVER));
}

static MAY_WAIT void add_paths(const char *id, struct arena *a)
{
	const struct xenops_disk disk = {.kind = XENOPS_DISK_LOCAL, .local = "/dev/null"};

	add_vbd(id, "xvda", disk, a);
	add_vbd(id, "xvdb", disk, a);
}

/* Four adds and a start. */
static MAY_WAIT void bring_up(const char *id)
{
	auto_arena a = {0};

	add_vm(id);
	add_paths(id, &a);
	add_vusb(id, &a);
	start(id);
}

static MAY_WAIT void bring_up_with_vif(const char *id)
{
	auto_arena a = {0};

	add_vm(id);
	add_paths(id, &a);
	add_vif(id, &a);
	start(id);
}

static MAY_WAIT void bring_up_with_vdis(const char *id)
{
	auto_arena a = {0};

	add_vm(id);
	for (int i = 0; i < 2; i++)
		add_vbd(id, i ? "xvdb" : "xvda",
			(struct xenops_disk){.kind = XENOPS_DISK_VDI,
				.vdi = {.sr = SR, .vdi = vdis[number_of(id)][i]}},
			&a);
	add_vusb(id, &a);
	start(id);
}

static MAY_WAIT void whole_cycle(const char *id)
{
	add_vm(id);
	start(id);
	shut_down(id);
	remove_vm(id);
}

/* ---- many at a time ---- */

typedef MAY_WAIT void (*life_fn)(const char *id);

static struct {
	life_fn life;
	unsigned next, last;
} work;

static MAY_WAIT struct err *call_on(void *arg)
{
	while (work.next < work.last) {
		char id[40];

		snprintf(id, sizeof(id), "00000000-0000-4000-8000-%012u", work.next++);
		work.life(id);
	}
	return NULL;
}

/* The VMs of these numbers, until every event of it has come; how long it took. */
static MAY_WAIT double seconds_of(life_fn life, unsigned first, unsigned n)
{
	struct fiber_group group;
	int64_t began = bench_now_ns();

	work.life = life;
	work.next = first;
	work.last = first + n;
	fiber_group_init(&group);
	for (int i = 0; i < CALLERS; i++)
		must(fiber_group_spawn(&group, call_on, NULL, "caller"));
	must(fiber_group_wait(&group));
	wait_for_events();
	return (double)(bench_now_ns() - began) / 1e9;
}

/* ---- rounds ---- */

typedef MAY_WAIT void (*round_fn)(struct bench_figures *out);

static MAY_WAIT void starts(struct bench_figures *out)
{
	seconds_of(bring_up, 0, WARM_UP);
	out->value = seconds_of(bring_up, WARM_UP, VMS);
}

static MAY_WAIT void starts_with_vifs(struct bench_figures *out)
{
	auto_arena a = {0};
	struct rpc_client *networkd;
	const struct network_bridge_create_in bridge = {.bridge = "xenbr0"};

	host_start("networkd", "backend = simulator\n");
	networkd = host_connect("networkd.sock");
	must(network_bridge_create(networkd, &bridge, &a, NEVER));
	rpc_client_free(networkd);
	seconds_of(bring_up_with_vif, 0, WARM_UP);
	out->value = seconds_of(bring_up_with_vif, WARM_UP, VMS);
}

static MAY_WAIT void starts_with_vdis(struct bench_figures *out)
{
	client_end();
	host_start("smd", "");
	client_begin("smd.sock");
	make_sr();
	seconds_of(make_vdis, 0, WARM_UP + VMS);
	client_end();
	client_begin("xenopsd.sock");
	seconds_of(bring_up_with_vdis, 0, WARM_UP);
	out->value = seconds_of(bring_up_with_vdis, WARM_UP, VMS);
}

static MAY_WAIT void cycles(struct bench_figures *out)
{
	seconds_of(whole_cycle, 0, WARM_UP);
	out->value = VMS / seconds_of(whole_cycle, WARM_UP, VMS);
}

/* From the call that changes something to the event that another connection waits for. */
static MAY_WAIT void events(struct bench_figures *out)
{
	struct bench_samples samples = {0};

	for (unsigned i = 0; i < 2000; i++) {
		auto_arena a = {0};
		char id[40];
		struct core_version version;
		unsigned n = client.any.n_changes;

		snprintf(id, sizeof(id), "00000000-0000-4000-8000-%012u", i);
		int64_t began = bench_now_ns();
		add_vm(id);
		wait_for(&client.any, n);
		bench_samples_add(&samples, bench_now_ns() - began);
		/* Behind the next UPDATES.get: when it is answered, that one waits. */
		must(core_debug_version(client.watch, &a, &version, NEVER));
	}
	bench_samples_figures(&samples, out);
	out->value = out->p50;
}

static MAY_WAIT void memory(struct bench_figures *out)
{
	pid_t pid = host_pid("xenopsd");

	seconds_of(bring_up, 0, WARM_UP);
	long before = host_status(pid, "RssAnon");
	seconds_of(bring_up, WARM_UP, VMS);
	out->value = (double)(host_status(pid, "RssAnon") - before) / VMS;
}

static MAY_WAIT long wake_ups(const char *program)
{
	long n = host_status(host_pid(program), "voluntary_ctxt_switches");

	if (!n)
		must(err(INTERNAL_ERROR, "the kernel does not count wake-ups"));
	return n;
}

/* Of xenopsd, or its simulator, a second; whichever has more. */
static MAY_WAIT void idle(struct bench_figures *out)
{
	enum { SECONDS = 4 };

	seconds_of(bring_up, 0, IDLE_VMS);
	client_end();
	must(fiber_sleep(NS_PER_S));
	long before = wake_ups("xenopsd"), before_simulator = wake_ups("xenopsd-simulator");
	must(fiber_sleep(SECONDS * NS_PER_S));
	long n = wake_ups("xenopsd") - before;
	long n_simulator = wake_ups("xenopsd-simulator") - before_simulator;
	out->value = (double)(n > n_simulator ? n : n_simulator) / SECONDS;
}

struct round {
	round_fn fn;
	struct bench_figures *out;
};

static MAY_WAIT void run(void *arg)
{
	struct round *r = arg;

	host_begin(host_folder(), "error");
	host_start("xenopsd", "backend = simulator\n");
	client_begin("xenopsd.sock");
	r->fn(r->out);
	client_end();
	host_end();
	loop_stop();
}

static void round_of(void *arg, struct bench_figures *out)
{
	struct round r = {(round_fn)arg, out};

	loop_init();
	must(fiber_spawn(NULL, run, &r, "round"));
	loop_run(10 * NS_PER_S);
	loop_fini();
}

/* ---- the rows ---- */

int main(int argc, char **argv)
{
	char seconds[64], rate[64];

	snprintf(seconds, sizeof(seconds), "base_work seconds %s", host_folder());
	snprintf(rate, sizeof(rate), "base_work rate %s", host_folder());
	const struct bench_row rows[] = {
		{.name = "1000 VMs: four adds and a start",
			.unit = "s",
			.fn = round_of,
			.arg = (void *)starts,
			.base = seconds,
			.pin = BENCH_PAIR,
			.at_most = 6,
			.limit = "work_s"},
		{.name = "the same, with VIFs of networkd",
			.unit = "s",
			.fn = round_of,
			.arg = (void *)starts_with_vifs,
			.base = seconds,
			.pin = BENCH_PAIR},
		{.name = "the same, with VDIs of smd",
			.unit = "s",
			.fn = round_of,
			.arg = (void *)starts_with_vdis,
			.base = seconds,
			.pin = BENCH_PAIR},
		{.name = "VM: add, start, shutdown, remove",
			.unit = "/s",
			.fn = round_of,
			.arg = (void *)cycles,
			.base = rate,
			.pin = BENCH_PAIR,
			.at_least = 200,
			.limit = "work_rate"},
		{.name = "event after its change",
			.unit = "us",
			.fn = round_of,
			.arg = (void *)events,
			.by = BENCH_BY_P50,
			.base = "base_unix_echo 200 1 1 each",
			.pin = BENCH_SAME,
			.at_most = 10,
			.limit = "unix_hop_p50"},
		{.name = "memory of an idle VM",
			.unit = "KiB",
			.fn = round_of,
			.arg = (void *)memory,
			.pin = BENCH_PAIR,
			.at_most = 12},
		{.name = "2000 idle VMs, wake-ups a second",
			.unit = "",
			.fn = round_of,
			.arg = (void *)idle,
			.pin = BENCH_PAIR,
			.at_most = 1},
	};
	return bench_main("xenopsd", rows, ARRAY_LEN(rows), argc, argv);
}
