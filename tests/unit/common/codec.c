/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/codec.c and what it is built from: values of hand-written types come through JSON whole,
 * and what does not fit its type is refused with the path to the fault and a reason.
 */
#include "common/codec.h"

#include "core.gen.h"
#include "tests/unit/test.h"

#include <string.h>

/* ---- a small data model, as the compiler would write it ---- */

enum state { HALTED, RUNNING, STRANGE };

struct vdi {
	const char *uuid;
	bool read_only;
};

enum disk_kind { DISK_LOCAL, DISK_VDI, DISK_NONE };

struct disk {
	enum disk_kind kind;
	union {
		const char *local;
		struct vdi vdi;
	};
};

struct vbd {
	const char *id;
	int64_t *position;
	struct disk disk;
};

struct vbd_list {
	struct vbd *v;
	size_t n;
};

struct vm {
	const char *name;
	enum state state;
	int64_t memory;
	double weight;
	struct vbd_list vbds;
	struct string_map keys;
	const char *parent; /* string? */
	struct secret password;
	struct bytes blob;
	int64_t started;
	struct json_text extra;
	bool is_template;
	int64_t *limit; /* int? = 7 */
};

static const struct type_case state_cases[] = {
	{.name = "halted", .value = HALTED}, {.name = "running", .value = RUNNING}};
static const struct type type_state = {.kind = TYPE_ENUM,
	.size = sizeof(enum state),
	.name = "state",
	.cases = state_cases,
	.n = 2,
	.unknown_case = -1};
static const struct type_case tolerant_cases[] = {{.name = "halted", .value = HALTED},
	{.name = "running", .value = RUNNING}, {.name = "strange", .value = STRANGE}};
static const struct type type_tolerant = {.kind = TYPE_ENUM,
	.size = sizeof(enum state),
	.cases = tolerant_cases,
	.n = 3,
	.unknown_case = STRANGE};

#define MAP_FROM(key_type) \
	{ \
		.kind = TYPE_MAP, .size = sizeof(struct string_map), .of = &type_string, \
		.key = key_type, .value_offset = offsetof(struct string_map_entry, value), \
		.entry_size = sizeof(struct string_map_entry) \
	}

static const struct type type_map_from_state = MAP_FROM(&type_state);
static const struct type type_map_from_tolerant = MAP_FROM(&type_tolerant);
static const struct type type_map_from_int = MAP_FROM(&type_int);

#define FIELD(record, member, ctype, ...) \
	{ \
		.name = #member, .type = ctype, .offset = offsetof(struct record, member), \
		__VA_ARGS__ \
	}

static const struct field vdi_fields[] = {FIELD(vdi, uuid, &type_string),
	FIELD(vdi, read_only, &type_bool, .flags = FIELD_HAS_DEFAULT, .default_json = "false")};
static const struct type type_vdi = {
	.kind = TYPE_RECORD, .size = sizeof(struct vdi), .fields = vdi_fields, .n = 2};
static const struct type_case disk_cases[] = {
	{.name = "local", .value = DISK_LOCAL, .type = &type_string},
	{.name = "vdi", .value = DISK_VDI, .type = &type_vdi},
	{.name = "none", .value = DISK_NONE}};
static const struct type type_disk = {.kind = TYPE_VARIANT,
	.size = sizeof(struct disk),
	.cases = disk_cases,
	.n = 3,
	.value_offset = offsetof(struct disk, local)};
static const struct type type_opt_int = {
	.kind = TYPE_OPTION, .size = sizeof(void *), .of = &type_int};
static const struct type type_opt_string = {
	.kind = TYPE_OPTION, .size = sizeof(void *), .of = &type_string};
static const struct field vbd_fields[] = {FIELD(vbd, id, &type_string),
	FIELD(vbd, position, &type_opt_int),
	FIELD(vbd, disk, &type_disk, .flags = FIELD_HAS_DEFAULT, .default_json = "\"none\"")};
static const struct type type_vbd = {
	.kind = TYPE_RECORD, .size = sizeof(struct vbd), .fields = vbd_fields, .n = 3};
static const struct type type_vbd_list = {
	.kind = TYPE_LIST, .size = sizeof(struct vbd_list), .of = &type_vbd};
