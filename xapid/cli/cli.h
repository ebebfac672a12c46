/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xe's commands, at the host. A command is a row of a table and a function in the fiber of its
 * request; it calls the XenAPI through the gate with a session of its own, as any client does, so
 * rights, tasks and the audit are those of its user. Values are jansson's: a record is what JSON
 * clients get.
 *
 * Reading order: cli_serve.c (from POST /cli to the exit status), cli_call.c, cli_class.c and
 * cli_value.c (what is known of classes and how values are shown), cli_list.c (the commands that
 * every class has), cli_message.c (those that are one message), cmd_*.c.
 */
#ifndef XENITH_XAPID_CLI_CLI_H
#define XENITH_XAPID_CLI_CLI_H

#include "common/json_value.h"
#include "common/vec.h"
#include "xapid/door/door.h"

struct cli_arg {
	const char *key, *value;
};

struct cli {
	struct stream *stream;
	struct arena *arena;
	struct gate_peer peer;
	const char *session; /* its ref; NULL: none yet */
	const char *command;
	vec_of(struct cli_arg) args; /* but for those that stand below */
	const char *user, *password;
	bool is_minimal, is_multiple, shows_progress;
	bool is_listing; /* many objects: those that they refer to are fetched by class */
	vec_of(json_t *) values; /* owned: every result, until the command's end */
	json_t *objects; /* owned: ref to record, as far as fetched */
	json_t *classes; /* owned: names of classes whose objects are all in it */
};

extern const struct route cli_routes[];
extern const size_t n_cli_routes;

/* ---- commands ---- */

typedef MAY_WAIT struct err *(*cli_fn)(struct cli *c);

struct cli_command {
	const char *name;
	const char *required; /* parameters, with blanks between */
	const char *optional;
	cli_fn fn; /* NULL: it is MESSAGE */
	const char *message; /* "VDI.copy" */
	const char *args; /* its parameters (cli_message.c); NULL: the object with the uuid */
	const char *doc;
	bool is_local; /* for this host alone, whether its pool can be reached or not */
};

extern const struct cli_command cli_vm_commands[], cli_disk_commands[], cli_host_commands[],
	cli_other_commands[], cli_pool_commands[], cli_snapshot_commands[], cli_file_commands[],
	cli_drive_commands[], cli_limit_commands[];
extern const size_t n_cli_vm_commands, n_cli_disk_commands, n_cli_host_commands,
	n_cli_other_commands, n_cli_pool_commands, n_cli_snapshot_commands, n_cli_file_commands,
	n_cli_drive_commands, n_cli_limit_commands;

/* NULL: none of this name. */
const struct cli_command *cli_command_named(const char *name);
/* Calls FN on every command of the tables. */
void cli_each_command(void (*fn)(const struct cli_command *command, void *arg), void *arg);

/* Destroys a VM and the disks that are its alone, after asking (cmd_vm.c). */
MAY_WAIT must_check struct err *cli_uninstall(struct cli *c, const char *ref, const json_t *vm);

/* ---- arguments ---- */

/* NULL: not given. */
const char *cli_arg(const struct cli *c, const char *key);
/* "true", "yes", "1", or a bare --KEY. */
bool cli_switch(const struct cli *c, const char *key);
/* The arguments PREFIX:KEY=VALUE as an object. */
json_t *cli_arg_map(struct cli *c, const char *prefix);
/* A number of bytes, as "512MiB" or "1000". */
must_check struct err *cli_size(const char *key, const char *text, int64_t *out);

/* ---- output and errors ---- */

void cli_print(struct cli *c, const char *text); /* and a newline */
void cli_printf(struct cli *c, const char *fmt, ...) printf_like(2, 3);
void cli_print_stderr(struct cli *c, const char *text);
/* "Error: TEXT". */
#define cli_error(...) err_not_null(cli_make_error(__VA_ARGS__))
must_check struct err *cli_make_error(const char *fmt, ...) printf_like(1, 2)
	__attribute__((__returns_nonnull__));
/* A parameter that has to be there is not. */
#define cli_missing(key) err_not_null(cli_make_missing(key))
must_check struct err *cli_make_missing(const char *key) __attribute__((__returns_nonnull__));
/* Tells of E as a person wants to read it. */
MAY_WAIT void cli_report(struct cli *c, const struct err *e);
/* Reads a line from whoever typed the command. */
MAY_WAIT must_check struct err *cli_prompt(struct cli *c, const char **line);
/* Goes on only with a typed "yes", or --force. */
MAY_WAIT must_check struct err *cli_confirm(struct cli *c);
/* One record: the first name on the left, the others flush right. */
void cli_print_record(struct cli *c, const char *const *names, const char *const *values, size_t n);
/* Values with commas between, those in them escaped. */
void cli_print_minimal(struct cli *c, const char *const *values, size_t n);

/* ---- files, of the client (cli_file.c) ---- */

/* The text of one. */
MAY_WAIT must_check struct err *cli_load(struct cli *c, const char *file, const char **text);
/* TEXT as it stands in the query of a path. */
const char *cli_escaped(struct cli *c, const char *text);
/* The client writes what GET PATH answers into a new file, or sends a file by PUT PATH. */
MAY_WAIT must_check struct err *cli_fetch(struct cli *c, const char *path, const char *file);
MAY_WAIT must_check struct err *cli_bring(struct cli *c, const char *path, const char *file);

/* ---- calls ---- */

