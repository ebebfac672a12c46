/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What handlers call (door.h): the body of a request, whole or as it comes, and the answer, whole
 * or in pieces. A handler may do nothing at all or stop half-way; what is left of a body is then
 * passed over, and an answer that cannot be completed ends the connection.
 */
#define LOG_MODULE "http"

#include "common/base64.h"
#include "common/fiber.h"
#include "common/log.h"
#include "common/number.h"
#include "common/stream.h"
#include "core.gen.h"
#include "xapid/door/http_conn.h"
#include "xenapi.gen.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define BODY_PIECE    ((size_t)256 * 1024)
#define BODY_PASSED   ((size_t)1024 * 1024) /* of an unwanted body; beyond it the connection ends */
#define BODY_WHOLE_NS (120 * NS_PER_S) /* for a body that is read whole */
#define HEAD_ROOM     512 /* for the head of most answers */

/* ---- the request's body ---- */

static struct sbuf *unread(struct exchange *x)
{
	return stream_in(x->conn->stream);
}

static MAY_WAIT struct err *fill_body(struct exchange *x, size_t max, int64_t deadline)
{
	bool is_end = false;

	if (x->awaits_continue) {
		sbuf_adds(stream_out(x->conn->stream), "HTTP/1.1 100 Continue\r\n\r\n");
		stream_flush_later(x->conn->stream);
		x->awaits_continue = false;
	}
	TRY(stream_fill(x->conn->stream, max, &is_end, deadline));
	return is_end ? err(CONNECTION_LOST, "closed within a body") : NULL;
}

static MAY_WAIT struct err *fill_whole(struct exchange *x, int64_t deadline)
{
	struct err *e = NULL;

	while (!e && sbuf_len(unread(x)) < x->body_left) {
		http_conn_receives(x->conn);
		e = fill_body(x, (size_t)x->body_left + HTTP_HEAD_MAX, deadline);
	}
	http_conn_has_received(x->conn);
	if (!e && fiber_is_cancelled(x->conn->fiber))
		e = err(CONNECTION_LOST, "it made room for another one");
	return e;
}

MAY_WAIT struct err *exchange_body(struct exchange *x, size_t max, const char **bytes, size_t *n)
{
	int64_t deadline = deadline_in(BODY_WHOLE_NS);

	assert(!x->body_held);
	if (x->body_left > max) {
		char limit[32];

		snprintf(limit, sizeof(limit), "%zu", max);
		return err(LIMIT_EXCEEDED, "bytes of a request", limit);
	}
	TRY(fill_whole(x, deadline));
	*n = x->body_held = (size_t)x->body_left;
	*bytes = *n ? sbuf_data(unread(x)) : "";
	x->body_left = 0;
	return NULL;
}

static void let_go_of_body(struct exchange *x)
{
	sbuf_consume(unread(x), x->body_held);
	x->body_held = 0;
}

void exchange_let_go_of_body(struct exchange *x)
{
	let_go_of_body(x);
	stream_give_back(x->conn->stream);
}

MAY_WAIT struct err *exchange_read(struct exchange *x, const char **bytes, size_t *n)
{
	let_go_of_body(x);
	if (x->body_left && !sbuf_len(unread(x)))
		TRY(fill_body(x, BODY_PIECE, deadline_in(BODY_STALL_NS)));
	size_t piece = sbuf_len(unread(x));
	if (piece > x->body_left)
		piece = (size_t)x->body_left;
	*n = x->body_held = piece;
	*bytes = piece ? sbuf_data(unread(x)) : "";
	x->body_left -= piece;
	return NULL;
}

/* Whether so much of a body is still to come that the connection rather ends. */
static bool is_too_much(const struct exchange *x)
{
	return x->body_left && (x->body_left > BODY_PASSED || x->awaits_continue);
}

/* Passes over what nobody wanted of a small body, so that the connection can stay. */
static MAY_WAIT void pass_over_body(struct exchange *x)
{
	const char *bytes;
	size_t n;

	let_go_of_body(x);
	x->ends_connection |= is_too_much(x);
	while (x->body_left && !x->ends_connection) {
		auto_err e = exchange_read(x, &bytes, &n);

		x->ends_connection = e;
		let_go_of_body(x);
	}
}

/* ---- the answer ---- */

static struct sbuf *out(struct exchange *x)
{
	return stream_out(x->conn->stream);
}

/* The date as HTTP wants it; made once a second. */
static const char *date(void)
{
	static char text[40];
	static time_t made = -1;
	time_t now = (time_t)(clock_real_ns() / NS_PER_S);
	struct tm tm;

	if (now != made) {
		static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
		static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul",
			"Aug", "Sep", "Oct", "Nov", "Dec"};

		gmtime_r(&now, &tm);
		snprintf(text, sizeof(text), "%s, %02d %s %d %02d:%02d:%02d GMT", days[tm.tm_wday],
			tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
			tm.tm_sec);
		made = now;
	}
	return text;
}