static const struct field vm_fields[] = {FIELD(vm, name, &type_string),
	FIELD(vm, state, &type_state), FIELD(vm, memory, &type_int),
	FIELD(vm, weight, &type_float, .flags = FIELD_HAS_DEFAULT, .default_json = "0.5"),
	FIELD(vm, vbds, &type_vbd_list, .flags = FIELD_HAS_DEFAULT, .default_json = "[]"),
	FIELD(vm, keys, &type_map_string, .flags = FIELD_HAS_DEFAULT,
		.default_json = "{\"a\":\"b\"}"),
	FIELD(vm, parent, &type_opt_string),
	FIELD(vm, password, &type_secret, .flags = FIELD_HAS_DEFAULT, .default_json = "\"\""),
	FIELD(vm, blob, &type_bytes, .flags = FIELD_HAS_DEFAULT, .default_json = "\"\""),
	FIELD(vm, started, &type_datetime, .flags = FIELD_HAS_DEFAULT,
		.default_json = "\"1970-01-01T00:00:00Z\""),
	FIELD(vm, extra, &type_any, .flags = FIELD_HAS_DEFAULT, .default_json = "null"),
	FIELD(vm, is_template, &type_bool, .flags = FIELD_HAS_DEFAULT, .default_json = "true"),
	FIELD(vm, limit, &type_opt_int, .flags = FIELD_HAS_DEFAULT, .default_json = "7")};
static const struct type type_vm = {.kind = TYPE_RECORD,
	.size = sizeof(struct vm),
	.fields = vm_fields,
	.n = ARRAY_LEN(vm_fields)};

struct node;
struct node_list {
	struct node *v;
	size_t n;
};

struct node {
	struct node_list children;
};

static const struct type type_node;
static const struct type type_node_list = {
	.kind = TYPE_LIST, .size = sizeof(struct node_list), .of = &type_node};
static const struct field node_fields[] = {
	FIELD(node, children, &type_node_list, .flags = FIELD_HAS_DEFAULT, .default_json = "[]")};
static const struct type type_node = {
	.kind = TYPE_RECORD, .size = sizeof(struct node), .fields = node_fields, .n = 1};

/* ---- checks ---- */

static struct err *decode(const struct type *t, const char *text, struct arena *a, void *out)
{
	return codec_decode(t, "vm", text, strlen(text), a, out);
}

/* A copy that is kept is the same, and takes no more than it needs. */
static void check_keeps(const struct type *t, const void *value)
{
	auto_arena outer = {0};
	auto_arena kept = {0};
	void *copy = arena_alloc(&outer, t->size);

	codec_keep(t, value, &kept, copy);
	assert_true(codec_equal(t, value, copy));
	assert_true(kept.next == kept.end);
}

/* TEXT is read and written again as EXPECTED. */
static void check_round(const struct type *t, const char *text, const char *expected)
{
	auto_arena a = {0};
	auto_sbuf b = {0};
	void *value = arena_alloc(&a, t->size), *copy = arena_alloc(&a, t->size);

	CHECK_OK(decode(t, text, &a, value));
	codec_encode(t, value, &b);
	assert_string_equal(sbuf_str(&b), expected);
	assert_true(codec_equal(t, value, value));
	codec_copy(t, value, &a, copy);
	check_keeps(t, value);
	assert_true(codec_equal(t, value, copy));
	assert_true(codec_equal(t, copy, value));
	sbuf_clear(&b);
	codec_encode(t, copy, &b);
	assert_string_equal(sbuf_str(&b), expected);
}

static void check_bad(const struct type *t, const char *text, const char *path, const char *reason)
{
	auto_arena a = {0};
	/* Larger than any value here, and to be left as it is. */
	unsigned char value[sizeof(struct vm)], before[sizeof(value)];

	memset(value, 0xA5, sizeof(value));
	memcpy(before, value, sizeof(value));
	auto_err e = decode(t, text, &a, value);
	if (!e)
		fail_msg("taken: %s", text);
	assert_true(err_is(e, &ERR_INVALID_VALUE));
	assert_string_equal(e->params[0], path);
	assert_string_equal(e->params[1], reason);
	assert_memory_equal(value, before, sizeof(value));
}

