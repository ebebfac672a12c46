/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command line of a daemon and the places that follow from it. For daemon.c alone.
 */
#ifndef XENITH_COMMON_DAEMON_OPTIONS_H
#define XENITH_COMMON_DAEMON_OPTIONS_H

#include "common/daemon.h"

struct daemon_options {
	const char *dir; /* --dir, or NULL */
	const char *config; /* --config, or NULL */
	const char *log_level; /* --log-level, or NULL */
	bool print_config;
	const struct daemon_tool *tool; /* or NULL */
	const char *tool_value; /* or NULL */
	bool is_forced; /* --force */
};

/* Returns -1 to go on, else what main is to return: help was printed, or the line is wrong. */
int daemon_options_parse(
	int argc, char **argv, const struct daemon_spec *spec, struct daemon_options *out);

/* Sets all of OUT. */
void daemon_paths_init(
	struct daemon_paths *out, const char *name, const struct daemon_options *options);
void daemon_paths_fini(struct daemon_paths *p);

#endif
