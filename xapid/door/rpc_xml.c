/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * XML-RPC as the XenAPI speaks it: a success is a struct of Status and Value, a failure one of
 * Status and ErrorDescription, and no fault is ever sent. Not one blank between elements: there are
 * clients that take it for text.
 */
#include "common/codec_xmlrpc.h"
#include "xapid/door/rpc.h"

#include <string.h>

#define HEAD "<?xml version=\"1.0\"?><methodResponse><params><param>"
#define TAIL "</param></params></methodResponse>"

struct err *rpc_xml_read(const char *text, size_t len, struct gate_request *rq)
{
	struct codec_xmlrpc_call call;

	TRY(codec_xmlrpc_read_call(text, len, RPC_BODY_MAX, rq->arena, &call));
	struct gate_param *params = arena_calloc(rq->arena, call.n, sizeof(*params));
	for (size_t i = 0; i < call.n; i++)
		params[i].xml = call.params[i];
	rq->form = GATE_XML;
	rq->text = (struct json_text){text, len};
	rq->method = call.method;
	rq->params = params;
	rq->n_params = call.n;
	return NULL;
}

static void add_string(struct sbuf *out, const char *s)
{
	sbuf_adds(out, "<value>");
	xml_add_text(out, s, strlen(s));
	sbuf_adds(out, "</value>");
}

static void write_failure(const struct err *e, struct sbuf *out)
{
	sbuf_adds(out,
		HEAD "<value><struct><member><name>Status</name><value>Failure</value></member>"
		     "<member><name>ErrorDescription</name><value><array><data>");
	add_string(out, e->code);
	for (size_t i = 0; i < e->n_params; i++)
		add_string(out, e->params[i]);
	sbuf_adds(out, "</data></array></value></member></struct></value>" TAIL);
}

void rpc_xml_write(const struct err *e, const struct gate_result *result, struct sbuf *out)
{
	if (e) {
		write_failure(e, out);
		return;
	}
	sbuf_adds(out, HEAD);
	if (!result->is_bare)
		sbuf_adds(out,
			"<value><struct><member><name>Status</name><value>Success</value></member>"
			"<member><name>Value</name>");
	gate_write(result, GATE_XML, out);
	if (!result->is_bare)
		sbuf_adds(out, "</member></struct></value>");
	sbuf_adds(out, TAIL);
}
