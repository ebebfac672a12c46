/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `completion bash`: commands, the options of each and the names of enums, from the tables. The
 * script holds all of it and never asks a daemon.
 */
#include "common/cli_parts.h"

#include <string.h>

static void add_names(const struct cli_command *commands, size_t n, struct sbuf *out)
{
	for (size_t i = 0; i < n; i++)
		sbuf_printf(out, "%s ", commands[i].name);
}

static void add_general_options(struct sbuf *out)
{
	for (size_t i = 0; i < cli_n_options; i++)
		sbuf_printf(out, "%s%s", i ? " " : "", cli_option_table[i].name);
}

/* One line of the case that chooses the options of a command beside the calls. */
static void add_own(const struct cli_command *command, struct sbuf *out)
{
	const struct cli_option *o = command->options;

	if (!o)
		return;
	sbuf_printf(out, "\t%s) options=\"", command->name);
	for (const char *gap = ""; o->name; o++, gap = " ")
		sbuf_printf(out, "%s%s", gap, o->name);
	sbuf_adds(out, "\" ;;\n");
}

static const struct type *inner(const struct type *t)
{
	while (t->kind == TYPE_OPTION || t->kind == TYPE_LIST)
		t = t->of;
	return t;
}

/* One line of the case that chooses the options of a command. */
static void add_method(const struct method *m, struct arena *a, struct sbuf *out)
{
	if (!m->in->n)
		return;
	sbuf_printf(out, "\t%s|%s) options=\"", cli_command_name(m->name, a), m->name);
	for (uint32_t i = 0; i < m->in->n; i++)
		sbuf_printf(out, "%s%s", i ? " " : "", cli_option_name(m->in->fields[i].name, a));
	sbuf_adds(out, "\" ;;\n");
}

/* One line of the case that completes the value of an option. */
static void add_values(const struct method *m, struct arena *a, struct sbuf *out)
{
	for (uint32_t i = 0; i < m->in->n; i++) {
		const struct field *f = &m->in->fields[i];
		const struct type *t = inner(f->type);

		if (t->kind != TYPE_ENUM && t->kind != TYPE_VARIANT)
			continue;
		sbuf_printf(out, "\t%s,%s) values=\"", cli_command_name(m->name, a),
			cli_option_name(f->name, a));
		for (uint32_t k = 0; k < t->n; k++)
			sbuf_printf(out, "%s%s%s", k ? " " : "", t->cases[k].name,
				t->cases[k].type ? "=" : "");
		sbuf_adds(out, "\" ;;\n");
	}
}

static void for_each_method(const struct cli_spec *spec,
	void (*fn)(const struct method *m, struct arena *a, struct sbuf *out), struct arena *a,
	struct sbuf *out)
{
	cli_for_each_interface (i, spec) {
		const struct interface *in = cli_interface(spec, i);

		for (uint32_t k = 0; k < in->n_methods; k++)
			fn(&in->methods[k], a, out);
	}
}

static void add_command_name(const struct method *m, struct arena *a, struct sbuf *out)
{
	sbuf_printf(out, "%s ", cli_command_name(m->name, a));
}

void cli_complete_bash(const struct cli_spec *spec, struct sbuf *out)
{
	auto_arena a = {0};
	const char *fn = cli_command_name(spec->program, &a);
	char *name = arena_printf(&a, "_%s", fn);

	for (char *p = name; *p; p++)
		if (*p == '-')
			*p = '_';
	sbuf_printf(out, "# bash completion of %s\n%s()\n{\n", spec->program, name);
	sbuf_adds(out,
		"\tlocal word=${COMP_WORDS[COMP_CWORD]} command= before= options= values= i\n"
		"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
		"\t\tcase ${COMP_WORDS[i]} in\n"
		"\t\t--dir|--socket|--timeout) i=$((i + 1)) ;;\n"
		"\t\t-*) ;;\n"
		"\t\t*) command=${COMP_WORDS[i]}; break ;;\n"
		"\t\tesac\n"
		"\tdone\n"
		"\tbefore=${COMP_WORDS[COMP_CWORD-1]}\n"
		"\tCOMPREPLY=()\n"
		"\tcase $before in\n"
		"\t--dir) COMPREPLY=($(compgen -d -- \"$word\")); return ;;\n"
		"\t--socket) COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n"
		"\tesac\n"
		"\tif [ -z \"$command\" ] && [ \"${word#-}\" = \"$word\" ]; then\n"
		"\t\tCOMPREPLY=($(compgen -W \"");
	add_names(spec->commands, spec->n_commands, out);
	add_names(cli_own_commands, cli_n_own_commands, out);
	for_each_method(spec, add_command_name, &a, out);
	sbuf_adds(out, "\" -- \"$word\"))\n\t\treturn\n\tfi\n\tcase $command,$before in\n");
	for_each_method(spec, add_values, &a, out);
	sbuf_adds(out,
		"\tesac\n"
		"\tif [ -n \"$values\" ]; then\n"
		"\t\tCOMPREPLY=($(compgen -W \"$values\" -- \"$word\"))\n"
		"\t\treturn\n"
		"\tfi\n"
		"\tcase $command in\n");
	for (size_t i = 0; i < spec->n_commands; i++)
		add_own(&spec->commands[i], out);
	for_each_method(spec, add_method, &a, out);
	sbuf_adds(out, "\tesac\n\tCOMPREPLY=($(compgen -W \"$options ");
	add_general_options(out);
	sbuf_printf(out, "\" -- \"$word\"))\n}\ncomplete -F %s %s\n", name, spec->program);
}
