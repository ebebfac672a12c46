/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A command's calls of the XenAPI, by the gate and in JSON, and the objects that it has seen.
 */
#include "common/clock.h"
#include "core.gen.h"
#include "xapid/cli/cli.h"
#include "xapid/gate/own.h"
#include "xenapi.gen.h"

#include <stdio.h>
#include <string.h>

#define EVENT_S 30.0 /* a wait for a task's news */

/* One call, with nothing put before its parameters. */
static MAY_WAIT struct err *call(
	struct cli *c, const char *message, const json_t *params, json_t **result)
{
	json_t *value = NULL;

	TRY(own_call(&c->peer, message, params, c->arena, result ? &value : NULL));
	if (result) {
		vec_push(&c->values, value);
		*result = value;
	}
	return NULL;
}

MAY_WAIT struct err *cli_call(struct cli *c, const char *message, json_t *params, json_t **result)
{
	json_auto_t *all = params ? params : json_array();

	json_array_insert_new(all, 0, json_string(c->session));
	return call(c, message, all, result);
}

MAY_WAIT struct err *cli_call_string(
	struct cli *c, const char *message, json_t *params, const char **result)
{
	json_t *value = NULL;

	TRY(cli_call(c, message, params, &value));
	*result = json_is_string(value) ? json_string_value(value) : "";
	return NULL;
}

MAY_WAIT struct err *cli_login(struct cli *c)
{
	json_auto_t *params = json_pack("[s, s, s, s]", c->user ? c->user : "",
		c->password ? c->password : "", "2.21", "xe");
	json_t *session = NULL;

	TRY(call(c, "session.login_with_password", params, &session));
	c->session = json_string_value(session);
	return NULL;
}

MAY_WAIT struct err *cli_login_here(struct cli *c)
{
	json_auto_t *params =
		json_pack("[s, s]", c->user ? c->user : "", c->password ? c->password : "");
	json_t *session = NULL;

	TRY(call(c, "session.slave_local_login_with_password", params, &session));
	c->session = json_string_value(session);
	return NULL;
}

MAY_WAIT void cli_logout(struct cli *c)
{
	if (c->session)
		err_free(cli_call(c, "session.logout", NULL, NULL));
	c->session = NULL;
}

/* ---- what takes long ---- */

/* A line that is written over itself; its last state stays. */
static void show_progress(struct cli *c, double fraction, bool is_last)
{
	char line[80], bar[41];
	int n = (int)(fraction * 40);

	if (!c->shows_progress)
		return;
	memset(bar, ' ', 40);
	memset(bar, '=', n < 0 ? 0 : n > 40 ? 40 : (size_t)n);
	bar[40] = '\0';
	snprintf(line, sizeof(line), "\r|%s| %3d%%%s", bar, (int)(fraction * 100),
		is_last ? "\n" : "");
	cli_print_stderr(c, line);
}

/* "<value>OpaqueRef:…</value>" without its element. */
static const char *inside_value(struct cli *c, const char *text)
{
	const char *from = strchr(text, '>');
	const char *to = from ? strchr(from, '<') : NULL;

	return to ? arena_strndup(c->arena, from + 1, (size_t)(to - from - 1)) : text;
}

static struct err *error_of(const json_t *task)
{
	const json_t *info = json_object_get(task, "error_info");
	const char *params[16];
	size_t n = json_array_size(info);

	if (!n)
		return err(TASK_CANCELLED, "");
	for (size_t i = 1; i < n && i < ARRAY_LEN(params); i++)
		params[i - 1] = json_string_value(json_array_get(info, i));
	return err_new(__FILE__, __LINE__, json_string_value(json_array_get(info, 0)),
		(n < ARRAY_LEN(params) ? n : ARRAY_LEN(params)) - 1, params);
}

/* Waits for the task's next news; *TASK is its record. */
static MAY_WAIT struct err *wait_for_news(
	struct cli *c, const char *ref, const char **token, json_t **task)
{
	json_t *batch = NULL;

