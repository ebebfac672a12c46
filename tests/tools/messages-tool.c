/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prints the messages of the XenAPI, one a line, for tests/lint/coverage-page:
 *
 *	CLASS MESSAGE KIND FIELD NEEDS
 *
 * KIND is "explicit", "removed", or the name in enum message_kind of an implicit one. FIELD is "-"
 * where there is none. NEEDS is "hook" where an implicit message does nothing by itself.
 */
#include "common/arena.h"
#include "xapid/gate/message.h"

#include <stdio.h>
#include <string.h>

static const char *const kinds[] = {
	[MESSAGE_EXPLICIT] = "explicit",
	[MESSAGE_GET_ALL] = "MESSAGE_GET_ALL",
	[MESSAGE_GET_ALL_WHERE] = "MESSAGE_GET_ALL_WHERE",
	[MESSAGE_GET_ALL_RECORDS] = "MESSAGE_GET_ALL_RECORDS",
	[MESSAGE_GET_ALL_RECORDS_WHERE] = "MESSAGE_GET_ALL_RECORDS_WHERE",
	[MESSAGE_GET_BY_UUID] = "MESSAGE_GET_BY_UUID",
	[MESSAGE_GET_BY_NAME_LABEL] = "MESSAGE_GET_BY_NAME_LABEL",
	[MESSAGE_GET_RECORD] = "MESSAGE_GET_RECORD",
	[MESSAGE_CREATE] = "MESSAGE_CREATE",
	[MESSAGE_DESTROY] = "MESSAGE_DESTROY",
	[MESSAGE_GET] = "MESSAGE_GET",
	[MESSAGE_SET] = "MESSAGE_SET",
	[MESSAGE_ADD_TO] = "MESSAGE_ADD_TO",
	[MESSAGE_REMOVE_FROM] = "MESSAGE_REMOVE_FROM",
	[MESSAGE_ADD] = "MESSAGE_ADD",
	[MESSAGE_REMOVE] = "MESSAGE_REMOVE",
};

int main(void)
{
	auto_arena a = {0};
	struct string_list names;

	message_list(&a, &names);
	for (size_t i = 0; i < names.n; i++) {
		const struct message *m = message_resolve(names.v[i]);

		printf("%s %s %s %s %s\n", m->class->name, strchr(names.v[i], '.') + 1,
			m->is_removed ? "removed" : kinds[m->kind], m->field ? m->field->name : "-",
			message_needs_hook(m) ? "hook" : "-");
	}
	message_forget();
	return 0;
}
