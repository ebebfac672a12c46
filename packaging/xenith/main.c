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
} verbs[] = {
	{"up", verb_up},
	{"down", verb_down},
	{"status", verb_status},
	{"restart", verb_restart},
	{"logs", verb_logs},
	{"supervise", verb_supervise},
};

int main(int argc, char **argv)
{
	AUTO(options_fini) struct options o;
	int status = options_read(argc, argv, &o);

	if (status >= 0)
		return status;
	if (!o.dir)
		return units_run(&o);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (!strcmp(verbs[i].name, o.verb))
			return verbs[i].run(&o);
	return EXIT_USAGE;
}
