/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * POST /cli: from the arguments in the body to the exit status. The answer is no HTTP, but the thin
 * protocol from its first byte on.
 */
#define LOG_MODULE "cli"

#include "common/clock.h"
#include "common/fiber.h"
#include "common/log.h"
#include "common/stream.h"
#include "core.gen.h"
#include "xapid/cli/cli.h"
#include "xapid/cli/thin.h"
#include "xenapi.gen.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BODY_MAX    ((size_t)200 * 1024)
#define GREETING_NS (30 * NS_PER_S)
#define PROMPT_MAX  ((size_t)4096)
#define MAX_ARGS    ((size_t)4096)
#define SEE_HELP    "For usage run: 'xe help'\n"

/* ---- errors of the command line; the others are the XenAPI's ---- */

#define CLI_ERROR      "cli: error"
#define CLI_MISSING    "cli: missing"
#define CLI_SYNTAX     "cli: syntax"
#define CLI_NO_COMMAND "cli: no command"

struct err *cli_make_error(const char *fmt, ...)
{
	char text[1024];
	const char *param = text;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_new(__FILE__, __LINE__, CLI_ERROR, 1, &param);
}

struct err *cli_make_missing(const char *key)
{
	return err_new(__FILE__, __LINE__, CLI_MISSING, 1, &key);
}

/* ---- arguments ---- */

const char *cli_arg(const struct cli *c, const char *key)
{
	vec_for_each (i, &c->args)
		if (!strcmp(c->args.v[i].key, key))
			return c->args.v[i].value;
	return NULL;
}

bool cli_switch(const struct cli *c, const char *key)
{
	const char *value = cli_arg(c, key);

	return value && (!strcmp(value, "true") || !strcmp(value, "yes") || !strcmp(value, "1"));
}

json_t *cli_arg_map(struct cli *c, const char *prefix)
{
	json_t *map = json_object();
	size_t len = strlen(prefix);

	vec_for_each (i, &c->args) {
		const struct cli_arg *arg = &c->args.v[i];

		if (!strncmp(arg->key, prefix, len) && arg->key[len] == ':')
			json_object_set_new(map, arg->key + len + 1, json_string(arg->value));
	}
	vec_push(&c->values, map);
	return map;
}

static struct err *syntax_error(void)
{
	return err_new(__FILE__, __LINE__, CLI_SYNTAX, 0, NULL);
}

static void take_arg(struct cli *c, const char *key, const char *value)
{
	if (!strcmp(key, "username"))
		c->user = value;
	else if (!strcmp(key, "password"))
		c->password = value;
	else if (!strcmp(key, "minimal"))
		c->is_minimal = !strcmp(value, "true");
	else if (!strcmp(key, "multiple"))
		c->is_multiple = !strcmp(value, "true");
	else if (!strcmp(key, "progress"))
		c->shows_progress = !strcmp(value, "true");
	else if (strcmp(key, "trace") && strcmp(key, "debug") && strcmp(key, "debug-on-fail"))
		vec_push(&c->args, (struct cli_arg){key, value});
}

static struct err *take_line(struct cli *c, char *line)
{
	char *value = strchr(line, '=');

	if (value && *line != '-') {
		*value++ = '\0';
		take_arg(c, line, value);
	} else if (!strncmp(line, "--", 2) && line[2]) {
		if (value)
			*value++ = '\0';
		take_arg(c, line + 2, value ? value : "true");
	} else if (*line == '-') {
		return syntax_error();
	} else if (!c->command) {
		c->command = line;
	} else {
		take_arg(c, line, "true");
	}
	return NULL;
}

static struct err *read_lines(struct cli *c, const char *body, size_t n)
{
	char *rest = arena_strndup(c->arena, body, n);

	for (char *line; (line = strsep(&rest, "\n"));) {
		size_t len = strlen(line);

		if (len && line[len - 1] == '\r')
			line[len - 1] = '\0';
		if (*line)
			TRY(take_line(c, line));
		if (c->args.n > MAX_ARGS)
			return syntax_error();
	}
	return c->command ? NULL : syntax_error();
}

/* ---- output ---- */

static void put(struct cli *c, const struct thin_message *m)
{
	thin_put(stream_out(c->stream), m);
	stream_flush_later(c->stream);
}

