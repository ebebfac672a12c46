/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of a connection: idle (no fiber, no buffers, on a list by how long), busy (a fiber reads
 * heads and serves requests, one after the other, until none is left), idle again, closed.
 *
 *	new ──► idle ──bytes──► busy ──nothing unread──► idle
 *	          │               │
 *	          └──timeout──►   └──"close", error, door_close──► closed
 */
#define LOG_MODULE "http"

#include "xapid/door/http_conn.h"

#include "common/fiber.h"
#include "common/listen.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mem.h"
#include "common/stream.h"
#include "common/tls.h"
#include "core.gen.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define FIRST_BYTE_NS  (30 * NS_PER_S) /* a new connection may be silent so long */
#define HEAD_NS        (30 * NS_PER_S) /* from a head's first byte to its last */
#define HANDSHAKE_NS   (15 * NS_PER_S)
#define WRITE_STALL_NS (60 * NS_PER_S)
#define LINGER_NS      (2 * NS_PER_S) /* for a client that still sends what was refused */
#define LINGER_BYTES   ((size_t)1024 * 1024)
#define REQUESTS_A_RUN 16 /* of one connection before the others have a turn */

/* Idle connections, longest first, and the timer of the first one. */
struct queue {
	struct list conns;
	struct timer timer;
	int64_t ns; /* after which one is closed */
	size_t n;
};

static struct queue fresh; /* have not asked for anything yet */
static struct queue idle;
static struct list busy = LIST_INIT(busy);
static struct list receiving = LIST_INIT(receiving); /* busy with that alone, longest first */
static size_t n_busy;
static size_t max_connections;
static bool is_closing;
static struct arena spare; /* of the connection that went idle last, for the next one */

static void conn_free(struct http_conn *c)
{
	list_remove(&c->link);
	stream_free(c->stream);
	free(c);
}

/* ---- idle ---- */

static void queue_arm(struct queue *q)
{
	struct http_conn *first = list_first(&q->conns, struct http_conn, link);

	if (first)
		timer_arm(&q->timer, first->idle_until);
	else
		timer_disarm(&q->timer);
}

static void queue_remove(struct http_conn *c)
{
	struct queue *q = c->queue;
	bool was_first = q->conns.next == &c->link;

	list_remove(&c->link);
	q->n--;
	if (was_first)
		queue_arm(q);
}

static void idle_close(struct http_conn *c)
{
	queue_remove(c);
	conn_free(c);
}

static void idle_due(struct timer *t)
{
	struct queue *q = container_of(t, struct queue, timer);
	int64_t now = clock_mono_ns();

	list_for_each_safe (c, &q->conns, struct http_conn, link) {
		if (c->idle_until > now)
			break;
		idle_close(c);
	}
	queue_arm(q);
}

static void queue_init(struct queue *q, int64_t ns)
{
	list_init(&q->conns);
	timer_init(&q->timer, idle_due);
	q->ns = ns;
	q->n = 0;
}

static void serve(void *arg);

static void close_posted(void *arg)
{
	n_busy--;
	conn_free(arg);
}

/* There is something to read. */
static void wake(void *arg)
{
	struct http_conn *c = arg;

	queue_remove(c);
	list_push_back(&busy, &c->link);
	n_busy++;
	auto_err e = fiber_spawn(&c->fiber, serve, c, "%s", "http");
	if (e) {
		log_err(LOG_ERROR_, e, "a connection is closed");
		loop_post(close_posted, c);
	}
}

static void go_idle(struct http_conn *c, struct queue *q)
{
	c->queue = q;
	c->idle_until = deadline_in(q->ns);
	list_push_back(&q->conns, &c->link);
	if (!q->n++)
		queue_arm(q);
	stream_rest(c->stream, wake, c);
	/* Nothing more comes behind it, and now its memory can serve the next answer. */
	if (stream_unwritten(c->stream))
		stream_flush_now(c->stream);
}

/* ---- busy ---- */

/* An answer to what is no request: the connection ends with it. */
static void refuse_head(struct http_conn *c, unsigned status, const char *why)
{
	sbuf_printf(stream_out(c->stream),
		"HTTP/1.1 %u %s\r\ncontent-type: text/plain\r\ncontent-length: %zu\r\n"
		"connection: close\r\n\r\n%s\n",
		status, http_status_text(status), strlen(why) + 1, why);
	stream_flush_later(c->stream);
}

