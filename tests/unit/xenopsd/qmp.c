/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenopsd/qmp.c against a peer that follows a script: what QEMU says, and what it must hear.
 */
#include "xenopsd/qmp.h"

#include "common/listen.h"
#include "common/mem.h"
#include "common/stream.h"
#include "core.gen.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/common/scratch.h"
#include "tests/unit/test.h"

#define GREETING "> {\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\n"
#define READY    GREETING "< qmp_capabilities\n> {\"return\": {}, \"id\": 1}\n"

static const char *script; /* lines "> what it says" and "< what it must hear"; then it closes */
static struct stream *peer;
static struct listener *listener;
static char events[256]; /* names, with a blank behind each; "end" */

/* Waits until the peer has heard a line with TEXT in it. */
static MAY_WAIT bool hear(const char *text, size_t len)
{
	auto_str wanted = xstrndup(text, len);

	for (;;) {
		struct sbuf *in = stream_in(peer);
		char *newline = sbuf_len(in) ? memchr(sbuf_data(in), '\n', sbuf_len(in)) : NULL;
		bool is_end = false;

		if (newline) {
			*newline = '\0';
			if (!strstr(sbuf_data(in), wanted))
				fail_msg("heard %s, expected %s", sbuf_data(in), wanted);
			sbuf_consume(in, (size_t)(newline - sbuf_data(in)) + 1);
			return true;
		}
		auto_err e = stream_fill(peer, 65536, &is_end, NEVER);
		if (e || is_end)
			return false;
	}
}

static void play(void *arg)
{
	for (const char *at = script; *at;) {
		size_t len = strcspn(at, "\n");

		if (*at == '>') {
			sbuf_add(stream_out(peer), at + 2, len - 2);
			sbuf_adds(stream_out(peer), "\r\n");
			stream_flush_now(peer);
		} else if (!hear(at + 2, len - 2)) {
			break;
		}
		at += len + 1;
	}
	stream_free(take(peer));
}

static void accepted(int fd, void *arg)
{
	peer = stream_new(fd);
	CHECK_OK(fiber_spawn(NULL, play, NULL, "peer"));
}

static void on_event(const char *name, const json_t *data, void *arg)
{
	strncat(events, name ? name : "end", sizeof(events) - strlen(events) - 1);
	strncat(events, " ", sizeof(events) - strlen(events) - 1);
	if (arg)
		qmp_free(take(*(struct qmp **)arg));
}

static void with_script(fiber_fn fn, const char *what)
{
	script = what;
	*events = '\0';
	run_in_fiber(fn, NULL);
}

static MAY_WAIT struct err *connect_to_peer(struct qmp **out, void *arg)
{
	CHECK_OK(listen_unix(&listener, "qmp", 0600, accepted, NULL));
	struct err *e = qmp_connect(out, "qmp", on_event, arg, deadline_in(5 * NS_PER_S));
	listener_free(take(listener));
	return e;
}

