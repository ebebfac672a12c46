/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/rpc_*.c when peers die by SIGKILL at random moments: in the middle of calls, long polls,
 * task calls, writes and reads of large messages. Afterwards no fiber and no connection is left,
 * and a neighbour that called all the while got every answer. Then the same with servers that die.
 */
#include "common/mem.h"
#include "common/rpc_conn.h"
#include "common/updates.h"
#include "tests/unit/common/rpc_sample.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/points.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static char dir[32];
static char path[64];
static struct rpc_server *server;
static struct rpc_client *client;

static void dir_make(void)
{
	strcpy(dir, "/tmp/xenith-kill-XXXXXX"); /* lint: fits */
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sock", dir);
}

static void reap(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* ---- clients that die ---- */

#define CALL(method, params) \
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" method "\",\"params\":" params "}\n"

static const char *const requests[] = {
	CALL("echo", "{\"text\":\"a\"}"),
	CALL("wait", "{\"text\":\"a\"}"),
	CALL("large", "{\"bytes\":300000}"),
	CALL("UPDATES.get", "{}"),
	CALL("UPDATES.get", "{\"timeout\":3000}"),
	CALL("work", "{\"text\":\"a\"}"),
	CALL("fail", "{\"text\":\"a\"}"),
	CALL("back", "{\"text\":\"a\"}"),
	"{\"jsonrpc\":\"2.0\",\"method\":\"rpc.cancel\",\"params\":{\"id\":1}}\n",
};

/* In a process that was forked from the loop: nothing of the runtime may be touched. */
static never_returns void die_calling(unsigned seed)
{
	static char sink[100000], large[200000];
	int fd = -1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	srandom(seed);
	memset(large, 'x', sizeof(large));
	if (unix_connect(path, &fd) < 0)
		_exit(1);
	fcntl(fd, F_SETFL, random() % 2 ? O_NONBLOCK : 0);
	for (;;) {
		const char *request = requests[(size_t)random() % ARRAY_LEN(requests)];
		ssize_t n = write(fd, request, strlen(request));

		if (random() % 8 == 0) { /* a call that takes long to be sent */
			static const char begin[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":"
						    "\"echo\",\"params\":{\"text\":\"";
			n = write(fd, begin, sizeof(begin) - 1);
			for (int i = 0; i < 5; i++)
				n = write(fd, large, sizeof(large));
			n = write(fd, "\"}}\n", 4);
		}
		if (random() % 3 == 0)
			n = read(fd, sink, sizeof(sink));
		if (n < 0 && errno != EAGAIN)
			_exit(1);
	}
}

static bool neighbour_may_end, neighbour_has_ended;
static size_t n_neighbour_calls;

static void neighbour_run(void *arg)
{
	auto_arena a = {0};
	char question[32];

	while (!neighbour_may_end) {
		const char *answer = NULL;

		snprintf(question, sizeof(question), "%zu", ++n_neighbour_calls);
		CHECK_OK(sample_call(
			client, SAMPLE_ECHO, question, &a, &answer, deadline_in(30 * NS_PER_S)));
		assert_string_equal(answer, question);
		arena_reset(&a);
		CHECK_OK(fiber_sleep(NS_PER_MS));
	}
	neighbour_has_ended = true;
}

/* So that all that a connection needs is there. */
static void call_once(void)
{
	auto_arena a = {0};
	const char *answer = NULL;

	CHECK_OK(sample_call(client, SAMPLE_ECHO, "", &a, &answer, deadline_in(30 * NS_PER_S)));
}

/* Fibers where nothing is in flight: the test's, the listener's and, after a call, the one that
 * serves connections. */
enum { N_QUIET = 3 };

static void wait_until_quiet(size_t n_fibers)
{
	for (int i = 0; fiber_count() > n_fibers && i < 10000; i++) {
		cond_broadcast(&sample.may_end);
		CHECK_OK(fiber_sleep(NS_PER_MS));
	}
	assert_int_equal(fiber_count(), n_fibers);
}

static void kill_one(size_t point)
{
	fflush(NULL);
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		die_calling((unsigned)point);
	CHECK_OK(fiber_sleep(random() % 4000 * NS_PER_US));
	reap(pid);
	if (point % 16 == 0)
		cond_broadcast(&sample.may_end);
	if (point % 4 == 0)
		updates_add("vm", "x");
}

static void clients_die_fiber(void *arg)
{
	static const struct rpc_limits few = {.calls = 32};
	struct points p = points_begin("kills of clients", 1000);
	struct fiber *neighbour;

	sample_reset();
	srandom((unsigned)p.seed);
	neighbour_may_end = neighbour_has_ended = false;
	CHECK_OK(rpc_server_new(&server, path, sample_services, &few));
	client = rpc_client_new(path, NULL);
	CHECK_OK(rpc_client_connect(client, NEVER));
	call_once();
	wait_until_quiet(N_QUIET);
	CHECK_OK(fiber_spawn(&neighbour, neighbour_run, NULL, "neighbour"));
	for (size_t i; points_next(&p, &i);)
		kill_one(i);
	neighbour_may_end = true;
	while (!neighbour_has_ended)
		CHECK_OK(fiber_yield());
	call_once();
	wait_until_quiet(N_QUIET);
	rpc_client_free(client);
	rpc_server_free(server);
	wait_until_quiet(1);
	task_fini();
	updates_fini();
	rpc_inbound_fini();
}

static void clients_die(void **state)
{
	dir_make();
	run_in_fiber(clients_die_fiber, NULL);
	assert_int_equal(rmdir(dir), 0);
}

/* ---- servers that die ---- */

enum { CALLERS = 30 };
static unsigned n_callers;

static void serve_fiber(void *arg)
{
	CHECK_OK(rpc_server_new(&server, path, sample_services, NULL));
}

static never_returns void die_serving(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sample_reset();
	loop_init();
	err_free(fiber_spawn(NULL, serve_fiber, NULL, "serve"));
	loop_run(NS_PER_S);
	_exit(1);
}

/* One call of each kind after the other, until the connection breaks; every one must end. */
static void calls_until_broken(void *arg)
{
	struct sample_large_in large = {200000};
	auto_err e = NULL;

	for (unsigned i = (unsigned)(uintptr_t)arg; !e; i++) {
		auto_arena a = {0};
		const char *answer;
		int64_t deadline = deadline_in(60 * NS_PER_S);

		if (i % 3 == 0)
			e = sample_call(client, SAMPLE_ECHO, "a", &a, &answer, deadline);
		else if (i % 3 == 1)
			e = rpc_call(client, &sample_methods[SAMPLE_LARGE], &large, &a, &answer,
				deadline);
		else if (i % 7)
			e = sample_call(client, SAMPLE_BACK, "b", &a, &answer, deadline);
		else
			e = sample_call(client, SAMPLE_WAIT, "b", &a, &answer, deadline);
	}
	if (!err_is(e, &ERR_CONNECTION_LOST) && !err_is(e, &ERR_CONNECTION_REFUSED))
		fail_msg("a call to a dead server ends with %s", err_text(e));
	n_callers--;
}

static void server_dies_fiber(void *arg)
{
	pid_t pid = *(pid_t *)arg;
	struct err *e;

	client = rpc_client_new(path, sample_services);
	while ((e = rpc_client_connect(client, NEVER))) { /* it is still starting */
		err_free(e);
		CHECK_OK(fiber_sleep(NS_PER_MS));
	}
	n_callers = CALLERS;
	for (unsigned i = 0; i < CALLERS; i++)
		CHECK_OK(fiber_spawn(NULL, calls_until_broken, (void *)(uintptr_t)i, "caller"));
	CHECK_OK(fiber_sleep(random() % 8000 * NS_PER_US));
	reap(pid);
	while (n_callers)
		CHECK_OK(fiber_sleep(NS_PER_MS));
	rpc_client_free(client);
	for (int i = 0; fiber_count() > 1 && i < 1000; i++)
		CHECK_OK(fiber_sleep(NS_PER_MS));
	assert_int_equal(fiber_count(), 1);
	rpc_inbound_fini();
}

static void servers_die(void **state)
{
	struct points p = points_begin("kills of servers", 300);

	dir_make();
	srandom((unsigned)p.seed);
	for (size_t i; points_next(&p, &i);) {
		sample_reset();
		fflush(NULL);
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (!pid)
			die_serving();
		run_in_fiber(server_dies_fiber, &pid);
	}
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
}

TEST_MAIN(TEST(clients_die), TEST(servers_die))
