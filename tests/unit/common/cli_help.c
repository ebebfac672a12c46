/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/cli_help.c and cli_names.c: what --help says of real calls, and that every call is found
 * by each form of its name.
 */
#include "common/cli_parts.h"

#include "core.gen.h"
#include "network.gen.h"
#include "rrd.gen.h"
#include "storage.gen.h"
#include "tests/unit/test.h"
#include "xenops.gen.h"

#include <string.h>

static const struct interface *const interfaces[] = {&xenops_interface, NULL};

static const struct cli_option console_options[] = {
	{"--quiet", NULL, "say nothing"},
	{"--log", "PATH", "keep what is shown"},
	{0},
};

static const struct cli_command commands[] = {
	{"console", "VM", "Shows the console of a VM. Ctrl-] leaves it.", NULL, console_options},
};

static const struct cli_spec spec = {
	.program = "xenops-cli",
	.doc = "Talks to xenopsd.",
	.daemon = "xenopsd",
	.interfaces = interfaces,
	.commands = commands,
	.n_commands = ARRAY_LEN(commands),
};

/* A switch has no value: it is given, or its opposite is. */
static void tells_how_a_switch_is_given(void **state)
{
	auto_sbuf help = {0};

	cli_help_method(&spec, cli_find_method(&spec, "vm-request-rdp"), &help);
	assert_non_null(strstr(sbuf_str(&help), "VM.request_rdp --vm vm_id --[no-]enabled"));
}

static void explains_a_call(void **state)
{
	auto_sbuf help = {0};

	cli_help_method(&spec, cli_find_method(&spec, "vbd-insert"), &help);
	const char *text = sbuf_str(&help);
	const char *general = strstr(text, "\nGeneral options:\n");
	assert_non_null(general);
	*(char *)general = '\0';
	assert_string_equal(text,
		"usage: xenops-cli VBD.insert --vbd vbd_id --disk local=TEXT|vdi=vdi_path "
		"[OPTION]…\n"
		"\n"
		"Puts a medium into an empty drive of a running VM.\n"
		"This is a task: it is waited for, and Ctrl-C cancels it.\n"
		"\n"
		"Options (the first ones may stand without their names):\n"
		"  --vbd vbd_id              Must be given.\n"
		"  --disk VALUE              VALUE: local=TEXT|vdi=vdi_path. Must be given.\n"
		"\n"
		"Members of vdi_path (key=value,… or JSON or @FILE):\n"
		"  sr (must be given)        sr_id\n"
		"  vdi (must be given)       vdi_id\n"
		"\n"
		"Errors:\n"
		"  Does_not_exist            There is no object of this class and id.\n"
		"  Bad_power_state           The VM is not in the power state that this needs.\n"
		"  Media_present             There is a medium in the drive.\n");
}

static void explains_a_command(void **state)
{
	auto_sbuf help = {0};

	cli_help_command(&spec, &commands[0], &help);
	const char *text = sbuf_str(&help);
	const char *general = strstr(text, "\nGeneral options:\n");
	assert_non_null(general);
	*(char *)general = '\0';
	assert_string_equal(text,
		"usage: xenops-cli console VM\n"
		"\n"
		"Shows the console of a VM. Ctrl-] leaves it.\n"
		"\n"
		"Options:\n"
		"  --quiet                   say nothing\n"
		"  --log PATH                keep what is shown\n");
}

/* The line of HELP that begins with two spaces and NAME, or NULL. */
static const char *find_entry(const char *help, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = help; (p = strstr(p, name)); p += len)
		if (p - help > 2 && !memcmp(p - 3, "\n  ", 3) && strchr(" \n", p[len]))
			return p;
	return NULL;
}

static void lists_every_command(void **state)
{
	auto_arena a = {0};
	auto_sbuf help = {0};

	cli_help_program(&spec, &help);
	cli_for_each_interface (i, &spec) {
		const struct interface *in = cli_interface(&spec, i);

		for (uint32_t k = 0; k < in->n_methods; k++)
			assert_non_null(find_entry(
				sbuf_str(&help), cli_command_name(in->methods[k].name, &a)));
	}
	for (size_t i = 0; i < cli_n_own_commands; i++)
		assert_non_null(find_entry(sbuf_str(&help), cli_own_commands[i].name));
	const char *console = find_entry(sbuf_str(&help), "console");
	assert_non_null(console);
	assert_memory_equal(
		console, "console VM                    Shows the console of a VM.\n", 57);
}

static void finds_a_call_by_either_name(void **state)
{
	auto_arena a = {0};

	cli_for_each_interface (i, &spec) {
		const struct interface *in = cli_interface(&spec, i);

		for (uint32_t k = 0; k < in->n_methods; k++) {
			const struct method *m = &in->methods[k];

			assert_ptr_equal(cli_find_method(&spec, m->name), m);
			assert_ptr_equal(cli_find_method(&spec, cli_command_name(m->name, &a)), m);
		}
	}
	assert_non_null(cli_find_method(&spec, "task-list"));
	assert_null(cli_find_method(&spec, "vm-start-"));
	assert_null(cli_find_method(&spec, "vm"));
	assert_null(cli_find_method(&spec, ""));
	assert_ptr_equal(cli_find_command(&spec, "console"), &commands[0]);
	assert_non_null(cli_find_command(&spec, "events"));
	assert_null(cli_find_command(&spec, "event"));
}

/* No command hides another: each name, as it is typed, is there once in each CLI. */
static void has_no_name_twice(void **state)
{
	static const struct interface *const all[] = {
		&xenops_interface, &storage_interface, &network_interface, &rrd_interface};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		const struct interface *const only[] = {all[i], NULL};
		const struct cli_spec one = {.interfaces = only};
		auto_arena a = {0};

		for (uint32_t k = 0; k < all[i]->n_methods; k++) {
			const char *name = cli_command_name(all[i]->methods[k].name, &a);

			assert_ptr_equal(cli_find_method(&one, name), &all[i]->methods[k]);
			assert_null(cli_find_command(&one, name));
		}
	}
}

TEST_MAIN(TEST(explains_a_call), TEST(explains_a_command), TEST(tells_how_a_switch_is_given),
	TEST(lists_every_command), TEST(finds_a_call_by_either_name), TEST(has_no_name_twice))
