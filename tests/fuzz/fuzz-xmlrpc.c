/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: XML-RPC calls and answers from anybody. A value that is read as JSON ("any") is
 * written as XML-RPC, and then reads as the same JSON. What is plain XML reads as it does by expat.
 */
#include "common/codec_xmlrpc.h"

#include "common/json.h"
#include "common/xml_plain.h"

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

static bool is_same(const struct xml_node *a, const struct xml_node *b)
{
	for (; a && b; a = a->next, b = b->next)
		if (strcmp(a->name, b->name) != 0 || a->text_len != b->text_len ||
			memcmp(a->text, b->text, a->text_len) != 0 || a->n_attrs != b->n_attrs ||
			!is_same(a->first, b->first))
			return false;
	return !a && !b;
}

static void check_readers(const char *text, size_t size, struct arena *a)
{
	const struct xml_source s = {.text = text,
		.len = size,
		.arena = a,
		.memory_limit = XML_MAX_MEMORY,
		.max_depth = XML_MAX_DEPTH};
	const struct xml_node *plain, *any = NULL;

	if (!xml_read_plain(&s, &plain))
		return;
	auto_err e = xml_read_any(&s, &any);
	assert(!e && is_same(plain, any));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	auto_arena a = {0};
	const char *text = (const char *)bytes;
	struct codec_xmlrpc_call call;
	struct codec_xmlrpc_answer answer;

	check_readers(text, size, &a);
	auto_err e = codec_xmlrpc_read_call(text, size, MAX_SIZE, &a, &call);
	for (size_t i = 0; !e && i < call.n; i++)
		check_value(call.params[i], &a);
	auto_err no_answer = codec_xmlrpc_read_answer(text, size, MAX_SIZE, &a, &answer);
	if (!no_answer && answer.value)
		check_value(answer.value, &a);
	return 0;
}
