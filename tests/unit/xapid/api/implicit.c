/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The messages that follow from fields, as the gate has them served: results, both wire forms,
 * errors, and the expressions that choose records.
 */
#include "tests/unit/common/runtime.h"
#include "xapid/api/hooks.h"
#include "xapid/api/implicit.h"

#include "core.gen.h"

#include <string.h>

static struct arena arena;

/* The bytes that the last one answered with. */
static const char *wire;

struct sent {
	struct message message;
	enum gate_form form;
	const void *const *args;
	void *out;
	struct err *e;
};

static void serve(struct sent *s)
{
	struct xapi_call c = {
		.call = {.arena = &arena},
		.message = &s->message,
		.form = s->form,
		.name = "a message",
	};

	s->e = implicit_serve(&c, s->args, s->out);
	AUTO(gate_result_fini)
	struct gate_result r = {
		.wire = c.wire, .long_part = c.long_part, .long_part_at = c.long_part_at};
	auto_sbuf text = {0};
	if (c.wire.text)
		gate_write(&r, c.form, &text);
	wire = c.wire.text ? arena_strdup(&arena, sbuf_str(&text)) : NULL;
}

/* Sends a message of class C (the name of its struct) with up to three arguments. */
#define SEND(cls, message_kind, member, answer, ...) \
	({ \
		const struct class *class_ = &xenapi_class_##cls; \
		const char *member_ = (member); \
		struct sent sent_ = { \
			.message = {.kind = (message_kind), \
				.class = class_, \
				.field = member_ ? db_field_named(class_, member_) : NULL}, \
			.form = form, \
			.args = (const void *const[]){__VA_ARGS__, NULL}, \
			.out = (answer), \
		}; \
		serve(&sent_); \
		sent_.e; \
	})

static enum gate_form form;

static void with_db(void (*fn)(void))
{
	form = GATE_JSON;
	CHECK_OK(db_open(&(struct db_options){0}));
	fn();
	db_close();
	arena_fini(&arena);
}

static void with_db_in_fiber(void *arg)
{
	with_db(*(void (**)(void))arg);
}

static const char *make(const char *name)
{
	struct xenapi_network network = db_blank(network);
	const char *ref = NULL;

	network.name_label = name;
	CHECK_OK(SEND(network, MESSAGE_CREATE, NULL, &ref, &network));
	return ref;
}

static void fields(void)
{
	const char *ref = make("one"), *k = "k", *v = "v", *name = NULL, *none = "OpaqueRef:none";
	int64_t mtu = 9000, found = 0;
	struct string_list refs;

	CHECK_OK(SEND(network, MESSAGE_GET, "name_label", &name, &ref));
	assert_string_equal(name, "one");
	CHECK_OK(SEND(network, MESSAGE_SET, "MTU", NULL, &ref, &mtu));
	CHECK_OK(SEND(network, MESSAGE_GET, "MTU", &found, &ref));
	assert_int_equal(found, 9000);
	CHECK_OK(SEND(network, MESSAGE_ADD_TO, "other_config", NULL, &ref, &k, &v));
	struct err *e = SEND(network, MESSAGE_ADD_TO, "other_config", NULL, &ref, &k, &v);
	assert_string_equal(e->code, "MAP_DUPLICATE_KEY");
	assert_int_equal(e->n_params, 4);
	assert_string_equal(e->params[0], "network");
	assert_string_equal(e->params[1], "other_config");
	assert_string_equal(e->params[2], ref);
	assert_string_equal(e->params[3], "k");
	err_free(e);
	CHECK_OK(SEND(network, MESSAGE_REMOVE_FROM, "other_config", NULL, &ref, &k));
	CHECK_OK(SEND(network, MESSAGE_REMOVE_FROM, "other_config", NULL, &ref, &k));
	CHECK_OK(SEND(network, MESSAGE_ADD, "tags", NULL, &ref, &v));
	CHECK_OK(SEND(network, MESSAGE_ADD, "tags", NULL, &ref, &v));
	CHECK_OK(SEND(network, MESSAGE_GET, "tags", &refs, &ref));
	assert_int_equal(refs.n, 1);
	CHECK_OK(SEND(network, MESSAGE_REMOVE, "tags", NULL, &ref, &k));
	CHECK_ERR(SEND(network, MESSAGE_GET, "MTU", &found, &none), HANDLE_INVALID);
	CHECK_ERR(SEND(network, MESSAGE_SET, "MTU", NULL, &none, &mtu), HANDLE_INVALID);
	CHECK_ERR(SEND(network, MESSAGE_ADD, "tags", NULL, &none, &v), HANDLE_INVALID);
}