static void add_line(struct sbuf *b, const char *name, const char *value)
{
	sbuf_adds(b, name);
	sbuf_adds(b, ": ");
	sbuf_adds(b, value);
	sbuf_adds(b, "\r\n");
}

void exchange_header(struct exchange *x, const char *name, const char *value)
{
	assert(!x->is_begun && !strpbrk(name, "\r\n:"));
	if (!strpbrk(value, "\r\n"))
		add_line(&x->extra, name, value);
}

void exchange_headers(struct exchange *x, const char *lines)
{
	assert(!x->is_begun && !x->constant);
	x->constant = lines;
}

/* Nearly every answer begins alike: printf would be a good part of a short one. */
static void add_status(struct sbuf *b, unsigned status)
{
	if (status == 200)
		sbuf_adds(b, "HTTP/1.1 200 OK\r\n");
	else
		sbuf_printf(b, "HTTP/1.1 %u %s\r\n", status, http_status_text(status));
}

static void add_length(struct sbuf *b, uint64_t length)
{
	char text[NUMBER_INT_SIZE + 1];

	text[number_put_int((int64_t)length, text)] = '\0';
	add_line(b, "content-length", text);
}

void exchange_begin(struct exchange *x, unsigned status, const char *type, int64_t length)
{
	struct sbuf *b = out(x);

	assert(!x->is_begun);
	x->is_begun = true;
	x->is_chunked = length < 0 && !x->request.is_1_0;
	x->ends_connection |= (length < 0 && x->request.is_1_0) || is_too_much(x);
	x->reply_left = length < 0 ? UINT64_MAX : (uint64_t)length;
	sbuf_room(b, HEAD_ROOM);
	add_status(b, status);
	add_line(b, "date", date());
	if (type)
		add_line(b, "content-type", type);
	if (x->is_chunked)
		add_line(b, "transfer-encoding", "chunked");
	else if (length >= 0 && status != 204 && status != 304)
		add_length(b, (uint64_t)length);
	if (x->ends_connection)
		add_line(b, "connection", "close");
	else if (x->request.is_1_0)
		add_line(b, "connection", "keep-alive");
	if (x->constant)
		sbuf_adds(b, x->constant);
	sbuf_add(b, sbuf_data(&x->extra), sbuf_len(&x->extra));
	sbuf_adds(b, "\r\n");
	stream_flush_later(x->conn->stream);
}

static bool is_head(const struct exchange *x)
{
	return !strcmp(x->request.method, "HEAD");
}

void exchange_put(struct exchange *x, const void *bytes, size_t n)
{
	char line[24];

	assert(x->is_begun && n <= x->reply_left);
	if (x->reply_left != UINT64_MAX)
		x->reply_left -= n;
	if (!n || is_head(x))
		return;
	if (x->is_chunked) {
		snprintf(line, sizeof(line), "%zx\r\n", n);
		sbuf_adds(out(x), line);
	}
	sbuf_add(out(x), bytes, n);
	if (x->is_chunked)
		sbuf_adds(out(x), "\r\n");
	stream_flush_later(x->conn->stream);
}

void exchange_put_shared(struct exchange *x, struct shared_run *run)
{
	assert(x->is_begun && !x->is_chunked && run->n <= x->reply_left);
	x->reply_left -= run->n;
	if (!is_head(x)) {
		stream_put_run(x->conn->stream, run);
		stream_flush_later(x->conn->stream);
	}
	shared_run_fini(run);
}

MAY_WAIT struct err *exchange_write(struct exchange *x, const void *bytes, size_t n)
{
	TRY(stream_drain(x->conn->stream, UNWRITTEN_MAX, NEVER));
	exchange_put(x, bytes, n);
	return NULL;
}

void exchange_reply(
	struct exchange *x, unsigned status, const char *type, const void *bytes, size_t n)
{
	exchange_begin(x, status, type, (int64_t)n);
	exchange_put(x, bytes, n);
}

void exchange_refuse(struct exchange *x, unsigned status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	const char *text = arena_vprintf(x->arena, fmt, ap);
	va_end(ap);
	if (status >= 400)
		x->refusal = text;
	text = arena_printf(x->arena, "%s\n", text);
	exchange_reply(x, status, "text/plain; charset=utf-8", text, strlen(text));
}

void exchange_redirect(struct exchange *x, const char *location)
{
	x->goes_on_elsewhere = true;
	exchange_header(x, "location", location);
	exchange_refuse(x, 302, "this is at %s", location);
}

/* The answer's end, after the handler. One that is not complete cannot be made so. */
static void end_reply(struct exchange *x)
{
	if (x->is_chunked && !is_head(x))
		sbuf_adds(out(x), "0\r\n\r\n");
	else if (!x->is_chunked && x->reply_left != UINT64_MAX && x->reply_left && !is_head(x))
		x->ends_connection = true;
	stream_flush_later(x->conn->stream);
}

