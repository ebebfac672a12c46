/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: what the other end of a migration sends (xenopsd/channel.h). It is read as a
 * receiver reads it, and then once more as a sender does. Whatever comes is a message that was
 * awaited or an error, and nothing is left.
 */
#include "common/fiber.h"
#include "common/loop.h"
#include "common/sbuf.h"
#include "common/stream.h"
#include "core.gen.h"
#include "xenops.gen.h"
#include "xenopsd.gen.h"
#include "xenopsd/channel.h"

#include <assert.h>

struct input {
	const uint8_t *bytes;
	size_t size;
};

static struct channel *channel_of(const struct input *in)
{
	struct stream *s = stream_new(-1);

	sbuf_add(stream_in(s), in->bytes, in->size);
	return channel_new(s);
}

static MAY_WAIT struct err *read_memory(struct channel *c)
{
	char bytes[300];
	size_t n;

	do {
		TRY(channel_read_memory(c, bytes, sizeof(bytes), &n));
		assert(n <= sizeof(bytes));
	} while (n);
	return NULL;
}

static MAY_WAIT struct err *receive(struct channel *c)
{
	struct xenopsd_migration_hello hello;
	auto_arena a = {0};
	enum channel_kind kind;

	TRY(channel_await_greeting(c, NEVER));
	TRY(channel_look(c, &kind, NEVER));
	TRY(channel_await(c, CHANNEL_HELLO, &xenopsd_type_migration_hello, &a, &hello, NEVER));
	TRY(read_memory(c));
	TRY(channel_await(c, CHANNEL_DONE, NULL, NULL, NULL, NEVER));
	return channel_await(c, CHANNEL_THANKS, NULL, NULL, NULL, NEVER);
}

static MAY_WAIT struct err *answer(struct channel *c)
{
	struct xenopsd_migration_question question;
	auto_arena a = {0};

	TRY(channel_await_greeting(c, NEVER));
	return channel_await(
		c, CHANNEL_ASK, &xenopsd_type_migration_question, &a, &question, NEVER);
}

static MAY_WAIT struct err *send(struct channel *c)
{
	struct xenopsd_migration_ready ready;
	auto_arena a = {0};

	TRY(channel_await(c, CHANNEL_READY, &xenopsd_type_migration_ready, &a, &ready, NEVER));
	TRY(channel_send_memory(c, "memory", 6));
	TRY(channel_end_memory(c));
	return channel_await(c, CHANNEL_RUNS, NULL, NULL, NULL, NEVER);
}

static MAY_WAIT void run(void *arg)
{
	static MAY_WAIT struct err *(*const sides[])(struct channel *) = {receive, answer, send};

	for (size_t i = 0; i < ARRAY_LEN(sides); i++) {
		struct channel *c = channel_of(arg);

		err_free(sides[i](c));
		channel_free(c);
	}
	loop_stop();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input in = {bytes, size};

	loop_init();
	auto_err e = fiber_spawn(NULL, run, &in, "fuzz");
	assert(!e);
	loop_run(NS_PER_S);
	loop_fini();
	return 0;
}
