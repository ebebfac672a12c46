/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Heads and messages of JSON-RPC (rpc_wire.h). Every byte of a line is read once: the members of
 * the head here, params and result by the codec, from the same reader.
 */
#include "common/rpc_wire.h"

#include "common/json_scan.h"
#include "common/number.h"
#include "core.gen.h"

#include <inttypes.h>
#include <string.h>

/* How every request and answer of ours begins. */
#define HEAD "{\"jsonrpc\":\"2.0\",\"id\":"

enum member {
	MEMBER_VERSION = 1,
	MEMBER_ID = 2,
	MEMBER_METHOD = 4,
	MEMBER_PARAMS = 8,
	MEMBER_RESULT = 16,
	MEMBER_ERROR = 32,
	MEMBER_TAG = 64,
	MEMBER_OTHER = 0,
};

static enum member member_of(const char *name, size_t len)
{
	switch (len) {
	case 2:
		return memcmp(name, "id", 2) ? MEMBER_OTHER : MEMBER_ID;
	case 3:
		return memcmp(name, "tag", 3) ? MEMBER_OTHER : MEMBER_TAG;
	case 5:
		return memcmp(name, "error", 5) ? MEMBER_OTHER : MEMBER_ERROR;
	case 6:
		return !memcmp(name, "method", 6)    ? MEMBER_METHOD
			: !memcmp(name, "params", 6) ? MEMBER_PARAMS
			: !memcmp(name, "result", 6) ? MEMBER_RESULT
						     : MEMBER_OTHER;
	case 7:
		return memcmp(name, "jsonrpc", 7) ? MEMBER_OTHER : MEMBER_VERSION;
	default:
		return MEMBER_OTHER;
	}
}

#define ID_DIGITS 18 /* of a number that is an id of ours: it fits 64 bits */

/* The digits that stand here, when there is nothing else to the number: our own ids. */
static bool read_digits(struct json_reader *r, struct json_text *out, uint64_t *number)
{
	const char *p = r->at, *end = r->end - p > ID_DIGITS ? p + ID_DIGITS + 1 : r->end;
	uint64_t v = 0;

	if (p == end || *p < '1')
		return false;
	for (; p < end && *p >= '0' && *p <= '9'; p++)
		v = v * 10 + (uint64_t)(*p - '0');
	if (p == end || (*p != ',' && *p != '}'))
		return false;
	*out = (struct json_text){r->at, (size_t)(p - r->at)};
	*number = v;
	r->at = p;
	return true;
}

/* Passes over the bytes of a literal, if they stand here. */
static inline bool pass(struct json_reader *r, const char *bytes, size_t len)
{
	if ((size_t)(r->end - r->at) < len || memcmp(r->at, bytes, len))
		return false;
	r->at += len;
	return true;
}

#define PASS(r, literal) pass(r, literal, sizeof(literal) - 1)

/* The rest of a string whose quote was passed, when its bytes stand for themselves. */
static bool read_plain(struct json_reader *r, struct json_text *out)
{
	const char *quote = json_scan(r->at, r->end);

	if (quote == r->end || *quote != '"')
		return false;
	*out = (struct json_text){r->at, (size_t)(quote - r->at)};
	r->at = quote + 1;
	return true;
}

/*
 * The head as we write it ourselves (below): no white space, the members in one order. It is most
 * of what comes, and is read at a third of the cost. False: it is none; nothing was read.
 */
static bool read_own_head(struct rpc_head *h)
{
	struct json_reader r = h->r;
	struct json_text id, method, tag = {0};
	unsigned seen = MEMBER_VERSION | MEMBER_ID;
	uint64_t number;

	if (!PASS(&r, HEAD) || !read_digits(&r, &id, &number))
		return false;
	if (PASS(&r, ",\"result\":")) {
		seen |= MEMBER_RESULT;
	} else {
		if (!PASS(&r, ",\"method\":\"") || !read_plain(&r, &method))
			return false;
		if (PASS(&r, ",\"tag\":\"")) {
			if (!read_plain(&r, &tag))
				return false;
			seen |= MEMBER_TAG;
		}
		if (!PASS(&r, ",\"params\":"))
			return false;
		seen |= MEMBER_METHOD | MEMBER_PARAMS;
		h->method = method;
		h->tag = tag;
	}
	h->id = id;
	h->number = number;
	h->is_version_2 = h->is_own = true;
	h->first = false;
	h->seen = seen;
	h->r.at = r.at;
	h->r.depth = 1;
	return true;
}

/* What stands before the members of a head that is not as we write it ourselves. */
static void enter_head(struct rpc_head *h)
{
	switch (json_peek(&h->r)) {
	case JSON_KIND_OBJECT:
		json_enter_object(&h->r);
		break;
	case JSON_KIND_ARRAY:
		h->problem = "batches are not supported";
		break;
	case JSON_KIND_STRING:
	case JSON_KIND_INTEGER:
	case JSON_KIND_REAL:
	case JSON_KIND_TRUE:
	case JSON_KIND_FALSE:
	case JSON_KIND_NULL:
	case JSON_KIND_END:
	case JSON_KIND_BAD:
		h->problem = "a message is an object";
		break;
	}
	if (h->r.problem)
		h->problem = h->r.problem;
}

