/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/cli_args.c and cli_value.c: command lines of real calls, the JSON that they become, and
 * what is refused. What is taken must also be what the call's type reads.
 */
#include "common/cli_parts.h"

#include "common/codec.h"
#include "core.gen.h"
#include "network.gen.h"
#include "rrd.gen.h"
#include "storage.gen.h"
#include "tests/unit/common/scratch.h"
#include "tests/unit/test.h"
#include "xenops.gen.h"

#include <stdio.h>
#include <string.h>

enum { ARGS_MAX = 12 };

static const struct method *find(const char *name)
{
	static const struct interface *const all[] = {
		&xenops_interface, &storage_interface, &network_interface, &rrd_interface};

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (interface_method(all[i], name, strlen(name)))
			return interface_method(all[i], name, strlen(name));
	fail_msg("no call %s", name);
	return NULL;
}

static int count(const char *const *args)
{
	int n = 0;

	while (args[n])
		n++;
	return n;
}

static struct err *read_line(const char *method, const char *const *args, struct cli_options *o,
	struct arena *a, struct sbuf *params)
{
	return cli_args_read(find(method), count(args), (char **)args, o, a, params);
}

struct good {
	const char *method;
	const char *args[ARGS_MAX];
	const char *json;
};

static const struct good goods[] = {
	{"VM.start", {"--vm", "a"}, "{\"vm\":\"a\"}"},
	{"VM.start", {"a"}, "{\"vm\":\"a\"}"},
	{"VM.start", {"--vm=a", "--force"}, "{\"vm\":\"a\",\"force\":true}"},
	{"VM.start", {"--no-force", "a"}, "{\"vm\":\"a\",\"force\":false}"},
	{"VM.start", {"a", "--force=false"}, "{\"vm\":\"a\",\"force\":false}"},
	{"VM.start", {"--", "--force"}, "{\"vm\":\"--force\"}"},
	{"VM.shutdown", {"a", "--timeout-s", "2.5"}, "{\"vm\":\"a\",\"timeout_s\":2.5}"},
	{"VM.shutdown", {"a", "--timeout_s=60"}, "{\"vm\":\"a\",\"timeout_s\":60.0}"},
	{"VM.set_memory_dynamic_range", {"a", "512MiB", "2GiB"},
		"{\"vm\":\"a\",\"min_bytes\":536870912,\"max_bytes\":2147483648}"},
	{"VM.set_vcpus", {"a", "-3"}, "{\"vm\":\"a\",\"vcpus\":-3}"},
	{"VM.suspend", {"a", "local=/tmp/x,y=z"},
		"{\"vm\":\"a\",\"image\":{\"local\":\"/tmp/x,y=z\"}}"},
	{"VM.suspend", {"a", "--image", "vdi=sr=s,vdi=v"},
		"{\"vm\":\"a\",\"image\":{\"vdi\":{\"sr\":\"s\",\"vdi\":\"v\"}}}"},
	{"VM.suspend", {"a", "{\"vdi\": {\"sr\": \"s\",\n\"vdi\": \"v\"}}"},
		"{\"vm\":\"a\",\"image\":{\"vdi\":{\"sr\":\"s\",\"vdi\":\"v\"}}}"},
	{"VM.set_xenstore_data", {"a", "--xenstore-data", "k=v,l=", "--xenstore-data", "m=1=2"},
		"{\"vm\":\"a\",\"xenstore_data\":{\"k\":\"v\",\"l\":\"\",\"m\":\"1=2\"}}"},
	{"VIF.set_trunks", {"a/0", "--trunks", "1,2", "--trunks", "3"},
		"{\"vif\":\"a/0\",\"trunks\":[1,2,3]}"},
	{"VIF.set_trunks", {"a/0", "[]"}, "{\"vif\":\"a/0\",\"trunks\":[]}"},
	{"VIF.set_locking_mode", {"a/0", "disabled"},
		"{\"vif\":\"a/0\",\"locking_mode\":\"disabled\"}"},
	{"VIF.set_locking_mode", {"a/0", "locked=ipv4=[\"192.0.2.1\",\"192.0.2.2\"]"},
		"{\"vif\":\"a/0\",\"locking_mode\":{\"locked\":{\"ipv4\":[\"192.0.2.1\","
		"\"192.0.2.2\"]}}}"},
	{"VBD.set_qos", {"a/xvda", "--qos", "scheduler=idle,level=2"},
		"{\"vbd\":\"a/xvda\",\"qos\":{\"scheduler\":\"idle\",\"level\":2}}"},
	{"VBD.add", {"vbd=a/hdc,type=cd,mode=ro,unpluggable"},
		"{\"vbd\":{\"vbd\":\"a/hdc\",\"type\":\"cd\",\"mode\":\"ro\","
		"\"unpluggable\":true}}"},
	{"HOST.update_guest_agent_features",
		{"--features", "name=x,licensed", "--features", "name=y,licensed=no"},
		"{\"features\":[{\"name\":\"x\",\"licensed\":true},{\"name\":\"y\",\"licensed\":"
		"false}]}"},
	{"SR.attach", {"--sr", "s", "--type", "nfs", "--device-config", "server=h,password=p"},
		"{\"sr\":\"s\",\"type\":\"nfs\",\"device_config\":{\"server\":\"h\","
		"\"password\":\"p\"}}"},
	{"Interface.make_config", {"--config", "eth0={\"mtu\":9000},eth1={}"},
		"{\"config\":{\"eth0\":{\"mtu\":9000},\"eth1\":{}}}"},
	{"DS.list", {"vm=3f2a"}, "{\"owner\":{\"vm\":\"3f2a\"}}"},
	{"DS.list", {"host"}, "{\"owner\":\"host\"}"},
	{"RRD.updates", {"10", "--no-host", "--vms", "a,b", "--consolidation=max"},
		"{\"start_s\":10,\"consolidation\":\"max\",\"vms\":[\"a\",\"b\"],\"host\":false}"},
	{"VM.list", {NULL}, "{}"},
};

