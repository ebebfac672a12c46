/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client of HTTP (http_client.h).
 */
#include "common/http_client.h"

#include "common/clock.h"
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

static MAY_WAIT struct err *take_head(
	struct stream *s, struct arena *a, unsigned *status, size_t *body_len)
{
	size_t len;

	TRY(await_head(s, &len));
	char *head = arena_strndup(a, sbuf_data(stream_in(s)), len);
	sbuf_consume(stream_in(s), len);
	return read_head(head, status, body_len);
}

static MAY_WAIT struct err *take_body(
	struct stream *s, struct arena *a, size_t len, struct json_text *body)
{
	TRY(await_bytes(s, len));
	*body = (struct json_text){arena_strndup(a, sbuf_data(stream_in(s)), len), len};
	sbuf_consume(stream_in(s), len);
	return NULL;
}

static struct err *refused(struct arena *a, unsigned status, struct json_text body)
{
	return not_http(arena_printf(a, "status %u: %s", status, body.text));
}

MAY_WAIT struct err *http_answer(struct stream *s, struct arena *a, struct json_text *body)
{
	unsigned status;
	size_t len;

	TRY(take_head(s, a, &status, &len));
	TRY(take_body(s, a, len, body));
	return status == 200 ? NULL : refused(a, status, *body);
}

MAY_WAIT struct err *http_answer_head(struct stream *s, struct arena *a)
{
	struct json_text body;
	unsigned status;
	size_t len;

	TRY(take_head(s, a, &status, &len));
	if (status == 200)
		return NULL;
	TRY(take_body(s, a, len, &body));
	return refused(a, status, body);
}

/* ---- JSON-RPC ---- */

static void put_request(struct stream *s, struct arena *a, const char *method, const json_t *params)
{
	struct sbuf *out = stream_out(s);
	struct json_text text = json_value_text(params, a);

	const char *body =
		arena_printf(a, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%.*s}",
			method, (int)text.len, text.text);
	sbuf_printf(out,
		"POST /jsonrpc HTTP/1.1\r\nhost: localhost\r\nuser-agent: xenith\r\n"
		"content-type: application/json\r\ncontent-length: %zu\r\n\r\n%s",
		strlen(body), body);
	stream_flush_later(s);
}

/* What a failed call answers with: its code, and its parameters. */
static struct err *answered_error(struct arena *a, const json_t *error)
{
	const char *code = json_string_value(json_object_get(error, "message"));
	const json_t *data = json_object_get(error, "data");
	size_t n = json_array_size(data);
	const char **params = arena_calloc(a, n, sizeof(*params));

	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(data, i));

		params[i] = text ? text : "";
	}
	return err_new(NULL, 0, code ? code : "INTERNAL_ERROR", n, params);
}

MAY_WAIT struct err *http_rpc_call(struct stream *s, struct arena *a, json_t *values,
	const char *method, const json_t *params, json_t **result)
{
	struct json_text body;
	json_t *answer = NULL;

	put_request(s, a, method, params);
	TRY(http_answer(s, a, &body));
	TRY(json_value_read("answer", body, &answer));
	json_array_append_new(values, answer);
	const json_t *error = json_object_get(answer, "error");
	if (error)
		return answered_error(a, error);
	if (result)
		*result = json_object_get(answer, "result");
	return NULL;
}