static enum rpc_stop refuse(struct rpc_head *h, const char *problem)
{
	h->problem = h->r.problem ? h->r.problem : problem;
	return RPC_AT_END;
}

static bool read_text(struct rpc_head *h, struct json_text *out)
{
	return json_read_slice(&h->r, &out->text, &out->len);
}

static bool read_version(struct rpc_head *h)
{
	struct json_text version;

	if (!read_text(h, &version))
		return false;
	h->is_version_2 = version.len == 3 && !memcmp(version.text, "2.0", 3);
	return h->is_version_2;
}

static uint64_t number_of(struct json_text id)
{
	int64_t v;

	return number_read_int(id.text, id.len, &v) && v > 0 ? (uint64_t)v : 0;
}

/* Answers repeat the id as it stood, so it is kept as text. */
static bool read_id(struct rpc_head *h)
{
	if (read_digits(&h->r, &h->id, &h->number))
		return true;
	switch (json_peek(&h->r)) {
	case JSON_KIND_STRING:
	case JSON_KIND_INTEGER:
	case JSON_KIND_REAL:
	case JSON_KIND_NULL:
		if (!json_skip(&h->r, &h->id))
			return false;
		h->number = number_of(h->id);
		return true;
	case JSON_KIND_OBJECT:
	case JSON_KIND_ARRAY:
	case JSON_KIND_TRUE:
	case JSON_KIND_FALSE:
	case JSON_KIND_END:
	case JSON_KIND_BAD:
		break;
	}
	return false;
}

/* The end of the object, or what is wrong. */
static enum rpc_stop finish(struct rpc_head *h)
{
	if (h->r.problem || !json_at_end(&h->r))
		return refuse(h, NULL);
	if (!h->is_version_2)
		return refuse(h, "\"jsonrpc\" is not \"2.0\"");
	if (!h->method.text && !(h->seen & (MEMBER_RESULT | MEMBER_ERROR)))
		return refuse(h, "neither method nor result nor error");
	return RPC_AT_END;
}

enum rpc_stop rpc_head_next(struct rpc_head *h)
{
	const char *name;
	size_t len;

	if (h->problem)
		return RPC_AT_END;
	if (h->is_own && !h->r.problem && h->r.end - h->r.at == 1 && *h->r.at == '}')
		return RPC_AT_END;
	while (json_next_member(&h->r, &h->first, &name, &len)) {
		enum member m = member_of(name, len);
		bool ok = true;

		if (h->seen & m)
			return refuse(h, "a member comes twice");
		h->seen |= m;
		switch (m) {
		case MEMBER_VERSION:
			if (!read_version(h))
				return refuse(h, "\"jsonrpc\" is not \"2.0\"");
			break;
		case MEMBER_ID:
			if (!read_id(h))
				return refuse(h, "an id is a string or a number");
			break;
		case MEMBER_METHOD:
			if (!read_text(h, &h->method))
				return refuse(h, "a method is a string");
			break;
		case MEMBER_TAG:
			if (!read_text(h, &h->tag))
				return refuse(h, "a tag is a string");
			break;
		case MEMBER_PARAMS:
			if (h->id.text && h->method.text)
				return RPC_AT_PARAMS;
			ok = json_skip(&h->r, &h->params);
			break;
		case MEMBER_RESULT:
			if (h->id.text)
				return RPC_AT_RESULT;
			ok = json_skip(&h->r, &h->result);
			break;
		case MEMBER_ERROR:
			ok = json_skip(&h->r, &h->error);
			break;
		case MEMBER_OTHER:
			ok = json_skip(&h->r, NULL);
			break;
		}
		if (!ok)
			return refuse(h, "a value is missing");
	}
	return finish(h);
}

enum rpc_stop rpc_head_begin(
	struct rpc_head *h, const char *line, size_t len, size_t n_open, struct arena *arena)
{
	*h = (struct rpc_head){.line = line, .len = len, .first = true};
	json_reader_init_counted(&h->r, line, len, n_open, arena);
	if (read_own_head(h))
		return h->seen & MEMBER_RESULT ? RPC_AT_RESULT : RPC_AT_PARAMS;
	enter_head(h);
	return rpc_head_next(h);
}

enum rpc_code rpc_head_code(const struct rpc_head *h)
{
	struct json_reader r;
	auto_arena a = {0};

	json_reader_init(&r, h->line, h->len, &a);
	return !r.problem && json_skip(&r, NULL) && json_at_end(&r) ? RPC_NO_REQUEST : RPC_NOT_JSON;
}

