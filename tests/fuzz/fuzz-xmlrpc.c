/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: XML-RPC calls and answers from anybody. A value that is read as JSON ("any") is
 * written as XML-RPC, and then reads as the same JSON.
 */
#include "common/codec_xmlrpc.h"

#include "common/json.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { MAX_SIZE = 1 << 20 };

static void check_value(const struct xml_node *node, struct arena *a)
{
	struct json_text any, again;
	struct json_reader r;
	auto_sbuf text = {0};
	struct codec_xmlrpc_answer answer;
	int64_t i;
	double d;

	err_free(codec_xmlrpc_read(&type_int, "", node, a, &i));
	err_free(codec_xmlrpc_read(&type_float, "", node, a, &d));
	auto_err e = codec_xmlrpc_read(&type_any, "", node, a, &any);
	if (e)
		return;
	json_reader_init(&r, any.text, any.len, a);
	bool is_json = json_skip(&r, NULL) && json_at_end(&r);
	assert(is_json);
	codec_xmlrpc_write_answer(&type_any, &any, 0, &text);
	e = codec_xmlrpc_read_answer(sbuf_data(&text), sbuf_len(&text), SIZE_MAX, a, &answer);
	assert(!e);
	e = codec_xmlrpc_read(&type_any, "", answer.value, a, &again);
	assert(!e);
	assert(any.len == again.len && !memcmp(any.text, again.text, any.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	auto_arena a = {0};
	const char *text = (const char *)bytes;
	struct codec_xmlrpc_call call;
	struct codec_xmlrpc_answer answer;

	auto_err e = codec_xmlrpc_read_call(text, size, MAX_SIZE, &a, &call);
	for (size_t i = 0; !e && i < call.n; i++)
		check_value(call.params[i], &a);
	auto_err no_answer = codec_xmlrpc_read_answer(text, size, MAX_SIZE, &a, &answer);
	if (!no_answer && answer.value)
		check_value(answer.value, &a);
	return 0;
}
