/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xe's commands for callers, which are kinds of clients, and for the limits that they have: those
 * that are more than one message, or whose answer is a table. Fibers.
 */
#include "core.gen.h"
#include "xapid/cli/cli.h"

#include <string.h>

/* ---- what callers used ---- */

static void print_usage(struct cli *c, const char *const *values, size_t n)
{
	static const char *const names[] = {"uuid", "name-label", "tokens", "calls"};

	if (c->is_minimal)
		cli_print_minimal(c, values, 1);
	else
		cli_print_record(c, names, values, n);
}

static MAY_WAIT struct err *list_usage(struct cli *c)
{
	json_t *rows = NULL;

	TRY(cli_call(c, "Caller.query_all_usage", NULL, &rows));
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const char *values[4];

		for (size_t j = 0; j < ARRAY_LEN(values); j++) {
			const char *value =
				json_string_value(json_array_get(json_array_get(rows, i), j));

			values[j] = value ? value : "";
		}
		print_usage(c, values, ARRAY_LEN(values));
	}
	return NULL;
}

/* Of one, or of a group's callers together. */
static MAY_WAIT struct err *query_usage(struct cli *c)
{
	const char *which = cli_arg(c, "group"), *group = which ? "group_" : "";
	json_t *tokens = NULL, *calls = NULL;

	if (!which)
		TRY(cli_arg_object(c, "Caller", "uuid", &which));
	TRY(cli_call(c, arena_printf(c->arena, "Caller.query_%stoken_usage", group),
		json_pack("[s]", which), &tokens));
	TRY(cli_call(c, arena_printf(c->arena, "Caller.query_%scall_count", group),
		json_pack("[s]", which), &calls));
	cli_printf(c, "tokens: %.3f", json_number_value(tokens));
	cli_printf(c, "calls: %lld", (long long)json_integer_value(calls));
	return NULL;
}

/* ---- limits ---- */

static MAY_WAIT struct err *add_callers(struct cli *c, const char *limit)
{
	const char *uuids = cli_arg(c, "caller-uuids"), *caller;

	while (uuids && *uuids) {
		size_t len = strcspn(uuids, ",");

		TRY(cli_by_uuid(c, "Caller", arena_strndup(c->arena, uuids, len), &caller));
		TRY(cli_call(c, "Rate_limit.add_caller", json_pack("[s, s]", limit, caller), NULL));
		uuids += len + (uuids[len] == ',');
	}
	return NULL;
}

static MAY_WAIT struct err *limit_create(struct cli *c)
{
	const char *name = cli_arg(c, "name-label"), *text = cli_arg(c, "name-description"), *limit;
	json_t *burst = NULL, *rate = NULL;

	TRY(cli_parse(c, &type_float, "burst-size", cli_arg(c, "burst-size"), &burst));
	vec_push(&c->values, burst);
	TRY(cli_parse(c, &type_float, "fill-rate", cli_arg(c, "fill-rate"), &rate));
	vec_push(&c->values, rate);
	json_t *record = json_pack("{s:s, s:s, s:O, s:O}", "name_label", name ? name : "",
		"name_description", text ? text : "", "burst_size", burst, "fill_rate", rate);
	TRY(cli_call_long(c, "Rate_limit.create", json_pack("[o]", record), &limit));
	TRY(add_callers(c, limit));
	return cli_print_uuid(c, "Rate_limit", limit);
}

const struct cli_command cli_limit_commands[] = {
	{"caller-create", "", "name-label name-description user-agent client-ip",
		.message = "Caller.create",
		.args = "name-label name-description user-agent client-ip",
		.doc = "Tell a kind of clients by user agent and address; x* is all that begins "
		       "with x."},
	{"caller-destroy", "uuid", "", .message = "Caller.destroy",
		.doc = "Forget a kind of clients."},
	{"caller-list-usage", "", "", list_usage,
		.doc = "List what each caller used since xapid began."},
	{"caller-query-usage", "", "uuid group", query_usage,
		.doc = "Tell what a caller, or the callers of a group, used since xapid began."},
	{"rate-limit-create", "burst-size fill-rate", "name-label name-description caller-uuids",
		limit_create,
		.doc = "Make a limit of so many tokens at once and a second; a read takes 1."},
	{"rate-limit-destroy", "uuid", "", .message = "Rate_limit.destroy",
		.doc = "Let its callers do as they like."},
	{"rate-limit-add-caller", "uuid caller-uuid", "", .message = "Rate_limit.add_caller",
		.args = "uuid caller-uuid", .doc = "Limit a caller."},
	{"rate-limit-remove-caller", "uuid caller-uuid", "", .message = "Rate_limit.remove_caller",
		.args = "uuid caller-uuid", .doc = "Let a caller do as it likes."},
};
const size_t n_cli_limit_commands = ARRAY_LEN(cli_limit_commands);