static void every_kind_goes_through(void **state)
{
	check_round(&type_void, "{\"any\":1}", "null");
	check_round(&type_bool, " true ", "true");
	check_round(&type_int, "-9223372036854775808", "-9223372036854775808");
	check_round(&type_float, "1e2", "100.0");
	check_round(&type_float, "null", "null");
	check_round(&type_string, "\"a\\u0062\\n\\u00e9\"", "\"ab\\né\"");
	check_round(&type_secret, "\"x\"", "\"x\"");
	check_round(&type_bytes, "\"AAEC/w==\"", "\"AAEC/w==\"");
	check_round(&type_datetime, "\"20261121T09:12:58Z\"", "\"2026-11-21T09:12:58Z\"");
	check_round(&type_any, " [1, {\"a\" :\n\t\" x\"}] ", "[1,{\"a\":\" x\"}]");
	check_round(&type_state, "\"running\"", "\"running\"");
	check_round(&type_tolerant, "\"paused\"", "\"strange\"");
	check_round(&type_disk, "\"none\"", "\"none\"");
	check_round(&type_disk, "{\"local\":\"/dev/sda\"}", "{\"local\":\"/dev/sda\"}");
	check_round(&type_disk, "{\"vdi\":{\"uuid\":\"u\"}}",
		"{\"vdi\":{\"uuid\":\"u\",\"read_only\":false}}");
	check_round(&type_list_int, "[1,2,3,4,5,6,7,8,9]", "[1,2,3,4,5,6,7,8,9]");
	check_round(&type_list_string, "[]", "[]");
	check_round(&type_map_bool, "{\"b\":true,\"a\":false}", "{\"b\":true,\"a\":false}");
	check_round(&type_opt_int, "null", "null");
	check_round(&type_opt_int, "5", "5");
	check_round(&type_opt_string, "\"\"", "\"\"");
}

static void records_take_defaults(void **state)
{
	check_round(&type_vm, "{\"name\":\"a\",\"state\":\"halted\",\"memory\":1}",
		"{\"name\":\"a\",\"state\":\"halted\",\"memory\":1,\"weight\":0.5,\"vbds\":[],"
		"\"keys\":{\"a\":\"b\"},\"password\":\"\",\"blob\":\"\","
		"\"started\":\"1970-01-01T00:00:00Z\",\"extra\":null,\"is_template\":true,"
		"\"limit\":7}");
	/* Any order, unknown members, null for what may be absent. */
	check_round(&type_vbd,
		"{\"x\":{\"y\":[1]},\"position\":null,\"disk\":{\"local\":\"d\"},"
		"\"id\":\"i\",\"z\":0}",
		"{\"id\":\"i\",\"disk\":{\"local\":\"d\"}}");
}

static void null_stays_null_over_a_default(void **state)
{
	auto_arena a = {0};
	auto_sbuf b = {0};
	struct vm vm;

	CHECK_OK(decode(&type_vm,
		"{\"name\":\"a\",\"state\":\"halted\",\"memory\":1,\"limit\":null}", &a, &vm));
	assert_null(vm.limit);
	codec_encode(&type_vm, &vm, &b);
	assert_non_null(strstr(sbuf_str(&b), "\"limit\":null"));
}

static void faults_have_paths(void **state)
{
	check_bad(&type_vm, "{\"state\":\"halted\",\"memory\":1}", "vm.name", "missing");
	check_bad(&type_vm, "{\"name\":1}", "vm.name", "expected a string, found an integer");
	check_bad(&type_vm, "{\"memory\":\"1\"}", "vm.memory",
		"expected an integer of 64 bits, found a string");
	check_bad(&type_vm, "{\"memory\":1.5}", "vm.memory",
		"expected an integer of 64 bits, found a number");
	check_bad(&type_vm, "{\"memory\":9223372036854775808}", "vm.memory",
		"expected an integer of 64 bits, found a number");
	check_bad(&type_vm, "{\"state\":\"foo\"}", "vm.state", "'foo' is none of: halted, running");
	check_bad(&type_vm,
		"{\"vbds\":[{\"id\":\"a\"},{\"id\":\"b\"},{\"id\":\"c\",\"position\":"
		"true}]}",
		"vm.vbds[2].position", "expected an integer of 64 bits, found true");
	check_bad(&type_vm, "{\"vbds\":[{}]}", "vm.vbds[0].id", "missing");
	check_bad(&type_vm, "{\"vbds\":{}}", "vm.vbds", "expected an array, found an object");
	check_bad(&type_vm, "{\"keys\":{\"a\":\"b\",\"x y\":null}}", "vm.keys[\"x y\"]",
		"expected a string, found null");
	check_bad(&type_vm, "{\"blob\":\"a\"}", "vm.blob", "not base64");
	check_bad(&type_vm, "{\"started\":\"now\"}", "vm.started",
		"'now' is no date and time, as 2026-11-21T09:12:58Z is");
	check_bad(&type_vm, "[]", "vm", "expected an object, found an array");
	check_bad(&type_vbd, "{\"id\":\"a\",\"disk\":{\"vdi\":{\"uuid\":[]}}}", "vm.disk.vdi.uuid",
		"expected a string, found an array");
}

