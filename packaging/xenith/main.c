/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenith, the launcher: brings the daemons up in a private directory, watches over them there, and
 * acts on the units of an installed system. Where to read on: options.c (the command line),
 * verb_*.c (one file a verb), supervisor.c (what stays behind `xenith up`).
 */
#include "packaging/xenith/options.h"
#include "packaging/xenith/verbs.h"

#include <string.h>

static const struct {
	const char *name;
	int (*run)(const struct options *o);
	bool is_for_both; /* the installed system too */
} verbs[] = {
	{"up", verb_up, false},
	{"down", verb_down, false},
	{"status", verb_status, false},
	{"restart", verb_restart, false},
	{"logs", verb_logs, false},
	{"console", verb_console, true},
	{"supervise", verb_supervise, false},
};

int main(int argc, char **argv)
{
	AUTO(options_fini) struct options o;
	int status = options_read(argc, argv, &o);

	if (status >= 0)
		return status;
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (!strcmp(verbs[i].name, o.verb))
			return o.dir || verbs[i].is_for_both ? verbs[i].run(&o) : units_run(&o);
	return EXIT_USAGE;
}
