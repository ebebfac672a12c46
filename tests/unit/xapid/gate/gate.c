/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xapid/gate: calls as they come from the door, in JSON, to a database in memory. What a client is
 * told of names, sessions, arguments, tasks and events.
 */
#include "xapid/gate/gate.h"

#include "common/json.h"
#include "core.gen.h"
#include "tests/unit/common/runtime.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/gate/session.h"
#include "xapid/gate/task.h"

#include "xenapi.gen.h"

/* ---- a client ---- */

static struct arena arena;
static char session[64];

/* PARAMS is a JSON array; *TEXT (or NULL) the result's. */
static MAY_WAIT struct err *call(const char *method, const char *params, const char **text)
{
	struct gate_param v[8];
	struct gate_request rq = {.peer = {.origin = GATE_UNIX, .address = "", .user_agent = ""},
		.form = GATE_JSON,
		.method = method,
		.params = v,
		.arena = &arena};
	AUTO(gate_result_fini) struct gate_result result = {0};
	struct json_reader r;
	bool first = true;
	auto_sbuf out = {0};

	json_reader_init(&r, params, strlen(params), &arena);
	assert_true(json_enter_array(&r));
	while (json_next_element(&r, &first))
		assert_true(json_skip(&r, &v[rq.n_params++].json));
	assert_null(r.problem);
	TRY(gate_call(&rq, &result));
	gate_write(&result, GATE_JSON, &out);
	if (text)
		*text = arena_strdup(&arena, sbuf_str(&out));
	return NULL;
}

/* The same in the session; MORE are the arguments behind it: ", 1, 2". */
static MAY_WAIT struct err *call_in(const char *method, const char *more, const char **text)
{
	const char *params = arena_printf(&arena, "[\"%s\"%s]", session, more);

	return call(method, params, text);
}

static void unquote(const char *text, char *out, size_t size)
{
	snprintf(out, size, "%.*s", (int)strlen(text) - 2, text + 1);
}

static MAY_WAIT void log_in(void)
{
	const char *text;

	CHECK_OK(call("session.login_with_password", "[\"root\", \"x\"]", &text));
	unquote(text, session, sizeof(session));
}

static MAY_WAIT void check_error(struct err *e, const char *expected)
{
	auto_err owned = e;

	assert_non_null(e);
	assert_string_equal(err_text(e), expected);
}

/* ---- the tests ---- */

static MAY_WAIT void names_and_counts(void *arg)
{
	const char *text;

	check_error(call_in("VM.nonsense", "", NULL), "MESSAGE_METHOD_UNKNOWN(VM.nonsense)");
	check_error(call("nonsense.call", "[]", NULL), "MESSAGE_METHOD_UNKNOWN(nonsense.call)");
	check_error(call("VM.get_all", "[]", NULL),
		"MESSAGE_PARAMETER_COUNT_MISMATCH(VM.get_all, 0, -1)");
	check_error(call_in("VM.get_all", ", \"extra\"", NULL),
		"MESSAGE_PARAMETER_COUNT_MISMATCH(VM.get_all, 0, 1)");
	check_error(call("VM.get_all", "[\"OpaqueRef:nonsense\"]", NULL),
		"SESSION_INVALID(OpaqueRef:nonsense)");
	check_error(call_in("Async.VM.get_all", "", NULL),
		"Fault(No async mode for this operation (rpc: VM.get_all))");
	check_error(call_in("VMPP.get_all_records", "", NULL), "MESSAGE_REMOVED");
	check_error(call_in("Async.VM_clone", ", \"x\", \"y\"", NULL),
		"MESSAGE_METHOD_UNKNOWN(Async.VM_clone)");
	CHECK_OK(call("system.isAlive:x", "[\"y\"]", &text));
	assert_string_equal(text, "\"y\"");
	CHECK_OK(call("system.listMethods", "[]", &text));
	assert_non_null(strstr(text, "\"VM_guest_metrics.get_all_records\""));
	assert_non_null(strstr(text, "\"pool.remove_from_other_config\""));
	assert_null(strstr(text, "\"session.get_all\""));
	/* What may be left out, and what is too much behind it. */
	CHECK_OK(call("session.login_with_password", "[\"a\", \"b\", \"1.0\", \"me\", 5]", NULL));
	check_error(call("session.login_with_password", "[\"a\"]", NULL),
		"MESSAGE_PARAMETER_COUNT_MISMATCH(session.login_with_password, 2, 1)");
}