static void reads_command_lines(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(goods); i++) {
		const struct good *g = &goods[i];
		const struct method *m = find(g->method);
		struct cli_options o = {0};
		auto_arena a = {0};
		auto_sbuf params = {0};

		CHECK_OK(read_line(g->method, g->args, &o, &a, &params));
		assert_string_equal(sbuf_str(&params), g->json);
		void *in = arena_alloc(&a, m->in->size + 1);
		CHECK_OK(codec_decode(m->in, "", sbuf_data(&params), sbuf_len(&params), &a, in));
	}
}

struct bad {
	const char *method;
	const char *args[ARGS_MAX];
	const char *what; /* the first parameter of the error */
};

static const struct bad bads[] = {
	{"VM.start", {NULL}, "--vm"},
	{"VM.start", {"--vm"}, "--vm"},
	{"VM.start", {"a", "b"}, "b"},
	{"VM.start", {"--vm", "a", "--vm", "b"}, "--vm"},
	{"VM.start", {"a", "--forse"}, "--forse"},
	{"VM.start", {"a", "--force=maybe"}, "--force"},
	{"VM.start", {"a", "--no-vm"}, "--no-vm"},
	{"VM.shutdown", {"a", "--timeout-s", "1x"}, "--timeout-s"},
	{"VM.shutdown", {"a", "--timeout-s", "inf"}, "--timeout-s"},
	{"VM.set_vcpus", {"a", "1.5"}, "--vcpus"},
	{"VM.set_vcpus", {"a", ""}, "--vcpus"},
	{"VM.set_vcpus", {"a", "9223372036854775808"}, "--vcpus"},
	{"VM.set_vcpus", {"a", "9000000TiB"}, "--vcpus"},
	{"VM.suspend", {"a", "vdi"}, "--image.vdi"},
	{"VM.suspend", {"a", "elsewhere=x"}, "--image"},
	{"VM.suspend", {"a", "vdi=sr=s,location=v"}, "--image.vdi.location"},
	{"VM.suspend", {"a", "{\"vdi\": "}, "--image"},
	{"VM.suspend", {"a", "@/nowhere/at/all"}, "--image"},
	{"VIF.set_locking_mode", {"a/0", "disabled=1"}, "--locking-mode.disabled"},
	{"VM.set_xenstore_data", {"a", "novalue"}, "--xenstore-data"},
	{"VBD.set_qos", {"a/xvda", "--qos", "level=low"}, "--qos.level"},
	{"VBD.set_qos", {"a/xvda", "--qos", "level"}, "--qos.level"},
	{"VM.migrate", {"a", "https://h/?session_id=s"}, "--url"},
	{"VM.list", {"x"}, "x"},
	{"VM.list", {"--timeout", "0"}, "--timeout"},
	{"VM.list", {"--json=yes"}, "--json"},
};

