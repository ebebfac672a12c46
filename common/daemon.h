/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The scaffold of every daemon's main: options, configuration, places, one lock a directory, the
 * loop, the JSON-RPC socket, signals, and what the service manager is told. A daemon's main.c is a
 * struct daemon_spec and a call of daemon_run.
 *
 * In order: options, configuration, lock, loop; in a fiber: init, the socket opens, READY=1. SIGHUP
 * loads the configuration again. SIGTERM or SIGINT: the socket closes, stop, then every wait ends
 * with SHUTTING_DOWN, and fini comes last; a second one skips stop.
 */
#ifndef XENITH_COMMON_DAEMON_H
#define XENITH_COMMON_DAEMON_H

#include "common/conf.h"
#include "common/dialect.h"
#include "common/err.h"
#include "common/schema.h"

/* How a daemon ends. The launcher and the units do not restart one that ends with 2 or 78. */
enum daemon_exit {
	DAEMON_EXIT_OK = 0,
	DAEMON_EXIT_FAILED = 1,
	DAEMON_EXIT_USAGE = 2, /* the command line is wrong */
	DAEMON_EXIT_CONFIG = 78, /* the configuration is (EX_CONFIG of sysexits.h) */
};

/* What the program does instead of living as a daemon, by an option of its own: options, places and
 * configuration are read, and RUN is called in a fiber. An error is printed, and is status 1. */
struct daemon_tool {
	const char *name; /* "import-file" */
	const char *value; /* "FILE", or "[FILE]" when it may be missing */
	const char *doc;
	MAY_WAIT struct err *(*run)(const char *value, bool is_forced);
};

struct daemon_spec {
	const char *name; /* "xenopsd": of files, socket, log lines */
	const char *summary; /* one line for --help */
	const char *version;
	const struct conf_key *keys; /* NULL: none of its own */
	void *conf; /* the struct that they fill */
	size_t conf_size;
	const struct daemon_tool *tools; /* the last one has no name; NULL: none */
	const struct service *const *services; /* NULL-terminated; core's is added */
	unsigned descriptors; /* that a peer may hand over ahead of its calls (rpc.h) */
	/* Before the socket opens. NULL: nothing to do, as below. */
	MAY_WAIT struct err *(*init)(void);
	MAY_WAIT struct err *(*reload)(void); /* the new configuration is there */
	MAY_WAIT void (*stop)(void); /* the socket is closed, fibers can still wait */
	/* The last fiber has ended: frees what init got to, even if it failed. */
	void (*fini)(void);
};

/* Where a daemon's things are: absolute, without a slash at the end. */
struct daemon_paths {
	char *etc; /* /etc/xenith */
	char *config; /* /etc/xenith/NAME.conf */
	char *state; /* /var/lib/xenith; shared: a daemon's files start with its name */
	char *run; /* /run/xenith */
	char *socket; /* /run/xenith/NAME.sock */
	char *libexec; /* /usr/libexec/xenith */
	char *share; /* /usr/share/xenith */
};

/* Returns what main is to return. */
int daemon_run(int argc, char **argv, const struct daemon_spec *spec);

/* From options on until the end. */
const struct daemon_paths *daemon_paths(void);

/* Ends the daemon as SIGTERM does, with this status: for one that cannot go on. Loop thread. */
void daemon_stop(int exit_status);
/* Whether a signal has told it to stop, also when it was about to end by itself. */
bool daemon_was_told_to_stop(void);

#endif
