/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: bodies of the XenAPI's calls, in both framings. Whatever reads as a call has answers
 * that read as JSON or XML in their turn.
 */
#include "common/codec_xmlrpc.h"
#include "common/json.h"
#include "core.gen.h"
#include "xapid/door/rpc.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* The gate's part: a result is the method's name. */
void gate_write(const struct gate_result *r, enum gate_form form, struct sbuf *out)
{
	struct json_writer w;

	if (form == GATE_XML) {
		codec_xmlrpc_write(r->type, r->value, 0, out);
		return;
	}
	json_writer_init(&w, out);
	codec_write(r->type, r->value, 0, &w);
}

static bool is_json(struct json_text text, struct arena *a)
{
	struct json_reader r;

	json_reader_init(&r, text.text, text.len, a);
	return json_skip(&r, NULL) && json_at_end(&r);
}

static void check_json(const char *text, size_t size, struct arena *a)
{
	struct gate_request rq = {.arena = a};
	struct rpc_json_frame frame;
	auto_err e = rpc_json_read(text, size, &rq, &frame);

	if (e)
		return;
	for (size_t i = 0; i < rq.n_params; i++)
		assert(is_json(rq.params[i].json, a));
	const struct gate_result result = {.type = &type_string, .value = &rq.method};
	auto_err failure = err(BAD_REQUEST, rq.method);
	for (int i = 0; i < 2; i++) {
		auto_sbuf out = {0};

		rpc_json_write(&frame, i ? failure : NULL, &result, &out);
		bool ok = is_json((struct json_text){sbuf_data(&out), sbuf_len(&out)}, a);
		assert(ok);
	}
}

static void check_xml(const char *text, size_t size, struct arena *a)
{
	struct gate_request rq = {.arena = a};
	auto_err e = rpc_xml_read(text, size, &rq);

	if (e)
		return;
	const struct gate_result result = {.type = &type_string, .value = &rq.method};
	auto_err failure = err(BAD_REQUEST, rq.method);
	for (int i = 0; i < 2; i++) {
		auto_sbuf out = {0};
		struct codec_xmlrpc_answer answer;

		rpc_xml_write(i ? failure : NULL, &result, &out);
		auto_err bad = codec_xmlrpc_read_answer(
			sbuf_data(&out), sbuf_len(&out), SIZE_MAX, a, &answer);
		assert(!bad && answer.value);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	auto_arena a = {0};

	check_json((const char *)bytes, size, &a);
	check_xml((const char *)bytes, size, &a);
	return 0;
}
