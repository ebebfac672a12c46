/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/conf.c: what is read, the exact words of every error, files in order, reload that keeps
 * the old values, and the documented file that reads back as what it was printed from.
 */
#include "common/conf.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/sbuf.h"
#include "core.gen.h"
#include "tests/unit/common/scratch.h"
#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { COLOUR_RED, COLOUR_GREEN, COLOUR_BLUE };

struct values {
	bool is_loud;
	int64_t port, offset, room, wait;
	char *title, *home, *spare;
	int colour;
};

static const char *const colours[] = {"red", "green", "blue", NULL};

static const struct conf_key keys[] = {
	{.name = "loud",
		.kind = CONF_BOOL,
		.offset = offsetof(struct values, is_loud),
		.standard = "false",
		.doc = "Whether it makes noise."},
	{.name = "port",
		.kind = CONF_INT,
		.offset = offsetof(struct values, port),
		.standard = "80",
		.min = 1,
		.max = 65535,
		.doc = "The TCP port that it listens on. Clients look for it at the standard one, "
		       "so a change has to be told to everyone."},
	{.name = "offset",
		.kind = CONF_INT,
		.offset = offsetof(struct values, offset),
		.standard = "0",
		.min = -100,
		.max = 100,
		.doc = "How far it is off."},
	{.name = "room",
		.kind = CONF_SIZE,
		.offset = offsetof(struct values, room),
		.standard = "1024",
		.doc = "How much may be kept."},
	{.name = "wait",
		.kind = CONF_DURATION,
		.offset = offsetof(struct values, wait),
		.standard = "90s",
		.min = NS_PER_MS,
		.max = INT64_MAX,
		.doc = "How long it waits."},
	{.name = "title",
		.kind = CONF_STRING,
		.offset = offsetof(struct values, title),
		.standard = "",
		.doc = "What it is called."},
	{.name = "home",
		.kind = CONF_PATH,
		.offset = offsetof(struct values, home),
		.standard = "/var",
		.doc = "Where it lives."},
	{.name = "spare",
		.kind = CONF_PATH,
		.offset = offsetof(struct values, spare),
		.standard = "",
		.doc = "Where it may live too."},
	{.name = "colour",
		.kind = CONF_ENUM,
		.offset = offsetof(struct values, colour),
		.standard = "green",
		.names = colours,
		.doc = "What it looks like."},
	{0},
};

static struct values values;
static struct conf_table table = {.keys = keys, .values = &values, .size = sizeof(values)};

static struct err *read_text(const char *text)
{
	conf_clear(&table, 1);
	conf_set_defaults(&table, 1);
	return conf_read(&table, 1, text, strlen(text), "x.conf");
}

static int forget(void **state)
{
	conf_clear(&table, 1);
	return 0;
}

static void defaults_are_there(void **state)
{
	CHECK_OK(read_text(""));
	assert_false(values.is_loud);
	assert_int_equal(values.port, 80);
	assert_int_equal(values.room, 1024);
	assert_int_equal(values.wait, 90 * NS_PER_S);
	assert_string_equal(values.title, "");
	assert_string_equal(values.home, "/var");
	assert_string_equal(values.spare, "");
	assert_int_equal(values.colour, COLOUR_GREEN);
}

static void every_kind_is_read(void **state)
{
	CHECK_OK(read_text("# a comment\n\n  \t# another\r\n"
			   "loud = Yes\r\nport=8080\n\toffset =  -7 \nroom = 16MiB\nwait=5 min\n"
			   "title = Größe = 3 # 4\nhome = /a b\ncolour = blue"));
	assert_true(values.is_loud);
	assert_int_equal(values.port, 8080);
	assert_int_equal(values.offset, -7);
	assert_int_equal(values.room, 16 << 20);
	assert_int_equal(values.wait, 300 * NS_PER_S);
	assert_string_equal(values.title, "Größe = 3 # 4");
	assert_string_equal(values.home, "/a b");
	assert_int_equal(values.colour, COLOUR_BLUE);
}

