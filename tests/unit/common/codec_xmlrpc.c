/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/codec_xmlrpc.c and codec_xmlrpc_write.c: the forms that XML-RPC peers send are read, what
 * does not fit is refused with its path, and messages have their frames. (Every type of every
 * interface goes through it in tests/unit/idl/roundtrip.c.)
 */
#include "common/codec_xmlrpc.h"

#include "core.gen.h"
#include "tests/unit/test.h"

#include <math.h>
#include <string.h>

static struct err *read_text(const struct type *t, const char *text, struct arena *a, void *out)
{
	const struct xml_limits limits = {.size = 1 << 20, .depth = 200};
	const struct xml_node *root;

	CHECK_OK(xml_parse(text, strlen(text), &limits, a, &root));
	return codec_xmlrpc_read(t, "v", root, a, out);
}

static void check_round(const struct type *t, const char *text, const char *expected)
{
	auto_arena a = {0};
	auto_sbuf b = {0};
	void *value = arena_alloc(&a, t->size);

	CHECK_OK(read_text(t, text, &a, value));
	codec_xmlrpc_write(t, value, 0, &b);
	assert_string_equal(sbuf_str(&b), expected);
}

static void check_bad(const struct type *t, const char *text, const char *path, const char *reason)
{
	auto_arena a = {0};
	char value[256], before[sizeof(value)];

	memset(value, 0x5A, sizeof(value));
	memcpy(before, value, sizeof(value));
	auto_err e = read_text(t, text, &a, value);
	if (!e)
		fail_msg("taken: %s", text);
	assert_true(err_is(e, &ERR_INVALID_VALUE));
	assert_string_equal(e->params[0], path);
	assert_string_equal(e->params[1], reason);
	assert_memory_equal(value, before, sizeof(value));
}

static void scalars(void **state)
{
	check_round(&type_void, "<value><struct/></value>", "<value></value>");
	check_round(&type_bool, "<value><boolean>1</boolean></value>",
		"<value><boolean>1</boolean></value>");
	check_round(&type_string, "<value>a &lt; b</value>", "<value>a &lt; b</value>");
	check_round(&type_string, "<value><string> a </string></value>", "<value> a </value>");
	check_round(&type_string, "<value/>", "<value></value>");
	check_round(&type_string, "<value><string/></value>", "<value></value>");
	check_round(&type_secret, "<value>x</value>", "<value>x</value>");
	check_round(&type_bytes, "<value><base64>\nAAEC\n/w==\n</base64></value>",
		"<value><base64>AAEC/w==</base64></value>");
	check_round(&type_datetime,
		"<value><dateTime.iso8601>2026-11-21T09:12:58Z</dateTime.iso8601></value>",
		"<value><dateTime.iso8601>20261121T09:12:58Z</dateTime.iso8601></value>");
	check_round(&type_datetime, "<value>20261121T09:12:58</value>",
		"<value><dateTime.iso8601>20261121T09:12:58Z</dateTime.iso8601></value>");
}

static void numbers(void **state)
{
	check_round(&type_int, "<value><int>-5</int></value>", "<value><i4>-5</i4></value>");
	check_round(&type_int, "<value><i4> +5 </i4></value>", "<value><i4>5</i4></value>");
	check_round(&type_int, "<value><i8>2147483648</i8></value>",
		"<value><i8>2147483648</i8></value>");
	check_round(&type_int, "<value>9223372036854775807</value>",
		"<value><i8>9223372036854775807</i8></value>");
	check_round(&type_int, "<value><string>7</string></value>", "<value><i4>7</i4></value>");
	check_round(&type_float, "<value><double>.5</double></value>",
		"<value><double>0.5</double></value>");
	check_round(&type_float, "<value><double>1E300</double></value>",
		"<value><double>1e+300</double></value>");
	check_round(
		&type_float, "<value><i4>3</i4></value>", "<value><double>3.0</double></value>");
	check_round(&type_float, "<value>1.5</value>", "<value><double>1.5</double></value>");
	check_round(&type_float, "<value><double>NaN</double></value>",
		"<value><double>nan</double></value>");
	check_round(&type_float, "<value><double>-Infinity</double></value>",
		"<value><double>-inf</double></value>");
}

static void containers(void **state)
{
	check_round(&type_list_int,
		"<value> <array> <data>\n<value><i4>1</i4></value> <value>2</value></data></array>"
		"</value>",
		"<value><array><data><value><i4>1</i4></value><value><i4>2</i4></value></data>"
		"</array></value>");
	check_round(&type_list_int, "<value><array><data/></array></value>",
		"<value><array><data></data></array></value>");
	check_round(&type_map_string,
		"<value><struct><member><name>a&amp;</name><value>b</value>"
		"</member></struct></value>",
		"<value><struct><member><name>a&amp;</name><value>b</value></member></struct>"
		"</value>");
	check_round(&type_any,
		"<value><struct><member><name>a</name><value><array><data><value><nil/></value>"
		"<value>s</value><value><i8>1</i8></value><value><double>2</double></value><value>"
		"<boolean>0</boolean></value></data></array></value></member></struct></value>",
		"<value><struct><member><name>a</name><value><array><data><value><nil/></value>"
		"<value>s</value><value><i4>1</i4></value><value>"
		"<double>2.0</double></value><value>"
		"<boolean>0</boolean></value></data></array></value></member></struct></value>");
}

