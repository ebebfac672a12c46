/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A command line: the options that every command has, and those that are a call's parameters, by
 * its table. A parameter wins over a general option of the same name (behind the command's name;
 * before it only general options stand).
 */
#include "common/cli_parts.h"

#include "common/vec.h"

#include <stdio.h>
#include <string.h>

const struct cli_option cli_option_table[] = {
	{"--dir", "D", "the stack that was started with --dir D"},
	{"--socket", "PATH", "the daemon's socket itself"},
	{"--timeout", "SECONDS", "give up waiting after so long (a task goes on)"},
	{"--json", NULL, "print the result as JSON"},
	{"--no-wait", NULL, "print the id of a task and leave it alone"},
	{"--help", NULL, "explain the program, or the command"},
};
const size_t cli_n_options = ARRAY_LEN(cli_option_table);

/* The texts that were given for a parameter. */
struct given {
	vec_of(const char *) texts;
};

static struct err *timeout_read(const char *text, double *out)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end || !(v > 0 && v < 1e9))
		return cli_usage("--timeout", "is a number of seconds above 0");
	*out = v;
	return NULL;
}

struct err *cli_option_value(int argc, char **argv, int *i, size_t name_len, const char **out)
{
	const char *arg = argv[*i];

	if (arg[name_len] == '=') {
		*out = arg + name_len + 1;
		return NULL;
	}
	if (*i + 1 >= argc)
		return cli_usage(arg, "needs a value");
	*out = argv[++*i];
	return NULL;
}

static const struct cli_option *find_option(const char *arg, size_t len)
{
	for (size_t k = 0; k < cli_n_options; k++)
		if (strlen(cli_option_table[k].name) == len &&
			!memcmp(cli_option_table[k].name, arg, len))
			return &cli_option_table[k];
	return NULL;
}

struct err *cli_option_read(struct cli_options *o, int argc, char **argv, int *i, bool *is_taken)
{
	const char *arg = argv[*i];
	size_t len = strcspn(arg, "=");
	const struct cli_option *option = find_option(arg, len);
	const char *value = NULL;

	*is_taken = option;
	if (!option)
		return NULL;
	if (option->value)
		TRY(cli_option_value(argc, argv, i, len, &value));
	else if (arg[len])
		return cli_usage(option->name, "takes no value");
	if (!strcmp(option->name, "--dir"))
		o->dir = value;
	else if (!strcmp(option->name, "--socket"))
		o->socket = value;
	else if (!strcmp(option->name, "--timeout"))
		TRY(timeout_read(value, &o->timeout_s));
	else if (!strcmp(option->name, "--json"))
		o->json = true;
	else if (!strcmp(option->name, "--no-wait"))
		o->no_wait = true;
	else
		o->help = true;
	return NULL;
}

/* "--vdi-from" and "--vdi_from" both name the field vdi_from. */
static bool is_field_name(const char *arg, size_t len, const char *name)
{
	if (strlen(name) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((arg[i] == '-' ? '_' : arg[i]) != name[i])
			return false;
	return true;
}

const char *cli_option_name(const char *field, struct arena *a)
{
	char *option = arena_printf(a, "--%s", field);

	for (char *p = option; *p; p++)
		if (*p == '_')
			*p = '-';
	return option;
}

static const struct field *find_parameter(const struct method *m, const char *arg, size_t len)
{
	for (uint32_t i = 0; i < m->in->n; i++)
		if (is_field_name(arg, len, m->in->fields[i].name))
			return &m->in->fields[i];
	return NULL;
}

bool cli_is_flag(const struct field *f)
{
	const struct type *t = f->type;

	while (t->kind == TYPE_OPTION)
		t = t->of;
	return t->kind == TYPE_BOOL;
}

/* Takes argv[*i] if it is a parameter of the call. */
static struct err *parameter_read(
	const struct method *m, struct given *given, int argc, char **argv, int *i, bool *is_taken)
{
	const char *name = argv[*i] + 2;
	size_t len = strcspn(name, "=");
	const struct field *f = find_parameter(m, name, len);
	const char *value = "true";

	if (!f && !strncmp(name, "no-", 3) && !name[len]) {
		f = find_parameter(m, name + 3, len - 3);
		if (f && !cli_is_flag(f))
			f = NULL;
		value = "false";
	}
	*is_taken = f;
	if (!f)
		return NULL;
	if (!cli_is_flag(f) || name[len])
		TRY(cli_option_value(argc, argv, i, len + 2, &value));
	vec_push(&given[f - m->in->fields].texts, value);
	return NULL;
}

bool cli_is_mandatory(const struct field *f)
{
	return !(f->flags & FIELD_HAS_DEFAULT) && f->type->kind != TYPE_OPTION;
}

/* An argument without a name is the first mandatory parameter that nothing was given for. */
static struct err *argument_read(const struct method *m, struct given *given, const char *arg)
{
	for (uint32_t i = 0; i < m->in->n; i++)
		if (cli_is_mandatory(&m->in->fields[i]) && !given[i].texts.n) {
			vec_push(&given[i].texts, arg);
			return NULL;
		}
	return cli_usage(arg, "is one argument too many");
}

static struct err *read_all(
	const struct method *m, int argc, char **argv, struct cli_options *o, struct given *given)
{
	bool is_taken = false, only_arguments = false;

	for (int i = 0; i < argc; i++) {
		if (only_arguments || strncmp(argv[i], "--", 2) != 0) {
			TRY(argument_read(m, given, argv[i]));
			continue;
		}
		if (!argv[i][2]) {
			only_arguments = true;
			continue;
		}
		TRY(parameter_read(m, given, argc, argv, &i, &is_taken));
		if (!is_taken)
			TRY(cli_option_read(o, argc, argv, &i, &is_taken));
		if (!is_taken)
			return cli_usage(
				argv[i], "is no option of this command (--help shows them)");
	}
	return NULL;
}

static struct err *write_all(
	const struct method *m, const struct given *given, struct arena *a, struct sbuf *params)
{
	struct json_writer w;

	json_writer_init(&w, params);
	json_write_object(&w);
	for (uint32_t i = 0; i < m->in->n; i++) {
		const struct field *f = &m->in->fields[i];
		const char *option = cli_option_name(f->name, a);

		if (!given[i].texts.n && cli_is_mandatory(f))
			return cli_usage(option, "is missing");
		if (!given[i].texts.n)
			continue;
		json_write_name(&w, f->name);
		TRY(cli_value_write(f->type, option, given[i].texts.v, given[i].texts.n, a, &w));
	}
	json_write_object_end(&w);
	return NULL;
}

struct err *cli_args_read(const struct method *m, int argc, char **argv, struct cli_options *o,
	struct arena *a, struct sbuf *params)
{
	struct given *given = arena_calloc(a, m->in->n + 1, sizeof(*given));
	struct err *e = read_all(m, argc, argv, o, given);

	if (!e && !o->help)
		e = write_all(m, given, a, params);
	for (uint32_t i = 0; i < m->in->n; i++)
		vec_fini(&given[i].texts);
	return e;
}