/* Calls a message; PARAMS (taken over; without the session) is an array, or NULL. *RESULT (or NULL
 * for who does not want it) lives as long as the command. */
MAY_WAIT must_check struct err *cli_call(
	struct cli *c, const char *message, json_t *params, json_t **result);
/* The same of one that may take long: as a task, whose progress is shown where it is asked for. The
 * result is a ref or "". */
MAY_WAIT must_check struct err *cli_call_long(
	struct cli *c, const char *message, json_t *params, const char **result);
/* A result that is a string. */
MAY_WAIT must_check struct err *cli_call_string(
	struct cli *c, const char *message, json_t *params, const char **result);
MAY_WAIT must_check struct err *cli_login(struct cli *c);
/* Root on this host alone, without the pool. */
MAY_WAIT must_check struct err *cli_login_here(struct cli *c);
MAY_WAIT void cli_logout(struct cli *c);

/* ---- objects ---- */

/* The ref of the object that has this uuid. */
MAY_WAIT must_check struct err *cli_by_uuid(
	struct cli *c, const char *class, const char *uuid, const char **ref);
/* The same for the argument KEY, which must be there. */
MAY_WAIT must_check struct err *cli_arg_object(
	struct cli *c, const char *class, const char *key, const char **ref);
/* All objects of a class: an object of records by ref. EXPR (or NULL: all) chooses. */
MAY_WAIT must_check struct err *cli_objects(
	struct cli *c, const char *class, const char *expr, json_t **out);
/* The host that is spoken to. */
MAY_WAIT must_check struct err *cli_this_host(struct cli *c, const char **ref);
/* One record; *OUT is NULL when there is no such object. */
MAY_WAIT must_check struct err *cli_object(
	struct cli *c, const char *class, const char *ref, json_t **out);
/* "" when the member is not there. */
const char *cli_string(const json_t *record, const char *member);
bool cli_bool(const json_t *record, const char *member);
MAY_WAIT must_check struct err *cli_print_uuid(struct cli *c, const char *class, const char *ref);

/* ---- classes as xe sees them ---- */

enum cli_field_flags { CLI_HIDDEN = 1, CLI_DEPRECATED = 2, CLI_EXPENSIVE = 4 };

struct cli_field {
	const char *name; /* "memory-actual" */
	const char *path; /* "metrics.memory_actual", "get_cooperative()"; NULL: as NAME says */
	const char *label; /* "MRO": NULL: as its type says */
	const char *none; /* what stands where there is no object; NULL: <not in database> */
	unsigned flags;
};

struct cli_class {
	const char *name; /* "template" */
	const struct class *class;
	const char *expr; /* which objects of the class; NULL: all */
	const char *columns; /* of a list, with blanks between; NULL: all */
	const struct cli_field *fields;
	size_t n_fields;
};

extern const struct cli_class cli_classes[];
extern const size_t n_cli_classes;

/* The class and what follows its name in that of a command ("vm", "list"); NULL: none. */
const struct cli_class *cli_class_of_command(const char *command, const char **verb);
const struct cli_class *cli_class_named(const char *name);
const struct cli_field *cli_field_named(const struct cli_class *k, const char *name);
/* The field of the record that it shows, NULL when it is further away. */
const struct field *cli_own_field(const struct cli_class *k, const struct cli_field *f);
/* "( RW)". */
void cli_label(const struct cli_class *k, const struct cli_field *f, char out[6]);

/* The value as it is shown. Those that cost a call only IF_EXPENSIVE. */
MAY_WAIT must_check struct err *cli_value(struct cli *c, const struct cli_class *k, const char *ref,
	json_t *record, const struct cli_field *f, bool if_expensive, const char **out);
/* Text to a value of type T. */
MAY_WAIT must_check struct err *cli_parse(
	struct cli *c, const struct type *t, const char *key, const char *text, json_t **out);

/* The objects of a class that the arguments choose, those of KNOWN (names with blanks between) not
 * counted: an object of records by ref. Sets is_listing. */
MAY_WAIT must_check struct err *cli_choose(
	struct cli *c, const struct cli_class *k, const char *known, json_t **out);
/* Those of OBJECTS that NAME is the name or the uuid of. */
json_t *cli_named(struct cli *c, json_t *objects, const char *name);
typedef MAY_WAIT struct err *(*cli_each_fn)(struct cli *c, const char *ref, const json_t *record);
/* Calls FN for the objects of a class that the arguments choose, one unless --multiple; those of
 * KNOWN are the command's own. WHAT: "VMs", for errors. */
MAY_WAIT must_check struct err *cli_each(
	struct cli *c, const char *class, const char *what, const char *known, cli_each_fn fn);
/* The command that is a message. */
MAY_WAIT must_check struct err *cli_run_message(struct cli *c, const struct cli_command *command);
/* CLASS-list, CLASS-param-get and so on. */
MAY_WAIT must_check struct err *cli_run_generated(
	struct cli *c, const struct cli_class *k, const char *verb);
/* The fields PARAMS (names with blanks between; NULL: the usual ones) of an object, or the first of
 * them of each object. */
MAY_WAIT must_check struct err *cli_print_object(struct cli *c, const struct cli_class *k,
	const char *ref, json_t *record, const char *params);
MAY_WAIT must_check struct err *cli_print_objects_minimal(
	struct cli *c, const struct cli_class *k, json_t *objects, const char *params);
/* Whether there is such a verb: list, param-list, … */
bool cli_is_generated(const char *verb);

#endif