static void the_root_may_have_no_name(void **state)
{
	auto_arena a = {0};
	struct vm vm;

	auto_err e = codec_decode(&type_vm, "", "{\"vbds\":[0]}", 12, &a, &vm);
	assert_string_equal(e->params[0], "vbds[0]");
}

static void variants_are_exact(void **state)
{
	check_bad(&type_disk, "\"local\"", "vm", "'local' takes a value");
	check_bad(&type_disk, "{\"none\":null}", "vm", "'none' takes no value");
	check_bad(&type_disk, "{}", "vm", "expected one member, found none");
	check_bad(&type_disk, "{\"local\":\"a\",\"local\":\"a\"}", "vm",
		"expected one member, found more");
	check_bad(&type_disk, "\"tape\"", "vm", "'tape' is none of: local, vdi, none");
	check_bad(&type_disk, "{\"local\":3}", "vm.local", "expected a string, found an integer");
	check_bad(&type_disk, "3", "vm", "expected a string or an object, found an integer");
}

static void members_come_once(void **state)
{
	check_bad(&type_vdi, "{\"uuid\":\"a\",\"uuid\":\"a\"}", "vm.uuid", "it comes twice");
	check_bad(&type_vdi, "{\"uuid\":\"a\",\"\\u0075uid\":\"a\"}", "vm.uuid", "it comes twice");
	check_bad(&type_vdi, "{\"x\":1,\"uuid\":\"a\",\"x\":1}", "vm",
		"an unknown member comes twice");
	check_bad(&type_map_int, "{\"a\":1,\"b\":2,\"a\":1}", "vm", "a member comes twice");
	check_bad(&type_any, "{\"a\":[{\"b\":1,\"b\":2}]}", "vm", "not JSON: a member comes twice");
	/* Also when there are too many to compare each with each. */
	auto_sbuf b = {0};
	sbuf_adds(&b, "{\"k7\":0");
	for (int i = 0; i < 100; i++)
		sbuf_printf(&b, ",\"k%d\":%d", i, i);
	sbuf_adds(&b, "}");
	check_bad(&type_map_int, sbuf_str(&b), "vm", "a member comes twice");
}

static void keys_are_what_they_mean(void **state)
{
	check_round(&type_map_from_state, "{\"halted\":\"x\"}", "{\"halted\":\"x\"}");
	check_bad(&type_map_from_state, "{\"halted\":\"x\",\"floats\":\"y\"}", "vm",
		"'floats' is none of: halted, running");
	check_round(&type_map_from_tolerant, "{\"floats\":\"y\"}", "{\"floats\":\"y\"}");
	check_round(&type_map_from_int, "{\"-1\":\"x\"}", "{\"-1\":\"x\"}");
	check_bad(&type_map_from_int, "{\"x\":\"y\"}", "vm", "'x' is no integer of 64 bits");
}

static void text_that_is_not_json(void **state)
{
	check_bad(&type_vm, "", "vm", "not JSON: a value is missing");
	check_bad(&type_int, "1 2", "vm", "not JSON: more follows behind the value");
	check_bad(&type_int, "01", "vm", "not JSON: more follows behind the value");
	check_bad(&type_vm, "{\"name\":\"\\x\"}", "vm.name", "not JSON: a bad escape in a string");
	check_bad(&type_vm, "{\"unknown\":[1,]}", "vm", "not JSON: no value of JSON");
	check_bad(&type_list_int, "[1 2]", "vm",
		"not JSON: a comma or the end of an object or array is missing");
}

