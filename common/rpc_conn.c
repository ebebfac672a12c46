/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A connection's life (rpc_conn.h): what comes is cut into lines, and each is given to the calls of
 * one or the other direction. Nothing is read while the peer has too many calls in flight, unless
 * calls of our own wait for answers on the same connection: then it refuses new ones instead, or
 * both ends could wait for each other.
 */
#define LOG_MODULE "rpc"

#include "common/rpc_conn.h"

#include "common/log.h"
#include "common/loop.h"
#include "common/mem.h"
#include "core.gen.h"

#include <stdio.h>
#include <string.h>

#define MESSAGE_SIZE   ((size_t)16 * 1024 * 1024)
#define CALLS          1024
#define CONNECTIONS    1024
#define WRITE_STALL    (60 * NS_PER_S)
#define LAST_WORDS     (5 * NS_PER_S) /* to take the answers when the connection ends */
#define READS_A_TURN   16 /* of one connection, before others have their turn */
#define BYTES_IN_CALLS 4 /* messages of the largest size that calls in flight may make up */

static struct list all_conns = LIST_INIT(all_conns);
static size_t n_conns_open; /* of them */

struct rpc_limits rpc_limits_filled(const struct rpc_limits *limits)
{
	struct rpc_limits l = limits ? *limits : (struct rpc_limits){0};

	l.message_size = l.message_size ?: MESSAGE_SIZE;
	l.calls = l.calls ?: CALLS;
	l.connections = l.connections ?: CONNECTIONS;
	l.write_stall_ns = l.write_stall_ns ?: WRITE_STALL;
	return l;
}

/* ---- life ---- */

struct err *rpc_conn_new(struct rpc_conn **out, int fd, const char *name,
	const struct rpc_limits *limits, const struct service *const *services)
{
	return rpc_conn_over(out, stream_new(fd), name, limits, services);
}

struct err *rpc_conn_over(struct rpc_conn **out, struct stream *s, const char *name,
	const struct rpc_limits *limits, const struct service *const *services)
{
	struct rpc_conn *c = xnew(struct rpc_conn);

	c->refs = 1; /* open */
	c->stream = s;
	c->name = xstrdup(name);
	c->services = services;
	c->limits = *limits;
	c->next_number = 1;
	cond_init(&c->room);
	list_init(&c->inbound);
	list_init(&c->tasks);
	list_init(&c->descriptors);
	if (limits->descriptors)
		stream_keep_fds(c->stream, limits->descriptors);
	list_push_back(&all_conns, &c->link);
	stream_set_write_stall(c->stream, limits->write_stall_ns);
	n_conns_open++;
	rpc_reader_wake(c);
	*out = c;
	return NULL;
}

struct rpc_conn *rpc_conn_ref(struct rpc_conn *c)
{
	c->refs++;
	return c;
}

void rpc_conn_unref(struct rpc_conn *c)
{
	if (--c->refs)
		return;
	list_remove(&c->link);
	cond_fini(&c->room);
	arena_fini(&c->scratch);
	err_free(c->farewell);
	free(c->slots);
	free(c->name);
	free(c);
}

void rpc_conn_close(struct rpc_conn *c, const char *why)
{
	if (!c->stream)
		return;
	log_debug("%s: closed: %s", c->name, why);
	struct stream *s = take(c->stream);
	stream_flush_now(s);
	list_remove(&c->ready);
	if (!--n_conns_open)
		rpc_reader_end();
	rpc_inbound_abandon(c);
	rpc_outbound_abandon(c, stream_written(s), why);
	rpc_descriptors_close(c);
	stream_free(s);
	cond_broadcast(&c->room);
	if (c->on_closed)
		c->on_closed(c, c->on_closed_arg);
	rpc_conn_unref(c);
}

void rpc_conn_call_ended(struct rpc_conn *c)
{
	if (!c->has_ended)
		cond_signal(&c->room);
	else if (!c->n_inbound)
		rpc_conn_close(c, "the daemon is being stopped");
}

/* ---- lines ---- */