static MAY_WAIT void sessions_end(void *arg)
{
	CHECK_OK(call_in("session.logout", "", NULL));
	CHECK_ERR(call_in("session.logout", "", NULL), SESSION_INVALID);
	CHECK_ERR(call_in("event.get_current_id", "", NULL), SESSION_INVALID);
	assert_int_equal(db_count(session), 0);
	log_in();
	clock_stop();
	clock_step(SESSION_IDLE_NS - 1);
	CHECK_OK(call_in("event.get_current_id", "", NULL));
	clock_step(SESSION_IDLE_NS - 1);
	CHECK_OK(call_in("event.get_current_id", "", NULL));
	clock_step(SESSION_IDLE_NS);
	CHECK_OK(fiber_yield());
	CHECK_OK(fiber_yield());
	CHECK_ERR(call_in("event.get_current_id", "", NULL), SESSION_INVALID);
	clock_resume();
}

static MAY_WAIT void tasks_of_clients(void *arg)
{
	const char *text;

	CHECK_OK(call_in("task.create", ", \"mine\", \"of mine\"", &text));
	const char *more = arena_printf(&arena, ", %s", text);
	char ref[64];
	unquote(text, ref, sizeof(ref));
	assert_string_equal(db_find(task, ref)->name_label, "mine");
	CHECK_OK(call_in("task.set_progress", arena_printf(&arena, "%s, \"0.5\"", more), NULL));
	assert_true(db_find(task, ref)->progress == 0.5);
	CHECK_OK(call_in("task.cancel", more, NULL));
	assert_true(xtask_is_cancelling(ref));
	CHECK_OK(call_in("task.set_status", arena_printf(&arena, "%s, \"success\"", more), NULL));
	CHECK_OK(call_in("task.set_status", arena_printf(&arena, "%s, \"failure\"", more), NULL));
	assert_int_equal(db_find(task, ref)->status, XENAPI_TASK_STATUS_TYPE_SUCCESS);
	CHECK_OK(call_in("task.destroy", more, NULL));
	CHECK_ERR(call_in("task.destroy", more, NULL), HANDLE_INVALID);
	check_error(call_in("task.set_status", ", \"OpaqueRef:x\", \"bogus\"", NULL),
		"INVALID_VALUE(value, 'bogus' is none of: pending, success, failure, cancelling, "
		"cancelled)");
}

/* VM.start has no handler here, so its task fails with that. */
static MAY_WAIT void async_calls_leave_their_task(void *arg)
{
	const char *text;
	char ref[64];

	CHECK_OK(call_in("Async.VM.start", ", \"OpaqueRef:none\", false, false", &text));
	unquote(text, ref, sizeof(ref));
	assert_string_equal(db_find(task, ref)->name_label, "Async.VM.start");
	while (db_find(task, ref)->status == XENAPI_TASK_STATUS_TYPE_PENDING)
		CHECK_OK(fiber_yield());
	const struct xenapi_task *t = db_find(task, ref);
	assert_int_equal(t->status, XENAPI_TASK_STATUS_TYPE_FAILURE);
	assert_true(t->error_info.n >= 1);
	assert_true(t->progress == 1 && t->finished > 0);
	/* A synchronous one takes its own with it. */
	size_t before = db_count(task);
	auto_err e = call_in("VM.start", ", \"OpaqueRef:none\", false, false", NULL);
	assert_non_null(e);
	assert_int_equal(db_count(task), before);
}

/* ---- events ---- */

static char token[64];
static struct err *from_error;
static const char *from_text;

static void take_token(const char *text)
{
	const char *at = strstr(text, "\"token\":\"");

	assert_non_null(at);
	snprintf(token, sizeof(token), "%.41s", at + strlen("\"token\":\""));
}

static MAY_WAIT void wait_for_tasks(void *arg)
{
	from_error = call_in("event.from",
		arena_printf(&arena, ", [\"Task\"], \"%s\", 60.1", token), &from_text);
}

