/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client of the XenAPI (client.h).
 */
#include "packaging/xenith/client.h"

#include "common/clock.h"
#include "common/listen.h"
#include "common/mem.h"
#include "common/number.h"
#include "common/stream.h"
#include "core.gen.h"

#include <string.h>
#include <strings.h>

#define HEAD_MAX   ((size_t)32 * 1024)
#define ANSWER_MAX ((size_t)16 * 1024 * 1024)
#define WITHIN     (600 * NS_PER_S) /* only against an end that hangs */

/* ---- HTTP ---- */

static struct err *not_http(const char *why)
{
	return err(BAD_REQUEST, why);
}

/* Reads until N bytes are there. */
static MAY_WAIT struct err *await_bytes(struct stream *s, size_t n)
{
	bool is_end = false;

	while (sbuf_len(stream_in(s)) < n) {
		TRY(stream_fill(s, HEAD_MAX + ANSWER_MAX, &is_end, deadline_in(WITHIN)));
		if (is_end)
			return err(CONNECTION_LOST, "xapid");
	}
	return NULL;
}

/* The length of the head, with the empty line behind it. */
static MAY_WAIT struct err *await_head(struct stream *s, size_t *len)
{
	for (size_t n = 1;; n = sbuf_len(stream_in(s)) + 1) {
		TRY(await_bytes(s, n));
		const char *head = sbuf_str(stream_in(s)), *end = strstr(head, "\r\n\r\n");

		if (end) {
			*len = (size_t)(end - head) + 4;
			return NULL;
		}
		if (sbuf_len(stream_in(s)) > HEAD_MAX)
			return not_http("the head of an answer does not end");
	}
}

static struct err *read_head(char *head, unsigned *status, size_t *body_len)
{
	char *line = strsep(&head, "\n"), *space = strchr(line, ' ');
	int64_t n;

	*body_len = 0;
	if (strncmp(line, "HTTP/1.", 7) != 0 || !space)
		return not_http("the answer is no HTTP");
	*status = (unsigned)strtoul(space, NULL, 10);
	while ((line = strsep(&head, "\r\n"))) {
		if (strncasecmp(line, "content-length:", 15) != 0)
			continue;
		line += 15 + strspn(line + 15, " ");
		if (!number_read_int(line, strlen(line), &n) || n < 0 || (size_t)n > ANSWER_MAX)
			return not_http("the length of an answer");
		*body_len = (size_t)n;
	}
	return NULL;
}

/* The body of the answer to what was sent; an error for a status other than 200. */
static MAY_WAIT struct err *read_answer(struct client *c, struct json_text *body)
{
	struct sbuf *in = stream_in(c->stream);
	size_t head_len, len;
	unsigned status;

	TRY(await_head(c->stream, &head_len));
	char *head = arena_strndup(&c->arena, sbuf_data(in), head_len);
	sbuf_consume(in, head_len);
	TRY(read_head(head, &status, &len));
	TRY(await_bytes(c->stream, len));
	*body = (struct json_text){arena_strndup(&c->arena, sbuf_data(in), len), len};
	sbuf_consume(in, len);
	return status == 200
		? NULL
		: not_http(arena_printf(&c->arena, "status %u: %s", status, body->text));
}

/* ---- JSON-RPC ---- */

static void put_request(struct client *c, const char *message, const json_t *params)
{
	struct sbuf *out = stream_out(c->stream);
	struct json_text text = json_value_text(params, &c->arena);

	const char *body = arena_printf(&c->arena,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%.*s}", message,
		(int)text.len, text.text);
	sbuf_printf(out,
		"POST /jsonrpc HTTP/1.1\r\nhost: localhost\r\nuser-agent: xenith\r\n"
		"content-type: application/json\r\ncontent-length: %zu\r\n\r\n%s",
		strlen(body), body);
	stream_flush_later(c->stream);
}

/* What a failed call answers with: its code, and its parameters. */
static struct err *answered_error(struct client *c, const json_t *error)
{
	const char *code = json_string_value(json_object_get(error, "message"));
	const json_t *data = json_object_get(error, "data");
	size_t n = json_array_size(data);
	const char **params = arena_calloc(&c->arena, n, sizeof(*params));

	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(data, i));

		params[i] = text ? text : "";
	}
	return err_new(NULL, 0, code ? code : "INTERNAL_ERROR", n, params);
}

static MAY_WAIT struct err *exchange(
	struct client *c, const char *message, const json_t *params, json_t **result)
{
	struct json_text body;
	json_t *answer = NULL;

	put_request(c, message, params);
	TRY(read_answer(c, &body));
	TRY(json_value_read("answer", body, &answer));
	json_array_append_new(c->values, answer);
	const json_t *error = json_object_get(answer, "error");
	if (error)
		return answered_error(c, error);
	if (result)
		*result = json_object_get(answer, "result");
	return NULL;
}

MAY_WAIT struct err *client_call(
	struct client *c, const char *message, json_t *params, json_t **result)
{
	json_auto_t *all = params ? params : json_array();

	if (c->session)
		json_array_insert_new(all, 0, json_string(c->session));
	TRY_CTX(exchange(c, message, all, result), "%s", message);
	return NULL;
}

MAY_WAIT struct err *client_call_string(
	struct client *c, const char *message, json_t *params, const char **result)
{
	json_t *value = NULL;

	TRY(client_call(c, message, params, &value));
	if (result)
		*result = json_is_string(value) ? json_string_value(value) : "";
	return NULL;
}

bool client_is_null(const char *ref)
{
	return !strcmp(ref, "OpaqueRef:NULL");
}

/* ---- its life ---- */

MAY_WAIT struct err *client_open(struct client *c, const char *dir)
{
	auto_str path = xasprintf("%s/run/xapi", dir);
	json_t *names = json_pack("[s, s, s, s]", "root", "", "1.0", "xenith");
	int fd = -1, r = unix_connect(path, &fd);

	c->dir = dir;
	c->values = json_array();
	if (r < 0) {
		json_decref(names);
		return err_errno(-r, "connecting to %s", path);
	}
	c->stream = stream_new(fd);
	return client_call_string(c, "session.login_with_password", names, &c->session);
}

MAY_WAIT void client_close(struct client *c)
{
	if (c->session)
		err_free(client_call(c, "session.logout", NULL, NULL));
	stream_free(c->stream);
	json_decref(c->values);
	arena_fini(&c->arena);
	*c = (struct client){0};
}