/* ---- writing ---- */

#define ADD_LITERAL(out, s) sbuf_add(out, s, sizeof(s) - 1)

static void add_head(struct sbuf *out, uint64_t id)
{
	const size_t n = sizeof(HEAD) - 1;
	char *o = sbuf_room(out, n + NUMBER_INT_SIZE);

	memcpy(o, HEAD, n);
	sbuf_added(out, n + number_put_int((int64_t)id, o + n));
}

static void add_string(struct sbuf *out, const char *s)
{
	struct json_writer w;

	json_writer_init(&w, out);
	json_write_string(&w, s);
}

void rpc_request_begin(struct sbuf *out, uint64_t id, const char *method, const char *tag)
{
	add_head(out, id);
	ADD_LITERAL(out, ",\"method\":");
	add_string(out, method);
	if (*tag) {
		ADD_LITERAL(out, ",\"tag\":");
		add_string(out, tag);
	}
	ADD_LITERAL(out, ",\"params\":");
}

static void add_id(struct sbuf *out, struct json_text id)
{
	ADD_LITERAL(out, HEAD);
	if (id.text)
		sbuf_add(out, id.text, id.len);
	else
		ADD_LITERAL(out, "null");
}

void rpc_answer_begin(struct sbuf *out, struct json_text id)
{
	add_id(out, id);
	ADD_LITERAL(out, ",\"result\":");
}

void rpc_message_end(struct sbuf *out)
{
	ADD_LITERAL(out, "}\n");
}

void rpc_error_message(
	struct sbuf *out, struct json_text id, enum rpc_code code, const struct err *e)
{
	struct json_writer w;

	add_id(out, id);
	ADD_LITERAL(out, ",\"error\":");
	json_writer_init(&w, out);
	json_write_object(&w);
	json_member_int(&w, "code", code);
	json_member_string(&w, "message", e->code);
	json_write_name(&w, "data");
	json_write_array(&w);
	for (size_t i = 0; i < e->n_params; i++)
		json_write_string(&w, e->params[i]);
	json_write_array_end(&w);
	json_write_object_end(&w);
	rpc_message_end(out);
}

void rpc_cancel_message(struct sbuf *out, uint64_t id)
{
	ADD_LITERAL(out, "{\"jsonrpc\":\"2.0\",\"method\":\"rpc.cancel\",\"params\":{\"id\":");
	sbuf_printf(out, "%" PRIu64 "}}\n", id);
}

void rpc_descriptor_message(struct sbuf *out, const char *id)
{
	ADD_LITERAL(out, "{\"jsonrpc\":\"2.0\",\"method\":\"rpc.descriptor\",\"params\":{\"id\":");
	add_string(out, id);
	ADD_LITERAL(out, "}}\n");
}

/* ---- reading the small parts ---- */

/* Finds member NAME of the object TEXT, which was checked before; the reader stands before its
 * value. */
static bool find_member(
	struct json_reader *r, struct json_text text, struct arena *a, const char *name)
{
	const char *s;
	size_t len;
	bool first = true;

	json_reader_init(r, text.text, text.len, a);
	if (!text.text || json_peek(r) != JSON_KIND_OBJECT || !json_enter_object(r))
		return false;
	while (json_next_member(r, &first, &s, &len)) {
		if (len == strlen(name) && !memcmp(s, name, len))
			return true;
		json_skip(r, NULL);
	}
	return false;
}

struct json_text rpc_notified_id(struct json_text params, struct arena *a)
{
	struct json_text id = {0};
	struct json_reader r;

	if (find_member(&r, params, a, "id"))
		json_skip(&r, &id);
	return id;
}

#define MAX_ERROR_PARAMS 64

/* Parameters are strings; what is none is taken as its JSON text. */
static size_t read_error_params(struct json_text text, struct arena *a, const char **params)
{
	struct json_reader r;
	struct json_text any;
	bool first = true;
	size_t n = 0;

	if (!find_member(&r, text, a, "data") || json_peek(&r) != JSON_KIND_ARRAY)
		return 0;
	json_enter_array(&r);
	while (n < MAX_ERROR_PARAMS && json_next_element(&r, &first)) {
		if (json_peek(&r) == JSON_KIND_STRING)
			json_read_string(&r, &params[n++], NULL);
		else if (json_skip(&r, &any))
			params[n++] = arena_strndup(a, any.text, any.len);
	}
	return n;
}

struct err *rpc_error_read(struct json_text text, struct arena *a)
{
	struct json_reader r;
	const char *code = NULL, *params[MAX_ERROR_PARAMS];

	if (!find_member(&r, text, a, "message") || json_peek(&r) != JSON_KIND_STRING ||
		!json_read_string(&r, &code, NULL))
		return err(BAD_REQUEST, "an error without message");
	return err_new(NULL, 0, code, read_error_params(text, a, params), params);
}
