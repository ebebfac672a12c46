/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A gate for tests of the door (xapid/gate/gate.h): test.echo answers its first parameter,
 * test.fail fails, test.sleep waits so many milliseconds, test.hold until there is such a file,
 * test.peer says who asks, test.large answers so many bytes. The session "good" may do everything,
 * "weak" nothing.
 */
#include "xapid/gate/gate.h"

#include "common/codec_xmlrpc.h"
#include "common/fiber.h"
#include "core.gen.h"
#include "tests/door/doord.h"
#include "xapid/gate/call.h"
#include "xenapi.gen.h"

#include <string.h>
#include <unistd.h>

struct err *doord_failure(void)
{
	return err(HANDLE_INVALID, "V<M>", "Opaque\"Ref");
}

struct err *doord_limit(void)
{
	return err(LIMIT_EXCEEDED, "sessions", "1");
}

static struct err *read_param(
	const struct gate_request *rq, size_t i, const struct type *t, void *out)
{
	if (i >= rq->n_params)
		return err(MESSAGE_PARAMETER_COUNT_MISMATCH, rq->method, "more", "less");
	if (rq->form == GATE_XML)
		return codec_xmlrpc_read(t, "p", rq->params[i].xml, rq->arena, out);
	return codec_decode(
		t, "p", rq->params[i].json.text, rq->params[i].json.len, rq->arena, out);
}

static struct err *answer_string(
	const struct gate_request *rq, const char *s, struct gate_result *out)
{
	const char **value = arena_new(rq->arena, const char *);

	*value = s;
	*out = (struct gate_result){.type = &type_string, .value = value};
	return NULL;
}

static struct err *call_echo(const struct gate_request *rq, struct gate_result *out)
{
	struct json_text *value = arena_new(rq->arena, struct json_text);

	TRY(read_param(rq, 0, &type_any, value));
	*out = (struct gate_result){.type = &type_any, .value = value};
	return NULL;
}

static struct err *call_large(const struct gate_request *rq, struct gate_result *out)
{
	int64_t n;

	TRY(read_param(rq, 0, &type_int, &n));
	char *text = arena_bytes(rq->arena, (size_t)n + 1);
	memset(text, 'y', (size_t)n);
	text[n] = '\0';
	return answer_string(rq, text, out);
}

static MAY_WAIT struct err *call_sleep(const struct gate_request *rq, struct gate_result *out)
{
	int64_t ms;

	TRY(read_param(rq, 0, &type_int, &ms));
	TRY(fiber_sleep(ms * NS_PER_MS));
	return answer_string(rq, "slept", out);
}

static MAY_WAIT struct err *call_hold(const struct gate_request *rq, struct gate_result *out)
{
	const char *path;

	TRY(read_param(rq, 0, &type_string, &path));
	while (access(path, F_OK))
		TRY(fiber_sleep(5 * NS_PER_MS));
	return answer_string(rq, "held", out);
}

static struct err *call_peer(const struct gate_request *rq, struct gate_result *out)
{
	static const char *const origins[] = {
		[GATE_TCP] = "tcp", [GATE_TLS] = "tls", [GATE_UNIX] = "unix"};

	return answer_string(rq,
		arena_printf(rq->arena, "%s %s %s %s", origins[rq->peer.origin], rq->peer.address,
			rq->peer.user_agent, rq->task_id ? rq->task_id : "-"),
		out);
}

MAY_WAIT struct err *gate_call(const struct gate_request *rq, struct gate_result *out)
{
	if (!strcmp(rq->method, "test.echo"))
		return call_echo(rq, out);
	if (!strcmp(rq->method, "test.fail"))
		return doord_failure();
	if (!strcmp(rq->method, "test.large"))
		return call_large(rq, out);
	if (!strcmp(rq->method, "test.sleep"))
		return call_sleep(rq, out);
	if (!strcmp(rq->method, "test.hold"))
		return call_hold(rq, out);
	if (!strcmp(rq->method, "test.peer"))
		return call_peer(rq, out);
	if (!strcmp(rq->method, "test.hello"))
		return answer_string(rq, "hello", out);
	if (!strcmp(rq->method, "system.listMethods")) {
		static const char *names[] = {"test.echo", "test.fail"};
		static const struct string_list list = {names, ARRAY_LEN(names)};

		*out = (struct gate_result){
			.type = &type_list_string, .value = &list, .is_bare = true};
		return NULL;
	}
	return err(MESSAGE_METHOD_UNKNOWN, rq->method);
}

static void write_value(
	const struct type *t, const void *value, enum gate_form form, struct sbuf *out)
{
	struct json_writer w;

	if (form == GATE_XML) {
		codec_xmlrpc_write(t, value, CODEC_XMLRPC_INT_AS_STRING, out);
		return;
	}
	json_writer_init(&w, out);
	codec_write(t, value, 0, &w);
}

void gate_write(const struct gate_result *r, enum gate_form form, struct sbuf *out)
{
	write_value(r->type, r->value, form, out);
}

MAY_WAIT struct err *gate_enter(
	const struct gate_entry *entry, struct arena *arena, struct xapi_call **out)
{
	const struct gate_credentials *cred = &entry->cred;
	const char *session = cred->session_id;

	*out = arena_new(arena, struct xapi_call);
	if (entry->peer.origin == GATE_UNIX)
		return NULL;
	if (cred->user && !strcmp(cred->user, "root") && !strcmp(cred->password, "se:cret"))
		return NULL;
	if (session && !strcmp(session, "good"))
		return NULL;
	if (session && !strcmp(session, "weak"))
		return err(RBAC_PERMISSION_DENIED, entry->action, "no");
	return err(SESSION_INVALID, session ? session : "");
}

MAY_WAIT void gate_leave(struct xapi_call *c, const struct err *e, const struct gate_result *result)
{
}

void gate_pass_on(struct xapi_call *c)
{
}