void cli_print(struct cli *c, const char *text)
{
	put(c, &(struct thin_message){THIN_COMMAND, THIN_PRINT, .text = text});
}

void cli_printf(struct cli *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	cli_print(c, arena_vprintf(c->arena, fmt, ap));
	va_end(ap);
}

void cli_print_stderr(struct cli *c, const char *text)
{
	put(c, &(struct thin_message){THIN_COMMAND, THIN_STDERR, .text = text});
}

void cli_print_record(struct cli *c, const char *const *names, const char *const *values, size_t n)
{
	auto_sbuf text = {0};
	int width = 0;

	for (size_t i = 0; i < n; i++)
		if ((int)strlen(names[i]) > width)
			width = (int)strlen(names[i]);
	for (size_t i = 0; i < n; i++)
		sbuf_printf(&text, i ? "%*s: %s\n" : "%-*s: %s\n", width + 4, names[i], values[i]);
	cli_printf(c, "%s\n", n ? sbuf_str(&text) : "\n");
}

void cli_print_minimal(struct cli *c, const char *const *values, size_t n)
{
	auto_sbuf text = {0};

	for (size_t i = 0; i < n; i++) {
		if (i)
			sbuf_addc(&text, ',');
		for (const char *at = values[i]; *at; at++) {
			if (*at == ',' || *at == '\\')
				sbuf_addc(&text, '\\');
			sbuf_addc(&text, *at);
		}
	}
	cli_print(c, sbuf_str(&text));
}

MAY_WAIT struct err *cli_prompt(struct cli *c, const char **line)
{
	auto_sbuf text = {0};

	put(c, &(struct thin_message){.kind = THIN_COMMAND, .tag = THIN_PROMPT});
	TRY(thin_read_blobs(c->stream, PROMPT_MAX, &text, NEVER));
	*line = arena_strdup(c->arena, sbuf_str(&text));
	return NULL;
}

MAY_WAIT struct err *cli_confirm(struct cli *c)
{
	const char *answer;

	if (cli_switch(c, "force"))
		return NULL;
	cli_print(c, "Type 'yes' to continue");
	TRY(cli_prompt(c, &answer));
	return strcmp(answer, "yes") ? cli_error("Aborted") : NULL;
}

/* ---- errors, told ---- */

static const struct err_kind *kind_of(const char *code)
{
	for (uint32_t i = 0; i < xenapi_interface.n_errors; i++)
		if (!strcmp(xenapi_interface.errors[i]->code, code))
			return xenapi_interface.errors[i];
	return NULL;
}

/* A parameter as a person knows it: a reference as uuid and name. */
static MAY_WAIT const char *param_text(struct cli *c, const char *name, const char *param)
{
	const struct cli_class *k = cli_class_named(name);
	json_t *record = NULL;

	if (!k || !c->session || strncmp(param, "OpaqueRef:", 10) != 0)
		return param;
	auto_err e = cli_object(c, k->class->name, param, &record);
	if (e || !record)
		return param;
	return arena_printf(
		c->arena, "%s (%s)", cli_string(record, "uuid"), cli_string(record, "name_label"));
}

static MAY_WAIT const char *api_error_text(struct cli *c, const struct err *e)
{
	const struct err_kind *kind = kind_of(e->code);
	auto_sbuf text = {0};

	if (!kind) {
		sbuf_printf(&text, "Error code: %s\nError parameters: ", e->code);
		for (size_t i = 0; i < e->n_params; i++)
			sbuf_printf(&text, "%s%s", i ? ", " : "", e->params[i]);
		sbuf_addc(&text, '\n');
		return arena_strdup(c->arena, sbuf_str(&text));
	}
	sbuf_printf(&text, "%s\n", kind->doc && *kind->doc ? kind->doc : e->code);
	for (size_t i = 0; i < e->n_params && i < kind->n_params; i++)
		sbuf_printf(&text, "%s: %s\n", kind->params[i],
			param_text(c, kind->params[i], e->params[i]));
	return arena_strdup(c->arena, sbuf_str(&text));
}

