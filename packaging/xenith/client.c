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

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define HEAD_MAX   ((size_t)32 * 1024)
#define ANSWER_MAX ((size_t)16 * 1024 * 1024)
#define PIECE      ((size_t)256 * 1024)
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
static MAY_WAIT struct err *read_answer(struct client *c, struct stream *s, struct json_text *body)
{
	struct sbuf *in = stream_in(s);
	size_t head_len, len;
	unsigned status;

	TRY(await_head(s, &head_len));
	char *head = arena_strndup(&c->arena, sbuf_data(in), head_len);
	sbuf_consume(in, head_len);
	TRY(read_head(head, &status, &len));
	TRY(await_bytes(s, len));
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
	TRY(read_answer(c, c->stream, &body));
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

/* ---- files ---- */

static MAY_WAIT struct err *send_file(struct stream *s, int fd, uint64_t size)
{
	uint64_t done = 0;

	while (done < size) {
		uint64_t left = size - done;
		size_t want = left < PIECE ? (size_t)left : PIECE;
		ssize_t n = pread(fd, sbuf_room(stream_out(s), want), want, (off_t)done);

		if (n < 0)
			return err_errno(errno, "reading the file");
		if (n == 0)
			return err(INVALID_VALUE, "file", "it became shorter meanwhile");
		sbuf_added(stream_out(s), (size_t)n);
		stream_flush_later(s);
		TRY(stream_drain(s, PIECE, deadline_in(WITHIN)));
		done += (uint64_t)n;
	}
	return NULL;
}

static MAY_WAIT struct err *put_over(
	struct client *c, struct stream *s, const char *target, int fd, uint64_t size)
{
	struct json_text body;

	sbuf_printf(stream_out(s),
		"PUT %s HTTP/1.1\r\nhost: localhost\r\nuser-agent: xenith\r\n"
		"content-length: %" PRIu64 "\r\n\r\n",
		target, size);
	/* Who refuses it stops reading and says why: that is the error to tell. */
	auto_err e = send_file(s, fd, size);
	if (e && !err_is(e, &ERR_CONNECTION_LOST))
		return take(e);
	struct err *answer = read_answer(c, s, &body);
	if (!e || (answer && !err_is(answer, &ERR_CONNECTION_LOST)))
		return answer;
	err_free(answer);
	return take(e);
}

MAY_WAIT struct err *client_put(struct client *c, const char *target, int fd, uint64_t size)
{
	auto_str path = xasprintf("%s/run/xapi", c->dir);
	int own_fd, r = unix_connect(path, &own_fd);

	if (r < 0)
		return err_errno(-r, "connecting to %s", path);
	struct stream *s = stream_new(own_fd);
	struct err *e = put_over(c, s, target, fd, size);
	stream_free(s);
	return err_wrap(e, "PUT %.*s", (int)strcspn(target, "?"), target);
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
