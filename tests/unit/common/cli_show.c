/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/cli_show.c, cli_table.c and cli_text.c: results of real calls as a person sees them.
 */
#include "common/cli_parts.h"

#include "common/codec.h"
#include "core.gen.h"
#include "rrd.gen.h"
#include "storage.gen.h"
#include "tests/unit/test.h"
#include "xenops.gen.h"

#include <string.h>

/* What is shown of the result JSON of a call. */
static void check(const struct interface *in, const char *call, const char *json, unsigned width,
	const char *text)
{
	const struct method *m = interface_method(in, call, strlen(call));
	auto_arena a = {0};
	auto_sbuf shown = {0};

	assert_non_null(m);
	void *out = arena_alloc(&a, m->out->size + 1);
	CHECK_OK(codec_decode(m->out, "", json, strlen(json), &a, out));
	cli_show(m->out, out, width, &shown);
	assert_string_equal(sbuf_str(&shown), text);
}

static void shows_scalars(void **state)
{
	check(&xenops_interface, "HOST.dmesg", "\"one\\ntwo\\t\\u001b[31m\\n\"", 0,
		"one\ntwo\t\\x1b[31m\n");
	check(&xenops_interface, "HOST.is_compatible", "true", 0, "yes\n");
	check(&rrd_interface, "DS.query", "0.25", 0, "0.25\n");
	check(&rrd_interface, "DS.query", "null", 0, "-\n");
	check(&storage_interface, "VDI.resize", "12", 0, "12\n");
	check(&xenops_interface, "VM.remove", "null", 0, "");
	check(&storage_interface, "SR.list", "[\"a\",\"b\"]", 0, "a\nb\n");
	check(&storage_interface, "SR.list", "[]", 0, "");
}

static void shows_a_record_whole(void **state)
{
	check(&storage_interface, "SR.stat",
		"{\"sr\":\"s\",\"total_space_bytes\":1610612736,\"free_space_bytes\":1023}", 0,
		"sr:                s\n"
		"name_label:        -\n"
		"name_description:  -\n"
		"total_space_bytes: 1.5 GiB\n"
		"free_space_bytes:  1023 B\n"
		"clustered:         no\n"
		"health:            healthy\n");
}

static void shows_what_is_inside_below(void **state)
{
	check(&xenops_interface, "VBD.stat",
		"{\"vbd\":{\"vbd\":\"a/xvda\",\"backend\":{\"vdi\":{\"sr\":\"s\",\"vdi\":\"v\"}},"
		"\"extra_backend_keys\":{\"k\":\"v\",\"long\":\"w\"}},"
		"\"state\":{\"active\":true,\"plugged\":false,\"qos\":{}}}",
		0,
		"vbd:\n"
		"  vbd:                a/xvda\n"
		"  position:           -\n"
		"  type:               disk\n"
		"  mode:               rw\n"
		"  backend:            vdi\n"
		"    sr:  s\n"
		"    vdi: v\n"
		"  unpluggable:        yes\n"
		"  persistent:         yes\n"
		"  can_attach_early:   no\n"
		"  qos:                -\n"
		"  extra_backend_keys:\n"
		"    k:    v\n"
		"    long: w\n"
		"  extra_private_keys: -\n"
		"state:\n"
		"  active:  yes\n"
		"  plugged: no\n"
		"  backend: -\n"
		"  qos:\n"
		"    scheduler: best_effort\n"
		"    level:     4\n");
}

/* Two drivers: columns that say nothing are not there, a name comes before the rest. */
static const char vbds[] =
	"[{\"vbd\":{\"vbd\":\"a/xvda\",\"backend\":{\"local\":\"/dev/a\"}},"
	"\"state\":{\"active\":true,\"plugged\":true,\"backend\":{\"local\":\"/dev/a\"}}},"
	"{\"vbd\":{\"vbd\":\"a/hdc\",\"type\":\"cd\",\"mode\":\"ro\"},"
	"\"state\":{\"active\":true,\"plugged\":false}}]";

static void shows_a_table(void **state)
{
	check(&xenops_interface, "VBD.list", vbds, 0,
		"VBD     TYPE  MODE  VBD.BACKEND   ACTIVE  PLUGGED  STATE.BACKEND\n"
		"a/xvda  disk  rw    local /dev/a  yes     yes      local /dev/a\n"
		"a/hdc   cd    ro    -             yes     no       -\n");
	check(&xenops_interface, "VBD.list", "[]", 0, "");
}

static void cuts_a_table_to_the_terminal(void **state)
{
	check(&xenops_interface, "VBD.list", vbds, 40,
		"VBD     TYPE  MODE  VBD.BACKEND   ACTIVE\n"
		"a/xvda  disk  rw    local /dev/a  yes\n"
		"a/hdc   cd    ro    -             yes\n");
	check(&xenops_interface, "VBD.list", vbds, 39,
		"VBD     TYPE  MODE  VBD.BACKEND\n"
		"a/xvda  disk  rw    local /dev/a\n"
		"a/hdc   cd    ro    -\n");
	check(&storage_interface, "SM.list",
		"[{\"driver\":\"ä\","
		"\"name\":\"0123456789ä123456789ä123456789ä123456789ä12345678\"}]",
		80,
		"DRIVER  NAME\n"
		"ä       0123456789ä123456789ä123456789ä123456789ä123456…\n");
}

static void puts_numbers_to_the_right(void **state)
{
	check(&rrd_interface, "DS.list",
		"[{\"name\":\"cpu0\",\"enabled\":true,\"standard\":true,\"max\":1.0},"
		"{\"name\":\"memory\",\"enabled\":true,\"standard\":false,\"max\":1024.5}]",
		0,
		"NAME    ENABLED  STANDARD     MAX\n"
		"cpu0    yes      yes            1\n"
		"memory  yes      no        1024.5\n");
}

static void never_shows_a_secret(void **state)
{
	check(&storage_interface, "SR.create", "{\"password\":\"opensesame\"}", 0,
		"password: ***\n");
	check(&storage_interface, "SR.probe",
		"{\"found\":[{\"configuration\":{\"password\":\"opensesame\"},\"complete\":true}]}",
		0,
		"found:\n"
		"  CONFIGURATION  COMPLETE\n"
		"  password=***   yes\n");
}

static void shows_any_value_over_lines(void **state)
{
	check(&core_interface, "debug.diagnostics",
		"{\"a\":[1,{\"b\":\"{x}\\\"[,:\"}],\"c\":{},\"d\":[]}", 0,
		"{\n"
		"  \"a\": [\n"
		"    1,\n"
		"    {\n"
		"      \"b\": \"{x}\\\"[,:\"\n"
		"    }\n"
		"  ],\n"
		"  \"c\": {},\n"
		"  \"d\": []\n"
		"}\n");
}

TEST_MAIN(TEST(shows_scalars), TEST(shows_a_record_whole), TEST(shows_what_is_inside_below),
	TEST(shows_a_table), TEST(cuts_a_table_to_the_terminal), TEST(puts_numbers_to_the_right),
	TEST(never_shows_a_secret), TEST(shows_any_value_over_lines))