struct stream *exchange_take_over(struct exchange *x)
{
	assert(!x->is_begun);
	let_go_of_body(x);
	x->is_taken_over = x->is_begun = x->ends_connection = true;
	return x->conn->stream;
}

struct stream *exchange_give_away(struct exchange *x)
{
	struct stream *s = exchange_take_over(x);

	x->conn->stream = NULL;
	return s;
}

/* ---- from the route to the end ---- */

static unsigned status_of(const struct err *e)
{
	if (err_is(e, &ERR_LIMIT_EXCEEDED))
		return 413;
	if (err_is(e, &ERR_TIMEOUT))
		return 408;
	if (err_is(e, &ERR_BAD_REQUEST) || err_is(e, &ERR_INVALID_VALUE))
		return 400;
	if (err_is(e, &ERR_NOT_IMPLEMENTED))
		return 501;
	if (err_is(e, &ERR_SHUTTING_DOWN) || err_is(e, &ERR_HOST_OFFLINE) ||
		err_is(e, &ERR_CANNOT_CONTACT_HOST))
		return 503;
	return 500;
}

static void answer_error(struct exchange *x, struct err *e)
{
	if (!e)
		return;
	log_err(LOG_INFO_, e, "%s %s", x->request.method, x->request.path);
	if (x->is_begun)
		x->ends_connection = true; /* within an answer nothing else can be said */
	else
		exchange_refuse(x, status_of(e), "%s", err_text(e));
}

/* "Basic dXNlcjpwYXNz" taken apart; false: it is something else. */
static bool read_basic(struct exchange *x, struct gate_credentials *cred)
{
	const char *value = http_header(&x->request, "authorization");
	size_t n;

	if (!value || strncasecmp(value, "basic ", 6))
		return false;
	value += 6;
	char *text = arena_bytes(x->arena, base64_decoded_size(strlen(value)) + 1);
	if (!base64_decode(value, strlen(value), (unsigned char *)text, &n))
		return false;
	text[n] = '\0';
	char *colon = strchr(text, ':');
	if (!colon || strlen(text) != n)
		return false;
	*colon = '\0';
	cred->user = text;
	cred->password = colon + 1;
	return true;
}

static const char *query_or_cookie(struct exchange *x, const char *key)
{
	const char *value = http_cookie(&x->request, x->arena, key);

	return value ? value : http_query(&x->request, x->arena, key);
}

static void refuse_entry(struct exchange *x, const struct route *route, struct err *e)
{
	if (err_is(e, &ERR_RBAC_PERMISSION_DENIED)) {
		exchange_refuse(x, 403, "%s", err_text(e));
		return;
	}
	if (err_is(e, &ERR_LIMIT_EXCEEDED)) {
		exchange_refuse(x, 429, "%s", err_text(e));
		return;
	}
	exchange_header(
		x, "www-authenticate", arena_printf(x->arena, "Basic realm=\"%s\"", route->action));
	exchange_refuse(x, 401, "%s", err_text(e));
}

static MAY_WAIT void serve_admitted(struct exchange *x, const struct route *route)
{
	struct gate_entry entry = {
		.peer = x->peer,
		.cred = {.session_id = query_or_cookie(x, "session_id"),
			.pool_secret = query_or_cookie(x, "pool_secret")},
		.action = route->action,
		.role = route->role,
		.query = x->request.query,
		.task_id = query_or_cookie(x, "task_id"),
		.subtask_of = query_or_cookie(x, "subtask_of"),
	};

	read_basic(x, &entry.cred);
	auto_err refused = gate_enter(&entry, x->arena, &x->call);
	if (refused) {
		refuse_entry(x, route, refused);
		return;
	}
	auto_err e = route->fn(x);
	auto_err why = !e && x->refusal ? err(INTERNAL_ERROR, x->refusal) : NULL;
	const struct err *failure = e ? e : why;
	if (x->goes_on_elsewhere && !failure)
		gate_pass_on(x->call);
	else
		gate_leave(x->call, failure, failure || !x->result.type ? NULL : &x->result);
	answer_error(x, e);
}

static MAY_WAIT void serve_public(struct exchange *x, const struct route *route)
{
	auto_err e = route->fn(x);

	answer_error(x, e);
}

MAY_WAIT void exchange_serve(struct exchange *x)
{
	const char *agent = http_header(&x->request, "user-agent");
	bool knows_method = false;
	const struct route *route = route_find(x->request.method, x->request.path, &knows_method);

	x->peer.user_agent = agent ? agent : "";
	if (!route)
		exchange_refuse(
			x, knows_method ? 404 : 501, "%s is not served here", x->request.method);
	else if (route->action && !(route->is_public && route->is_public(x)))
		serve_admitted(x, route);
	else
		serve_public(x, route);
	if (!x->is_begun)
		exchange_refuse(x, 500, "there was no answer");
	if (!x->is_taken_over) {
		end_reply(x);
		pass_over_body(x);
	}
	sbuf_fini(&x->extra);
}
