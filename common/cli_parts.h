/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the parts of the CLI runtime (cli*.c) tell each other. cli.c runs, cli_args.c and
 * cli_value.c read a command line, cli_show.c prints values, cli_help.c and cli_complete.c
 * explain, cli_task.c waits. All of it runs in one fiber.
 */
#ifndef XENITH_COMMON_CLI_PARTS_H
#define XENITH_COMMON_CLI_PARTS_H

#include "common/cli.h"
#include "common/json.h"
#include "common/sbuf.h"

/* What was given of the options that every command has. */
struct cli_options {
	const char *dir; /* NULL: the installed system */
	const char *socket; /* NULL: by dir and daemon */
	double timeout_s; /* 0: none */
	bool json;
	bool no_wait;
	bool help;
};

struct cli {
	const struct cli_spec *spec;
	struct cli_options options;
	struct arena arena;
	struct rpc_client *client;
	const struct cli_command *command; /* NULL: a call */
	const char **given; /* for its options; in the arena */
	int64_t deadline;
	int argc;
	char **argv;
	bool is_interrupted; /* Ctrl-C came */
	int exit_code;
};

/* The options that every command has. */
extern const struct cli_option cli_option_table[];
extern const size_t cli_n_options;

/* Takes argv[*i] (and its value, *i moves on) if it is such an option; *IS_TAKEN says so. */
must_check struct err *cli_option_read(
	struct cli_options *o, int argc, char **argv, int *i, bool *is_taken);

/* The value of the option argv[*i], of which NAME_LEN characters are its name. */
must_check struct err *cli_option_value(
	int argc, char **argv, int *i, size_t name_len, const char **out);

/*
 * What follows the name of a command, for method M: options that are its parameters and arguments
 * that are its mandatory ones, in turn, become the JSON object PARAMS; the general options go to O.
 */
must_check struct err *cli_args_read(const struct method *m, int argc, char **argv,
	struct cli_options *o, struct arena *a, struct sbuf *params);

/* Writes what the N texts that were given for the parameter NAME mean as a value of type T. */
must_check struct err *cli_value_write(const struct type *t, const char *name,
	const char *const *texts, size_t n, struct arena *a, struct json_writer *w);

/* A value for people: tables for lists of records, "key: value" for records. WIDTH: of the
 * terminal, 0: as wide as it gets. */
void cli_show(const struct type *t, const void *value, unsigned width, struct sbuf *out);

/* "--vdi-from" of the field vdi_from. */
const char *cli_option_name(const char *field, struct arena *a);
bool cli_is_mandatory(const struct field *f);
/* Whether the option stands alone ("--force", "--no-force"). */
bool cli_is_flag(const struct field *f);

/* The name as it is typed: "VM.set_vcpus" is "vm-set-vcpus". */
const char *cli_command_name(const char *method, struct arena *a);
/* The method by either form of its name, or NULL. */
const struct method *cli_find_method(const struct cli_spec *spec, const char *name);
const struct cli_command *cli_find_command(const struct cli_spec *spec, const char *name);

/* The interfaces of the spec, and core. */
#define cli_for_each_interface(i, spec) for (size_t i = 0; cli_interface(spec, i); i++)
const struct interface *cli_interface(const struct cli_spec *spec, size_t i);

void cli_help_program(const struct cli_spec *spec, struct sbuf *out);
void cli_help_method(const struct cli_spec *spec, const struct method *m, struct sbuf *out);
void cli_help_command(
	const struct cli_spec *spec, const struct cli_command *command, struct sbuf *out);
/* A script for bash that completes commands, options and the names of enums. */
void cli_complete_bash(const struct cli_spec *spec, struct sbuf *out);

/* Waits for the end of a task; its result (of type RESULT) is decoded into OUT. */
MAY_WAIT must_check struct err *cli_wait_task(
	struct cli *cli, const char *task, const struct type *result, void *out);

/* What UPDATES.get calls a token is at most so long. */
#define CLI_TOKEN_SIZE 128

extern const struct cli_command cli_own_commands[];
extern const size_t cli_n_own_commands;

#endif
