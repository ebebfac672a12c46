/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A debug CLI of a daemon: every call of its interfaces as a command, by the tables that the IDL
 * compiler wrote. A CLI's own file is its spec, the commands that no table can give, and
 * `return cli_main(argc, argv, &spec)`. It runs the same loop and client as a daemon.
 */
#ifndef XENITH_COMMON_CLI_H
#define XENITH_COMMON_CLI_H

#include "common/arena.h"
#include "common/err.h"
#include "common/schema.h"

struct cli;
struct rpc_client;

enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1, /* the call failed: its error is on stderr */
	CLI_USAGE = 2,
	CLI_NO_CONNECTION = 3, /* nobody to connect to, or the connection broke */
	CLI_TIMEOUT = 4,
};

/* An option, as the help and the completion show it. */
struct cli_option {
	const char *name; /* "--dir" */
	const char *value; /* "D"; NULL: it takes none */
	const char *doc;
};

/* A command beside those of the tables. ARGV holds what follows its name, but for options. */
struct cli_command {
	const char *name;
	const char *arguments; /* "VM", for the help; NULL: none */
	const char *doc; /* first line: for the list of commands */
	MAY_WAIT struct err *(*run)(struct cli *cli, int argc, char **argv);
	const struct cli_option *options; /* beside the general ones; the last has no name */
};

struct cli_spec {
	const char *program; /* "xenops-cli" */
	const char *doc;
	const char *daemon; /* "xenopsd": its socket is DIR/run/xenopsd.sock */
	const struct interface *const *interfaces; /* NULL-terminated; core is added */
	const struct cli_command *commands;
	size_t n_commands;
	/* What TEXT means that was given for a parameter of this id's type: names beside ids.
	 * NULL: ids alone. */
	MAY_WAIT struct err *(*find)(
		struct cli *cli, const struct type *id, const char *text, const char **out);
};

/* The whole program; returns its exit code (enum cli_exit). */
int cli_main(int argc, char **argv, const struct cli_spec *spec);

/* ---- for a CLI's own commands ---- */

/* Lives until the program ends. */
struct arena *cli_arena(struct cli *cli);
/* Connected at the first call. */
struct rpc_client *cli_client(struct cli *cli);
/* What --timeout says, or NEVER. */
int64_t cli_deadline(const struct cli *cli);
/* What was given for an option of the command ("" where it takes none), or NULL. */
const char *cli_given(const struct cli *cli, const char *option);
/* Whether a task is to be waited for, and a result shown as JSON. */
bool cli_waits(const struct cli *cli);
bool cli_wants_json(const struct cli *cli);
/* Ctrl-C came: what is under way ends. */
bool cli_is_interrupted(const struct cli *cli);
/* A wrong use of the program: exit code 2. */
must_check struct err *cli_usage(const char *what, const char *reason);
/* Calls M with IN; waits for the task where there is one (with progress on a terminal). OUT, of the
 * type of the result, may be NULL. */
MAY_WAIT must_check struct err *cli_call(
	struct cli *cli, const struct method *m, const void *in, void *out);
/* As if the call had been typed with these arguments and options. */
MAY_WAIT must_check struct err *cli_run_call(
	struct cli *cli, const char *method, int argc, char **argv);
/* Writes a value to stdout as the user wants it: for people, or as JSON. */
void cli_print(struct cli *cli, const struct type *t, const void *value);

#endif
