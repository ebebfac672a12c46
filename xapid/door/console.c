/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /console: the bytes of a guest's console to a client and back, after CONNECT as they are, after a
 * GET that asks for WebSocket in its messages. Two fibers, one each way; when either side ends, so
 * does the other.
 */
#include "common/clock.h"
#include "common/fiber.h"
#include "common/stream.h"
#include "core.gen.h"
#include "xapid/door/http_conn.h"
#include "xapid/door/websocket.h"
#include "xenapi.gen.h"

#include <string.h>

#define UNREAD_MAX ((size_t)256 * 1024)

static door_console_fn find_console;
static struct list sessions = LIST_INIT(sessions); /* that were claimed */

void door_on_console(door_console_fn fn)
{
	find_console = fn;
}

bool door_console_claim(struct door_console *c, const char *of, bool alone)
{
	list_for_each (s, &sessions, struct door_console, link)
		if (alone && !strcmp(s->of, of))
			return false;
	c->of = of;
	list_push_back(&sessions, &c->link);
	return true;
}

static void console_end(struct door_console *c)
{
	if (c->of)
		list_remove(&c->link);
	stream_free(c->stream);
}

struct relay {
	struct stream *client; /* borrowed */
	struct stream *console; /* borrowed */
	int64_t idle_ns;
	struct websocket *websocket; /* owned; NULL: bytes as they are */
	struct fiber_group group;
};

/* What the client sent, into the console's buffer. False: it has said good-bye. */
static bool take_from_client(struct relay *r)
{
	struct sbuf *in = stream_in(r->client);

	if (r->websocket) {
		bool goes_on = websocket_take(r->websocket);

		stream_flush_later(r->client);
		return goes_on;
	}
	sbuf_add(stream_out(r->console), sbuf_data(in), sbuf_len(in));
	sbuf_clear(in);
	return true;
}

static bool give_to_client(struct relay *r)
{
	struct sbuf *in = stream_in(r->console);
	bool goes_on = true;

	if (r->websocket)
		goes_on = websocket_send(r->websocket, sbuf_data(in), sbuf_len(in));
	else
		sbuf_add(stream_out(r->client), sbuf_data(in), sbuf_len(in));
	sbuf_clear(in);
	stream_flush_later(r->client);
	return goes_on;
}

static MAY_WAIT struct err *client_to_console(struct relay *r)
{
	bool is_end = false;

	while (!is_end) {
		if (sbuf_len(stream_in(r->client)) && !take_from_client(r))
			return NULL;
		stream_flush_later(r->console);
		TRY(stream_drain(r->console, UNWRITTEN_MAX, NEVER));
		TRY(stream_fill(r->client, UNREAD_MAX, &is_end,
			r->idle_ns ? deadline_in(r->idle_ns) : NEVER));
	}
	return NULL;
}

static MAY_WAIT struct err *console_to_client(struct relay *r)
{
	bool is_end = false;

	for (;;) {
		TRY(stream_fill(r->console, UNREAD_MAX, &is_end, NEVER));
		if (is_end || !give_to_client(r))
			return NULL;
		TRY(stream_drain(r->client, UNWRITTEN_MAX, NEVER));
	}
}

static MAY_WAIT struct err *run_inwards(void *arg)
{
	struct relay *r = arg;

	struct err *e = client_to_console(r);
	fiber_group_cancel(&r->group);
	return e;
}

static MAY_WAIT struct err *run_outwards(void *arg)
{
	struct relay *r = arg;

	struct err *e = console_to_client(r);
	fiber_group_cancel(&r->group);
	return e;
}

/* Ends when one of the two sides has ended; an end is no error. */
static MAY_WAIT void relay_run(struct relay *r)
{
	fiber_group_init(&r->group);
	struct err *e = fiber_group_spawn(&r->group, run_inwards, r, "console in");
	if (!e)
		e = fiber_group_spawn(&r->group, run_outwards, r, "console out");
	if (e)
		fiber_group_cancel(&r->group);
	err_free(e);
	err_free(fiber_group_wait(&r->group));
	websocket_free(r->websocket);
}

static unsigned status_of(const struct err *e)
{
	if (err_is(e, &ERR_LIMIT_EXCEEDED))
		return 429;
	return err_is(e, &ERR_RBAC_PERMISSION_DENIED) ? 403 : 404;
}

/* Where there is no stream afterwards, the client has been told why. */
static MAY_WAIT void connect_console(struct exchange *x, struct door_console *console)
{
	if (!find_console) {
		exchange_refuse(x, 404, "no consoles are served here");
		return;
	}
	auto_err e = find_console(x, console);
	if (e && !x->is_begun)
		exchange_refuse(x, status_of(e), "%s", err_text(e));
}

static MAY_WAIT struct err *serve_connect(struct exchange *x)
{
	AUTO(console_end) struct door_console console = {0};

	connect_console(x, &console);
	if (!console.stream)
		return NULL;
	struct relay r = {.client = exchange_take_over(x),
		.console = console.stream,
		.idle_ns = console.idle_ns};
	sbuf_adds(stream_out(r.client), "HTTP/1.1 200 OK\r\n\r\n");
	stream_flush_later(r.client);
	relay_run(&r);
	return NULL;
}

static MAY_WAIT struct err *serve_websocket(struct exchange *x)
{
	auto_sbuf head = {0};
	AUTO(console_end) struct door_console console = {0};

	unsigned status = websocket_is_wanted(&x->request)
		? websocket_accept(&x->request, x->arena, &head)
		: 426;
	if (status) {
		exchange_header(x, "upgrade", "websocket");
		exchange_header(x, "sec-websocket-version", "13");
		exchange_refuse(x, status, "a console is reached by WebSocket, version 13");
		return NULL;
	}
	connect_console(x, &console);
	if (!console.stream)
		return NULL;
	struct relay r = {.client = exchange_take_over(x),
		.console = console.stream,
		.idle_ns = console.idle_ns};
	r.websocket =
		websocket_new(stream_in(r.client), stream_out(r.client), stream_out(r.console));
	sbuf_add(stream_out(r.client), sbuf_data(&head), sbuf_len(&head));
	stream_flush_later(r.client);
	relay_run(&r);
	return NULL;
}

const struct route console_routes[] = {
	{.method = "CONNECT",
		.path = "/console",
		.action = "connect_console",
		.role = "vm-operator",
		.fn = serve_connect},
	{.method = "GET",
		.path = "/console",
		.action = "connect_console_ws",
		.role = "vm-operator",
		.fn = serve_websocket},
};
const size_t n_console_routes = ARRAY_LEN(console_routes);
