/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/rpc_*.c against peers that are no client of ours: bytes of every kind over a raw socket,
 * beside a well-behaved connection that must not notice.
 */
#include "common/rpc_conn.h"

#include "common/mem.h"
#include "common/updates.h"
#include "tests/unit/common/rpc_sample.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/test.h"

#include <stdio.h>
#include <sys/socket.h>

static char dir[32];
static char path[64];
static struct rpc_server *server;
static struct rpc_client *neighbour;
static struct rpc_limits limits;

/* ---- the neighbour, who is never harmed ---- */

static void neighbour_is_well(void)
{
	auto_arena a = {0};
	const char *answer = NULL;

	CHECK_OK(sample_call(
		neighbour, SAMPLE_ECHO, "well", &a, &answer, deadline_in(10 * NS_PER_S)));
	assert_string_equal(answer, "well");
}

static void start(void)
{
	sample_reset();
	strcpy(dir, "/tmp/xenith-conn-XXXXXX"); /* lint: fits */
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sock", dir);
	CHECK_OK(rpc_server_new(&server, path, sample_services, &limits));
	neighbour = rpc_client_new(path, NULL);
	neighbour_is_well();
}

static void finish(void)
{
	neighbour_is_well();
	rpc_client_free(neighbour);
	rpc_server_free(server);
	for (int i = 0; fiber_count() > 1 && i < 10000; i++)
		CHECK_OK(fiber_yield());
	assert_int_equal(fiber_count(), 1);
	task_fini();
	updates_fini();
	rpc_inbound_fini();
	assert_int_equal(rmdir(dir), 0);
	limits = (struct rpc_limits){0};
}