#define CASE(name, what) \
	static void name##_fiber(void *arg); \
	static void name(void **state) \
	{ \
		with_script(name##_fiber, what); \
	} \
	static void name##_fiber(void *arg)

CASE(answers_and_refusals,
	READY "< {\"execute\":\"query-status\",\"id\":2}\n"
	      "> {\"return\": {\"status\": \"running\"}, \"id\": 2}\n"
	      "< {\"execute\":\"device_del\",\"arguments\":{\"id\":\"x\"},\"id\":3}\n"
	      "> {\"error\": {\"class\": \"DeviceNotFound\", \"desc\": \"no x\"}, \"id\": 3}\n"
	      "< never\n")
{
	struct qmp *q;
	json_auto_t *result = NULL;

	CHECK_OK(connect_to_peer(&q, NULL));
	CHECK_OK(qmp_call(q, "query-status", NULL, &result, NEVER));
	assert_string_equal(json_string_value(json_object_get(result, "status")), "running");
	auto_err e = qmp_call(q, "device_del", "{\"id\":\"x\"}", NULL, NEVER);
	assert_true(err_is(e, &ERR_INTERNAL_ERROR));
	assert_non_null(strstr(err_text(e), "QEMU refuses device_del: no x"));
	assert_true(qmp_is_open(q));
	qmp_free(q);
}

/* Answers come in any order, with events and unknown ones between. */
static void second_call(void *q)
{
	json_auto_t *result = NULL;

	CHECK_OK(qmp_call(q, "second", NULL, &result, NEVER));
	assert_int_equal(json_integer_value(result), 22);
}

CASE(any_order_and_events,
	READY "< first\n< second\n"
	      "> {\"event\": \"STOP\", \"timestamp\": {}}\n"
	      "> {\"return\": 99, \"id\": 77}\n"
	      "> {\"return\": 22, \"id\": 3}\n"
	      "> {\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true}}\n"
	      "> {\"return\": 11, \"id\": 2}\n")
{
	struct qmp *q;
	json_auto_t *result = NULL;

	CHECK_OK(connect_to_peer(&q, NULL));
	CHECK_OK(fiber_spawn(NULL, second_call, q, "second"));
	CHECK_OK(qmp_call(q, "first", NULL, &result, NEVER));
	assert_int_equal(json_integer_value(result), 11);
	while (qmp_is_open(q))
		CHECK_OK(fiber_yield());
	CHECK_OK(fiber_yield());
	assert_string_equal(events, "STOP SHUTDOWN end ");
	CHECK_ERR(qmp_call(q, "late", NULL, NULL, NEVER), CONNECTION_LOST);
	qmp_free(q);
}

CASE(lost_while_waiting, READY "< first\n")
{
	struct qmp *q;

	CHECK_OK(connect_to_peer(&q, NULL));
	CHECK_ERR(qmp_call(q, "first", NULL, NULL, NEVER), CONNECTION_LOST);
	qmp_free(q);
}

CASE(no_answer_in_time, READY "< first\n< never\n")
{
	struct qmp *q;

	CHECK_OK(connect_to_peer(&q, NULL));
	CHECK_ERR(qmp_call(q, "first", NULL, NULL, deadline_in(NS_PER_MS)), TIMEOUT);
	assert_true(qmp_is_open(q));
	qmp_free(q);
}

/* What is no JSON, or ends in the middle, ends the connection. */
CASE(nonsense, READY "< first\n> {\"return\": }\n< never\n")
{
	struct qmp *q;

	CHECK_OK(connect_to_peer(&q, NULL));
	CHECK_ERR(qmp_call(q, "first", NULL, NULL, NEVER), CONNECTION_LOST);
	CHECK_OK(fiber_yield());
	assert_string_equal(events, "end ");
	qmp_free(q);
}

CASE(no_greeting, "> {\"event\": \"STOP\"}\n")
{
	struct qmp *q;

	CHECK_ERR(connect_to_peer(&q, NULL), CONNECTION_LOST);
	assert_string_equal(events, "");
}

CASE(nobody_there, "")
{
	struct qmp *q;

	CHECK_ERR(qmp_connect(&q, "qmp", on_event, NULL, NEVER), CONNECTION_REFUSED);
}

CASE(freed_by_an_event,
	READY "< first\n> {\"event\": \"STOP\"}\n> {\"return\": 1, \"id\": 2}\n< x\n")
{
	struct qmp *q;

	CHECK_OK(connect_to_peer(&q, &q));
	CHECK_ERR(qmp_call(q, "first", NULL, NULL, NEVER), CONNECTION_LOST);
	assert_null(q);
	assert_string_equal(events, "STOP ");
}

TEST_MAIN(IN_SCRATCH(answers_and_refusals), IN_SCRATCH(any_order_and_events),
	IN_SCRATCH(lost_while_waiting), IN_SCRATCH(no_answer_in_time), IN_SCRATCH(nonsense),
	IN_SCRATCH(no_greeting), IN_SCRATCH(nobody_there), IN_SCRATCH(freed_by_an_event))
