/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The routes of the XenAPI itself: POST / (which whatever no other route serves comes to, /RPC2 and
 * /xmlrpc among it), /json with the same in it, /jsonrpc, and what browsers ask before they send.
 */
#define LOG_MODULE "rpc"

#include "xapid/door/rpc.h"

#include "common/log.h"
#include "core.gen.h"
#include "xapid/door/http_conn.h"

static const char headers[] = "cache-control: no-cache, no-store\r\n"
			      "access-control-allow-origin: *\r\n"
			      "access-control-allow-headers: X-Requested-With\r\n";

static void let_go(void *arg)
{
	exchange_let_go_of_body(arg);
}

static struct gate_request request_of(struct exchange *x)
{
	return (struct gate_request){.peer = x->peer,
		.task_id = http_header(&x->request, "task-id"),
		.subtask_of = http_header(&x->request, "subtask-of"),
		.arena = x->arena,
		.on_read = let_go,
		.on_read_arg = x};
}

/* The body of a call; NULL: the call was refused. */
static MAY_WAIT struct err *read_body(struct exchange *x, const char **bytes, size_t *n)
{
	*bytes = NULL;
	*n = 0;
	if (!x->request.has_length) {
		exchange_refuse(x, 411, "a call needs a content-length");
		return NULL;
	}
	return exchange_body(x, RPC_BODY_MAX, bytes, n);
}

/* What is no call at all gets no answer of the XenAPI's. */
static void refuse_call(struct exchange *x, struct err *e)
{
	log_err(LOG_INFO_, e, "no call, from %s", *x->peer.address ? x->peer.address : "here");
	exchange_refuse(x, err_is(e, &ERR_LIMIT_EXCEEDED) ? 413 : 500, "%s", err_text(e));
}

/* The answer, with a long part where its HOLE is. */
static void reply(struct exchange *x, const char *type, const struct sbuf *answer,
	struct gate_result *result, size_t hole)
{
	const char *text = sbuf_data(answer);

	exchange_headers(x, headers);
	exchange_begin(x, 200, type, (int64_t)(sbuf_len(answer) + result->long_part.n));
	exchange_put(x, text, hole);
	exchange_put_shared(x, &result->long_part);
	exchange_put(x, text + hole, sbuf_len(answer) - hole);
}

static MAY_WAIT struct err *serve_xml(struct exchange *x)
{
	struct gate_request rq = request_of(x);
	size_t hole = 0;
	AUTO(gate_result_fini) struct gate_result result = {0};
	auto_sbuf answer = {0};
	const char *text;
	size_t len;

	TRY(read_body(x, &text, &len));
	if (!text)
		return NULL;
	auto_err bad = rpc_xml_read(text, len, &rq);
	if (bad) {
		refuse_call(x, bad);
		return NULL;
	}
	auto_err e = gate_call(&rq, &result);
	result.hole = &hole;
	rpc_xml_write(e, &result, &answer);
	reply(x, "text/xml", &answer, &result, hole);
	return NULL;
}

static MAY_WAIT struct err *serve_json(struct exchange *x)
{
	struct gate_request rq = request_of(x);
	size_t hole = 0;
	AUTO(gate_result_fini) struct gate_result result = {0};
	struct rpc_json_frame frame;
	auto_sbuf answer = {0};
	const char *text;
	size_t len;

	TRY(read_body(x, &text, &len));
	if (!text)
		return NULL;
	auto_err bad = rpc_json_read(text, len, &rq, &frame);
	if (bad) {
		refuse_call(x, bad);
		return NULL;
	}
	auto_err e = gate_call(&rq, &result);
	result.hole = &hole;
	rpc_json_write(&frame, e, &result, &answer);
	/* exactly this type: with a charset behind it clients take it for something else */
	reply(x, "application/json", &answer, &result, hole);
	return NULL;
}

static MAY_WAIT struct err *serve_preflight(struct exchange *x)
{
	exchange_header(x, "access-control-allow-origin", "*");
	exchange_header(x, "access-control-allow-headers", "X-Requested-With, Content-Type");
	exchange_header(x, "access-control-allow-methods", "POST, OPTIONS");
	exchange_header(x, "access-control-max-age", "600");
	exchange_reply(x, 200, NULL, NULL, 0);
	return NULL;
}

const struct route rpc_routes[] = {
	{.method = "POST", .path = "/", .fn = serve_xml},
	{.method = "POST", .path = "/jsonrpc", .fn = serve_json},
	{.method = "OPTIONS", .path = "/", .fn = serve_preflight},
};
const size_t n_rpc_routes = ARRAY_LEN(rpc_routes);