/* Takes E. */
static void refuse(struct rpc_conn *c, struct json_text id, enum rpc_code code, struct err *e)
{
	auto_err owned = e;

	log_rl(LOG_WARN_, "%s: refused: %s", c->name, err_text(owned));
	rpc_error_message(stream_out(c->stream), id, code, owned);
	stream_flush_later(c->stream);
}

/* JSON that is no message is answered; what is not JSON ends the connection. */
static void refuse_line(struct rpc_conn *c, struct rpc_head *h)
{
	enum rpc_code code = rpc_head_code(h);

	c->is_refused = code == RPC_NOT_JSON;
	refuse(c, c->is_refused ? (struct json_text){0} : h->id, code,
		err(BAD_REQUEST, h->problem));
}

static bool is_blank(const char *line, size_t len)
{
	while (len && (*line == ' ' || *line == '\t' || *line == '\r'))
		line++, len--;
	return !len;
}

/* The call to run, if the line is one. */
static struct inbound *take_line(struct rpc_conn *c, const char *line, size_t len, size_t n_open)
{
	struct rpc_head h;
	struct inbound *in = NULL, *call = NULL;
	struct outbound *o = NULL;
	enum rpc_stop stop = rpc_head_begin(&h, line, len, n_open, &c->scratch);

	for (; stop != RPC_AT_END; stop = rpc_head_next(&h)) {
		if (stop == RPC_AT_PARAMS)
			in = rpc_inbound_read(c, &h);
		else
			o = rpc_outbound_read(c, &h);
	}
	if (h.problem) {
		rpc_inbound_drop(in);
		rpc_outbound_drop(o);
		refuse_line(c, &h);
	} else if (h.method.text) {
		call = rpc_inbound_take(c, &h, in);
	} else {
		rpc_outbound_take(c, &h, o);
	}
	arena_reset(&c->scratch);
	return call;
}

static bool has_room(const struct rpc_conn *c)
{
	return c->n_outbound ||
		(c->n_inbound < c->limits.calls &&
			c->inbound_bytes < BYTES_IN_CALLS * c->limits.message_size);
}

/* Whether a line is whole and not too long; its length, and the most brackets that open in it. */
static bool next_line(struct rpc_conn *c, size_t *len, size_t *n_open)
{
	const struct sbuf *in = stream_in(c->stream);
	const char *start = sbuf_data(in), *end = start + sbuf_len(in);

	*len = (size_t)(json_line_end(start + c->scanned, end, &c->n_open) - start);
	*n_open = c->n_open;
	if (*len == sbuf_len(in) || *len > c->limits.message_size) {
		c->scanned = *len;
		return false;
	}
	c->scanned = c->n_open = 0;
	return true;
}

bool rpc_conn_take_lines(struct rpc_conn *c)
{
	size_t len, n_open;

	c->reader = fiber_current();
	while (c->stream && !c->is_refused && has_room(c) && next_line(c, &len, &n_open)) {
		struct sbuf *in = stream_in(c->stream);
		struct inbound *call = NULL;

		if (!is_blank(sbuf_data(in), len))
			call = take_line(c, sbuf_data(in), len, n_open);
		if (c->stream)
			sbuf_consume(in, len + 1);
		if (call && !rpc_inbound_run(call))
			return false;
	}
	return true;
}

struct err *rpc_message_too_long(const struct rpc_conn *c)
{
	char limit[32];

	snprintf(limit, sizeof(limit), "%zu", c->limits.message_size);
	return err(LIMIT_EXCEEDED, "bytes of a message", limit);
}

struct err *rpc_check_message(const struct rpc_conn *c, size_t len, unsigned depth)
{
	if (len > c->limits.message_size)
		return rpc_message_too_long(c);
	/* the message is an object around the value */
	return depth < JSON_MAX_DEPTH ? NULL : err(LIMIT_EXCEEDED, "depth of a message", "64");
}

static void refuse_long_line(struct rpc_conn *c)
{
	c->is_refused = true;
	refuse(c, (struct json_text){0}, RPC_OWN_ERROR, rpc_message_too_long(c));
}

