/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages sent from within xapid (own.h).
 */
#include "xapid/gate/own.h"

#include "common/fiber.h"

static const struct gate_peer own = {.origin = GATE_UNIX, .address = "", .user_agent = "xapid"};

MAY_WAIT struct err *own_call(const struct gate_peer *peer, const char *message,
	const json_t *params, struct arena *a, json_t **result)
{
	size_t n = json_array_size(params);
	struct gate_param *list = arena_calloc(a, n, sizeof(*list));
	AUTO(gate_result_fini) struct gate_result out = {0};
	auto_sbuf text = {0};

	for (size_t i = 0; i < n; i++)
		list[i].json = json_value_text(json_array_get(params, i), a);
	const struct gate_request rq = {.peer = *peer,
		.form = GATE_JSON,
		.method = message,
		.params = list,
		.n_params = n,
		.arena = a};
	TRY(gate_call(&rq, &out));
	if (!result)
		return NULL;
	gate_write(&out, GATE_JSON, &text);
	return json_value_read(
		message, (struct json_text){sbuf_data(&text), sbuf_len(&text)}, result);
}

/* *OUT as in own_send. */
static MAY_WAIT struct err *call(
	struct arena *a, const char *message, const json_t *params, const char **out)
{
	json_auto_t *value = NULL;

	TRY(own_call(&own, message, params, a, out ? &value : NULL));
	if (out)
		*out = json_is_string(value) ? arena_strdup(a, json_string_value(value)) : "";
	return NULL;
}

MAY_WAIT struct err *own_login(struct arena *a, const char **session)
{
	json_auto_t *params = json_pack("[s, s, s, s]", "root", "", "1.0", "xapid");

	return call(a, "session.login_with_password", params, session);
}

MAY_WAIT struct err *own_send(
	struct arena *a, const char *session, const char *message, json_t *params, const char **out)
{
	json_auto_t *all = params ? params : json_array();

	json_array_insert_new(all, 0, json_string(session));
	return call(a, message, all, out);
}

MAY_WAIT void own_logout(struct arena *a, const char *session)
{
	fiber_cancel_mask();
	err_free(own_send(a, session, "session.logout", NULL, NULL));
	fiber_cancel_unmask();
}