MAY_WAIT void cli_report(struct cli *c, const struct err *e)
{
	const char *param = e->n_params ? e->params[0] : "", *text;

	if (!strcmp(e->code, CLI_ERROR))
		text = arena_printf(c->arena, "Error: %s\n", param);
	else if (!strcmp(e->code, CLI_MISSING))
		text = arena_printf(c->arena, "Required parameter not found: %s\n" SEE_HELP, param);
	else if (!strcmp(e->code, CLI_SYNTAX))
		text = "Syntax error: \n" SEE_HELP;
	else if (!strcmp(e->code, CLI_NO_COMMAND))
		text = arena_printf(c->arena, "Unknown command: %s\n" SEE_HELP, param);
	else
		text = api_error_text(c, e);
	cli_print_stderr(c, text);
}

/* ---- commands ---- */

static const struct {
	const struct cli_command *commands;
	const size_t *n;
} tables[] = {
	{cli_vm_commands, &n_cli_vm_commands},
	{cli_snapshot_commands, &n_cli_snapshot_commands},
	{cli_disk_commands, &n_cli_disk_commands},
	{cli_drive_commands, &n_cli_drive_commands},
	{cli_host_commands, &n_cli_host_commands},
	{cli_file_commands, &n_cli_file_commands},
	{cli_pool_commands, &n_cli_pool_commands},
	{cli_limit_commands, &n_cli_limit_commands},
	{cli_other_commands, &n_cli_other_commands},
};

void cli_each_command(void (*fn)(const struct cli_command *command, void *arg), void *arg)
{
	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		for (size_t i = 0; i < *tables[t].n; i++)
			fn(&tables[t].commands[i], arg);
}

const struct cli_command *cli_command_named(const char *name)
{
	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		for (size_t i = 0; i < *tables[t].n; i++)
			if (!strcmp(tables[t].commands[i].name, name))
				return &tables[t].commands[i];
	return NULL;
}

static struct err *check_required(const struct cli *c, const char *required)
{
	char key[64];

	while (*required) {
		size_t n = strcspn(required, " ");

		snprintf(key, sizeof(key), "%.*s", (int)n, required);
		if (!cli_arg(c, key))
			return cli_missing(key);
		required += n + (required[n] == ' ');
	}
	return NULL;
}

static MAY_WAIT struct err *run_command(struct cli *c)
{
	const struct cli_command *command = cli_command_named(c->command);
	const char *verb;
	const struct cli_class *k = cli_class_of_command(c->command, &verb);

	if (!command && !k)
		return err_new(__FILE__, __LINE__, CLI_NO_COMMAND, 1, &c->command);
	if (command)
		TRY(check_required(c, command->required));
	TRY(command && command->is_local ? cli_login_here(c) : cli_login(c));
	if (!command)
		return cli_run_generated(c, k, verb);
	return command->fn ? command->fn(c) : cli_run_message(c, command);
}

/* ---- from the request to the end ---- */

static MAY_WAIT struct err *converse(struct cli *c)
{
	thin_put_greeting(stream_out(c->stream));
	stream_flush_later(c->stream);
	TRY(thin_read_greeting(c->stream, deadline_in(GREETING_NS)));
	auto_err e = c->command ? run_command(c) : syntax_error();
	if (e)
		cli_report(c, e);
	put(c, &(struct thin_message){THIN_COMMAND, THIN_EXIT, .number = e ? 1 : 0});
	return stream_drain(c->stream, 0, NEVER);
}

static void cli_fini(struct cli *c)
{
	vec_for_each (i, &c->values)
		json_decref(c->values.v[i]);
	vec_fini(&c->values);
	vec_fini(&c->args);
	json_decref(c->objects);
	json_decref(c->classes);
}

static MAY_WAIT struct err *serve(struct exchange *x)
{
	struct cli c = {.arena = x->arena, .peer = x->peer};
	const char *body;
	size_t n;

	TRY(exchange_body(x, BODY_MAX, &body, &n));
	c.objects = json_object();
	c.classes = json_object();
	auto_err bad = read_lines(&c, body, n);
	if (bad)
		c.command = NULL;
	c.stream = exchange_take_over(x);
	struct err *e = converse(&c);
	fiber_cancel_mask();
	cli_logout(&c);
	fiber_cancel_unmask();
	cli_fini(&c);
	if (e)
		log_err(LOG_INFO_, e, "xe went away");
	err_free(e);
	return NULL;
}

const struct route cli_routes[] = {{.method = "POST", .path = "/cli", .fn = serve}};
const size_t n_cli_routes = ARRAY_LEN(cli_routes);