static void objects(void)
{
	const char *ref = make("one"), *second = make("one"), *found = NULL, *uuid = NULL;
	const char *name = "one", *nope = "nope";
	struct string_list refs;

	CHECK_OK(SEND(network, MESSAGE_GET, "uuid", &uuid, &ref));
	CHECK_OK(SEND(network, MESSAGE_GET_BY_UUID, NULL, &found, &uuid));
	assert_string_equal(found, ref);
	CHECK_ERR(SEND(network, MESSAGE_GET_BY_UUID, NULL, &found, &nope), UUID_INVALID);
	CHECK_OK(SEND(network, MESSAGE_GET_BY_NAME_LABEL, NULL, &refs, &name));
	assert_int_equal(refs.n, 2);
	CHECK_OK(SEND(network, MESSAGE_GET_ALL, NULL, &refs, NULL));
	assert_int_equal(refs.n, 2);
	assert_string_equal(refs.v[1], second);
}

/* Of a class that needs no other daemon when a row of it goes. */
static void its_end(void)
{
	struct xenapi_vm_appliance appliance = db_blank(vm_appliance);
	const char *ref = NULL;

	CHECK_OK(SEND(vm_appliance, MESSAGE_CREATE, NULL, &ref, &appliance));
	CHECK_OK(SEND(vm_appliance, MESSAGE_DESTROY, NULL, NULL, &ref));
	CHECK_ERR(SEND(vm_appliance, MESSAGE_DESTROY, NULL, NULL, &ref), HANDLE_INVALID);
	CHECK_ERR(SEND(vm_appliance, MESSAGE_GET_RECORD, NULL, NULL, &ref), HANDLE_INVALID);
}

/* What the original answers for a new network, but for its reference and uuid. */
#define RECORD_JSON \
	"\"name_label\":\"one\",\"name_description\":\"\",\"allowed_operations\":[]," \
	"\"current_operations\":{},\"VIFs\":[],\"PIFs\":[],\"MTU\":1500,\"other_config\":{}," \
	"\"bridge\":\"xapi0\",\"managed\":true,\"blobs\":{},\"tags\":[]," \
	"\"default_locking_mode\":\"unlocked\",\"assigned_ips\":{},\"purpose\":[]}"

static void records(void)
{
	const char *ref = make("one"), *uuid = NULL, *name = "<&>";

	CHECK_OK(SEND(network, MESSAGE_GET, "uuid", &uuid, &ref));
	const char *expected = arena_printf(&arena, "{\"uuid\":\"%s\"," RECORD_JSON, uuid);
	CHECK_OK(SEND(network, MESSAGE_GET_RECORD, NULL, NULL, &ref));
	assert_string_equal(wire, expected);
	CHECK_OK(SEND(network, MESSAGE_GET_ALL_RECORDS, NULL, NULL, NULL));
	assert_string_equal(wire, arena_printf(&arena, "{\"%s\":%s}", ref, expected));
	make("two");
	CHECK_OK(SEND(network, MESSAGE_GET_ALL_RECORDS, NULL, NULL, NULL));
	assert_non_null(strstr(wire, arena_printf(&arena, "%s,\"OpaqueRef:", expected)));

	form = GATE_XML;
	CHECK_OK(SEND(network, MESSAGE_SET, "name_label", NULL, &ref, &name));
	CHECK_OK(SEND(network, MESSAGE_GET_RECORD, NULL, NULL, &ref));
	const char *start = arena_printf(&arena,
		"<value><struct><member><name>uuid</name><value>%s</value></member>"
		"<member><name>name_label</name><value>&lt;&amp;&gt;</value></member>",
		uuid);
	assert_memory_equal(wire, start, strlen(start));
	assert_non_null(strstr(wire, "<name>MTU</name><value>1500</value>"));
	CHECK_OK(SEND(network, MESSAGE_GET_ALL_RECORDS, NULL, NULL, NULL));
	start = arena_printf(&arena, "<value><struct><member><name>%s</name>%s", ref, start);
	assert_memory_equal(wire, start, strlen(start));
	const char *end = "</struct></value></member></struct></value>";
	assert_string_equal(wire + strlen(wire) - strlen(end), end);
}

