/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The CLI program: reads the command line, runs one command in one fiber and turns its end into an
 * exit code. Ctrl-C cancels that fiber's wait; a second one stops the loop.
 */
#include "common/cli.h"

#include "common/cli_parts.h"
#include "common/codec.h"
#include "common/fiber.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/rpc.h"

#include "core.gen.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

static const char run_dir[] = "/run/xenith";
static struct cli *the_cli; /* for the signal alone */
static struct fiber *the_fiber;

struct arena *cli_arena(struct cli *cli)
{
	return &cli->arena;
}

int64_t cli_deadline(const struct cli *cli)
{
	return cli->deadline;
}

bool cli_waits(const struct cli *cli)
{
	return !cli->options.no_wait;
}

bool cli_wants_json(const struct cli *cli)
{
	return cli->options.json;
}

bool cli_is_interrupted(const struct cli *cli)
{
	return cli->is_interrupted;
}

static const char *socket_path(struct cli *cli)
{
	const struct cli_options *o = &cli->options;

	if (o->socket)
		return o->socket;
	if (o->dir)
		return arena_printf(&cli->arena, "%s/run/%s.sock", o->dir, cli->spec->daemon);
	return arena_printf(&cli->arena, "%s/%s.sock", run_dir, cli->spec->daemon);
}

struct rpc_client *cli_client(struct cli *cli)
{
	if (!cli->client)
		cli->client = rpc_client_new(socket_path(cli), NULL);
	return cli->client;
}

static unsigned terminal_width(void)
{
	struct winsize size;

	return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col
										     : 0;
}

static void write_out(const struct sbuf *out)
{
	fwrite(sbuf_data(out), 1, sbuf_len(out), stdout);
	fflush(stdout);
}

void cli_print(struct cli *cli, const struct type *t, const void *value)
{
	auto_sbuf out = {0};

	if (t->kind == TYPE_VOID)
		return;
	if (cli->options.json) {
		codec_encode(t, value, &out);
		sbuf_addc(&out, '\n');
	} else {
		cli_show(t, value, terminal_width(), &out);
	}
	write_out(&out);
}

struct err *cli_call(struct cli *cli, const struct method *m, const void *in, void *out)
{
	const char *task;

	if (!out)
		out = arena_alloc(&cli->arena, m->out->size + 1);
	if (!(m->flags & METHOD_TASK))
		return rpc_call(cli_client(cli), m, in, &cli->arena, out, cli->deadline);
	TRY(rpc_call(cli_client(cli), m, in, &cli->arena, &task, cli->deadline));
	return cli_wait_task(cli, task, m->out, out);
}

/* ---- the command ---- */

static void set_deadline(struct cli *cli)
{
	if (cli->options.timeout_s > 0)
		cli->deadline = deadline_in((int64_t)(cli->options.timeout_s * (double)NS_PER_S));
}

static MAY_WAIT struct err *run_method(struct cli *cli, const struct method *m, const void *in)
{
	void *out = arena_alloc(&cli->arena, m->out->size + 1);
	const char *task;

	if ((m->flags & METHOD_TASK) && cli->options.no_wait) {
		TRY(rpc_call(cli_client(cli), m, in, &cli->arena, &task, cli->deadline));
		cli_print(cli, &type_string, &task);
		return NULL;
	}
	TRY(cli_call(cli, m, in, out));
	cli_print(cli, m->out, out);
	return NULL;
}

static bool is_id(const struct type *t)
{
	return t->kind == TYPE_STRING && t->name && t != &type_string;
}

/* Names that were given for ids. */
static MAY_WAIT struct err *find_ids(struct cli *cli, const struct type *record, void *in)
{
	for (uint32_t i = 0; cli->spec->find && i < record->n; i++) {
		const struct field *f = &record->fields[i];
		const struct type *t = f->type->kind == TYPE_OPTION ? f->type->of : f->type;
		const char **value = (const char **)((char *)in + f->offset);

		if (is_id(t) && *value)
			TRY(cli->spec->find(cli, t, *value, value));
	}
	return NULL;
}

/* A call: its arguments become its C form. */
static MAY_WAIT struct err *run_call(struct cli *cli, const struct method *m, int argc, char **argv)
{
	void *in = arena_alloc(&cli->arena, m->in->size + 1);
	auto_sbuf text = {0};

	TRY(cli_args_read(m, argc, argv, &cli->options, &cli->arena, &text));
	if (cli->options.help) {
		cli_help_method(cli->spec, m, &text);
		write_out(&text);
		return NULL;
	}
	TRY(codec_decode(m->in, "", sbuf_data(&text), sbuf_len(&text), &cli->arena, in));
	set_deadline(cli);
	TRY(find_ids(cli, m->in, in));
	return run_method(cli, m, in);
}

struct err *cli_run_call(struct cli *cli, const char *method, int argc, char **argv)
{
	const struct method *m = cli_find_method(cli->spec, method);

	return m ? run_call(cli, m, argc, argv) : cli_usage(method, "is no command");
}

/* Takes argv[*i] if it is an option of this command; one that is none is refused. */
static struct err *own_option(
	struct cli *cli, const struct cli_command *command, int *i, bool *is_taken)
{
	const char *arg = cli->argv[*i], *value = "";
	size_t len = strcspn(arg, "="), k = 0;