#define WITH_SERVER(name) \
	static void name##_body(void); \
	static void name##_fiber(void *arg) \
	{ \
		start(); \
		name##_body(); \
		finish(); \
	} \
	static void name(void **state) \
	{ \
		run_in_fiber(name##_fiber, NULL); \
	} \
	static void name##_body(void)

/* ---- a raw peer ---- */

static struct stream *raw_new(void)
{
	int fd = -1;

	assert_int_equal(unix_connect(path, &fd), 0);
	return stream_new(fd);
}

static void raw_send_n(struct stream *s, const char *bytes, size_t n)
{
	sbuf_add(stream_out(s), bytes, n);
	stream_flush_later(s);
	err_free(stream_drain(s, 0, deadline_in(10 * NS_PER_S)));
}

static void raw_send(struct stream *s, const char *text)
{
	raw_send_n(s, text, strlen(text));
}

/* The next line from the server, or "" at the end of the connection. For the test to free. */
static char *raw_line(struct stream *s)
{
	for (;;) {
		struct sbuf *in = stream_in(s);
		char *start_ = sbuf_data(in);
		char *newline = sbuf_len(in) ? memchr(start_, '\n', sbuf_len(in)) : NULL;
		bool is_end = false;

		if (newline) {
			char *line = xstrndup(start_, (size_t)(newline - start_));

			sbuf_consume(in, (size_t)(newline - start_) + 1);
			return line;
		}
		auto_err e = stream_fill(s, SIZE_MAX, &is_end, deadline_in(10 * NS_PER_S));
		if (err_is(e, &ERR_TIMEOUT))
			fail_msg("no answer");
		if (e || is_end)
			return xstrdup("");
	}
}

static void expect(struct stream *s, const char *line)
{
	auto_str got = raw_line(s);

	assert_string_equal(got, line);
}

/* An answer comes that has PART in it. */
static void expect_part(struct stream *s, const char *part)
{
	auto_str got = raw_line(s);

	if (!strstr(got, part))
		fail_msg("no %s in %s", part, got);
}

static void expect_end(struct stream *s)
{
	expect(s, "");
}

static const char echo_line[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\","
				"\"params\":{\"text\":\"a\"}}\n";
#define ECHO_ANSWER "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"a\"}"

/* ---- what is right ---- */

WITH_SERVER(any_order_and_any_id)
{
	struct stream *s = raw_new();

	raw_send(s, echo_line);
	expect(s, ECHO_ANSWER);
	raw_send(s,
		" \r\n{ \"params\" : {\"text\":\"b\",\"x\":{}}, \"method\" : \"echo\" , \"zz\":[1], "
		"\"id\" : \"\\u0041 b\" , \"jsonrpc\":\"2.0\" } \r\n");
	expect(s, "{\"jsonrpc\":\"2.0\",\"id\":\"\\u0041 b\",\"result\":\"b\"}");
	raw_send(s,
		"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ech\\u006f\",\"params\":{\"text\":\"c\"}}\n");
	expect(s, "{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":\"c\"}");
	raw_send(s,
		"{\"jsonrpc\":\"2.0\",\"id\":-1.5e3,\"method\":\"fail\",\"params\":{\"text\":\"\"}}\n");
	expect(s,
		"{\"jsonrpc\":\"2.0\",\"id\":-1.5e3,\"error\":{\"code\":-32000,"
		"\"message\":\"NO_SUCH_TASK\",\"data\":[\"\"]}}");
	stream_free(s);
}

/* A call that waits holds up no other of its connection, however many wait. */
WITH_SERVER(calls_that_wait_leave_the_connection)
{
	struct stream *s = raw_new();

	for (unsigned n = 1; n <= 20; n++) {
		raw_send(s,
			"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"wait\",\"params\":{\"text\":\"\"}}\n");
		raw_send(s, echo_line);
		expect(s, ECHO_ANSWER);
		assert_int_equal(sample.waiting, n);
	}
	stream_free(s);
	while (sample.cancelled != 20)
		CHECK_OK(fiber_yield());
}

/* Heads that are nearly the usual one are read as what they are. */
WITH_SERVER(nearly_the_usual_head)
{
	static const char *const lines[] = {
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ech\\u006f\",\"params\":{\"text\":\"a\"}}\n",
		"{\"jsonrpc\":\"2.0\",\"id\":1 ,\"method\":\"echo\",\"params\":{\"text\":\"a\"}}\n",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"tag\":\"\\n\",\"params\":{\"text\":\"a\"}}\n",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"tag\":\"t\",\"params\":{\"text\":\"a\"},\"x\":0}\n",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{\"text\":\"a\"},\"tag\":\"t\"}\n",
	};
	static const char *const bad[] = {
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{\"text\":\"a\"},\"id\":1}\n",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{\"text\":\"a\"},\"method\":\"echo\"}\n",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"tag\":\"t\",\"tag\":\"t\",\"params\":{}}\n",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":1,\"result\":1}\n",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":}\n",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{\"text\":\"a\"}\n",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ech\n",
	};
	struct stream *s = raw_new();

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		raw_send(s, lines[i]);
		expect(s, ECHO_ANSWER);
	}
	stream_free(s);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		s = raw_new();
		raw_send(s, bad[i]);
		expect_part(s, "-32700");
		expect_end(s);
		stream_free(s);
	}
}

WITH_SERVER(many_lines_in_one_write)
{
	struct stream *s = raw_new();

	for (int i = 0; i < 1000; i++)
		sbuf_adds(stream_out(s), echo_line);
	stream_flush_later(s);
	for (int i = 0; i < 1000; i++)
		expect(s, ECHO_ANSWER);
	stream_free(s);
}

WITH_SERVER(one_byte_at_a_time)
{
	struct stream *s = raw_new();

	for (size_t i = 0; i < strlen(echo_line); i++) {
		raw_send_n(s, echo_line + i, 1);
		CHECK_OK(fiber_yield());
	}
	expect(s, ECHO_ANSWER);
	stream_free(s);
}

/* A peer that has said all it will say still gets its answers. */
WITH_SERVER(half_closed_is_answered)
{
	struct stream *s = raw_new();

	raw_send(s, echo_line);
	raw_send(s,
		"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"wait\",\"params\":{\"text\":\"\"}}\n");
	shutdown(stream_fd(s), SHUT_WR);
	expect(s, ECHO_ANSWER);
	while (!sample.waiting)
		CHECK_OK(fiber_yield());
	for (int i = 0; i < 20; i++)
		CHECK_OK(fiber_yield());
	cond_signal(&sample.may_end);
	expect(s, "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":null}");
	expect_end(s);
	stream_free(s);
}

WITH_SERVER(half_closed_and_then_gone_cancels)
{
	struct stream *s = raw_new();

	raw_send(s,
		"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"wait\",\"params\":{\"text\":\"\"}}\n");
	shutdown(stream_fd(s), SHUT_WR);
	while (!sample.waiting)
		CHECK_OK(fiber_yield());
	for (int i = 0; i < 20; i++)
		CHECK_OK(fiber_yield());
	assert_int_equal(sample.waiting, 1);
	stream_free(s);
	while (!sample.cancelled)
		CHECK_OK(fiber_yield());
}

WITH_SERVER(a_call_is_cancelled_by_notification)
{
	struct stream *s = raw_new();

	raw_send(s,
		"{\"jsonrpc\":\"2.0\",\"id\":\"w\",\"method\":\"wait\",\"params\":{\"text\":\"\"}}\n"
		"{\"jsonrpc\":\"2.0\",\"method\":\"nobody.knows\"}\n");
	while (!sample.waiting)
		CHECK_OK(fiber_yield());
	raw_send(s, "{\"jsonrpc\":\"2.0\",\"method\":\"rpc.cancel\",\"params\":{\"id\":\"w\"}}\n");
	expect(s,
		"{\"jsonrpc\":\"2.0\",\"id\":\"w\",\"error\":{\"code\":-32000,"
		"\"message\":\"CANCELLED\",\"data\":[]}}");
	stream_free(s);
}

/* ---- what is wrong, and the connection goes on ---- */

static const struct {
	const char *line, *answer;
} wrong[] = {
	{"[]",
		"\"id\":null,\"error\":{\"code\":-32600,\"message\":\"BAD_REQUEST\","
		"\"data\":[\"batches are not supported\"]}"},
	{"{}", "\"id\":null,\"error\":{\"code\":-32600,"},
	{"1", "\"id\":null,\"error\":{\"code\":-32600,"},
	{"\"x\"", "-32600"},
	{"null", "-32600"},
	{"{\"jsonrpc\":\"2.0\",\"id\":7}", "\"id\":7,\"error\":{\"code\":-32600,"},
	{"{\"jsonrpc\":\"1.0\",\"id\":7,\"method\":\"echo\"}", "-32600"},
	{"{\"id\":7,\"method\":\"echo\",\"params\":{\"text\":\"\"}}", "-32600"},
	{"{\"jsonrpc\":\"2.0\",\"id\":[1],\"method\":\"echo\"}", "-32600"},
	{"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":5}", "\"id\":7,\"error\":{\"code\":-32600,"},
	{"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"echo\",\"tag\":1}", "-32600"},
	{"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"none\",\"params\":{\"a\":[]}}",
		"\"id\":7,\"error\":{\"code\":-32601,\"message\":\"UNKNOWN_CALL\",\"data\":[\"none\"]}"},
	{"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"\"}", "-32601"},
	{"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"echo\"}",
		"\"id\":7,\"error\":{\"code\":-32602,\"message\":\"INVALID_VALUE\",\"data\":[\"text\","},
	{"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"echo\","
	 "\"params\":{\"text\":[1,{\"a\":2}]},\"x\":1}",
		"\"id\":7,\"error\":{\"code\":-32602,\"message\":\"INVALID_VALUE\",\"data\":[\"text\","},
	{"{\"jsonrpc\":\"2.0\",\"params\":{\"text\":5},\"id\":7,\"method\":\"echo\"}", "-32602"},
	{"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"echo\",\"params\":[\"a\"]}", "-32602"},
	{"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"missing\",\"params\":{\"text\":\"\"}}",
		"NOT_IMPLEMENTED\",\"data\":[\"missing\"]"},
};

WITH_SERVER(wrong_messages_are_answered)
{
	struct stream *s = raw_new();

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		raw_send(s, wrong[i].line);
		raw_send(s, "\n");
		expect_part(s, wrong[i].answer);
		raw_send(s, echo_line);
		expect(s, ECHO_ANSWER);
	}
	/* answers that nobody waits for, of any form, are passed over */
	raw_send(s,
		"{\"jsonrpc\":\"2.0\",\"id\":65536,\"result\":1}\n"
		"{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"error\":{}}\n"
		"{\"jsonrpc\":\"2.0\",\"result\":1}\n"
		"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":5}\n");
	raw_send(s, echo_line);
	expect(s, ECHO_ANSWER);
	stream_free(s);
}

/* A peer may write its answers in any form of JSON. */
WITH_SERVER(answers_in_any_form)
{
	static const struct {
		const char *before, *behind; /* the id */
	} answers[] = {{"{ \"jsonrpc\": \"2.0\", \"id\": ", " , \"result\": \"x\" }\n"},
		{"{\"result\":\"x\",\"id\":", ",\"jsonrpc\":\"2.0\"}\n"},
		{"{\"jsonrpc\":\"2.0\",\"id\":", ",\"result\":\"x\"} \n"},
		{"{\"jsonrpc\":\"2.0\",\"id\":", ",\"result\":\"x\",\"more\":[{}]}\n"}};
	static const char id[] = "\"id\":";
	struct stream *s = raw_new();

	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		raw_send(s,
			"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"back\","
			"\"params\":{\"text\":\"x\"}}\n");
		auto_str question = raw_line(s);
		char *number = strstr(question, id);
		assert_non_null(number);
		number += strlen(id);
		number[strcspn(number, ",")] = '\0';
		raw_send(s, answers[i].before);
		raw_send(s, number);
		raw_send(s, answers[i].behind);
		expect(s, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"x\"}");
	}
	stream_free(s);
}

/* One fiber serves them all, and goes with the last. */
WITH_SERVER(connections_that_rest_have_no_fiber)
{
	struct stream *many[20];
	size_t n_fibers;

	neighbour_is_well();
	n_fibers = fiber_count();
	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		many[i] = raw_new();
		raw_send(many[i], echo_line);
		expect(many[i], ECHO_ANSWER);
	}
	assert_int_equal(fiber_count(), n_fibers);
	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		raw_send(many[i], echo_line);
		expect(many[i], ECHO_ANSWER);
		stream_free(many[i]);
	}
}