static void depth_is_bounded(void **state)
{
	auto_arena a = {0};
	auto_sbuf b = {0};
	struct node node;

	for (int i = 0; i < 32; i++)
		sbuf_adds(&b, "{\"children\":[");
	for (int i = 0; i < 32; i++)
		sbuf_adds(&b, "]}");
	CHECK_OK(codec_decode(&type_node, "", sbuf_data(&b), sbuf_len(&b), &a, &node));
	sbuf_clear(&b);
	for (int i = 0; i < 33; i++)
		sbuf_adds(&b, "{\"children\":[");
	CHECK_ERR(codec_decode(&type_node, "", sbuf_data(&b), sbuf_len(&b), &a, &node),
		INVALID_VALUE);
}

static void secrets_are_masked(void **state)
{
	auto_sbuf b = {0};
	struct json_writer w;
	struct secret s = {"hunter2"};

	json_writer_init(&w, &b);
	codec_write(&type_secret, &s, CODEC_MASK_SECRETS, &w);
	assert_string_equal(sbuf_str(&b), "\"***\"");
}

static void initial_records(void **state)
{
	auto_arena a = {0};
	auto_sbuf b = {0};
	struct json_writer w;
	struct vm vm;

	memset(&vm, 0xA5, sizeof(vm));
	codec_init_record(&type_vm, &a, &vm);
	codec_encode(&type_vm, &vm, &b);
	assert_string_equal(sbuf_str(&b),
		"{\"name\":\"\",\"state\":\"halted\",\"memory\":0,\"weight\":0.5,\"vbds\":[],"
		"\"keys\":{\"a\":\"b\"},\"password\":\"\",\"blob\":\"\","
		"\"started\":\"1970-01-01T00:00:00Z\",\"extra\":null,\"is_template\":true,"
		"\"limit\":7}");
	vm.weight = 3;
	sbuf_clear(&b);
	json_writer_init(&w, &b);
	codec_write(&type_vm, &vm, CODEC_OMIT_DEFAULTS, &w);
	assert_string_equal(
		sbuf_str(&b), "{\"name\":\"\",\"state\":\"halted\",\"memory\":0,\"weight\":3.0}");
}

static bool are_equal(const struct type *t, const char *x, const char *y)
{
	auto_arena a = {0};
	void *p = arena_alloc(&a, t->size), *q = arena_alloc(&a, t->size);

	CHECK_OK(decode(t, x, &a, p));
	CHECK_OK(decode(t, y, &a, q));
	bool is_equal = codec_equal(t, p, q);
	assert_int_equal(is_equal, codec_equal(t, q, p));
	return is_equal;
}

static void equality_sees_every_part(void **state)
{
	assert_true(are_equal(&type_map_int, "{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}"));
	assert_false(are_equal(&type_map_int, "{\"a\":1,\"b\":2}", "{\"b\":1,\"a\":2}"));
	assert_false(are_equal(&type_map_int, "{\"a\":1}", "{\"b\":1}"));
	assert_true(are_equal(&type_float, "null", "null"));
	assert_false(are_equal(&type_float, "null", "0"));
	assert_false(are_equal(&type_opt_int, "null", "0"));
	assert_false(are_equal(&type_opt_string, "null", "\"\""));
	assert_false(are_equal(&type_list_int, "[1]", "[1,1]"));
	assert_false(are_equal(&type_list_int, "[1]", "[2]"));
	assert_false(are_equal(&type_disk, "{\"local\":\"a\"}", "{\"local\":\"b\"}"));
	assert_false(are_equal(&type_disk, "{\"local\":\"a\"}", "\"none\""));
	assert_false(are_equal(&type_bytes, "\"AAA=\"", "\"AAE=\""));
	assert_false(are_equal(&type_bytes, "\"AAA=\"", "\"AA==\""));
	assert_false(are_equal(&type_vbd, "{\"id\":\"a\"}", "{\"id\":\"a\",\"position\":1}"));
	assert_false(are_equal(&type_any, "1", "2"));
	assert_false(are_equal(&type_bool, "true", "false"));
	assert_false(are_equal(&type_secret, "\"a\"", "\"b\""));
}

/* A reader that stands in a longer text reads one value and stays behind it. */
static void reads_one_value_of_many(void **state)
{
	auto_arena a = {0};
	struct json_reader r;
	int64_t v;

	json_reader_init(&r, "1 2 x", 5, &a);
	CHECK_OK(codec_read(&type_int, "", &r, &v));
	assert_int_equal(v, 1);
	CHECK_OK(codec_read(&type_int, "", &r, &v));
	assert_int_equal(v, 2);
	assert_null(r.problem);
	CHECK_ERR(codec_read(&type_int, "", &r, &v), INVALID_VALUE);
	assert_non_null(r.problem);
}

