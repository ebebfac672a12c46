/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The commands that every CLI has beside its calls: those that repeat, and those that need no
 * daemon.
 */
#include "common/cli_parts.h"

#include "common/clock.h"
#include "common/codec.h"
#include "common/datetime.h"

#include "core.gen.h"

#include <stdio.h>
#include <string.h>

/* A call without parameters, as a command of another name. */
static MAY_WAIT struct err *print_call(struct cli *cli, const char *call, int argc, char **argv)
{
	const struct method *m = cli_find_method(cli->spec, call);
	void *out = arena_alloc(&cli->arena, m->out->size);

	if (argc)
		return cli_usage(argv[0], "is one argument too many");
	TRY(cli_call(cli, m, NULL, out));
	cli_print(cli, m->out, out);
	return NULL;
}

static MAY_WAIT struct err *run_tasks(struct cli *cli, int argc, char **argv)
{
	return print_call(cli, "TASK.list", argc, argv);
}

static MAY_WAIT struct err *run_diagnostics(struct cli *cli, int argc, char **argv)
{
	return print_call(cli, "debug.diagnostics", argc, argv);
}

static MAY_WAIT struct err *run_wait(struct cli *cli, int argc, char **argv)
{
	struct json_text result = {0};

	if (argc != 1)
		return cli_usage("TASK", "is the one argument");
	TRY(cli_wait_task(cli, argv[0], &type_any, &result));
	if (result.text)
		cli_print(cli, &type_any, &result);
	return NULL;
}

static bool is_wanted(const struct core_update *u, int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (!strcmp(argv[i], u->class))
			return true;
	return !argc;
}

static void print_update(struct cli *cli, const struct core_update *u)
{
	char when[DATETIME_SIZE];

	if (cli->options.json)
		cli_print(cli, &core_type_update, u);
	else
		printf("%s %s %s%s\n", datetime_put(clock_real_ns() / NS_PER_S, when), u->class,
			u->id, u->deleted ? " (gone)" : "");
}

/* One answer of UPDATES.get; the first one tells only where we are. */
static MAY_WAIT struct err *next_updates(struct cli *cli, char *token, int argc, char **argv)
{
	auto_arena a = {0};
	const struct core_updates_get_in in = {.since = token[0] ? token : NULL, .timeout = 30};
	struct core_updates_answer answer;

	TRY(core_updates_get(cli_client(cli), &in, &a, &answer, cli_deadline(cli)));
	for (size_t i = 0; i < answer.updates.n && token[0]; i++)
		if (is_wanted(&answer.updates.v[i], argc, argv))
			print_update(cli, &answer.updates.v[i]);
	fflush(stdout);
	snprintf(token, CLI_TOKEN_SIZE, "%s", answer.token);
	return NULL;
}

static MAY_WAIT struct err *run_events(struct cli *cli, int argc, char **argv)
{
	char token[CLI_TOKEN_SIZE] = "";

	for (;;) {
		struct err *e = next_updates(cli, token, argc, argv);

		if (e && cli->is_interrupted) {
			err_free(e);
			return NULL;
		}
		TRY(e);
	}
}

static MAY_WAIT struct err *run_completion(struct cli *cli, int argc, char **argv)
{
	auto_sbuf out = {0};

	if (argc != 1 || strcmp(argv[0], "bash") != 0)
		return cli_usage("bash", "is the one argument, and the one shell");
	cli_complete_bash(cli->spec, &out);
	fputs(sbuf_str(&out), stdout);
	return NULL;
}

static MAY_WAIT struct err *run_help(struct cli *cli, int argc, char **argv)
{
	const struct cli_command *command = argc ? cli_find_command(cli->spec, argv[0]) : NULL;
	const struct method *m = argc ? cli_find_method(cli->spec, argv[0]) : NULL;
	auto_sbuf out = {0};

	if (!argc)
		cli_help_program(cli->spec, &out);
	else if (command)
		cli_help_command(cli->spec, command, &out);
	else if (m)
		cli_help_method(cli->spec, m, &out);
	else
		return cli_usage(argv[0], "is no command");
	fputs(sbuf_str(&out), stdout);
	return NULL;
}

const struct cli_command cli_own_commands[] = {
	{"tasks", NULL, "Shows the daemon's tasks.", run_tasks, NULL},
	{"wait", "TASK", "Waits for the end of a task and prints its result.", run_wait, NULL},
	{"events", "[CLASS]…",
		"Prints each change of the daemon's objects as it comes, until Ctrl-C.", run_events,
		NULL},
	{"diagnostics", NULL, "Shows the daemon's inside.", run_diagnostics, NULL},
	{"completion", "bash", "Prints a script that makes the shell complete commands.",
		run_completion, NULL},
	{"help", "[COMMAND]", "Explains the program, or a command.", run_help, NULL},
};
const size_t cli_n_own_commands = ARRAY_LEN(cli_own_commands);
