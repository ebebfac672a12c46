/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The messages of no class (system.h).
 */
#include "xapid/gate/system.h"

#include "xapid/gate/args.h"

#include "xenapi.gen.h"

#include <string.h>

#define PREFIX   "system."
#define IS_ALIVE "system.isAlive:"

bool system_is_one(const char *method)
{
	return !strncmp(method, PREFIX, strlen(PREFIX));
}

static struct err *list_methods(const struct gate_request *rq, struct gate_result *out)
{
	struct string_list *names = arena_new(rq->arena, struct string_list);

	if (rq->n_params > 0) {
		const char *received = arena_printf(rq->arena, "%zu", rq->n_params);

		return err(MESSAGE_PARAMETER_COUNT_MISMATCH, rq->method, "0", received);
	}
	message_list(rq->arena, names);
	*out = (struct gate_result){.type = &type_list_string, .value = names, .is_bare = true};
	return NULL;
}

/* Says what it was told. */
static struct err *is_alive(const struct gate_request *rq, struct gate_result *out)
{
	const char **text = arena_alloc(rq->arena, sizeof(*text));

	*text = rq->method + strlen(IS_ALIVE);
	if (rq->n_params > 0)
		TRY(args_read(&type_string, "value", rq->form, &rq->params[0], rq->arena, text));
	*out = (struct gate_result){.type = &type_string, .value = text};
	return NULL;
}

struct err *system_call(const struct gate_request *rq, struct gate_result *out)
{
	if (!strcmp(rq->method, "system.listMethods"))
		return list_methods(rq, out);
	if (!strncmp(rq->method, IS_ALIVE, strlen(IS_ALIVE)))
		return is_alive(rq, out);
	return err(MESSAGE_METHOD_UNKNOWN, rq->method);
}