static void units_are_known(void **state)
{
	static const struct {
		const char *text;
		int64_t wait;
	} durations[] = {{"1ms", NS_PER_MS}, {"1000000ns", NS_PER_MS}, {"1000us", NS_PER_MS},
		{"2s", 2 * NS_PER_S}, {"3h", 10800 * NS_PER_S}, {"1d", 86400 * NS_PER_S}};
	static const struct {
		const char *text;
		int64_t room;
	} sizes[] = {{"0", 0}, {"7", 7}, {"7B", 7}, {"2KiB", 2048}, {"1GiB", 1 << 30},
		{"3TiB", (int64_t)3 << 40}};

	for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
		auto_str text = xasprintf("wait = %s", durations[i].text);

		CHECK_OK(read_text(text));
		assert_int_equal(values.wait, durations[i].wait);
	}
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		auto_str text = xasprintf("room = %s", sizes[i].text);

		CHECK_OK(read_text(text));
		assert_int_equal(values.room, sizes[i].room);
	}
}

static void quotes_keep_blanks(void **state)
{
	CHECK_OK(read_text("title = \"  two \\\"words\\\" \\\\ \\n \""));
	assert_string_equal(values.title, "  two \"words\" \\ \\n ");
	CHECK_OK(read_text("title = say \"hello\""));
	assert_string_equal(values.title, "say \"hello\"");
	CHECK_OK(read_text("title = \"\""));
	assert_string_equal(values.title, "");
}

static void every_error_says_what_would_be_right(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"prot = 80", ":1: unknown key 'prot' (did you mean 'port'?)"},
		{"\n\ncolor = red", ":3: unknown key 'color' (did you mean 'colour'?)"},
		{"nothing_like_it = 1", ":1: unknown key 'nothing_like_it'"},
		{"PORT = 80", ":1: unknown key 'PORT'"},
		{"port 80", ":1: 'port 80' is not of the form 'key = value'"},
		{"= 80", ":1: there is no key before '='"},
		{"port = 1\n#\nport = 2", ":3: 'port' is set twice, first in line 1"},
		{"port = 0", ":1: port = 0: must be a whole number from 1 to 65535"},
		{"port = 65536", ":1: port = 65536: must be a whole number from 1 to 65535"},
		{"port = 1e3", ":1: port = 1e3: must be a whole number from 1 to 65535"},
		{"port = 0x50", ":1: port = 0x50: must be a whole number from 1 to 65535"},
		{"port =", ":1: port = : must be a whole number from 1 to 65535"},
		{"port = 9999999999999999999",
			":1: port = 9999999999999999999: must be a whole number from 1 to "
			"65535"},
		{"port = 80 # http",
			":1: port = 80 # http: must be a whole number from 1 to "
			"65535; a comment stands on a line of its own"},
		{"room = -1", ":1: room = -1: must be a size such as 512, 64KiB, 16MiB, 1GiB"},
		{"room = 5MB", ":1: room = 5MB: must be a size such as 512, 64KiB, 16MiB, 1GiB"},
		{"room = 8388608TiB",
			":1: room = 8388608TiB: must be a size such as 512, 64KiB, 16MiB, "
			"1GiB"},
		{"wait = 10",
			":1: wait = 10: must be a duration such as 500ms, 10s, 5min, 2h, "
			"1d, at least 1ms"},
		{"wait = 0",
			":1: wait = 0: must be a duration such as 500ms, 10s, 5min, 2h, "
			"1d, at least 1ms"},
		{"wait = 1.5h",
			":1: wait = 1.5h: must be a duration such as 500ms, 10s, 5min, "
			"2h, 1d, at least 1ms"},
		{"loud = maybe", ":1: loud = maybe: must be true or false"},
		{"colour = pink", ":1: colour = pink: must be red, green or blue"},
		{"home = var", ":1: home = var: must be an absolute path"},
		{"home =", ":1: home = : must be an absolute path"},
		{"spare = x", ":1: spare = x: must be an absolute path, or nothing"},
		{"title = \"open", ":1: title: the quotes must end where the value ends"},
		{"title = \"a\" b", ":1: title: the quotes must end where the value ends"},
		{"title = \xff", ":1: byte 0xff is not UTF-8 text"},
		{"title = \x1b[2J", ":1: the character U+001B may not stand in a file"},
		{"title = \xef\xbb\xbf", ":1: the character U+FEFF may not stand in a file"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_err e = read_text(cases[i].text);

		assert_non_null(e);
		auto_str text = xasprintf("%s: %s", e->params[0], e->params[1]);
		auto_str expected = xasprintf("x.conf%s", cases[i].expected);
		assert_string_equal(text, expected);
		assert_true(err_is(e, &ERR_CONFIGURATION_INVALID));
	}
}