	TRY(cli_call(c, "event.from",
		json_pack("[[s], s, f]", arena_printf(c->arena, "task/%s", ref), *token, EVENT_S),
		&batch));
	*token = cli_string(batch, "token");
	return cli_call(c, "task.get_record", json_pack("[s]", ref), task);
}

static MAY_WAIT struct err *watch(struct cli *c, const char *ref, const char **result)
{
	const char *token = "";
	json_t *task = NULL;

	do {
		TRY(wait_for_news(c, ref, &token, &task));
		show_progress(c, json_number_value(json_object_get(task, "progress")), false);
	} while (!strcmp(cli_string(task, "status"), "pending"));
	bool is_success = !strcmp(cli_string(task, "status"), "success");
	show_progress(c, json_number_value(json_object_get(task, "progress")), true);
	*result = inside_value(c, cli_string(task, "result"));
	return is_success ? NULL : error_of(task);
}

MAY_WAIT struct err *cli_call_long(
	struct cli *c, const char *message, json_t *params, const char **result)
{
	const char *task, *unwanted;

	if (!result)
		result = &unwanted;
	if (!c->shows_progress)
		return cli_call_string(c, message, params, result);
	TRY(cli_call_string(c, arena_printf(c->arena, "Async.%s", message), params, &task));
	struct err *e = watch(c, task, result);
	err_free(cli_call(c, "task.destroy", json_pack("[s]", task), NULL));
	return e;
}

/* ---- objects ---- */

const char *cli_string(const json_t *record, const char *member)
{
	const char *s = json_string_value(json_object_get(record, member));

	return s ? s : "";
}

bool cli_bool(const json_t *record, const char *member)
{
	return json_is_true(json_object_get(record, member));
}

MAY_WAIT struct err *cli_objects(struct cli *c, const char *class, const char *expr, json_t **out)
{
	json_t *found = NULL;

	if (expr)
		TRY(cli_call(c, arena_printf(c->arena, "%s.get_all_records_where", class),
			json_pack("[s]", expr), &found));
	else
		TRY(cli_call(c, arena_printf(c->arena, "%s.get_all_records", class), NULL, &found));
	json_object_update(c->objects, found);
	if (!expr)
		json_object_set_new(c->classes, class, json_true());
	*out = found;
	return NULL;
}

MAY_WAIT struct err *cli_object(struct cli *c, const char *class, const char *ref, json_t **out)
{
	json_t *all = NULL;

	*out = json_object_get(c->objects, ref);
	if (*out || !strcmp(ref, "OpaqueRef:NULL") || json_object_get(c->classes, class))
		return NULL;
	if (c->is_listing) {
		TRY(cli_objects(c, class, NULL, &all));
		*out = json_object_get(c->objects, ref);
		return NULL;
	}
	struct err *e = cli_call(
		c, arena_printf(c->arena, "%s.get_record", class), json_pack("[s]", ref), out);
	if (err_is(e, &ERR_HANDLE_INVALID)) { /* it went meanwhile */
		err_free(e);
		return NULL;
	}
	TRY(e);
	json_object_set(c->objects, ref, *out);
	return NULL;
}

MAY_WAIT struct err *cli_by_uuid(
	struct cli *c, const char *class, const char *uuid, const char **ref)
{
	return cli_call_string(
		c, arena_printf(c->arena, "%s.get_by_uuid", class), json_pack("[s]", uuid), ref);
}

MAY_WAIT struct err *cli_arg_object(
	struct cli *c, const char *class, const char *key, const char **ref)
{
	const char *uuid = cli_arg(c, key);

	return uuid ? cli_by_uuid(c, class, uuid, ref) : cli_missing(key);
}

MAY_WAIT struct err *cli_print_uuid(struct cli *c, const char *class, const char *ref)
{
	const char *uuid;

	TRY(cli_call_string(
		c, arena_printf(c->arena, "%s.get_uuid", class), json_pack("[s]", ref), &uuid));
	cli_print(c, uuid);
	return NULL;
}

MAY_WAIT struct err *cli_this_host(struct cli *c, const char **ref)
{
	return cli_call_string(c, "session.get_this_host", json_pack("[s]", c->session), ref);
}
