/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The launcher's command line: a verb and its options. Read once, before anything is started.
 */
#ifndef XENITH_PACKAGING_XENITH_OPTIONS_H
#define XENITH_PACKAGING_XENITH_OPTIONS_H

#include "common/dialect.h"

/* What the launcher answers with: the same for every verb, and told by --help. */
enum exit_status {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_RUNNING = 3,
};

#define MAX_EXTRA 16

struct options {
	const char *verb;
	char *dir; /* absolute, owned; NULL: the installed system */
	const char *backend;
	const char *address;
	long port, tls_port;
	bool demo;
	bool json;
	bool follow;
	long lines;
	const char *operand; /* the daemon of restart and logs, the VM of console; or NULL */
	const char *demo_disk; /* a raw image for the demo's disk, or NULL: an empty one */
	const char *network; /* networkd's backend; NULL: whichever suits */
	const char *extra[MAX_EXTRA]; /* further programs to run: --also */
	unsigned n_extra;
};

/* Fills OUT, or prints what is wrong (or the help) and returns the exit status; -1: go on. */
int options_read(int argc, char **argv, struct options *out);
void options_fini(struct options *o);

#endif