/* How many networks the expression chooses. */
static size_t chosen(const char *expr)
{
	struct string_list refs = {0};

	CHECK_OK(SEND(network, MESSAGE_GET_ALL_WHERE, NULL, &refs, &expr));
	return refs.n;
}

static void refused(const char *expr)
{
	struct err *e = SEND(network, MESSAGE_GET_ALL_RECORDS_WHERE, NULL, NULL, &expr);

	assert_true(err_is(e, &ERR_INVALID_VALUE));
	assert_string_equal(e->params[0], expr);
	err_free(e);
}

static void expressions(void)
{
	const char *ref = make("one"), *k = "k", *v = "it's", *tag = "t";

	make("two");
	CHECK_OK(SEND(network, MESSAGE_ADD_TO, "other_config", NULL, &ref, &k, &v));
	CHECK_OK(SEND(network, MESSAGE_ADD, "tags", NULL, &ref, &tag));
	assert_int_equal(chosen("true"), 2);
	assert_int_equal(chosen(" not (true)"), 0);
	assert_int_equal(chosen("field \"name__label\"=\"one\""), 1);
	assert_int_equal(chosen("field 'name_label' = 'one' or field 'name_label' = 'two'"), 2);
	assert_int_equal(chosen("field 'name_label' = 'one' and field 'MTU' = '1500'"), 1);
	assert_int_equal(chosen("false and false or true"), 2);
	assert_int_equal(chosen("field 'managed'='true'"), 2);
	assert_int_equal(chosen("field 'default_locking_mode'='unlocked'"), 2);
	assert_int_equal(chosen("field 'tags'=\"('t')\""), 1);
	assert_int_equal(chosen("field 'other_config'=\"(('k' 'it\\\\'s'))\""), 1);
	assert_int_equal(chosen("not field 'other__config'='()'"), 1);
	const char *expr = "field 'name_label'='nothing'";
	CHECK_OK(SEND(network, MESSAGE_GET_ALL_RECORDS_WHERE, NULL, NULL, &expr));
	assert_string_equal(wire, "{}");
	refused("(((");
	refused("");
	refused("true true");
	refused("field 'nonsense'='x'");
	refused("field 'name_label'='x");
	refused("field 'name_label'='x\\");
	auto_sbuf deep = {0}, wide = {0};
	for (int i = 0; i < 100000; i++) {
		sbuf_addc(&deep, '(');
		sbuf_adds(&wide, "true or ");
	}
	sbuf_adds(&wide, "true");
	refused(sbuf_str(&deep));
	refused(sbuf_str(&wide));
}

/* What does more than to note something is not there without a hook. */
static void effects(void)
{
	struct xenapi_vm vm = db_blank(vm);
	struct xenapi_vmss vmss = db_blank(vmss);
	const char *ref;
	bool value = true;

	CHECK_OK(db_create(vm, &vm, &ref));
	CHECK_OK(SEND(vm, MESSAGE_GET, "is_a_template", &value, &ref));
	const struct message m = {.kind = MESSAGE_CREATE, .class = &xenapi_class_vmss};
	if (!hook_find(&m))
		CHECK_ERR(SEND(vmss, MESSAGE_CREATE, NULL, &ref, &vmss), NOT_IMPLEMENTED);
}

#define FIBER_TEST(name) \
	static void test_##name(void **state) \
	{ \
		void (*fn)(void) = name; \
\
		run_in_fiber(with_db_in_fiber, &fn); \
	}

FIBER_TEST(fields)
FIBER_TEST(objects)
FIBER_TEST(its_end)
FIBER_TEST(records)
FIBER_TEST(expressions)
FIBER_TEST(effects)

TEST_MAIN(TEST(test_fields), TEST(test_objects), TEST(test_its_end), TEST(test_records),
	TEST(test_expressions), TEST(test_effects))