static void input_is_limited(void **state)
{
	size_t size = (1 << 20) + 1;
	auto_str text = xmalloc(size + 1);

	memset(text, '\n', size);
	CHECK_OK(conf_read(&table, 1, text, size - 1, "x.conf"));
	CHECK_ERR(conf_read(&table, 1, text, size, "x.conf"), CONFIGURATION_INVALID);
	memset(text, '#', 4097);
	CHECK_ERR(conf_read(&table, 1, text, 4097, "x.conf"), CONFIGURATION_INVALID);
	CHECK_OK(conf_read(&table, 1, text, 4096, "x.conf"));
	/* The longest value prints to a line that reads back, though escapes make it longer. */
	auto_sbuf line = {0}, printed = {0};
	sbuf_adds(&line, "title=\" ");
	for (int i = 0; i < 1999; i++)
		sbuf_addc(&line, i % 2 ? '\\' : 'x');
	sbuf_addc(&line, '"');
	CHECK_OK(read_text(sbuf_str(&line)));
	conf_print(&table, 1, "x", &printed);
	CHECK_OK(read_text(sbuf_str(&printed)));
	sbuf_truncate(&line, sbuf_len(&line) - 1);
	sbuf_adds(&line, "xxx\"");
	CHECK_ERR(read_text(sbuf_str(&line)), CONFIGURATION_INVALID);
	CHECK_ERR(conf_read(&table, 1, "a\0b", 3, "x.conf"), CONFIGURATION_INVALID);
}

static int set_up(void **state)
{
	return make_scratch(state) || mkdir("x.conf.d", 0700);
}

static int tear_down(void **state)
{
	return forget(state) || remove_scratch(state);
}

static void files_are_read_in_order(void **state)
{
	put("x.conf", "port = 1\nroom = 1\ntitle = main");
	put("x.conf.d/20.conf", "port = 3");
	put("x.conf.d/10.conf", "port = 2\nroom = 2");
	put("x.conf.d/README", "port = 4");
	put("x.conf.d/.hidden.conf", "port = 5");
	put("x.conf.d/30.conf~", "port = 6");
	CHECK_OK(conf_load(&table, 1, "x.conf", true));
	assert_int_equal(values.port, 3);
	assert_int_equal(values.room, 2);
	assert_string_equal(values.title, "main");
	assert_int_equal(values.colour, COLOUR_GREEN);
}

static void an_error_in_a_part_names_it(void **state)
{
	put("x.conf.d/10.conf", "\nport = 0");
	auto_err e = conf_load(&table, 1, "x.conf", false);
	assert_non_null(e);
	assert_string_equal(e->params[0], "x.conf.d/10.conf:2");
}

static void a_missing_file_is_an_error_where_it_must_be(void **state)
{
	CHECK_OK(conf_load(&table, 1, "none.conf", false));
	assert_int_equal(values.port, 80);
	CHECK_ERR(conf_load(&table, 1, "none.conf", true), SYSTEM_ERROR);
	CHECK_ERR(conf_load(&table, 1, "x.conf.d", false), SYSTEM_ERROR);
}

static void a_bad_reload_keeps_the_old(void **state)
{
	put("x.conf", "port = 1\ntitle = first");
	CHECK_OK(conf_load(&table, 1, "x.conf", true));
	put("x.conf", "port = 2\ntitle = second\nport = 3");
	CHECK_ERR(conf_load(&table, 1, "x.conf", true), CONFIGURATION_INVALID);
	assert_int_equal(values.port, 1);
	assert_string_equal(values.title, "first");
	put("x.conf", "title = third");
	CHECK_OK(conf_load(&table, 1, "x.conf", true));
	assert_int_equal(values.port, 80); /* no longer set: its default */
	assert_string_equal(values.title, "third");
}