static void skip_empty_lines(struct sbuf *in)
{
	while (sbuf_len(in) && (*sbuf_data(in) == '\r' || *sbuf_data(in) == '\n'))
		sbuf_consume(in, 1);
}

void http_conn_receives(struct http_conn *c)
{
	if (c->is_receiving)
		return;
	c->is_receiving = true;
	list_remove(&c->link);
	list_push_back(&receiving, &c->link);
}

void http_conn_has_received(struct http_conn *c)
{
	if (!c->is_receiving)
		return;
	c->is_receiving = false;
	list_remove(&c->link);
	list_push_back(&busy, &c->link);
}

/* Reads until a whole head is there. *SIZE 0: the client has closed between two requests. */
static MAY_WAIT struct err *fill_head(struct http_conn *c, size_t *size)
{
	struct sbuf *in = stream_in(c->stream);
	int64_t deadline = deadline_in(HEAD_NS);
	size_t scanned = 0;
	bool is_end = false;

	for (;;) {
		if (!scanned)
			skip_empty_lines(in);
		*size = http_head_size(sbuf_data(in), sbuf_len(in), &scanned);
		if (*size)
			return NULL;
		http_conn_receives(c);
		TRY(stream_fill(c->stream, HTTP_HEAD_MAX, &is_end, deadline));
		if (is_end)
			return sbuf_len(in) ? err(CONNECTION_LOST, "closed within a request")
					    : NULL;
	}
}

/* False: the connection ends. */
static MAY_WAIT bool read_request(struct http_conn *c, struct exchange *x)
{
	const char *why = NULL;
	size_t size = 0;
	auto_err e = fill_head(c, &size);

	http_conn_has_received(c);
	if (err_is(e, &ERR_LIMIT_EXCEEDED))
		refuse_head(c, 431, "the head of the request is too large");
	else if (err_is(e, &ERR_TIMEOUT))
		refuse_head(c, 408, "the head of the request did not come");
	if (e || !size || fiber_is_cancelled(c->fiber))
		return false;
	struct sbuf *in = stream_in(c->stream);
	unsigned status = http_read_head(sbuf_data(in), size, x->arena, &x->request, &why);
	sbuf_consume(in, size);
	if (status)
		refuse_head(c, status, why);
	return !status;
}

/* One request. False: the connection ends. */
static MAY_WAIT bool serve_one(struct http_conn *c, struct arena *a)
{
	struct exchange x = {.conn = c, .arena = a, .peer = {c->origin, c->address, ""}};

	if (!read_request(c, &x))
		return false;
	x.body_left = x.request.length;
	x.ends_connection = !x.request.keeps_alive || is_closing;
	x.awaits_continue = x.request.expects_continue && !sbuf_len(stream_in(c->stream));
	const char *agent = http_header(&x.request, "user-agent");
	auto_err e = share_wait(c, agent ? agent : "");
	if (e)
		return false;
	exchange_serve(&x);
	return !x.ends_connection;
}

static MAY_WAIT bool shake_hands(struct http_conn *c)
{
	http_conn_receives(c);
	auto_err e = tls_accept(c->stream, take(c->tls), deadline_in(HANDSHAKE_NS));
	http_conn_has_received(c);
	if (e)
		log_err(LOG_DEBUG_, e, "TLS with %s", c->address);
	return !e;
}

static struct arena spare_take(void)
{
	struct arena a = spare;

	spare = (struct arena){0};
	return a;
}

static void spare_give_back(struct arena *a)
{
	arena_fini(&spare);
	arena_reset(a);
	spare = *a;
}

/* False: the connection ends. After a handshake the request is waited for as on any new one. */
static MAY_WAIT bool serve_requests(struct http_conn *c)
{
	AUTO(spare_give_back) struct arena a = spare_take();

	if (c->tls)
		return shake_hands(c);
	for (unsigned n = 1;; n++) {
		c->has_asked = true;
		if (!serve_one(c, &a))
			return false;
		auto_err e = stream_drain(c->stream, UNWRITTEN_MAX, NEVER);
		if (!e && !sbuf_len(stream_in(c->stream)))
			return true;
		if (!e && n % REQUESTS_A_RUN == 0)
			e = fiber_yield();
		if (e)
			return false;
		arena_reset(&a);
	}
}

/* When the daemon ends, other waits are over; this one goes on for as long as it gives. */
static MAY_WAIT struct err *drain_to_the_end(struct http_conn *c)
{
	if (!is_closing)
		return stream_drain(c->stream, 0, NEVER);
	fiber_cancel_mask();
	struct err *e = stream_drain(c->stream, 0, NEVER);
	fiber_cancel_unmask();
	return e;
}

