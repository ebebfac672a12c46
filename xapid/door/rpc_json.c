/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON-RPC as the XenAPI speaks it: 1.0 and 2.0, told apart by the member "jsonrpc". The id is an
 * integer or a string and never left out. In 2.0 the parameters may be an object, which is then the
 * one parameter.
 */
#include "common/json.h"
#include "core.gen.h"
#include "xapid/door/rpc.h"

#include <string.h>

/* What the members of a request were; each comes at most once. */
struct members {
	struct json_text version, method, params, id;
};

static struct err *malformed(const char *why)
{
	return err(BAD_REQUEST, why);
}

static struct json_text *member_named(struct members *m, const char *name, size_t len)
{
	static const struct {
		const char *name;
		size_t offset;
	} known[] = {{"jsonrpc", offsetof(struct members, version)},
		{"method", offsetof(struct members, method)},
		{"params", offsetof(struct members, params)}, {"id", offsetof(struct members, id)}};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strlen(known[i].name) == len && !memcmp(known[i].name, name, len))
			return (struct json_text *)((char *)m + known[i].offset);
	return NULL;
}

static struct err *read_members(const char *text, size_t len, struct arena *a, struct members *out)
{
	struct json_reader r;
	const char *name;
	size_t name_len;
	bool first = true;

	json_reader_init(&r, text, len, a);
	if (!json_enter_object(&r))
		return malformed(r.problem ? r.problem : "the request is no object");
	while (json_next_member(&r, &first, &name, &name_len)) {
		struct json_text *known = member_named(out, name, name_len);

		if (known && known->text)
			return malformed("a member comes twice");
		if (!json_skip(&r, known))
			return malformed(r.problem);
	}
	if (r.problem || !json_at_end(&r))
		return malformed(r.problem);
	return NULL;
}

static enum json_kind kind_of(struct json_text text, struct arena *a)
{
	struct json_reader r;

	if (!text.text)
		return JSON_KIND_END;
	json_reader_init(&r, text.text, text.len, a);
	return json_peek(&r);
}

/* The string that TEXT is, or NULL. */
static const char *string_of(struct json_text text, struct arena *a)
{
	struct json_reader r;
	const char *out;

	if (kind_of(text, a) != JSON_KIND_STRING)
		return NULL;
	json_reader_init(&r, text.text, text.len, a);
	return json_read_string(&r, &out, NULL) ? out : NULL;
}

static void add_param(struct gate_request *rq, struct json_text value, size_t *space)
{
	struct gate_param *params = (struct gate_param *)rq->params;

	if (rq->n_params == *space) {
		*space = *space ? *space * 2 : 8;
		params = arena_calloc(rq->arena, *space, sizeof(*params));
		if (rq->n_params)
			memcpy(params, rq->params, rq->n_params * sizeof(*params));
		rq->params = params;
	}
	params[rq->n_params++].json = value;
}

static struct err *read_params(struct json_text text, struct gate_request *rq)
{
	struct json_reader r;
	struct json_text value;
	size_t space = 0;
	bool first = true;

	json_reader_init(&r, text.text, text.len, rq->arena);
	if (!json_enter_array(&r))
		return malformed("the parameters are no array");
	while (json_next_element(&r, &first)) {
		if (!json_skip(&r, &value))
			return malformed(r.problem);
		add_param(rq, value, &space);
	}
	return NULL;
}

struct err *rpc_json_read(
	const char *text, size_t len, struct gate_request *rq, struct rpc_json_frame *frame)
{
	struct members m = {0};
	size_t space = 0;

	rq->params = NULL;
	rq->n_params = 0;
	TRY(read_members(text, len, rq->arena, &m));
	const char *version = string_of(m.version, rq->arena);
	if (m.version.text && (!version || strcmp(version, "2.0") != 0))
		return malformed("the version is not 2.0");
	enum json_kind id = kind_of(m.id, rq->arena);
	if (id != JSON_KIND_INTEGER && id != JSON_KIND_STRING)
		return malformed("the id is neither an integer nor a string");
	*frame = (struct rpc_json_frame){
		.is_2_0 = version, .id = {arena_strndup(rq->arena, m.id.text, m.id.len), m.id.len}};
	rq->form = GATE_JSON;
	rq->method = string_of(m.method, rq->arena);
	if (!rq->method)
		return malformed("the method is no string");
	if (version && !m.params.text)
		return NULL;
	if (version && kind_of(m.params, rq->arena) == JSON_KIND_OBJECT) {
		add_param(rq, m.params, &space);
		return NULL;
	}
	if (!m.params.text)
		return malformed("there are no parameters");
	return read_params(m.params, rq);
}

/* ---- answers ---- */

static void write_params(const struct err *e, struct json_writer *w)
{
	for (size_t i = 0; i < e->n_params; i++)
		json_write_string(w, e->params[i]);
}

static void write_error_1(const struct err *e, struct json_writer *w)
{
	json_write_array(w);
	json_write_string(w, e->code);
	write_params(e, w);
	json_write_array_end(w);
}

static void write_error_2(const struct err *e, struct json_writer *w)
{
	json_write_object(w);
	json_member_int(w, "code", 1);
	json_member_string(w, "message", e->code);
	json_write_name(w, "data");
	json_write_array(w);
	write_params(e, w);
	json_write_array_end(w);
	json_write_object_end(w);
}

static void write_result(const struct gate_result *result, struct json_writer *w)
{
	json_write_name(w, "result");
	gate_write(result, GATE_JSON, w->out);
	w->needs_comma = true;
}

void rpc_json_write(const struct rpc_json_frame *frame, const struct err *e,
	const struct gate_result *result, struct sbuf *out)
{
	struct json_writer w;

	json_writer_init(&w, out);
	json_write_object(&w);
	if (frame->is_2_0)
		json_member_string(&w, "jsonrpc", "2.0");
	if (!e) {
		write_result(result, &w);
	} else if (!frame->is_2_0) {
		json_write_name(&w, "result");
		json_write_null(&w);
	}
	if (e || !frame->is_2_0) {
		json_write_name(&w, "error");
		if (!e)
			json_write_null(&w);
		else if (frame->is_2_0)
			write_error_2(e, &w);
		else
			write_error_1(e, &w);
	}
	json_write_name(&w, "id");
	json_write_raw(&w, frame->id.text, frame->id.len);
	json_write_object_end(&w);
}