static void refuses_what_it_cannot_read(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(bads); i++) {
		const struct bad *b = &bads[i];
		struct cli_options o = {0};
		auto_arena a = {0};
		auto_sbuf params = {0};
		auto_err e = read_line(b->method, b->args, &o, &a, &params);

		if (!e)
			fail_msg("%s was taken: %s", b->args[0], sbuf_str(&params));
		assert_true(err_is(e, &ERR_INVALID_VALUE));
		assert_string_equal(e->params[0], b->what);
	}
}

static void takes_general_options_beside_its_own(void **state)
{
	const char *const args[] = {
		"a", "--json", "--timeout", "5", "--dir=/d", "--no-wait", "--socket", "/s", NULL};
	struct cli_options o = {0};
	auto_arena a = {0};
	auto_sbuf params = {0};

	CHECK_OK(read_line("VM.start", args, &o, &a, &params));
	assert_string_equal(sbuf_str(&params), "{\"vm\":\"a\"}");
	assert_true(o.json && o.no_wait && !o.help);
	assert_true(o.timeout_s == 5);
	assert_string_equal(o.dir, "/d");
	assert_string_equal(o.socket, "/s");
}

static void prefers_a_parameter_to_a_general_option(void **state)
{
	const struct method *m = interface_method(&core_interface, "UPDATES.get", 11);
	const char *const args[] = {"--timeout", "5"};
	struct cli_options o = {0};
	auto_arena a = {0};
	auto_sbuf params = {0};

	CHECK_OK(cli_args_read(m, 2, (char **)args, &o, &a, &params));
	assert_string_equal(sbuf_str(&params), "{\"timeout\":5.0}");
	assert_true(o.timeout_s == 0);
}

static void asks_for_nothing_when_help_is_wanted(void **state)
{
	const char *const args[] = {"--help", NULL};
	struct cli_options o = {0};
	auto_arena a = {0};
	auto_sbuf params = {0};

	CHECK_OK(read_line("VM.start", args, &o, &a, &params));
	assert_true(o.help);
}

static void check_file(
	const char *method, const char *const *args, const char *content, const char *json)
{
	struct cli_options o = {0};
	auto_arena a = {0};
	auto_sbuf params = {0};

	put("value", content);
	CHECK_OK(read_line(method, args, &o, &a, &params));
	assert_string_equal(sbuf_str(&params), json);
}

static void reads_files(void **state)
{
	const char *const value[] = {"a", "@value", NULL};
	const char *const literal[] = {"a", "@@here", NULL};

	check_file("VM.suspend", value, "{ \"local\":\n\"/x\" }\n",
		"{\"vm\":\"a\",\"image\":{\"local\":\"/x\"}}");
	check_file("VM.migrate", value, "https://u:p@h/\n",
		"{\"vm\":\"a\",\"url\":\"https://u:p@h/\"}");
	check_file("VM.run_script", value, "a\nb\n", "{\"vm\":\"a\",\"script\":\"a\\nb\\n\"}");
	check_file("VM.run_script", literal, "", "{\"vm\":\"a\",\"script\":\"@here\"}");
}

TEST_MAIN(TEST(reads_command_lines), TEST(refuses_what_it_cannot_read),
	TEST(takes_general_options_beside_its_own), TEST(prefers_a_parameter_to_a_general_option),
	TEST(asks_for_nothing_when_help_is_wanted), IN_SCRATCH(reads_files))