/* Waits until a call may be taken from the peer, or there is no peer. */
static MAY_WAIT struct err *wait_for_room(struct rpc_conn *c)
{
	while (c->stream && !has_room(c)) {
		stream_watch_hangup(c->stream, &c->room);
		if (stream_is_hung_up(c->stream))
			return err(CONNECTION_LOST, c->name);
		TRY(cond_wait(&c->room, "calls of the peer to end", NEVER));
	}
	return NULL;
}

static void has_bytes(void *arg)
{
	struct rpc_conn *c = arg;

	if (c->stream) /* else it breaks as it is closed */
		rpc_reader_wake(c);
}

/* Where the serving of a connection stands. */
enum progress {
	RESTS, /* nothing is there; it will be served again when there is */
	HAS_MORE,
	IS_PASSED_ON, /* others serve it */
	IS_OVER, /* the peer sends no more, or what no peer of ours sends */
};

/* Reads once. */
static struct err *read_more(struct rpc_conn *c, enum progress *p)
{
	bool is_end = false, has_read;

	/* At the end of the turn would do, but would let a peer of many connections run for each
	 * answer: it has waited longer by then. */
	if (take(c->has_answered))
		stream_flush_now(c->stream);
	TRY(stream_fill_or_call(
		c->stream, c->limits.message_size + 2, &is_end, &has_read, has_bytes, c));
	if (is_end) {
		rpc_outbound_abandon(c, UINT64_MAX, "the peer has closed the connection");
		if (c->ends_with_peer)
			return err(CONNECTION_LOST, c->name);
	}
	*p = is_end ? IS_OVER : has_read ? HAS_MORE : RESTS;
	return NULL;
}

static MAY_WAIT struct err *serve(struct rpc_conn *c, enum progress *p)
{
	*p = HAS_MORE;
	for (unsigned i = 0; i < READS_A_TURN && *p == HAS_MORE; i++) {
		if (!rpc_conn_take_lines(c)) {
			*p = IS_PASSED_ON;
			return NULL;
		}
		*p = IS_OVER;
		TRY(wait_for_room(c));
		if (c->stream && c->scanned > c->limits.message_size)
			refuse_long_line(c);
		if (!c->stream || c->is_refused)
			return NULL;
		if (c->scanned == sbuf_len(stream_in(c->stream)))
			TRY(read_more(c, p));
		else
			*p = HAS_MORE;
	}
	return NULL;
}

/* The peer is not heard any more, but may still want answers. */
static MAY_WAIT struct err *finish(struct rpc_conn *c)
{
	while (c->stream && c->n_inbound && !c->is_refused) {
		stream_watch_hangup(c->stream, &c->room);
		if (stream_is_hung_up(c->stream))
			return err(CONNECTION_LOST, c->name);
		TRY(cond_wait(&c->room, "the last calls of the peer", NEVER));
	}
	return c->stream ? stream_drain(c->stream, 0, deadline_in(LAST_WORDS)) : NULL;
}

bool rpc_conn_serve(struct rpc_conn *c)
{
	enum progress p;

	c->reader = fiber_current();
	auto_err e = serve(c, &p);
	if (p == IS_PASSED_ON)
		return false;
	if (p == IS_OVER && !e)
		e = finish(c);
	c->reader = NULL;
	if (p != IS_OVER)
		return p == HAS_MORE;
	c->has_ended = true;
	/* when the daemon stops, all calls end by themselves, and the last one closes */
	if (!err_is(e, &ERR_SHUTTING_DOWN) || !c->n_inbound)
		rpc_conn_close(c, e ? err_text(e) : "the peer has closed the connection");
	return false;
}

/* ---- diagnostics ---- */

void rpc_dump(struct json_writer *w)
{
	json_write_array(w);
	list_for_each (c, &all_conns, struct rpc_conn, link) {
		json_write_object(w);
		json_member_string(w, "peer", c->name);
		json_member_bool(w, "open", c->stream);
		json_member_int(w, "calls_served", c->n_inbound);
		json_member_int(w, "calls_made", c->n_outbound);
		json_member_int(
			w, "unwritten_bytes", c->stream ? (int64_t)stream_unwritten(c->stream) : 0);
		json_write_name(w, "served");
		rpc_inbound_dump(c, w);
		json_write_object_end(w);
	}
	json_write_array_end(w);
}
