/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small service for the tests of RPC: what idlc would make of
 *
 *	call back(text string) : string;      calls echo of its caller
 *	call echo(text string) : string;
 *	call fail(text string);               fails with NO_SUCH_TASK(text)
 *	call large(bytes int) : string;
 *	call missing(text string);            has no handler
 *	call wait(text string);               until it is cancelled
 *	call work(text string) : string task;
 */
#ifndef XENITH_TESTS_UNIT_COMMON_RPC_SAMPLE_H
#define XENITH_TESTS_UNIT_COMMON_RPC_SAMPLE_H

#include "common/fiber.h"
#include "common/rpc.h"
#include "common/task.h"
#include "core.gen.h"

#include <stdio.h>
#include <string.h>

struct sample_text_in {
	const char *text;
};

struct sample_large_in {
	int64_t bytes;
};

static const struct field sample_text_fields[] = {
	{.name = "text", .type = &type_string, .offset = offsetof(struct sample_text_in, text)}};
static const struct type sample_type_text_in = {.kind = TYPE_RECORD,
	.size = sizeof(struct sample_text_in),
	.name = "text_in",
	.fields = sample_text_fields,
	.n = 1,
	.unknown_case = -1};

static const struct field sample_large_fields[] = {
	{.name = "bytes", .type = &type_int, .offset = offsetof(struct sample_large_in, bytes)}};
static const struct type sample_type_large_in = {.kind = TYPE_RECORD,
	.size = sizeof(struct sample_large_in),
	.name = "large_in",
	.fields = sample_large_fields,
	.n = 1,
	.unknown_case = -1};

enum sample_method {
	SAMPLE_BACK,
	SAMPLE_ECHO,
	SAMPLE_FAIL,
	SAMPLE_LARGE,
	SAMPLE_MISSING,
	SAMPLE_WAIT,
	SAMPLE_WORK,
};

static const struct method sample_methods[] = {
	[SAMPLE_BACK] = {.name = "back", .in = &sample_type_text_in, .out = &type_string},
	[SAMPLE_ECHO] = {.name = "echo", .in = &sample_type_text_in, .out = &type_string},
	[SAMPLE_FAIL] = {.name = "fail", .in = &sample_type_text_in, .out = &type_void},
	[SAMPLE_LARGE] = {.name = "large", .in = &sample_type_large_in, .out = &type_string},
	[SAMPLE_MISSING] = {.name = "missing", .in = &sample_type_text_in, .out = &type_void},
	[SAMPLE_WAIT] = {.name = "wait", .in = &sample_type_text_in, .out = &type_void},
	[SAMPLE_WORK] = {.name = "work",
		.in = &sample_type_text_in,
		.out = &type_string,
		.flags = METHOD_TASK},
};

static const struct interface sample_interface = {.name = "sample",
	.version = 1,
	.methods = sample_methods,
	.n_methods = ARRAY_LEN(sample_methods)};

/* How the handlers were called, for the tests to look at. */
static struct {
	unsigned echoes, waiting, cancelled;
	char last_id[64]; /* call->id of the last echo */
	struct cond may_end; /* "wait" and "work" end when it is signalled */
} sample;

static void sample_reset(void)
{
	memset(&sample, 0, sizeof(sample));
	cond_init(&sample.may_end);
}

static MAY_WAIT struct err *sample_back(struct call *c, const void *in, void *out)
{
	if (!c->conn)
		return err(CANCELLED);
	return rpc_call_conn(c->conn, &sample_methods[SAMPLE_ECHO], in, c->arena, out, NEVER);
}

static struct err *sample_echo(struct call *c, const void *in, void *out)
{
	const struct sample_text_in *text = in;

	sample.echoes++;
	snprintf(sample.last_id, sizeof(sample.last_id), "%s", c->id);
	*(const char **)out = text->text;
	return NULL;
}

static struct err *sample_fail(struct call *c, const void *in, void *out)
{
	const struct sample_text_in *text = in;

	return err(NO_SUCH_TASK, text->text);
}

static struct err *sample_large(struct call *c, const void *in, void *out)
{
	const struct sample_large_in *large = in;
	char *text = arena_bytes(c->arena, (size_t)large->bytes + 1);

	memset(text, 'x', (size_t)large->bytes);
	text[large->bytes] = '\0';
	*(const char **)out = text;
	return NULL;
}

static MAY_WAIT struct err *sample_wait(struct call *c, const void *in, void *out)
{
	sample.waiting++;
	struct err *e = cond_wait(&sample.may_end, "the test", NEVER);
	sample.waiting--;
	sample.cancelled += err_is(e, &ERR_CANCELLED);
	return e;
}

static MAY_WAIT struct err *sample_work(struct call *c, const void *in, void *out)
{
	const struct sample_text_in *text = in;

	TRY(sample_wait(c, in, NULL));
	task_progress(c->task, 0.5);
	*(const char **)out = text->text;
	return NULL;
}

static const method_fn sample_handlers[] = {
	[SAMPLE_BACK] = sample_back,
	[SAMPLE_ECHO] = sample_echo,
	[SAMPLE_FAIL] = sample_fail,
	[SAMPLE_LARGE] = sample_large,
	[SAMPLE_WAIT] = sample_wait,
	[SAMPLE_WORK] = sample_work,
	[SAMPLE_MISSING] = NULL,
};

static const struct service sample_service = {
	.interface = &sample_interface, .handlers = sample_handlers};

static const struct service *const sample_services[] = {&sample_service, &core_service, NULL};

static maybe_unused MAY_WAIT struct err *sample_call(struct rpc_client *c, enum sample_method m,
	const char *text, struct arena *a, const char **out, int64_t deadline)
{
	struct sample_text_in in = {text};

	return rpc_call(c, &sample_methods[m], &in, a, out, deadline);
}

#endif