static void records_variants_and_options(void **state)
{
	/* "progress" before "id", an unknown member, options missing or nil. */
	check_round(&core_type_subtask,
		"<value><struct><member><name>new</name><value/></member><member><value>b</value>"
		"<name>id</name></member><member><name>label</name><value>a</value></member>"
		"</struct></value>",
		"<value><struct><member><name>label</name><value>a</value></member><member>"
		"<name>id</name><value>b</value></member></struct></value>");
	check_bad(&core_type_subtask, "<value><struct/></value>", "v.label", "missing");
	check_bad(&core_type_subtask,
		"<value><struct><member><name>id</name><value/></member><member><name>id</name>"
		"<value/></member></struct></value>",
		"v.id", "it comes twice");
	check_round(&core_type_log_level, "<value>warn</value>", "<value>warn</value>");
	check_bad(&core_type_log_level, "<value>loud</value>", "v",
		"'loud' is none of: bug, error, warn, info, debug");
}

static void faults_have_paths(void **state)
{
	check_bad(&type_int, "<value>x</value>", "v", "'x' is no integer of 64 bits");
	check_bad(&type_int, "<value/>", "v", "'' is no integer of 64 bits");
	check_bad(&type_int, "<value><i4>+-5</i4></value>", "v", "'+-5' is no integer of 64 bits");
	check_bad(
		&type_int, "<value><double>1</double></value>", "v", "expected int, found double");
	check_bad(&type_float, "<value>x</value>", "v", "'x' is no number");
	check_bad(&type_float, "<value><nil/></value>", "v", "expected double, found nil");
	check_bad(
		&type_float, "<value><double>1e999</double></value>", "v", "'1e999' is no number");
	check_bad(&type_float, "<value><double>0x10</double></value>", "v", "'0x10' is no number");
	check_bad(&type_bool, "<value><boolean>true</boolean></value>", "v", "a boolean is 0 or 1");
	check_bad(&type_string, "<value><i4>1</i4></value>", "v", "expected string, found i4");
	check_bad(&type_string, "<i4>1</i4>", "v", "expected <value>, found <i4>");
	check_bad(&type_bytes, "<value>AAEC</value>", "v", "expected base64, found string");
	check_bad(&type_list_int, "<value><array/></value>", "v", "an array without <data>");
	check_bad(&type_list_int,
		"<value><array><data><value>1</value><value>x</value></data></array></value>",
		"v[1]", "'x' is no integer of 64 bits");
	check_bad(&type_list_int, "<value><array><data><i4>1</i4></data></array></value>", "v[0]",
		"expected <value>, found <i4>");
	check_bad(&type_map_int,
		"<value><struct><member><name>k</name><value>x</value></member></struct></value>",
		"v[\"k\"]", "'x' is no integer of 64 bits");
	check_bad(&type_map_int, "<value><struct><member><name>k</name></member></struct></value>",
		"v", "a member of a struct has a name and a value");
	check_bad(&type_map_string,
		"<value><struct><member><name>k</name><value/></member><member><name>k</name>"
		"<value/></member></struct></value>",
		"v", "a member comes twice");
	check_bad(&type_any,
		"<value><struct><member><name>k</name><value/></member><member><name>k</name>"
		"<value/></member></struct></value>",
		"v", "a member comes twice");
	static const struct type map_from_int = {.kind = TYPE_MAP,
		.size = sizeof(struct string_map),
		.of = &type_string,
		.key = &type_int,
		.value_offset = offsetof(struct string_map_entry, value),
		.entry_size = sizeof(struct string_map_entry)};
	check_bad(&map_from_int,
		"<value><struct><member><name>k</name><value/></member></struct></value>", "v",
		"'k' is no integer of 64 bits");
	check_bad(&type_any, "<value><blink/></value>", "v",
		"expected a type of XML-RPC, found blink");
}

static void integers_as_strings(void **state)
{
	auto_sbuf b = {0};
	const int64_t v = INT64_MIN;
	const struct secret s = {"hunter2"};

	codec_xmlrpc_write(&type_int, &v, CODEC_XMLRPC_INT_AS_STRING, &b);
	assert_string_equal(sbuf_str(&b), "<value>-9223372036854775808</value>");
	sbuf_clear(&b);
	codec_xmlrpc_write(&type_secret, &s, CODEC_MASK_SECRETS, &b);
	assert_string_equal(sbuf_str(&b), "<value>***</value>");
}

