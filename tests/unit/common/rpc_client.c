/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/rpc_*.c from a client's side: server and client in one process, over a socket in a
 * directory of its own. Calls of every kind, both ways, at once; deadlines, cancellation, lost
 * connections and reconnection; limits.
 */
#include "common/mem.h"
#include "common/rpc.h"
#include "common/rpc_conn.h"
#include "common/updates.h"
#include "tests/unit/common/rpc_sample.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/test.h"

#include <stdio.h>
#include <sys/stat.h>

/* ---- a server and a client ---- */

static char dir[] = "/tmp/xenith-rpc-XXXXXX";
static char path[64];
static struct rpc_server *server;
static struct rpc_client *client;
static struct rpc_limits limits;
static size_t n_before; /* fibers */

static void start(void)
{
	sample_reset();
	n_before = fiber_count();
	CHECK_OK(rpc_server_new(&server, path, sample_services, &limits));
	client = rpc_client_new(path, sample_services);
}

/* Until only the fibers are left that were there at the beginning. */
static void settle(void)
{
	for (int i = 0; fiber_count() > n_before && i < 10000; i++)
		CHECK_OK(fiber_yield());
	assert_int_equal(fiber_count(), n_before);
}

static void finish(void)
{
	rpc_client_free(client);
	rpc_server_free(server);
	settle();
	task_fini();
	updates_fini();
	rpc_inbound_fini();
}

static void with_server(void (*fn)(void *arg))
{
	strcpy(dir, "/tmp/xenith-rpc-XXXXXX"); /* lint: fits */
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sock", dir);
	run_in_fiber(fn, NULL);
	assert_int_equal(rmdir(dir), 0); /* nothing was left in it */
	limits = (struct rpc_limits){0};
}