	*is_taken = false;
	if (!command->options || strncmp(arg, "--", 2) != 0)
		return NULL;
	while (command->options[k].name &&
		(strlen(command->options[k].name) != len ||
			memcmp(command->options[k].name, arg, len) != 0))
		k++;
	const struct cli_option *option = &command->options[k];
	if (!option->name)
		return cli_usage(arg, "is no option of this command (--help shows them)");
	if (option->value)
		TRY(cli_option_value(cli->argc, cli->argv, i, len, &value));
	else if (arg[len])
		return cli_usage(option->name, "takes no value");
	cli->given[k] = value;
	*is_taken = true;
	return NULL;
}

static size_t count_options(const struct cli_command *command)
{
	size_t n = 0;

	while (command->options && command->options[n].name)
		n++;
	return n;
}

const char *cli_given(const struct cli *cli, const char *option)
{
	for (size_t i = 0; i < count_options(cli->command); i++)
		if (!strcmp(cli->command->options[i].name, option))
			return cli->given[i];
	return NULL;
}

/* A command of its own: what is no general option is its arguments. */
static MAY_WAIT struct err *run_command(struct cli *cli, const struct cli_command *command)
{
	char **argv = arena_calloc(&cli->arena, (size_t)cli->argc + 1, sizeof(*argv));
	auto_sbuf help = {0};
	int argc = 0;

	cli->command = command;
	cli->given = arena_calloc(&cli->arena, count_options(command) + 1, sizeof(*cli->given));
	for (int i = 1; i < cli->argc; i++) {
		bool is_taken;

		TRY(cli_option_read(&cli->options, cli->argc, cli->argv, &i, &is_taken));
		if (!is_taken)
			TRY(own_option(cli, command, &i, &is_taken));
		if (!is_taken)
			argv[argc++] = cli->argv[i];
	}
	if (cli->options.help) {
		cli_help_command(cli->spec, command, &help);
		write_out(&help);
		return NULL;
	}
	set_deadline(cli);
	return command->run(cli, argc, argv);
}

static MAY_WAIT struct err *run(struct cli *cli)
{
	const char *name = cli->argv[0];
	const struct cli_command *command = cli_find_command(cli->spec, name);
	const struct method *m = cli_find_method(cli->spec, name);

	if (command)
		return run_command(cli, command);
	return m ? run_call(cli, m, cli->argc - 1, cli->argv + 1)
		 : cli_usage(name, "is no command");
}

/* Takes the general options before the command. */
static struct err *read_options(struct cli *cli, int argc, char **argv)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		bool is_taken;

		TRY(cli_option_read(&cli->options, argc, argv, &i, &is_taken));
		if (!is_taken)
			return cli_usage(argv[i], "is no option");
	}
	cli->argc = argc - i;
	cli->argv = argv + i;
	if (!cli->argc && !cli->options.help)
		return cli_usage("COMMAND", "is missing");
	return NULL;
}

/* ---- the end ---- */

/* An error of our own side, not one that the daemon answered with. */
static bool is_ours(const struct err *e, const struct err_kind *kind)
{
	return e->file && err_is(e, kind);
}

static int exit_code(const struct err *e)
{
	if (is_ours(e, &ERR_INVALID_VALUE))
		return CLI_USAGE;
	if (is_ours(e, &ERR_CONNECTION_REFUSED) || is_ours(e, &ERR_CONNECTION_LOST))
		return CLI_NO_CONNECTION;
	if (is_ours(e, &ERR_TIMEOUT))
		return CLI_TIMEOUT;
	return CLI_FAILED;
}

static int report(const struct cli *cli, struct err *e)
{
	const char *program = cli->spec->program;
	const char *command = cli->argc ? cli->argv[0] : "";
	int code = exit_code(e);

	if (!cli_find_method(cli->spec, command) && !cli_find_command(cli->spec, command))
		command = "";
	if (code == CLI_USAGE)
		fprintf(stderr, "%s: %s %s\nTry '%s%s%s --help'.\n", program, e->params[0],
			e->params[1], program, command[0] ? " " : "", command);
	else
		fprintf(stderr, "%s: %s\n", program, err_text(e));
	err_free(e);
	return code;
}

static void run_fiber(void *arg)
{
	struct cli *cli = arg;
	struct err *e = run(cli);

	the_fiber = NULL;
	if (e)
		cli->exit_code = report(cli, e);
	rpc_client_free(cli->client);
	cli->client = NULL;
	loop_stop();
}

static void on_interrupt(int signum)
{
	if (the_cli->is_interrupted || !the_fiber) {
		loop_stop();
		return;
	}
	the_cli->is_interrupted = true;
	fiber_cancel(the_fiber);
}

static struct err *run_loop(struct cli *cli)
{
	loop_init();
	the_cli = cli;
	TRY(loop_on_signal(SIGINT, on_interrupt));
	TRY(fiber_spawn(&the_fiber, run_fiber, cli, "command"));
	loop_run(NS_PER_S);
	loop_fini();
	return NULL;
}

int cli_main(int argc, char **argv, const struct cli_spec *spec)
{
	struct cli cli = {.spec = spec, .deadline = NEVER};
	struct err *e = read_options(&cli, argc, argv);
	auto_sbuf help = {0};

	log_init(spec->program);
	log_set_level(NULL, LOG_ERROR_);
	if (!e && !cli.argc) {
		cli_help_program(spec, &help);
		write_out(&help);
	} else if (!e) {
		e = run_loop(&cli);
	}
	if (e)
		cli.exit_code = report(&cli, e);
	if ((fflush(stdout) || ferror(stdout)) && !cli.exit_code) {
		fprintf(stderr, "%s: the output could not be written\n", spec->program);
		cli.exit_code = CLI_FAILED;
	}
	arena_fini(&cli.arena);
	return cli.exit_code;
}
