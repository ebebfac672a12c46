/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The simulator's process (simulator/main.c): started once, as a companion in RUN/simulator, and
 * found again after a restart. One that died is started anew, empty: its domains are gone, as those
 * of a host that lost power.
 */
#define LOG_MODULE "simulator"
#include "common/companion.h"
#include "common/daemon.h"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/rpc.h"
#include "core.gen.h"
#include "simulator.gen.h"
#include "xenopsd/backend.h"
#include "xenopsd/backend_simulator.h"
#include "xenopsd/xenopsd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define START_NS (60 * NS_PER_S)
#define RETRY_NS (5 * NS_PER_MS)

static struct {
	char *dir; /* of the process: RUN/simulator; owned, as the next */
	struct rpc_client *client;
	int faults_fd; /* a file of one byte while faults are planned, else of none */
	bool is_ending; /* it is let go of */
} process = {.faults_fd = -1};

struct rpc_client *simulator_client(void)
{
	return process.client;
}

/* ---- faults ---- */

/* A simulator that is started anew keeps the file. */
static struct err *open_faults(void)
{
	auto_str path = xasprintf("%s/run/faults", process.dir);

	process.faults_fd = open(path, O_RDONLY | O_CLOEXEC);
	return process.faults_fd < 0 ? err_errno(errno, "opening %s", path) : NULL;
}

struct err *simulator_fault(const char *atom, const char *vm_id)
{
	auto_arena a = {0};
	struct simulator_fault_pass_in in = {.atom = atom, .vm = vm_id};
	char byte;

	if (pread(process.faults_fd, &byte, 1, 0) < 1)
		return NULL;
	return simulator_fault_pass(process.client, &in, &a, NEVER);
}

/* ---- start and end ---- */

static MAY_WAIT struct err *start(void)
{
	auto_str folder = program_folder();
	auto_str program = xasprintf("%s/xenopsd-simulator", folder);
	auto_str log = xasprintf("%s/log", process.dir);
	const char *const argv[] = {program, "--dir", process.dir, NULL};
	struct companion_spec spec = {
		.dir = process.dir, .name = "simulator", .argv = argv, .log_path = log};
	struct companion *c;

	TRY(companion_start(&spec, &c));
	log_info("the simulator is process %d", (int)c->pid);
	companion_free(c);
	return NULL;
}

static MAY_WAIT struct err *start_if_gone(void)
{
	struct companion *c;

	TRY(companion_find(process.dir, "simulator", &c));
	if (c && companion_is_running(c)) {
		companion_free(c);
		return NULL;
	}
	if (c)
		TRY(companion_forget(c));
	return start();
}

/* Its socket may not be there yet. */
static MAY_WAIT struct err *connect_to_it(void)
{
	int64_t deadline = deadline_in(START_NS);

	for (;;) {
		struct err *e = rpc_client_connect(process.client, deadline);

		if (!err_is(e, &ERR_CONNECTION_REFUSED) || clock_mono_ns() > deadline)
			return e;
		err_free(e);
		TRY(fiber_sleep(RETRY_NS));
	}
}

/* ---- its events ---- */

static MAY_WAIT struct err *watch_once(void)
{
	auto_str since = NULL;

	for (;;) {
		auto_arena a = {0};
		struct core_updates_get_in in = {.since = since, .timeout = 3600};
		struct core_updates_answer answer;

		TRY(core_updates_get(process.client, &in, &a, &answer, NEVER));
		for (size_t i = 0; i < answer.updates.n; i++)
			backend_changed(answer.updates.v[i].id);
		free(since);
		since = xstrdup(answer.token);
	}
}

static MAY_WAIT struct err *watch_again(void)
{
	TRY(start_if_gone());
	TRY(connect_to_it());
	/* What happened meanwhile, nobody told. */
	map_for_each (slot, &vms)
		backend_changed(slot->key);
	return NULL;
}

static MAY_WAIT void watch(void *arg)
{
	for (;;) {
		auto_err e = watch_once();

		if (process.is_ending || err_is(e, &ERR_SHUTTING_DOWN))
			return;
		log_err(LOG_WARN_, e, "the simulator is gone");
		auto_err again = watch_again();
		if (err_is(again, &ERR_SHUTTING_DOWN))
			return;
		if (again)
			log_err(LOG_ERROR_, again, "the simulator cannot be started");
		auto_err stopped = again ? fiber_sleep(NS_PER_S) : NULL;
		if (stopped)
			return;
	}
}

struct err *simulator_begin(void)
{
	const char *run = daemon_paths()->run;
	auto_str socket = xasprintf("%s/simulator/run/simulator.sock", run);

	process.dir = xasprintf("%s/simulator", run);
	process.client = rpc_client_new(socket, NULL);
	int r = dir_make(process.dir, 0755);
	if (r)
		return err_errno(-r, "making %s", process.dir);
	TRY(start_if_gone());
	TRY(connect_to_it());
	TRY(open_faults());
	return fiber_spawn(NULL, watch, NULL, "simulator watch");
}

static MAY_WAIT struct err *end_process(void)
{
	auto_arena a = {0};
	struct simulator_domain_list domains;
	struct companion *c;

	TRY(simulator_domain_list(process.client, &a, &domains, NEVER));
	if (domains.n)
		return NULL;
	TRY(simulator_machine_power_off(process.client, &a, NEVER));
	TRY(companion_find(process.dir, "simulator", &c));
	if (!c)
		return NULL;
	struct err *e = companion_wait(c, deadline_in(START_NS));
	if (e) {
		companion_free(c);
		return e;
	}
	return companion_forget(c);
}

void simulator_stop(void)
{
	process.is_ending = true;
	auto_err e = end_process();
	if (e)
		log_err(LOG_WARN_, e, "the simulator stays");
}

void simulator_end(void)
{
	rpc_client_free(process.client);
	free(process.dir);
	if (process.faults_fd >= 0)
		close(process.faults_fd);
}
