/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Extensions of a host: programs in the folder `extensions` beside that of the plugins, each of
 * which serves the message that it is called as. A client sends a call as JSON; the program gets it
 * as XML-RPC on its standard input and prints an answer with Status and Value or ErrorDescription,
 * as those of the original do. It runs as xapid's helper: it ends when its call does.
 */
#define LOG_MODULE "extension"

#include "common/codec_xmlrpc.h"
#include "common/daemon.h"
#include "common/log.h"
#include "common/mem.h"
#include "xapid/api/script.h"
#include "xapid/db/db.h"
#include "xapid/forward/forward.h"
#include "xapid/gate/call.h"
#include "xapid/host/role.h"

#include "xenapi.gen.h"

#include <string.h>

struct param_list {
	struct json_text *v;
	size_t n;
};

static const struct type type_params = {
	.kind = TYPE_LIST,
	.name = "params",
	.size = sizeof(struct param_list),
	.of = &type_any,
	.unknown_case = -1,
};

/* What a client sends; what else there is, an id say, does not matter. */
struct request {
	const char *method;
	struct param_list params;
};

static const struct field request_fields[] = {
	{.name = "method", .type = &type_string, .offset = offsetof(struct request, method)},
	{.name = "params",
		.type = &type_params,
		.offset = offsetof(struct request, params),
		.default_json = "[]"},
};

static const struct type request_type = {
	.kind = TYPE_RECORD,
	.name = "call",
	.size = sizeof(struct request),
	.fields = request_fields,
	.n = ARRAY_LEN(request_fields),
	.unknown_case = -1,
};

/* The program of this name; NULL: there is none. */
static const char *find(const char *name, struct arena *a)
{
	return script_find(arena_printf(a, "%s/extensions", daemon_paths()->libexec), name, a);
}

static MAY_WAIT struct err *run(const char *path, const struct request *rq, struct proc_result *out)
{
	auto_sbuf text = {0};

	codec_xmlrpc_begin_call(rq->method, &text);
	for (size_t i = 0; i < rq->params.n; i++)
		codec_xmlrpc_add_param(&type_any, &rq->params.v[i], 0, &text);
	codec_xmlrpc_end_call(&text);
	const struct proc_spec spec = {
		.argv = (const char *const[]){path, "--xmlrpc", NULL},
		.cwd = "/",
		.input = sbuf_data(&text),
		.input_len = sbuf_len(&text),
		.max_output = SCRIPT_MAX_OUTPUT,
	};
	return proc_run(&spec, out);
}

MAY_WAIT struct err *xapi_host_call_extension(
	struct call *c, const struct xenapi_host_call_extension_in *in, const char **out)
{
	auto_proc_result r = {0};
	struct script_answer answer;
	const struct xenapi_host *host;
	struct request rq;

	TRY(db_get(host, in->host, &host));
	TRY(codec_decode(&request_type, "call", in->call, strlen(in->call), c->arena, &rq));
	const char *path = find(rq.method, c->arena);
	if (!path)
		return err(MESSAGE_METHOD_UNKNOWN, rq.method);
	log_info("extension %s", rq.method);
	auto_err e = run(path, &rq, &r);
	if (!e)
		e = script_read(&r, c->arena, &answer);
	/* What is wrong with the program is not wrong with the call. */
	if (err_is(e, &ERR_PROGRAM_FAILED) || err_is(e, &ERR_BAD_REQUEST))
		return err(INTERNAL_ERROR, err_text(e));
	TRY(take(e));
	TRY(script_error(&answer));
	*out = arena_strndup(c->arena, answer.value.text, answer.value.len);
	return NULL;
}

MAY_WAIT struct err *xapi_host_has_extension(
	struct call *c, const struct xenapi_host_has_extension_in *in, bool *out)
{
	const struct xenapi_host *host;

	TRY(db_get(host, in->host, &host));
	*out = find(in->name, c->arena);
	return NULL;
}

/* ---- of all hosts ---- */

static MAY_WAIT struct err *ask_host(struct call *c, const char *host, const char *name, bool *out)
{
	auto_sbuf quoted = {0};
	struct json_text answer;

	if (!strcmp(host, host_here())) {
		*out = find(name, c->arena);
		return NULL;
	}
	codec_encode(&type_string, &name, &quoted);
	const char *in =
		arena_printf(c->arena, "{\"host\":\"%s\",\"name\":%s}", host, sbuf_str(&quoted));
	TRY(run_message(xapi_call(c), host, "host.has_extension",
		(struct json_text){in, strlen(in)}, &answer));
	*out = answer.len == 4 && !memcmp(answer.text, "true", 4);
	return NULL;
}

MAY_WAIT struct err *xapi_pool_has_extension(
	struct call *c, const struct xenapi_pool_has_extension_in *in, bool *out)
{
	struct string_list hosts = {arena_calloc(c->arena, db_count(host), sizeof(*hosts.v)), 0};
	const struct xenapi_pool *pool;
	bool all = true;

	TRY(db_get(pool, in->self, &pool));
	db_for_each (host, row)
		hosts.v[hosts.n++] = arena_strdup(c->arena, db_ref(row));
	for (size_t i = 0; i < hosts.n && all; i++)
		TRY(ask_host(c, hosts.v[i], in->name, &all));
	*out = all;
	return NULL;
}