#define WITH_SERVER(name) \
	static void name##_fiber(void *arg); \
	static void name(void **state) \
	{ \
		with_server(name##_fiber); \
	} \
	static void name##_fiber(void *arg)

/* A call in a fiber of its own. */
struct caller {
	enum sample_method method;
	const char *text;
	int64_t deadline;
	struct fiber *fiber; /* NULL once it has ended */
	struct arena arena;
	const char *answer;
	struct err *e;
};

static void caller_run(void *arg)
{
	struct caller *r = arg;

	r->e = sample_call(client, r->method, r->text, &r->arena, &r->answer, r->deadline);
	r->fiber = NULL;
}

static void caller_start(struct caller *r, enum sample_method method, const char *text)
{
	*r = (struct caller){.method = method, .text = text, .deadline = NEVER};
	CHECK_OK(fiber_spawn(&r->fiber, caller_run, r, "caller"));
}

static struct err *caller_end(struct caller *r)
{
	while (r->fiber)
		CHECK_OK(fiber_yield());
	return take(r->e);
}

static void until_waiting(unsigned n)
{
	while (sample.waiting != n)
		CHECK_OK(fiber_yield());
}

/* ---- calls ---- */

WITH_SERVER(answers_a_call)
{
	auto_arena a = {0};
	const char *answer = NULL;

	start();
	CHECK_OK(sample_call(client, SAMPLE_ECHO, "h\xc3\xa9llo \"w\"\n", &a, &answer, NEVER));
	assert_string_equal(answer, "h\xc3\xa9llo \"w\"\n");
	finish();
}

WITH_SERVER(errors_come_back_as_they_were)
{
	auto_arena a = {0};

	start();
	auto_err e = sample_call(client, SAMPLE_FAIL, "x-1", &a, NULL, NEVER);
	assert_true(err_is(e, &ERR_NO_SUCH_TASK));
	assert_int_equal(e->n_params, 1);
	assert_string_equal(e->params[0], "x-1");
	finish();
}

WITH_SERVER(a_call_without_handler_says_its_name)
{
	auto_arena a = {0};

	start();
	auto_err e = sample_call(client, SAMPLE_MISSING, "", &a, NULL, NEVER);
	assert_true(err_is(e, &ERR_NOT_IMPLEMENTED));
	assert_string_equal(e->params[0], "missing");
	finish();
}

WITH_SERVER(many_calls_are_in_flight_at_once)
{
	static struct caller callers[500];
	char texts[500][12];

	start();
	for (int i = 0; i < 500; i++) {
		snprintf(texts[i], sizeof(texts[i]), "%d", i);
		caller_start(&callers[i], i % 5 ? SAMPLE_ECHO : SAMPLE_WAIT, texts[i]);
	}
	until_waiting(100);
	for (int i = 0; i < 500; i++) {
		if (i % 5 == 0)
			continue;
		CHECK_OK(caller_end(&callers[i]));
		assert_string_equal(callers[i].answer, texts[i]);
	}
	cond_broadcast(&sample.may_end);
	for (int i = 0; i < 500; i++) {
		CHECK_OK(caller_end(&callers[i]));
		arena_fini(&callers[i].arena);
	}
	finish();
}

/* Calls that wait long keep their slots while the numbers go round the ring many times. */
WITH_SERVER(slots_in_use_are_passed_over)
{
	static struct caller waiting[9];
	auto_arena a = {0};
	const char *answer;
	char text[12];

	start();
	for (unsigned i = 0; i < ARRAY_LEN(waiting); i++) {
		caller_start(&waiting[i], SAMPLE_WAIT, "");
		until_waiting(i + 1);
		for (unsigned k = 0; k < 100 + i; k++) {
			snprintf(text, sizeof(text), "%u.%u", i, k);
			CHECK_OK(sample_call(client, SAMPLE_ECHO, text, &a, &answer, NEVER));
			assert_string_equal(answer, text);
		}
	}
	assert_int_equal(sample.waiting, ARRAY_LEN(waiting));
	cond_broadcast(&sample.may_end);
	for (unsigned i = 0; i < ARRAY_LEN(waiting); i++) {
		CHECK_OK(caller_end(&waiting[i]));
		arena_fini(&waiting[i].arena);
	}
	finish();
}

WITH_SERVER(a_handler_calls_its_caller_back)
{
	auto_arena a = {0};
	const char *answer = NULL;

	start();
	CHECK_OK(sample_call(client, SAMPLE_BACK, "there and back", &a, &answer, NEVER));
	assert_string_equal(answer, "there and back");
	assert_int_equal(sample.echoes, 1);
	finish();
}

WITH_SERVER(the_tag_goes_along)
{
	auto_arena a = {0};
	const char *answer = NULL;

	start();
	fiber_set_tag("task-77");
	CHECK_OK(sample_call(client, SAMPLE_ECHO, "", &a, &answer, NEVER));
	fiber_set_tag("");
	assert_string_equal(sample.last_id, "task-77");
	CHECK_OK(sample_call(client, SAMPLE_ECHO, "", &a, &answer, NEVER));
	assert_memory_equal(sample.last_id, "call-", 5);
	finish();
}

WITH_SERVER(calls_by_name_and_text)
{
	auto_arena a = {0};
	struct json_text out;
	const char params[] = "{\"text\":\"t\",\"more\":[1]}";

	start();
	CHECK_OK(rpc_call_raw(
		client, "echo", (struct json_text){params, strlen(params)}, &a, &out, NEVER));
	assert_int_equal(out.len, 3);
	assert_string_equal(out.text, "\"t\"");
	auto_err e = rpc_call_raw(client, "echo", (struct json_text){0}, &a, &out, NEVER);
	assert_true(err_is(e, &ERR_INVALID_VALUE));
	assert_string_equal(e->params[0], "text");
	auto_err unknown = rpc_call_raw(client, "nothing", (struct json_text){0}, &a, &out, NEVER);
	assert_true(err_is(unknown, &ERR_UNKNOWN_CALL));
	assert_string_equal(unknown->params[0], "nothing");
	finish();
}

/* ---- how calls end ---- */

WITH_SERVER(a_deadline_ends_both_sides)
{
	auto_arena a = {0};
	const char *answer;

	start();
	CHECK_ERR(
		sample_call(client, SAMPLE_WAIT, "", &a, &answer, deadline_in(NS_PER_MS)), TIMEOUT);
	while (!sample.cancelled)
		CHECK_OK(fiber_yield());
	CHECK_OK(sample_call(client, SAMPLE_ECHO, "on", &a, &answer, NEVER));
	finish();
}

WITH_SERVER(a_cancelled_call_is_cancelled_there)
{
	struct caller r;

	start();
	caller_start(&r, SAMPLE_WAIT, "");
	until_waiting(1);
	fiber_cancel(r.fiber);
	CHECK_ERR(caller_end(&r), CANCELLED);
	while (!sample.cancelled)
		CHECK_OK(fiber_yield());
	assert_int_equal(sample.waiting, 0);
	finish();
}

WITH_SERVER(a_caller_that_goes_away_cancels)
{
	struct caller r;

	start();
	caller_start(&r, SAMPLE_WAIT, "");
	until_waiting(1);
	rpc_client_free(take(client));
	CHECK_ERR(caller_end(&r), CONNECTION_LOST);
	while (!sample.cancelled)
		CHECK_OK(fiber_yield());
	finish();
}

WITH_SERVER(a_lost_connection_is_told_and_made_anew)
{
	auto_arena a = {0};
	struct caller r;
	const char *answer = NULL;

	start();
	caller_start(&r, SAMPLE_WAIT, "");
	until_waiting(1);
	rpc_server_free(server);
	CHECK_ERR(caller_end(&r), CONNECTION_LOST);
	CHECK_ERR(sample_call(client, SAMPLE_ECHO, "", &a, &answer, NEVER), CONNECTION_REFUSED);
	CHECK_OK(rpc_server_new(&server, path, sample_services, &limits));
	CHECK_OK(sample_call(client, SAMPLE_ECHO, "again", &a, &answer, NEVER));
	assert_string_equal(answer, "again");
	finish();
}

static int n_up, n_down;
static void count_states(bool is_up, void *arg)
{
	*(is_up ? &n_up : &n_down) += 1;
}

WITH_SERVER(states_are_told)
{
	n_up = n_down = 0;
	start();
	rpc_client_on_state(client, count_states, NULL);
	CHECK_OK(rpc_client_connect(client, NEVER));
	assert_int_equal(n_up, 1);
	rpc_server_free(take(server));
	while (!n_down)
		CHECK_OK(fiber_yield());
	CHECK_ERR(rpc_client_connect(client, NEVER), CONNECTION_REFUSED);
	assert_int_equal(n_up, 1);
	assert_int_equal(n_down, 1);
	finish();
}

/* ---- limits ---- */

WITH_SERVER(too_large_messages_end_only_their_call)
{
	auto_arena a = {0};
	const char *answer;
	struct sample_large_in in = {32 * 1024 * 1024};
	struct caller r;

	start();
	caller_start(&r, SAMPLE_WAIT, "");
	until_waiting(1);
	CHECK_ERR(rpc_call(client, &sample_methods[SAMPLE_LARGE], &in, &a, &answer, NEVER),
		LIMIT_EXCEEDED);
	char *text = xcalloc(1, 17 * 1024 * 1024);
	memset(text, 'y', 17 * 1024 * 1024 - 1);
	CHECK_ERR(sample_call(client, SAMPLE_ECHO, text, &a, &answer, NEVER), LIMIT_EXCEEDED);
	free(text);
	cond_signal(&sample.may_end);
	CHECK_OK(caller_end(&r));
	in.bytes = 15 * 1024 * 1024;
	CHECK_OK(rpc_call(client, &sample_methods[SAMPLE_LARGE], &in, &a, &answer, NEVER));
	assert_int_equal(strlen(answer), in.bytes);
	finish();
}

WITH_SERVER(calls_beyond_the_limit_wait_their_turn)
{
	static struct caller callers[20];

	limits.calls = 8;
	start();
	for (int i = 0; i < 20; i++)
		caller_start(&callers[i], SAMPLE_WAIT, "");
	until_waiting(8);
	for (int i = 0; i < 100; i++)
		CHECK_OK(fiber_yield());
	assert_int_equal(sample.waiting, 8);
	for (int i = 0; i < 20; i++) {
		while (callers[i].fiber) {
			assert_true(sample.waiting <= 8);
			cond_signal(&sample.may_end);
			CHECK_OK(fiber_yield());
		}
		CHECK_OK(caller_end(&callers[i]));
	}
	finish();
}

/* The server has stopped reading, and yet it hears that its caller has gone. */
WITH_SERVER(a_caller_at_its_limit_that_goes_away_cancels)
{
	struct caller callers[3];

	limits.calls = 2;
	start();
	for (int i = 0; i < 3; i++)
		caller_start(&callers[i], SAMPLE_WAIT, "");
	until_waiting(2);
	rpc_client_free(take(client));
	while (sample.cancelled != 2)
		CHECK_OK(fiber_yield());
	for (int i = 0; i < 3; i++)
		CHECK_ERR(caller_end(&callers[i]), CONNECTION_LOST);
	finish();
}

WITH_SERVER(connections_beyond_the_limit_are_told)
{
	auto_arena a = {0};
	const char *answer;
	struct rpc_client *first;

	limits.connections = 1;
	start();
	first = client;
	CHECK_OK(sample_call(first, SAMPLE_ECHO, "", &a, &answer, NEVER));
	client = rpc_client_new(path, NULL);
	CHECK_ERR(sample_call(client, SAMPLE_ECHO, "", &a, &answer, NEVER), LIMIT_EXCEEDED);
	CHECK_OK(sample_call(first, SAMPLE_ECHO, "", &a, &answer, NEVER));
	rpc_client_free(first);
	for (int i = 0; i < 20; i++)
		CHECK_OK(fiber_yield());
	CHECK_OK(sample_call(client, SAMPLE_ECHO, "", &a, &answer, NEVER));
	finish();
}

/* ---- task calls ---- */

WITH_SERVER(a_task_call_outlives_its_caller)
{
	auto_arena a = {0};
	const char *id = NULL;
	struct core_task task;

	start();
	CHECK_OK(sample_call(client, SAMPLE_WORK, "done it", &a, &id, NEVER));
	until_waiting(1);
	rpc_client_free(client);
	client = rpc_client_new(path, NULL);
	CHECK_OK(core_task_stat(client, &(struct core_task_stat_in){id}, &a, &task, NEVER));
	assert_int_equal(task.state, CORE_TASK_STATE_RUNNING);
	cond_signal(&sample.may_end);
	while (task.state == CORE_TASK_STATE_RUNNING)
		CHECK_OK(core_task_stat(client, &(struct core_task_stat_in){id}, &a, &task, NEVER));
	assert_int_equal(task.state, CORE_TASK_STATE_DONE);
	assert_string_equal(task.result->text, "\"done it\"");
	CHECK_OK(core_task_destroy(client, &(struct core_task_destroy_in){id}, &a, NEVER));
	CHECK_ERR(core_task_stat(client, &(struct core_task_stat_in){id}, &a, &task, NEVER),
		NO_SUCH_TASK);
	finish();
}

WITH_SERVER(the_socket_is_for_its_group)
{
	struct stat st;

	start();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	finish();
}

TEST_MAIN(TEST(answers_a_call), TEST(errors_come_back_as_they_were),
	TEST(a_call_without_handler_says_its_name), TEST(many_calls_are_in_flight_at_once),
	TEST(slots_in_use_are_passed_over), TEST(a_handler_calls_its_caller_back),
	TEST(the_tag_goes_along), TEST(calls_by_name_and_text), TEST(a_deadline_ends_both_sides),
	TEST(a_cancelled_call_is_cancelled_there), TEST(a_caller_that_goes_away_cancels),
	TEST(a_lost_connection_is_told_and_made_anew), TEST(states_are_told),
	TEST(too_large_messages_end_only_their_call), TEST(calls_beyond_the_limit_wait_their_turn),
	TEST(a_caller_at_its_limit_that_goes_away_cancels),
	TEST(connections_beyond_the_limit_are_told), TEST(a_task_call_outlives_its_caller),
	TEST(the_socket_is_for_its_group))
