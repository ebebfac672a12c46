/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * --help, from the tables: the program with its commands by class, and each command with its
 * parameters, their types and defaults, and its errors.
 */
#include "common/cli_parts.h"

#include "common/cli_text.h"

#include <string.h>

enum { TEXT_WIDTH = 80, OPTION_COLUMN = 28, COMMAND_COLUMN = 32 };

/* The first sentence or line. */
static size_t first_sentence(const char *doc)
{
	size_t n = strcspn(doc, "\n");
	const char *end = strstr(doc, ". ");

	return end && (size_t)(end - doc) + 1 < n ? (size_t)(end - doc) + 1 : n;
}

static void add_spaces(struct sbuf *out, size_t n)
{
	while (n--)
		sbuf_addc(out, ' ');
}

/* Text in lines of TEXT_WIDTH, of which the first begins at column AT and the others at INDENT. */
static void add_wrapped(struct sbuf *out, const char *text, size_t len, size_t at, size_t indent)
{
	const char *p = text, *end = text + len;

	while (p < end) {
		size_t word = strcspn(p, " \n");

		if (word > (size_t)(end - p))
			word = (size_t)(end - p);
		if (at > indent && at + 1 + word > TEXT_WIDTH) {
			sbuf_addc(out, '\n');
			add_spaces(out, indent);
			at = indent;
		} else if (at > indent) {
			sbuf_addc(out, ' ');
			at++;
		}
		sbuf_add(out, p, word);
		at += word;
		p += word;
		p += strspn(p, " \n");
	}
	sbuf_addc(out, '\n');
}

/* "  NAME     text", the text in a column of its own. */
static void add_entry(
	struct sbuf *out, const char *name, const char *text, size_t len, size_t column)
{
	size_t width = cli_text_width(name) + 2;

	sbuf_printf(out, "  %s", name);
	if (!len) {
		sbuf_addc(out, '\n');
		return;
	}
	if (width + 2 > column) {
		sbuf_addc(out, '\n');
		width = 0;
	}
	add_spaces(out, column - width);
	add_wrapped(out, text, len, column, column);
}

static void add_parameter(const struct field *f, size_t column, struct arena *a, struct sbuf *out)
{
	auto_sbuf text = {0};
	bool is_flag = cli_is_flag(f);
	const char *value = is_flag ? "" : cli_type_text(f->type, a);
	bool is_long = strlen(value) > 16;
	const char *name = arena_printf(a, "%s%s%s", cli_option_name(f->name, a),
		is_flag ? "" : " ", is_long ? "VALUE" : value);

	if (f->doc)
		sbuf_printf(&text, "%s ", f->doc);
	if (is_long)
		sbuf_printf(&text, "VALUE: %s. ", value);
	if (cli_is_mandatory(f))
		sbuf_adds(&text, "Must be given.");
	else if (f->default_json && !is_flag)
		sbuf_printf(&text, "Default: %s.", f->default_json);
	else if (f->default_json && !strcmp(f->default_json, "true"))
		sbuf_printf(&text, "On; --no-%s switches it off.", cli_option_name(f->name, a) + 2);
	add_entry(out, name, sbuf_str(&text), sbuf_len(&text), column);
}

static const struct type *inner(const struct type *t)
{
	while (t->kind == TYPE_OPTION || t->kind == TYPE_LIST || t->kind == TYPE_MAP)
		t = t->of;
	return t;
}

static void add_members(const struct type *t, struct arena *a, struct sbuf *out)
{
	sbuf_printf(out, "\nMembers of %s (key=value,… or JSON or @FILE):\n", t->name);
	for (uint32_t i = 0; i < t->n; i++) {
		const struct field *f = &t->fields[i];
		const char *name = arena_printf(
			a, "%s%s", f->name, cli_is_mandatory(f) ? " (must be given)" : "");
		const char *text = arena_printf(a, "%s%s%s", cli_type_text(f->type, a),
			f->doc ? ": " : "", f->doc ? f->doc : "");

		add_entry(out, name, text, strlen(text), OPTION_COLUMN);
	}
}

/* The members of the records that parameters are, or cases of theirs; no deeper. */
static void add_records(const struct method *m, struct arena *a, struct sbuf *out)
{
	for (uint32_t i = 0; i < m->in->n; i++) {
		const struct type *t = inner(m->in->fields[i].type);

		if (t->kind == TYPE_RECORD)
			add_members(t, a, out);
		for (uint32_t k = 0; t->kind == TYPE_VARIANT && k < t->n; k++)
			if (t->cases[k].type && inner(t->cases[k].type)->kind == TYPE_RECORD)
				add_members(inner(t->cases[k].type), a, out);
	}
}

static void add_option(const struct cli_option *o, struct arena *a, struct sbuf *out)
{
	const char *name =
		arena_printf(a, "%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");

	add_entry(out, name, o->doc, strlen(o->doc), OPTION_COLUMN);
}

static void add_options(struct sbuf *out, struct arena *a)
{
	for (size_t i = 0; i < cli_n_options; i++)
		add_option(&cli_option_table[i], a, out);
}