static void calls(void **state)
{
	auto_arena a = {0};
	auto_sbuf b = {0};
	struct codec_xmlrpc_call c;
	const char *s = "a<b";
	const bool yes = true;

	codec_xmlrpc_begin_call("VM.start", &b);
	codec_xmlrpc_add_param(&type_string, &s, 0, &b);
	codec_xmlrpc_add_param(&type_bool, &yes, 0, &b);
	codec_xmlrpc_end_call(&b);
	assert_string_equal(sbuf_str(&b),
		"<?xml version=\"1.0\"?><methodCall><methodName>VM.start"
		"</methodName><params><param>"
		"<value>a&lt;b</value></param><param><value><boolean>1</boolean></value></param>"
		"</params></methodCall>");
	CHECK_OK(codec_xmlrpc_read_call(sbuf_data(&b), sbuf_len(&b), 1000, &a, &c));
	assert_string_equal(c.method, "VM.start");
	assert_int_equal(c.n, 2);
	bool back = false;
	CHECK_OK(codec_xmlrpc_read(&type_bool, "force", c.params[1], &a, &back));
	assert_true(back);
	CHECK_ERR(codec_xmlrpc_read_call(sbuf_data(&b), sbuf_len(&b), 100, &a, &c), LIMIT_EXCEEDED);
}

static void calls_that_are_none(void **state)
{
	static const char *const texts[] = {"", "<methodResponse/>", "<methodCall/>",
		"<methodCall><methodName/></methodCall>",
		"<methodCall><methodName>a</methodName><params><value/></params></methodCall>",
		"<methodCall><methodName>a</methodName><params><param/></params></methodCall>",
		"<!DOCTYPE a><methodCall><methodName>a</methodName></methodCall>"};
	auto_arena a = {0};
	struct codec_xmlrpc_call c;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		CHECK_ERR(codec_xmlrpc_read_call(texts[i], strlen(texts[i]), 1000, &a, &c),
			BAD_REQUEST);
	static const char bare[] = "<methodCall><methodName>a</methodName></methodCall>";
	CHECK_OK(codec_xmlrpc_read_call(bare, strlen(bare), 1000, &a, &c));
	assert_int_equal(c.n, 0);
}

static void answers(void **state)
{
	auto_arena a = {0};
	auto_sbuf b = {0};
	struct codec_xmlrpc_answer answer;
	const int64_t v = 5;

	codec_xmlrpc_write_answer(&type_int, &v, 0, &b);
	assert_string_equal(sbuf_str(&b),
		"<?xml version=\"1.0\"?><methodResponse><params><param><value><i4>5</i4></value>"
		"</param></params></methodResponse>");
	CHECK_OK(codec_xmlrpc_read_answer(sbuf_data(&b), sbuf_len(&b), 1000, &a, &answer));
	assert_non_null(answer.value);
	sbuf_clear(&b);
	codec_xmlrpc_write_fault(-32601, "no such <method>", &b);
	CHECK_OK(codec_xmlrpc_read_answer(sbuf_data(&b), sbuf_len(&b), 1000, &a, &answer));
	assert_null(answer.value);
	assert_int_equal(answer.fault_code, -32601);
	assert_string_equal(answer.fault_text, "no such <method>");
	static const char none[] = "<methodResponse><params/></methodResponse>";
	CHECK_ERR(codec_xmlrpc_read_answer(none, strlen(none), 1000, &a, &answer), BAD_REQUEST);
}

static struct err *read_nested(int depth, struct json_text *out, struct arena *a)
{
	struct codec_xmlrpc_call c;
	auto_sbuf b = {0};

	sbuf_adds(&b, "<methodCall><methodName>a</methodName><params><param>");
	for (int i = 0; i < depth; i++)
		sbuf_adds(&b, "<value><array><data>");
	sbuf_adds(&b, "<value><i4>1</i4></value>");
	for (int i = 0; i < depth; i++)
		sbuf_adds(&b, "</data></array></value>");
	sbuf_adds(&b, "</param></params></methodCall>");
	TRY(codec_xmlrpc_read_call(sbuf_data(&b), sbuf_len(&b), 1 << 20, a, &c));
	return codec_xmlrpc_read(&type_any, "", c.params[0], a, out);
}

static void depth_is_64(void **state)
{
	auto_arena a = {0};
	struct json_text any;

	CHECK_OK(read_nested(64, &any, &a));
	assert_int_equal(any.len, 129);
	CHECK_ERR(read_nested(65, &any, &a), LIMIT_EXCEEDED);
}

TEST_MAIN(TEST(scalars), TEST(numbers), TEST(containers), TEST(records_variants_and_options),
	TEST(faults_have_paths), TEST(integers_as_strings), TEST(calls), TEST(calls_that_are_none),
	TEST(answers), TEST(depth_is_64))
