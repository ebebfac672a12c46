/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finding programs of the administrator's and reading what they print (script.h): an answer of
 * XML-RPC whose value has Status and Value or ErrorDescription, as those of the original print.
 */
#include "xapid/api/script.h"

#include "common/codec_xmlrpc.h"
#include "common/err.h"

#include "core.gen.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct printed {
	const char *status;
	struct script_answer answer;
};

static const struct field printed_fields[] = {
	{.name = "Status", .type = &type_string, .offset = offsetof(struct printed, status)},
	{.name = "Value",
		.type = &type_any,
		.offset = offsetof(struct printed, answer.value),
		.default_json = "\"\""},
	{.name = "ErrorDescription",
		.type = &type_list_string,
		.offset = offsetof(struct printed, answer.error),
		.default_json = "[]"},
};

static const struct type printed_type = {
	.kind = TYPE_RECORD,
	.name = "answer",
	.size = sizeof(struct printed),
	.fields = printed_fields,
	.n = ARRAY_LEN(printed_fields),
	.unknown_case = -1,
};

const char *script_find(const char *dir, const char *name, struct arena *a)
{
	struct stat st;

	if (!*name || *name == '.' || strchr(name, '/'))
		return NULL;
	const char *path = arena_printf(a, "%s/%s", dir, name);
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0 ? path : NULL;
}

struct err *script_read(const struct proc_result *r, struct arena *a, struct script_answer *out)
{
	struct codec_xmlrpc_answer message = {0};
	struct printed printed;

	TRY(codec_xmlrpc_read_answer(r->out, r->out_len, SCRIPT_MAX_OUTPUT, a, &message));
	if (!message.value)
		return err(INTERNAL_ERROR, message.fault_text);
	TRY(codec_xmlrpc_read(&printed_type, "answer", message.value, a, &printed));
	if (!strcmp(printed.status, "Success"))
		printed.answer.error.n = 0;
	else if (!printed.answer.error.n)
		return err(INTERNAL_ERROR, "a program failed without a reason");
	*out = printed.answer;
	return NULL;
}

struct err *script_error(const struct script_answer *answer)
{
	const struct string_list *error = &answer->error;

	if (!error->n)
		return NULL;
	return err_not_null(err_new(
		__FILE__, __LINE__, error->v[0], error->n - 1, (const char *const *)error->v + 1));
}
