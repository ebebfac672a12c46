/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenopsd/channel.c: messages between two ends of a migration, and what a peer may send that is
 * none: truncated at each byte, too long, out of order, of another version, of other content.
 */
#include "xenopsd/channel.h"

#include "common/mem.h"
#include "common/sbuf.h"
#include "common/stream.h"
#include "core.gen.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/test.h"
#include "xenops.gen.h"
#include "xenopsd.gen.h"

#include <endian.h>
#include <fcntl.h>
#include <sys/socket.h>

#define GREETING "xenith migration 1\n"
#define SOON     deadline_in(10 * NS_PER_S)

static struct channel *ours, *theirs;
static int raw; /* in the place of theirs */

static void begin(bool with_peer)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	ours = channel_new(stream_new(ends[0]));
	theirs = with_peer ? channel_new(stream_new(ends[1])) : NULL;
	raw = with_peer ? -1 : ends[1];
}

static void end(void)
{
	channel_free(take(ours));
	channel_free(take(theirs));
	close_fdp(&raw);
	raw = -1;
}

#define IN_FIBER(name) \
	static void name##_fiber(void *arg); \
	static void name(void **state) \
	{ \
		run_in_fiber(name##_fiber, NULL); \
	} \
	static void name##_fiber(void *arg)

static void write_raw(const void *bytes, size_t n)
{
	assert_int_equal(write(raw, bytes, n), (ssize_t)n);
}

static void add_message(struct sbuf *out, uint32_t kind, size_t n, const char *content)
{
	const uint32_t head[2] = {htobe32(kind), htobe32((uint32_t)n)};

	sbuf_add(out, head, sizeof(head));
	sbuf_adds(out, content);
}

static void write_message(uint32_t kind, size_t n, const char *content)
{
	auto_sbuf out = {0};

	add_message(&out, kind, n, content);
	write_raw(sbuf_data(&out), sbuf_len(&out));
}

/* ---- as it is meant ---- */

IN_FIBER(a_whole_migration)
{
	const struct xenopsd_migration_ready ready = {"m"};
	struct xenopsd_migration_ready heard;
	auto_arena a = {0};
	enum channel_kind kind;
	char bytes[8];
	size_t n;

	begin(true);
	CHECK_OK(channel_greet(ours));
	CHECK_OK(channel_send(ours, CHANNEL_DONE, NULL, NULL));
	CHECK_OK(channel_await_greeting(theirs, SOON));
	CHECK_OK(channel_look(theirs, &kind, SOON));
	assert_int_equal(kind, CHANNEL_DONE);
	CHECK_OK(channel_await(theirs, CHANNEL_DONE, NULL, NULL, NULL, SOON));
	CHECK_OK(channel_send(theirs, CHANNEL_READY, &xenopsd_type_migration_ready, &ready));
	CHECK_OK(channel_await(
		ours, CHANNEL_READY, &xenopsd_type_migration_ready, &a, &heard, SOON));
	assert_string_equal(heard.memory, "m");
	CHECK_OK(channel_send_memory(ours, "0123456789", 10));
	CHECK_OK(channel_send_memory(ours, "", 0));
	CHECK_OK(channel_end_memory(ours));
	CHECK_OK(channel_read_memory(theirs, bytes, 8, &n));
	assert_int_equal(n, 8);
	assert_memory_equal(bytes, "01234567", 8);
	CHECK_OK(channel_read_memory(theirs, bytes, 8, &n));
	assert_int_equal(n, 2);
	CHECK_OK(channel_read_memory(theirs, bytes, 8, &n));
	assert_int_equal(n, 0);
	CHECK_OK(channel_read_memory(theirs, bytes, 8, &n));
	assert_int_equal(n, 0);
	CHECK_OK(channel_send(theirs, CHANNEL_RUNS, NULL, NULL));
	CHECK_OK(channel_await(ours, CHANNEL_RUNS, NULL, NULL, NULL, SOON));
	assert_false(channel_has_failed(ours));
	end();
}

#define LARGE ((size_t)5 << 20)

static void send_large(void *arg)
{
	auto_str bytes = xmalloc(LARGE);

	for (size_t i = 0; i < LARGE; i++)
		bytes[i] = (char)(i * 7 >> 3);
	CHECK_OK(channel_send_memory(ours, bytes, LARGE));
	CHECK_OK(channel_end_memory(ours));
}

IN_FIBER(more_memory_than_a_message_or_the_socket_holds)
{
	auto_str bytes = xmalloc(LARGE);
	size_t got = 0, n;

	begin(true);
	CHECK_OK(fiber_spawn(NULL, send_large, NULL, "sender"));
	do {
		CHECK_OK(channel_read_memory(theirs, bytes + got, LARGE - got + 1, &n));
		got += n;
	} while (n);
	assert_int_equal(got, LARGE);
	for (size_t i = 0; i < LARGE; i++)
		if (bytes[i] != (char)(i * 7 >> 3))
			fail_msg("byte %zu", i);
	end();
}

/* ---- a peer that fails ---- */

IN_FIBER(what_went_wrong_there_is_told_here)
{
	auto_err e = err(Not_enough_memory, "12");
	char byte;
	size_t n;

	begin(true);
	CHECK_OK(channel_send_failure(theirs, e));
	auto_err heard = channel_await(ours, CHANNEL_RUNS, NULL, NULL, NULL, SOON);
	assert_true(err_is(heard, &ERR_Not_enough_memory));
	assert_string_equal(heard->params[0], "12");
	assert_true(channel_has_failed(ours));
	/* Also in the place of memory. */
	CHECK_OK(channel_send_failure(ours, e));
	CHECK_ERR(channel_read_memory(theirs, &byte, 1, &n), Not_enough_memory);
	end();
}

/* The sender of memory hears it at once, and also when the other one has gone with that. */
IN_FIBER(a_sender_hears_why_nobody_takes_more)
{
	auto_err e = err(Not_enough_memory, "12");
	auto_str bytes = xmalloc(LARGE);

	memset(bytes, 0, LARGE);
	begin(true);
	CHECK_OK(channel_send_failure(theirs, e));
	CHECK_OK(channel_flush(theirs, SOON));
	CHECK_ERR(channel_send_memory(ours, bytes, LARGE), Not_enough_memory);
	assert_true(channel_has_failed(ours));
	end();
	begin(true);
	CHECK_OK(channel_send_failure(theirs, e));
	channel_free(take(theirs));
	CHECK_OK(channel_send(ours, CHANNEL_DONE, NULL, NULL));
	CHECK_ERR(channel_await(ours, CHANNEL_RUNS, NULL, NULL, NULL, SOON), Not_enough_memory);
	assert_true(channel_has_failed(ours));
	end();
	begin(true);
	channel_free(take(theirs));
	CHECK_OK(channel_send(ours, CHANNEL_DONE, NULL, NULL));
	CHECK_ERR(channel_await(ours, CHANNEL_RUNS, NULL, NULL, NULL, SOON), CONNECTION_LOST);
	assert_false(channel_has_failed(ours));
	end();
}

/* ---- what is no migration ---- */

IN_FIBER(other_greetings)
{
	static const char *const other[] = {
		"", "y", "xenith migration 2\n", "xenith migration 11", "GET / HTTP/1.1\r\n"};

	for (size_t i = 0; i < ARRAY_LEN(other); i++) {
		begin(false);
		write_raw(other[i], strlen(other[i]));
		shutdown(raw, SHUT_WR);
		auto_err e = channel_await_greeting(ours, SOON);
		assert_true(err_is(e, *other[i] ? &ERR_Stream_unusable : &ERR_CONNECTION_LOST));
		end();
	}
	begin(false);
	CHECK_ERR(channel_await_greeting(ours, deadline_in(0)), TIMEOUT);
	end();
}

IN_FIBER(truncated_at_each_byte)
{
	auto_sbuf whole = {0};

	sbuf_adds(&whole, GREETING);
	add_message(&whole, CHANNEL_READY, 14, "{\"memory\":\"m\"}");
	for (size_t n = 0; n < sbuf_len(&whole); n++) {
		struct xenopsd_migration_ready ready;
		auto_arena a = {0};

		begin(false);
		write_raw(sbuf_data(&whole), n);
		shutdown(raw, SHUT_WR);
		auto_err e = channel_await_greeting(ours, SOON);
		if (!e)
			e = channel_await(ours, CHANNEL_READY, &xenopsd_type_migration_ready, &a,
				&ready, SOON);
		assert_true(err_is(e, &ERR_CONNECTION_LOST));
		end();
	}
}

IN_FIBER(other_messages)
{
	static const struct {
		uint32_t kind;
		size_t n; /* that is announced */
		const char *content;
	} other[] = {
		{0, 0, ""},
		{UINT32_MAX, UINT32_MAX, ""},
		{CHANNEL_RUNS, 0, ""},
		{CHANNEL_READY, 0, ""},
		{CHANNEL_READY, 3, "abc"},
		{CHANNEL_READY, 2, "{}"},
		{CHANNEL_READY, 12, "{\"memory\":1}"},
		{CHANNEL_READY, CHANNEL_RECORD_MAX + 1, ""},
		{CHANNEL_MEMORY, CHANNEL_MEMORY_MAX + 1, ""},
		{CHANNEL_FAILED, 2, "{}"},
		{CHANNEL_FAILED, 3, "abc"},
	};

	for (size_t i = 0; i < ARRAY_LEN(other); i++) {
		struct xenopsd_migration_ready ready;
		auto_arena a = {0};

		begin(false);
		write_message(other[i].kind, other[i].n, other[i].content);
		CHECK_ERR(channel_await(ours, CHANNEL_READY, &xenopsd_type_migration_ready, &a,
				  &ready, SOON),
			Stream_unusable);
		assert_false(channel_has_failed(ours));
		end();
	}
	begin(false);
	write_message(CHANNEL_DONE, 1, "x");
	CHECK_ERR(channel_await(ours, CHANNEL_DONE, NULL, NULL, NULL, SOON), Stream_unusable);
	end();
}

/* One byte of memory, and then MESSAGE, which is not what belongs there. */
static void check_memory(uint32_t kind, size_t n, const char *content)
{
	size_t got;
	char byte;

	begin(false);
	write_message(CHANNEL_MEMORY, 1, "x");
	write_message(kind, n, content);
	CHECK_OK(channel_read_memory(ours, &byte, 1, &got));
	assert_int_equal(byte, 'x');
	CHECK_ERR(channel_read_memory(ours, &byte, 1, &got), Stream_unusable);
	end();
}

IN_FIBER(memory_that_is_not_right)
{
	check_memory(CHANNEL_MEMORY_END, 11, "{\"bytes\":2}");
	check_memory(CHANNEL_MEMORY_END, 12, "{\"bytes\":-1}");
	check_memory(CHANNEL_MEMORY_END, 0, "");
	check_memory(CHANNEL_MEMORY, 0, "");
	check_memory(CHANNEL_MEMORY, CHANNEL_MEMORY_MAX + 1, "");
	check_memory(CHANNEL_DONE, 0, "");
}

TEST_MAIN(TEST(a_whole_migration), TEST(more_memory_than_a_message_or_the_socket_holds),
	TEST(what_went_wrong_there_is_told_here), TEST(a_sender_hears_why_nobody_takes_more),
	TEST(other_greetings), TEST(truncated_at_each_byte), TEST(other_messages),
	TEST(memory_that_is_not_right))