void cli_help_method(const struct cli_spec *spec, const struct method *m, struct sbuf *out)
{
	auto_arena a = {0};

	sbuf_printf(out, "usage: %s %s", spec->program, m->name);
	for (uint32_t i = 0; i < m->in->n; i++) {
		const struct field *f = &m->in->fields[i];

		if (!cli_is_mandatory(f))
			continue;
		const char *option = cli_option_name(f->name, &a);
		if (cli_is_flag(f))
			sbuf_printf(out, " --[no-]%s", option + 2);
		else
			sbuf_printf(out, " %s %s", option, cli_type_text(f->type, &a));
	}
	sbuf_adds(out, m->in->n ? " [OPTION]…\n\n" : "\n\n");
	if (m->doc)
		add_wrapped(out, m->doc, strlen(m->doc), 0, 0);
	if (m->deprecated)
		sbuf_printf(out, "Deprecated: %s\n", m->deprecated);
	if (m->flags & METHOD_TASK)
		sbuf_adds(out, "This is a task: it is waited for, and Ctrl-C cancels it.\n");
	if (m->in->n)
		sbuf_adds(out, "\nOptions (the first ones may stand without their names):\n");
	for (uint32_t i = 0; i < m->in->n; i++)
		add_parameter(&m->in->fields[i], OPTION_COLUMN, &a, out);
	add_records(m, &a, out);
	if (m->out->kind != TYPE_VOID)
		sbuf_printf(out, "\nResult: %s\n", cli_type_text(m->out, &a));
	if (m->n_errors)
		sbuf_adds(out, "\nErrors:\n");
	for (uint32_t i = 0; i < m->n_errors; i++)
		add_entry(out, m->errors[i]->code, m->errors[i]->doc ? m->errors[i]->doc : "",
			m->errors[i]->doc ? strlen(m->errors[i]->doc) : 0, OPTION_COLUMN);
	sbuf_adds(out, "\nGeneral options:\n");
	add_options(out, &a);
}

void cli_help_command(
	const struct cli_spec *spec, const struct cli_command *command, struct sbuf *out)
{
	auto_arena a = {0};

	sbuf_printf(out, "usage: %s %s%s%s\n\n", spec->program, command->name,
		command->arguments ? " " : "", command->arguments ? command->arguments : "");
	add_wrapped(out, command->doc, strlen(command->doc), 0, 0);
	if (command->options)
		sbuf_adds(out, "\nOptions:\n");
	for (const struct cli_option *o = command->options; o && o->name; o++)
		add_option(o, &a, out);
	sbuf_adds(out, "\nGeneral options:\n");
	add_options(out, &a);
}

/* The part before the dot, and its length. */
static size_t class_of(const char *method)
{
	const char *dot = strchr(method, '.');

	return dot ? (size_t)(dot - method) : 0;
}

static void add_methods(const struct interface *in, struct arena *a, struct sbuf *out)
{
	const char *before = NULL;
	size_t before_len = 0;

	for (uint32_t i = 0; i < in->n_methods; i++) {
		const struct method *m = &in->methods[i];
		size_t len = class_of(m->name);

		if (!before || len != before_len || memcmp(before, m->name, len) != 0)
			sbuf_printf(out, "\n%.*s\n", len ? (int)len : (int)strlen(in->name),
				len ? m->name : in->name);
		before = m->name;
		before_len = len;
		add_entry(out, cli_command_name(m->name, a), m->doc ? m->doc : "",
			m->doc ? first_sentence(m->doc) : 0, COMMAND_COLUMN);
	}
}

static void add_commands(
	const struct cli_command *commands, size_t n, struct arena *a, struct sbuf *out)
{
	for (size_t i = 0; i < n; i++)
		add_entry(out,
			arena_printf(a, "%s%s%s", commands[i].name,
				commands[i].arguments ? " " : "",
				commands[i].arguments ? commands[i].arguments : ""),
			commands[i].doc, first_sentence(commands[i].doc), COMMAND_COLUMN);
}

void cli_help_program(const struct cli_spec *spec, struct sbuf *out)
{
	auto_arena a = {0};

	sbuf_printf(out, "usage: %s [OPTION]… COMMAND [ARGUMENT]…\n\n", spec->program);
	add_wrapped(out, spec->doc, strlen(spec->doc), 0, 0);
	sbuf_adds(out, "\nOptions:\n");
	add_options(out, &a);
	sbuf_printf(out, "\nCommands (%s COMMAND --help explains one):\n", spec->program);
	add_commands(spec->commands, spec->n_commands, &a, out);
	add_commands(cli_own_commands, cli_n_own_commands, &a, out);
	cli_for_each_interface (i, spec)
		add_methods(cli_interface(spec, i), &a, out);
	sbuf_adds(out,
		"\nA command may be written as the interface has it too: VM.start, vm-start.\n"
		"\nExit codes:\n"
		"  0  it went well\n"
		"  1  the call failed; its error is on standard error\n"
		"  2  the command line is wrong\n"
		"  3  the daemon cannot be reached, or the connection broke\n"
		"  4  --timeout is over (a task goes on)\n");
}
