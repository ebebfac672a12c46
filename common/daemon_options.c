/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command line of a daemon (daemon_options.h). One table gives the parser and --help.
 */
#include "common/daemon_options.h"

#include "common/mem.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const struct {
	char letter;
	const char *name, *value, *doc;
} options[] = {
	{'d', "dir", "DIR", "keep everything below DIR: etc, lib (its state), run (its socket), …"},
	{'c', "config", "FILE", "read FILE and FILE.d/*.conf instead of the standard place"},
	{'l', "log-level", "LEVELS", "such as debug, or info,queue=debug; wins over the file"},
	{'p', "print-config", NULL, "print every key of the configuration with its words, and end"},
	{'h', "help", NULL, "print this, and end"},
	{'V', "version", NULL, "print the version, and end"},
};

#define FORCE      "force"
#define FORCE_DOC  "with one of the last: whatever it says against it"
#define TOOL_FIRST 256 /* beyond all letters */
#define TOOLS_MAX  8

static void print_option(const char *name, const char *value, const char *doc)
{
	auto_str text = xasprintf("--%s%s%s", name, value ? "=" : "", value ? value : "");

	printf("  %-20s %s\n", text, doc);
}

static void print_help(const struct daemon_spec *spec)
{
	printf("Usage: %s [OPTION]...\n%s\n\n", spec->name, spec->summary);
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		print_option(options[i].name, options[i].value, options[i].doc);
	for (const struct daemon_tool *t = spec->tools; t && t->name; t++)
		print_option(t->name, t->value, t->doc);
	if (spec->tools)
		print_option(FORCE, NULL, FORCE_DOC);
	printf("\nIt stays in the foreground and logs to the journal or to stderr.\n"
	       "Exit status: 0 it was told to stop, 1 it failed, 2 wrong options, 78 wrong "
	       "configuration.\n");
}

static void add_tools(const struct daemon_spec *spec, struct option *table)
{
	int n = 0;

	for (const struct daemon_tool *t = spec->tools; t && t->name && n < TOOLS_MAX; t++, n++)
		table[n] = (struct option){.name = t->name,
			.has_arg = *t->value == '[' ? optional_argument : required_argument,
			.val = TOOL_FIRST + n};
	if (n)
		table[n] = (struct option){.name = FORCE, .val = TOOL_FIRST + TOOLS_MAX};
}

/* An option that is no letter. */
static void take_tool(const struct daemon_spec *spec, int number, struct daemon_options *out)
{
	if (number == TOOLS_MAX) {
		out->is_forced = true;
		return;
	}
	out->tool = &spec->tools[number];
	out->tool_value = optarg;
}

/* A value may stand apart from the option even where it may be missing. */
static int take_rest(int argc, char **argv, struct daemon_options *out)
{
	if (out->tool && !out->tool_value && optind == argc - 1)
		out->tool_value = argv[optind++];
	if (optind == argc)
		return -1;
	fprintf(stderr, "%s: no arguments are taken, but '%s' was given\n", argv[0], argv[optind]);
	return DAEMON_EXIT_USAGE;
}

int daemon_options_parse(
	int argc, char **argv, const struct daemon_spec *spec, struct daemon_options *out)
{
	struct option table[ARRAY_LEN(options) + TOOLS_MAX + 2] = {0};

	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		table[i] = (struct option){.name = options[i].name,
			.has_arg = options[i].value ? required_argument : no_argument,
			.val = options[i].letter};
	add_tools(spec, table + ARRAY_LEN(options));
	*out = (struct daemon_options){0};
	optind = 0; /* afresh, also for a test that calls twice */
	for (int letter; (letter = getopt_long(argc, argv, "", table, NULL)) != -1;) {
		if (letter == 'd')
			out->dir = optarg;
		else if (letter == 'c')
			out->config = optarg;
		else if (letter == 'l')
			out->log_level = optarg;
		else if (letter == 'p')
			out->print_config = true;
		else if (letter == 'h')
			print_help(spec);
		else if (letter == 'V')
			printf("%s %s\n", spec->name, spec->version);
		else if (letter >= TOOL_FIRST)
			take_tool(spec, letter - TOOL_FIRST, out);
		else
			return DAEMON_EXIT_USAGE; /* getopt has said why */
		if (letter == 'h' || letter == 'V')
			return DAEMON_EXIT_OK;
	}
	return take_rest(argc, argv, out);
}

/* ---- places ---- */

/* For the caller to free; nothing need be there. */
static char *absolute(const char *path)
{
	auto_str cwd = *path == '/' ? NULL : getcwd(NULL, 0);
	auto_str joined = cwd ? xasprintf("%s/%s", cwd, path) : xstrdup(path);
	size_t len = strlen(joined);

	while (len > 1 && joined[len - 1] == '/')
		len--;
	return xstrndup(joined, len);
}

static void paths_below(struct daemon_paths *p, const char *dir)
{
	auto_str top = absolute(dir);

	p->etc = xasprintf("%s/etc", top);
	p->state = xasprintf("%s/lib", top);
	p->run = xasprintf("%s/run", top);
	p->libexec = xasprintf("%s/libexec", top);
	p->share = xasprintf("%s/share", top);
}

static void paths_of_system(struct daemon_paths *p)
{
	p->etc = xstrdup("/etc/xenith");
	p->state = xstrdup("/var/lib/xenith");
	p->run = xstrdup("/run/xenith");
	p->libexec = xstrdup("/usr/libexec/xenith");
	p->share = xstrdup("/usr/share/xenith");
}

void daemon_paths_init(
	struct daemon_paths *out, const char *name, const struct daemon_options *given)
{
	if (given->dir)
		paths_below(out, given->dir);
	else
		paths_of_system(out);
	out->config =
		given->config ? absolute(given->config) : xasprintf("%s/%s.conf", out->etc, name);
	out->socket = xasprintf("%s/%s.sock", out->run, name);
}

void daemon_paths_fini(struct daemon_paths *p)
{
	free(p->etc);
	free(p->config);
	free(p->state);
	free(p->run);
	free(p->socket);
	free(p->libexec);
	free(p->share);
	*p = (struct daemon_paths){0};
}