static void tables_share_a_file(void **state)
{
	struct {
		int64_t depth;
	} more = {0};
	static const struct conf_key more_keys[] = {
		{.name = "depth", .kind = CONF_INT, .standard = "3", .doc = "How deep it is."},
		{0}};
	struct conf_table both[] = {
		table, {.keys = more_keys, .values = &more, .size = sizeof(more)}};

	put("x.conf", "depth = 5\nport = 6");
	CHECK_OK(conf_load(both, 2, "x.conf", true));
	assert_int_equal(values.port, 6);
	assert_int_equal(more.depth, 5);
	put("x.conf", "dept = 5");
	auto_err e = conf_load(both, 2, "x.conf", true);
	assert_non_null(strstr(err_text(e), "did you mean 'depth'?"));
	conf_clear(both, 2);
}

/* A zeroed line "#key = value" per key, its words before it. */
static void the_printed_file_documents_every_key(void **state)
{
	auto_sbuf b = {0};

	CHECK_OK(read_text(""));
	conf_print(&table, 1, "What x reads.", &b);
	char *text = sbuf_str(&b);
	static const char start[] =
		"# What x reads.\n"
		"\n"
		"# Whether it makes noise.\n"
		"# Value: true or false.\n"
		"#loud = false\n"
		"\n"
		"# The TCP port that it listens on. Clients look for it at the standard one, so a\n"
		"# change has to be told to everyone.\n"
		"# Value: a whole number from 1 to 65535.\n"
		"#port = 80\n"
		"\n"
		"# How far it is off.\n"
		"# Value: a whole number from -100 to 100.\n"
		"#offset = 0\n"
		"\n";
	assert_memory_equal(text, start, sizeof(start) - 1);
	for (const struct conf_key *k = keys; k->name; k++) {
		auto_str line = xasprintf("\n#%s = %s\n", k->name, k->standard);
		assert_non_null(strstr(text, k->doc[0] == 'T' ? "The TCP" : k->doc));
		assert_non_null(strstr(text, line));
	}
}

/* Printed, read back and printed again it is the same. */
static void what_is_printed_reads_back(void **state)
{
	static const char all[] =
		"loud = true\nport = 8080\noffset = -7\nroom = 1025\nwait = 3661s\n"
		"title = \" \\\"x\\\" \\\\\"\nhome = /tmp\nspare = /x\n"
		"colour = red";
	static const char *const texts[] = {"", all, "room = 1MiB\nwait = 1d\ntitle = \"\\\"\"",
		"room = 0\nwait = 1ms\ntitle = a \"b\\"};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		auto_sbuf first = {0}, second = {0};

		CHECK_OK(read_text(texts[i]));
		conf_print(&table, 1, "x", &first);
		CHECK_OK(read_text(sbuf_str(&first)));
		conf_print(&table, 1, "x", &second);
		assert_string_equal(sbuf_str(&first), sbuf_str(&second));
		if (i == 1) {
			assert_int_equal(values.room, 1025);
			assert_int_equal(values.wait, 3661 * NS_PER_S);
			assert_string_equal(values.title, " \"x\" \\");
		}
	}
}

#define READS(fn) cmocka_unit_test_setup_teardown(fn, NULL, forget)
#define LOADS(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

TEST_MAIN(READS(defaults_are_there), READS(every_kind_is_read), READS(units_are_known),
	READS(quotes_keep_blanks), READS(every_error_says_what_would_be_right),
	READS(input_is_limited), LOADS(files_are_read_in_order), LOADS(an_error_in_a_part_names_it),
	LOADS(a_missing_file_is_an_error_where_it_must_be), LOADS(a_bad_reload_keeps_the_old),
	LOADS(tables_share_a_file), READS(the_printed_file_documents_every_key),
	READS(what_is_printed_reads_back))