static MAY_WAIT void events_come_once(void *arg)
{
	const char *text, *task;

	CHECK_OK(call_in("event.from", ", [\"task\"], \"\", 0", &text));
	assert_non_null(strstr(text, "{\"events\":[],\"valid_ref_counts\":{"));
	take_token(text);
	CHECK_OK(fiber_spawn(NULL, wait_for_tasks, NULL, "waiter"));
	CHECK_OK(fiber_yield());
	CHECK_OK(call_in("task.create", ", \"seen\", \"\"", &task));
	while (!from_text && !from_error)
		CHECK_OK(fiber_yield());
	CHECK_OK(from_error);
	assert_non_null(strstr(from_text, "\"operation\":\"add\""));
	assert_non_null(strstr(from_text, "\"class\":\"task\""));
	assert_non_null(strstr(from_text, "\"name_label\":\"seen\""));
	assert_non_null(strstr(from_text, "\"timestamp\":\"0.0\""));
	assert_non_null(strstr(from_text, "\"task\":1,"));
	take_token(from_text);
	CHECK_OK(call_in("task.set_progress", arena_printf(&arena, ", %s, 0.25", task), NULL));
	CHECK_OK(call_in("task.create", ", \"shortlived\", \"\"", &text));
	CHECK_OK(call_in("task.destroy", arena_printf(&arena, ", %s", text), NULL));
	CHECK_OK(call_in("event.from",
		arena_printf(&arena, ", [\"task/%.46s\"], \"%s\", 5", task + 1, token), &text));
	assert_non_null(strstr(text, "\"operation\":\"mod\""));
	assert_null(strstr(text, "\"add\""));
	assert_null(strstr(text, "\"del\""));
	take_token(text);
	CHECK_OK(call_in("task.destroy", arena_printf(&arena, ", %s", task), NULL));
	CHECK_OK(call_in("event.from", arena_printf(&arena, ", [\"*\"], \"%s\", 5", token), &text));
	assert_non_null(strstr(text, "\"operation\":\"del\""));
	assert_null(strstr(text, "snapshot"));
}

static MAY_WAIT void events_end_with_the_session(void *arg)
{
	token[0] = '\0';
	from_text = NULL;
	const char *text;
	CHECK_OK(call_in("event.from", ", [\"task\"], \"\", 0", &text));
	take_token(text);
	CHECK_OK(fiber_spawn(NULL, wait_for_tasks, NULL, "waiter"));
	CHECK_OK(fiber_yield());
	CHECK_OK(call_in("session.logout", "", NULL));
	while (!from_text && !from_error)
		CHECK_OK(fiber_yield());
	CHECK_ERR(from_error, SESSION_INVALID);
	from_error = NULL;
}

static MAY_WAIT void events_refuse_nonsense(void *arg)
{
	const char *text;

	check_error(call_in("event.from", ", [\"vm\"], \"garbage\", 1.0", NULL),
		"EVENT_FROM_TOKEN_PARSE_FAILURE(garbage)");
	check_error(call_in("event.from", ", [\"vm/\"], \"\", 1.0", NULL),
		"EVENT_SUBSCRIPTION_PARSE_FAILURE(vm/)");
	CHECK_OK(call_in("event.from", ", [\"nonsense\"], \"\", \"0\"", NULL));
	check_error(call_in("event.inject", ", \"vm\", \"OpaqueRef:x\"", NULL),
		"HANDLE_INVALID(vm, OpaqueRef:x)");
	CHECK_ERR(call_in("event.next", "", NULL), SESSION_NOT_REGISTERED);
	CHECK_OK(call_in("event.register", ", [\"TASK\"]", NULL));
	CHECK_OK(call_in("task.create", ", \"seen\", \"\"", NULL));
	CHECK_OK(call_in("event.next", "", &text));
	assert_non_null(strstr(text, "\"name_label\":\"seen\""));
	CHECK_OK(call_in("event.unregister", ", [\"task\"]", NULL));
	CHECK_ERR(call_in("event.next", "", NULL), SESSION_NOT_REGISTERED);
}

/* ---- around each ---- */

static MAY_WAIT void around(void *arg)
{
	fiber_fn *test = arg;
	const struct db_options options = {0};

	CHECK_OK(db_open(&options));
	session_start();
	xtask_start();
	log_in();
	(*test)(NULL);
	session_stop();
	xtask_stop();
	db_close();
	arena_fini(&arena);
}

#define IN_GATE(test) \
	static void test##_in_gate(void **state) \
	{ \
		fiber_fn fn = test; \
\
		run_in_fiber(around, &fn); \
	}

IN_GATE(names_and_counts)
IN_GATE(sessions_end)
IN_GATE(tasks_of_clients)
IN_GATE(async_calls_leave_their_task)
IN_GATE(events_come_once)
IN_GATE(events_end_with_the_session)
IN_GATE(events_refuse_nonsense)

TEST_MAIN(TEST(names_and_counts_in_gate), TEST(sessions_end_in_gate),
	TEST(tasks_of_clients_in_gate), TEST(async_calls_leave_their_task_in_gate),
	TEST(events_come_once_in_gate), TEST(events_end_with_the_session_in_gate),
	TEST(events_refuse_nonsense_in_gate))