/* ---- what is no JSON ends its connection ---- */

/* BYTES and a newline are answered with CODE, and that is the last answer. */
static void ends_with(const char *bytes, size_t n, const char *code)
{
	struct stream *s = raw_new();

	raw_send(s, echo_line);
	expect(s, ECHO_ANSWER);
	raw_send_n(s, bytes, n);
	raw_send(s, "\n");
	raw_send(s, echo_line);
	expect_part(s, code);
	expect_end(s);
	stream_free(s);
	neighbour_is_well();
}

WITH_SERVER(truncated_at_each_byte)
{
	const char *line = "{\"jsonrpc\":\"2.0\",\"id\":12,\"method\":\"echo\",\"tag\":\"t\","
			   "\"params\":{\"text\":\"h\\u00e9\",\"n\":[1.5,true,null]}}";

	for (size_t n = 1; n < strlen(line); n++)
		ends_with(line, n, "\"id\":null,\"error\":{\"code\":-32700,");
	assert_int_equal(sample.echoes, 1 + 2 * (strlen(line) - 1));
}

WITH_SERVER(garbage)
{
	char bytes[300];

	srandom(1);
	for (int i = 0; i < 200; i++) {
		size_t n = 1 + (size_t)random() % (sizeof(bytes) - 1);

		for (size_t k = 0; k < n; k++)
			do
				bytes[k] = (char)random();
			while (bytes[k] == '\n');
		bytes[0] = '}'; /* by no chance JSON */
		ends_with(bytes, n, "-32700");
	}
}