static void memory_is_bounded(void **state)
{
	/* Each element is nothing on the wire and a large record in memory. */
	static const struct field wide_fields[] = {{.name = "a",
		.type = &type_string,
		.flags = FIELD_HAS_DEFAULT,
		.default_json = "\"\""}};
	static const struct type wide = {
		.kind = TYPE_RECORD, .size = 1 << 20, .fields = wide_fields, .n = 1};
	static const struct type wide_list = {
		.kind = TYPE_LIST, .size = sizeof(struct any_list), .of = &wide};
	auto_arena a = {0};
	auto_sbuf b = {0};
	struct any_list list;

	sbuf_adds(&b, "[{}");
	for (int i = 0; i < 300; i++)
		sbuf_adds(&b, ",{}");
	sbuf_adds(&b, "]");
	auto_err e = codec_decode(&wide_list, "l", sbuf_data(&b), sbuf_len(&b), &a, &list);
	assert_non_null(e);
	assert_string_equal(e->params[1], "the value takes too much memory");
}

/* Clients of the XenAPI have it so. */
static void numbers_may_be_text(void **state)
{
	auto_arena a = {0};
	struct json_reader r;
	int64_t i;
	double d;

	json_reader_init(&r, "[\"-9000\"]", 9, &a);
	assert_true(json_enter_array(&r));
	CHECK_ERR(codec_read(&type_int, "i", &r, &i), INVALID_VALUE);
	r.text_may_be_number = true;
	CHECK_OK(codec_read(&type_int, "i", &r, &i));
	assert_int_equal(i, -9000);
	json_reader_init(&r, "\"5.0\"", 5, &a);
	r.text_may_be_number = true;
	CHECK_OK(codec_read(&type_float, "d", &r, &d));
	assert_true(d == 5);
	json_reader_init(&r, "\"5.0\"", 5, &a);
	r.text_may_be_number = true;
	CHECK_ERR(codec_read(&type_int, "i", &r, &i), INVALID_VALUE);
	json_reader_init(&r, "\"x\"", 3, &a);
	r.text_may_be_number = true;
	CHECK_ERR(codec_read(&type_float, "d", &r, &d), INVALID_VALUE);
}

/* One who reads the same by XML is to read the same. */
static void texts_may_be_for_xml(void **state)
{
	static const char *const bad[] = {"\"x\\u0001y\"", "\"\\uffff\""};
	auto_arena a = {0};
	struct json_reader r;
	const char *s;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		json_reader_init(&r, bad[i], strlen(bad[i]), &a);
		CHECK_OK(codec_read(&type_string, "s", &r, &s));
		json_reader_init(&r, bad[i], strlen(bad[i]), &a);
		r.is_for_xml = true;
		CHECK_ERR(codec_read(&type_string, "s", &r, &s), INVALID_VALUE);
	}
	json_reader_init(&r, "\"\\t\\n\\r <é>\"", strlen("\"\\t\\n\\r <é>\""), &a);
	r.is_for_xml = true;
	CHECK_OK(codec_read(&type_string, "s", &r, &s));
	assert_string_equal(s, "\t\n\r <é>");
}

static void datetimes_may_be_basic(void **state)
{
	auto_sbuf out = {0};
	struct json_writer w;
	int64_t t = 0;

	json_writer_init(&w, &out);
	codec_write(&type_datetime, &t, CODEC_BASIC_DATETIME, &w);
	assert_string_equal(sbuf_str(&out), "\"19700101T00:00:00Z\"");
}

TEST_MAIN(TEST(every_kind_goes_through), TEST(records_take_defaults),
	TEST(null_stays_null_over_a_default), TEST(faults_have_paths),
	TEST(the_root_may_have_no_name), TEST(variants_are_exact), TEST(members_come_once),
	TEST(keys_are_what_they_mean), TEST(text_that_is_not_json), TEST(depth_is_bounded),
	TEST(secrets_are_masked), TEST(initial_records), TEST(equality_sees_every_part),
	TEST(reads_one_value_of_many), TEST(memory_is_bounded), TEST(numbers_may_be_text),
	TEST(texts_may_be_for_xml), TEST(datetimes_may_be_basic))
