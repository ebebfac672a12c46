/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xapid-cli: the debug CLI of xapid. Its calls come from the interface (idl/control.idl); here are
 * the commands that make several.
 */
#include "common/cli.h"

#include "control.gen.h"
#include "core.gen.h"

#include <stdio.h>

/* ---- dump ---- */

static MAY_WAIT struct err *dump_class(struct cli *cli, const char *class)
{
	const struct control_db_list_in which = {.class = class};
	struct control_row_head_list heads;

	TRY(cli_call(cli, &control_methods[CONTROL_METHOD_DB_LIST], &which, &heads));
	for (size_t i = 0; i < heads.n; i++) {
		const struct control_db_get_in in = {.id = heads.v[i].ref};
		struct control_row row;

		struct err *e = cli_call(cli, &control_methods[CONTROL_METHOD_DB_GET], &in, &row);
		if (err_is(e, &ERR_Does_not_exist)) {
			err_free(e);
			continue;
		}
		TRY(e);
		printf("%s %s %.*s\n", row.head.class, row.head.ref, (int)row.fields.len,
			row.fields.text);
	}
	return NULL;
}

static MAY_WAIT struct err *dump(struct cli *cli, int argc, char **argv)
{
	struct control_database db;

	for (int i = 0; i < argc; i++)
		TRY(dump_class(cli, argv[i]));
	if (argc)
		return NULL;
	TRY(cli_call(cli, &control_methods[CONTROL_METHOD_DB_STAT], NULL, &db));
	for (size_t i = 0; i < db.classes.n; i++)
		TRY(dump_class(cli, db.classes.v[i].class));
	return NULL;
}

/* ---- tail ---- */

static MAY_WAIT struct err *tail(struct cli *cli, int argc, char **argv)
{
	struct control_db_changes_in in = {.timeout = 3600};
	struct control_changes found;
	int64_t since;

	if (argc)
		return cli_usage("db-tail", "it takes no arguments");
	for (;;) {
		TRY(cli_call(cli, &control_methods[CONTROL_METHOD_DB_CHANGES], &in, &found));
		for (size_t i = 0; i < found.changes.n; i++) {
			const struct control_change *c = &found.changes.v[i];

			printf("%lld %s %s %s\n", (long long)c->generation,
				type_case_name(&control_type_change_kind, c->kind), c->class,
				c->ref);
		}
		fflush(stdout);
		since = found.generation;
		in.since = &since;
	}
}

int main(int argc, char **argv)
{
	static const struct interface *const interfaces[] = {&control_interface, NULL};
	static const struct cli_command commands[] = {
		{"db-dump", "[CLASS]…",
			"Prints every object, or those of some classes: class, reference, fields.",
			dump, NULL},
		{"db-tail", NULL, "Prints each change of an object as it comes, until Ctrl-C.",
			tail, NULL},
	};
	const struct cli_spec spec = {
		.program = "xapid-cli",
		.doc = "Looks into xapid: its database, and what happens in it.",
		.daemon = "xapid",
		.interfaces = interfaces,
		.commands = commands,
		.n_commands = ARRAY_LEN(commands),
	};

	return cli_main(argc, argv, &spec);
}
