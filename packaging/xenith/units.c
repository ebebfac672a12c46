/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The verbs on an installed system: systemd supervises there, so each verb becomes systemctl or
 * journalctl, with their output and exit status.
 */
#include "packaging/xenith/verbs.h"

#include "common/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TARGET "xenith.target"

static const char *const daemons[] = {"xapid", "xenopsd", "smd", "networkd", "rrdd"};

static int run(const char *const *argv)
{
	execvp(argv[0], (char *const *)argv);
	fprintf(stderr, "xenith: %s: %s\n", argv[0], strerrordesc_np(errno));
	return EXIT_FAILED;
}

static int logs(const struct options *o)
{
	auto_str lines = xasprintf("%ld", o->lines);
	const char *argv[2 + 2 + 2 * ARRAY_LEN(daemons) + 2] = {"journalctl", "-n", lines};
	size_t n = 3;

	for (size_t i = 0; i < ARRAY_LEN(daemons); i++) {
		if (!o->operand || !strcmp(o->operand, daemons[i])) {
			argv[n++] = "-u";
			argv[n++] = daemons[i];
		}
	}
	if (n == 3) {
		fprintf(stderr, "xenith: '%s' is no daemon\n", o->operand);
		return EXIT_USAGE;
	}
	if (o->follow)
		argv[n++] = "-f";
	return run(argv);
}

int units_run(const struct options *o)
{
	if (!strcmp(o->verb, "up"))
		return run((const char *[]){"systemctl", "start", TARGET, NULL});
	if (!strcmp(o->verb, "down"))
		return run((const char *[]){"systemctl", "stop", TARGET, NULL});
	if (!strcmp(o->verb, "restart"))
		return run((const char *[]){
			"systemctl", "restart", o->operand ? o->operand : TARGET, NULL});
	if (!strcmp(o->verb, "status"))
		return run((const char *[]){"systemctl", o->json ? "--output=json" : "--no-pager",
			"list-units", TARGET, "xapid.service", "xenopsd.service", "smd.service",
			"networkd.service", "rrdd.service", "--all", NULL});
	return logs(o);
}