WITH_SERVER(deep)
{
	struct sbuf b = {0};

	sbuf_adds(&b, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{\"x\":");
	for (int i = 0; i < 100000; i++)
		sbuf_addc(&b, '[');
	ends_with(sbuf_data(&b), sbuf_len(&b), "-32700");
	for (int i = 0; i < 100000; i++)
		sbuf_addc(&b, ']');
	sbuf_adds(&b, "}}");
	ends_with(sbuf_data(&b), sbuf_len(&b), "-32700");
	sbuf_fini(&b);
}

WITH_SERVER(oversized)
{
	struct sbuf b = {0};
	struct stream *s;

	neighbour_is_well();
	memset(sbuf_room(&b, 17 << 20), '[', 17 << 20);
	sbuf_added(&b, 17 << 20);
	s = raw_new();
	raw_send_n(s, sbuf_data(&b), sbuf_len(&b));
	expect_part(s, "\"LIMIT_EXCEEDED\",\"data\":[\"bytes of a message\",\"16777216\"]");
	expect_end(s);
	stream_free(s);
	sbuf_fini(&b);
}

/* Requests without end from a peer that reads no answer: soon it is not read either. */
WITH_SERVER(a_peer_that_does_not_read_is_cut_off)
{
	static const char large[] =
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"large\",\"params\":{\"bytes\":100000}}\n";
	struct stream *s = raw_new();

	/* once the server stops reading, nothing more gets out */
	stream_set_write_stall(s, 100 * NS_PER_MS);
	for (int i = 0; i < 100000 && !stream_broken(s); i++) {
		sbuf_adds(stream_out(s), large);
		stream_flush_later(s);
		err_free(stream_drain(s, 0, NEVER));
	}
	assert_non_null(stream_broken(s));
	neighbour_is_well();
	stream_free(s);
}

WITH_SERVER(gone_in_the_middle_of_a_line)
{
	for (size_t n = 1; n <= strlen(echo_line); n++) {
		struct stream *s = raw_new();

		raw_send_n(s, echo_line, n);
		if (n % 2)
			CHECK_OK(fiber_yield());
		stream_free(s);
	}
}

TEST_MAIN(TEST(any_order_and_any_id), TEST(calls_that_wait_leave_the_connection),
	TEST(nearly_the_usual_head), TEST(many_lines_in_one_write), TEST(one_byte_at_a_time),
	TEST(half_closed_is_answered), TEST(half_closed_and_then_gone_cancels),
	TEST(a_call_is_cancelled_by_notification), TEST(wrong_messages_are_answered),
	TEST(answers_in_any_form), TEST(connections_that_rest_have_no_fiber),
	TEST(truncated_at_each_byte), TEST(garbage), TEST(deep), TEST(oversized),
	TEST(a_peer_that_does_not_read_is_cut_off), TEST(gone_in_the_middle_of_a_line))
