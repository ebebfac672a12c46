/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: a connection's reader. The input is what a peer sends, in pieces that its first byte
 * chooses; a service takes strings, numbers, lists and any value. Whatever comes, each piece is
 * served, the handlers' fibers end, and nothing is left.
 */
#include "common/fiber.h"
#include "common/loop.h"
#include "common/rpc_conn.h"

#include <assert.h>
#include <string.h>

struct any_in {
	const char *text;
	int64_t number;
	double *fraction;
	struct string_list list;
	struct json_text any;
};

static const struct type type_option_float = {.kind = TYPE_OPTION,
	.size = sizeof(double *),
	.name = "float?",
	.of = &type_float,
	.unknown_case = -1};

static const struct field fields[] = {
	{.name = "text", .type = &type_string, .offset = offsetof(struct any_in, text)},
	{.name = "number", .type = &type_int, .offset = offsetof(struct any_in, number)},
	{.name = "fraction",
		.type = &type_option_float,
		.offset = offsetof(struct any_in, fraction)},
	{.name = "list", .type = &type_list_string, .offset = offsetof(struct any_in, list)},
	{.name = "any", .type = &type_any, .offset = offsetof(struct any_in, any)},
};
static const struct type type_any_in = {.kind = TYPE_RECORD,
	.size = sizeof(struct any_in),
	.name = "any_in",
	.fields = fields,
	.n = ARRAY_LEN(fields),
	.unknown_case = -1};
static const struct type type_nothing_in = {
	.kind = TYPE_RECORD, .size = 0, .name = "nothing_in", .unknown_case = -1};

static const struct method methods[] = {
	{.name = "a", .in = &type_any_in, .out = &type_any},
	{.name = "w", .in = &type_nothing_in, .out = &type_void},
};
static const struct interface interface = {
	.name = "fuzz", .version = 1, .methods = methods, .n_methods = ARRAY_LEN(methods)};

static struct err *give_back(struct call *c, const void *in, void *out)
{
	*(struct json_text *)out = ((const struct any_in *)in)->any;
	return NULL;
}

static MAY_WAIT struct err *wait_for_the_end(struct call *c, const void *in, void *out)
{
	return fiber_sleep(3600 * NS_PER_S);
}

static const method_fn handlers[] = {give_back, wait_for_the_end};
static const struct service service = {.interface = &interface, .handlers = handlers};
static const struct service *const services[] = {&service, NULL};

struct input {
	const uint8_t *bytes;
	size_t size;
};

static void yield(void)
{
	auto_err e = fiber_yield();

	assert(!e);
}

/* A fiber of its own for each piece: a call that waits keeps it. */
static MAY_WAIT void take_lines(void *arg)
{
	struct rpc_conn *c = arg;

	rpc_conn_take_lines(c);
	rpc_conn_unref(c);
}

/* Gives the connection its input piece by piece; its own reader has nothing to read and sleeps. */
static void feed(void *arg)
{
	const struct input *in = arg;
	const uint8_t *p = in->bytes + 1, *end = in->bytes + in->size;
	struct rpc_limits limits = rpc_limits_filled(&(struct rpc_limits){.message_size = 65536});
	size_t piece = (size_t)*in->bytes + 1;
	struct rpc_conn *c;

	auto_err e = rpc_conn_new(&c, -1, "fuzz", &limits, services);
	assert(!e);
	rpc_conn_ref(c);
	while (p < end && c->stream) {
		size_t n = (size_t)(end - p) < piece ? (size_t)(end - p) : piece;

		sbuf_add(stream_in(c->stream), p, n);
		p += n;
		auto_err no_fiber = fiber_spawn(NULL, take_lines, rpc_conn_ref(c), "piece");
		assert(!no_fiber);
		yield();
	}
	rpc_conn_close(c, "the input is over");
	while (fiber_count() > 1)
		yield();
	assert(c->refs == 1 && !c->n_inbound);
	rpc_conn_unref(c);
	loop_stop();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input in = {bytes, size};

	if (!size)
		return 0;
	loop_init();
	auto_err e = fiber_spawn(NULL, feed, &in, "feed");
	assert(!e);
	loop_run(NS_PER_S);
	rpc_inbound_fini();
	loop_fini();
	return 0;
}