/*
 * What was answered is to arrive although the client may still be sending: a close with unread
 * bytes would be a reset, which takes the answer with it.
 */
static MAY_WAIT struct err *last_words(struct http_conn *c)
{
	int64_t deadline = deadline_in(LINGER_NS);
	bool is_end = false;
	size_t n = 0;

	TRY(drain_to_the_end(c));
	shutdown(stream_fd(c->stream), SHUT_WR);
	while (!is_end && n < LINGER_BYTES) {
		n += sbuf_len(stream_in(c->stream));
		sbuf_clear(stream_in(c->stream));
		TRY(stream_fill(c->stream, LINGER_BYTES, &is_end, deadline));
	}
	return NULL;
}

static void serve(void *arg)
{
	struct http_conn *c = arg;
	bool stays = serve_requests(c) && !is_closing;

	c->fiber = NULL;
	if (!stays && c->stream && !stream_broken(c->stream))
		err_free(last_words(c));
	list_remove(&c->link);
	n_busy--;
	if (stays)
		go_idle(c, c->has_asked ? &idle : &fresh);
	else
		conn_free(c);
}

/* ---- new ones ---- */

/* Where the other end of FD is, in numbers; an IPv4 address as such. */
static void put_address(char *out, socklen_t size, int fd)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a;
	const struct sockaddr_in *in4 = (const struct sockaddr_in *)&a;

	if (getpeername(fd, (struct sockaddr *)&a, &len) < 0)
		return;
	if (a.ss_family == AF_INET)
		inet_ntop(AF_INET, &in4->sin_addr, out, size);
	else if (a.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], out, size);
	else if (a.ss_family == AF_INET6)
		inet_ntop(AF_INET6, &in6->sin6_addr, out, size);
}

/* Whether the other end of a Unix socket is root, or our own user. */
static bool is_superuser(int fd)
{
	struct peer peer;

	if (peer_of_socket(fd, &peer) < 0)
		return false;
	if (peer.uid == 0 || peer.uid == geteuid())
		return true;
	log_rl(LOG_WARN_, "user %u was turned away from the Unix socket", (unsigned)peer.uid);
	return false;
}

/* Has one that keeps us waiting for its request end soon. False: there is none. */
static bool cut_slowest(void)
{
	struct http_conn *slowest = list_first(&receiving, struct http_conn, link);

	if (!slowest)
		return false;
	http_conn_has_received(slowest);
	fiber_cancel(slowest->fiber);
	return true;
}

/* Makes room for one more. False: all are busy. */
static bool make_room(void)
{
	struct http_conn *oldest = list_first(&fresh.conns, struct http_conn, link);

	if (http_conn_count() < max_connections)
		return true;
	if (!oldest)
		oldest = list_first(&idle.conns, struct http_conn, link);
	if (!oldest && cut_slowest())
		return true;
	if (!oldest) {
		log_rl(LOG_WARN_, "%zu connections are busy: one is turned away", n_busy);
		return false;
	}
	idle_close(oldest);
	return true;
}

void http_conn_new(int fd, enum gate_origin origin, struct tls_context *tls)
{
	if (is_closing || (origin == GATE_UNIX && !is_superuser(fd)) || !make_room()) {
		close(fd);
		return;
	}
	struct http_conn *c = xnew(struct http_conn);
	c->origin = origin;
	if (origin != GATE_UNIX)
		put_address(c->address, sizeof(c->address), fd);
	c->tls = tls;
	c->stream = stream_new(fd);
	stream_set_write_stall(c->stream, WRITE_STALL_NS);
	go_idle(c, &fresh);
}

void http_conn_begin(size_t connections, int64_t idle_ns)
{
	queue_init(&fresh, FIRST_BYTE_NS);
	queue_init(&idle, idle_ns);
	max_connections = connections;
	is_closing = false;
}

void http_conn_fini(void)
{
	arena_fini(&spare);
}

void http_conn_close_all(void)
{
	is_closing = true;
	list_for_each_safe (c, &fresh.conns, struct http_conn, link)
		idle_close(c);
	list_for_each_safe (c, &idle.conns, struct http_conn, link)
		idle_close(c);
}

size_t http_conn_count(void)
{
	return fresh.n + idle.n + n_busy;
}
