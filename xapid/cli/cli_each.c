/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Commands that take any number of objects, chosen as by CLASS-list or by CLASS=, a name or a uuid;
 * more than one only with --multiple.
 */
#include "xapid/cli/cli.h"

#include <string.h>

json_t *cli_named(struct cli *c, json_t *objects, const char *name)
{
	json_t *kept = json_object(), *record;
	const char *ref;

	vec_push(&c->values, kept);
	json_object_foreach(objects, ref, record)
	{
		if (!strcmp(cli_string(record, "uuid"), name) ||
			!strcmp(cli_string(record, "name_label"), name))
			json_object_set(kept, ref, record);
	}
	return kept;
}

MAY_WAIT struct err *cli_each(
	struct cli *c, const char *class, const char *what, const char *known, cli_each_fn fn)
{
	const char *name = cli_arg(c, class), *ref;
	json_t *objects, *record;

	TRY(cli_choose(c, cli_class_named(class), arena_printf(c->arena, "%s %s", class, known),
		&objects));
	if (name)
		objects = cli_named(c, objects, name);
	if (!json_object_size(objects))
		return cli_error("No matching %s found", what);
	if (json_object_size(objects) > 1 && !c->is_multiple)
		return cli_error("Multiple matches %s found. --multiple required to complete "
				 "the operation",
			what);
	c->is_listing = false;
	json_object_foreach(objects, ref, record)
	{
		TRY(fn(c, ref, record));
	}
	return NULL;
}
