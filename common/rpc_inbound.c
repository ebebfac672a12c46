/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls of the peer (rpc_conn.h): parameters are decoded where the line stands, and the result is
 * encoded straight into the connection's buffer. A call's memory is an arena that goes back to a
 * pool with it.
 *
 * A handler begins on the reader's fiber, since most never wait. One that does keeps that fiber as
 * the call's, and the connections get a new reader.
 */
#define LOG_MODULE "rpc"

#include "common/rpc_conn.h"

#include "common/codec.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/number.h"
#include "common/task.h"
#include "core.gen.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define POOL_MAX 256 /* calls kept for reuse */
#define TAG_MAX  63

struct inbound {
	struct call call;
	struct list link; /* conn->inbound, conn->tasks or the pool */
	struct rpc_conn *conn; /* a reference; NULL once a task has outlived it */
	struct fiber *fiber; /* that runs the handler; NULL of a task */
	method_fn handler; /* NULL: not built */
	struct arena arena;
	struct json_text id; /* in the arena */
	void *in, *out; /* in the arena */
	struct err *bad_params; /* owned, or NULL */
	size_t bytes; /* of its message */
};

static struct list pool = LIST_INIT(pool);
static unsigned n_pooled;
static int64_t n_calls; /* of this run: the ids of calls without a tag */

static struct inbound *inbound_new(struct rpc_conn *c)
{
	struct inbound *in = list_pop_front(&pool, struct inbound, link);

	if (in)
		n_pooled--;
	else
		in = xnew(struct inbound);
	in->conn = rpc_conn_ref(c);
	return in;
}

static void inbound_free(struct inbound *in)
{
	struct arena arena = in->arena;

	list_remove(&in->link);
	err_free(in->bad_params);
	if (in->conn)
		rpc_conn_unref(in->conn);
	if (n_pooled == POOL_MAX) {
		arena_fini(&arena);
		free(in);
		return;
	}
	arena_reset(&arena);
	*in = (struct inbound){.arena = arena};
	list_push_front(&pool, &in->link);
	n_pooled++;
}

void rpc_inbound_fini(void)
{
	struct inbound *in;

	while ((in = list_pop_front(&pool, struct inbound, link))) {
		arena_fini(&in->arena);
		free(in);
	}
	n_pooled = 0;
}

/* ---- what is called ---- */

/* NULL when there is no such method. */
static const struct method *find_method(
	const struct rpc_conn *c, struct json_text name, method_fn *handler)
{
	for (size_t i = 0; c->services && c->services[i]; i++) {
		const struct interface *interface = c->services[i]->interface;
		const struct method *m = interface_method(interface, name.text, name.len);

		if (m) {
			*handler = c->services[i]->handlers[m - interface->methods];
			return m;
		}
	}
	return NULL;
}

/* A call of the method that H names; NULL when there is none. */
static struct inbound *inbound_of(struct rpc_conn *c, const struct rpc_head *h)
{
	method_fn handler;
	const struct method *m = find_method(c, h->method, &handler);

	if (!m)
		return NULL;
	struct inbound *in = inbound_new(c);
	in->handler = handler;
	in->call = (struct call){.method = m,
		.arena = &in->arena,
		.peer = c->peer,
		.conn = c,
		.services = c->services};
	return in;
}

struct inbound *rpc_inbound_read(struct rpc_conn *c, struct rpc_head *h)
{
	struct inbound *in = inbound_of(c, h);
	struct json_reader before = h->r;

	if (in) {
		h->r.arena = &in->arena;
		in->bad_params = codec_read_new(in->call.method->in, "", &h->r, &in->in);
		h->r.arena = before.arena;
	}
	if (!in || in->bad_params) {
		h->r = before;
		json_skip(&h->r, &h->params);
	}
	return in;
}

void rpc_inbound_drop(struct inbound *in)
{
	if (in)
		inbound_free(in);
}

/* ---- answers ---- */

static void answer_error(
	struct rpc_conn *c, struct json_text id, enum rpc_code code, const struct err *e)
{
	rpc_error_message(stream_out(c->stream), id, code, e);
	stream_flush_later(c->stream);
}

/* Takes E. */
static void refuse(struct rpc_conn *c, const struct rpc_head *h, enum rpc_code code, struct err *e)
{
	auto_err owned = e;

	log_debug("%s: %.*s: %s", c->name, (int)h->method.len, h->method.text, err_text(owned));
	answer_error(c, h->id, code, owned);
}

static void answer_result(struct inbound *in, const struct type *type, const void *value)
{
	struct sbuf *out = stream_out(in->conn->stream);
	size_t before = sbuf_len(out);
	struct json_writer w;

	rpc_answer_begin(out, in->id);
	json_writer_init(&w, out);
	codec_write(type, value, 0, &w);
	rpc_message_end(out);
	auto_err e = rpc_check_message(in->conn, sbuf_len(out) - before, w.deepest);
	if (e) {
		log_warn("%s: the result cannot be sent: %s", in->call.method->name, err_text(e));
		sbuf_truncate(out, before);
		rpc_error_message(out, in->id, RPC_OWN_ERROR, e);
	}
	stream_flush_later(in->conn->stream);
}

/* What is called, and with what; secrets are masked. */
static void log_call(const struct inbound *in)
{
	auto_sbuf text = {0};
	struct json_writer w;

	json_writer_init(&w, &text);
	codec_write(in->call.method->in, in->in, CODEC_MASK_SECRETS, &w);
	log_debug("%s %s", in->call.method->name, sbuf_str(&text));
}

static void log_failure(const struct inbound *in, struct err *e)
{
	if (err_is(e, &ERR_CANCELLED))
		log_debug("%s: cancelled", in->call.method->name);
	else
		log_info("%s failed: %s", in->call.method->name, err_text(e));
}

/* ---- a call that answers when its handler returns ---- */

static MAY_WAIT struct err *run_handler(struct inbound *in)
{
	const struct method *m = in->call.method;

	TRY(fiber_check()); /* the caller has gone already */
	if (!in->handler)
		return err(NOT_IMPLEMENTED, m->name);
	return in->handler(&in->call, in->in, in->out);
}

/* The peer reads too slowly: wait, or its answers would pile up. */
static MAY_WAIT void wait_to_answer(struct inbound *in)
{
	struct stream *s = in->conn->stream;

	if (s && stream_unwritten(s) > RPC_UNWRITTEN_MAX)
		err_free(stream_drain(s, RPC_UNWRITTEN_MAX, NEVER));
}

static void call_waits(void *arg)
{
	struct inbound *in = arg;

	in->conn->reader = NULL;
	rpc_reader_leave(in->call.method->name);
	rpc_reader_wake(in->conn);
}

bool rpc_inbound_run(struct inbound *in)
{
	struct rpc_conn *c = in->conn;

	fiber_on_park(call_waits, in);
	fiber_lend_tag(in->call.id);
	if (log_is_on(&log_this_module, LOG_DEBUG_))
		log_call(in);
	auto_err e = run_handler(in);
	if (e)
		log_failure(in, e);
	wait_to_answer(in);
	if (c->stream && e)
		answer_error(c, in->id, RPC_OWN_ERROR, e);
	else if (c->stream)
		answer_result(in, in->call.method->out, in->out);
	c->n_inbound--;
	c->inbound_bytes -= in->bytes;
	fiber_lend_tag("");
	bool is_reader = c->reader == fiber_current();
	if (is_reader) {
		c->has_answered = true;
		rpc_reader_serves(c);
		fiber_set_deadline(NEVER);
	}
	in->conn = NULL; /* and its reference is ours */
	inbound_free(in);
	rpc_conn_call_ended(c);
	rpc_conn_unref(c);
	return is_reader;
}

static struct inbound *start_call(struct inbound *in)
{
	struct rpc_conn *c = in->conn;

	in->fiber = fiber_current();
	list_push_back(&c->inbound, &in->link);
	c->n_inbound++;
	c->inbound_bytes += in->bytes;
	return in;
}

/* ---- a call that answers with a task at once ---- */

static MAY_WAIT struct err *task_run(struct task *t, void *arg)
{
	struct inbound *in = arg;

	in->call.task = t;
	if (log_is_on(&log_this_module, LOG_DEBUG_))
		log_call(in);
	struct err *e = run_handler(in);
	if (!e)
		task_set_result(t, in->call.method->out, in->out);
	return e;
}

static void task_arg_free(void *arg)
{
	inbound_free(arg);
}

static void start_task(struct inbound *in)
{
	struct rpc_conn *c = in->conn;
	struct task *t;
	struct task_spec spec = {.name = in->call.method->name,
		.fn = task_run,
		.arg = in,
		.arg_free = task_arg_free};

	auto_err e =
		in->handler ? task_start(&spec, &t) : err(NOT_IMPLEMENTED, in->call.method->name);
	if (e) {
		log_failure(in, e);
		answer_error(c, in->id, RPC_OWN_ERROR, e);
		inbound_free(in);
		return;
	}
	list_push_back(&c->tasks, &in->link);
	const char *id = task_id(t);
	log_debug("%s: call %s is task %s", in->call.method->name, in->call.id, id);
	answer_result(in, &type_string, &id);
}

/* ---- taking a message ---- */

static void cancel(struct rpc_conn *c, struct json_text id)
{
	list_for_each (in, &c->inbound, struct inbound, link) {
		if (in->id.len == id.len && !memcmp(in->id.text, id.text, id.len)) {
			fiber_cancel(in->fiber);
			return;
		}
	}
}

static bool is_named(const struct rpc_head *h, const char *name)
{
	return h->method.len == strlen(name) && !memcmp(h->method.text, name, h->method.len);
}

static void take_descriptor(struct rpc_conn *c, const struct rpc_head *h)
{
	struct err *e = rpc_descriptor_take_in(c, h->params);

	if (!e)
		return;
	c->is_refused = true;
	refuse(c, &(struct rpc_head){.method = h->method}, RPC_OWN_ERROR, e);
}

/* Without an id nobody waits for an answer: there are two notifications that mean something. */
static void take_notification(struct rpc_conn *c, struct rpc_head *h)
{
	if (is_named(h, "rpc.descriptor")) {
		take_descriptor(c, h);
		return;
	}
	if (!is_named(h, "rpc.cancel")) {
		log_debug("%s: a notification is ignored: %.*s", c->name, (int)h->method.len,
			h->method.text);
		return;
	}
	struct json_text id = rpc_notified_id(h->params, &c->scratch);
	if (id.text)
		cancel(c, id);
}

/* The params that came before the method or the id, or not at all. */
static struct inbound *read_late(struct rpc_conn *c, struct rpc_head *h)
{
	struct inbound *in = inbound_of(c, h);
	struct json_text params = h->params.text ? h->params : (struct json_text){"{}", 2};

	if (in) {
		in->in = arena_alloc(&in->arena, in->call.method->in->size);
		in->bad_params = codec_decode(
			in->call.method->in, "", params.text, params.len, &in->arena, in->in);
	}
	return in;
}

static void fill_call(struct inbound *in, const struct rpc_head *h)
{
	char number[5 + NUMBER_INT_SIZE] = "call-";
	size_t n = h->tag.len < TAG_MAX ? h->tag.len : TAG_MAX;

	in->id = (struct json_text){arena_strndup(&in->arena, h->id.text, h->id.len), h->id.len};
	in->out = arena_alloc(&in->arena, in->call.method->out->size);
	in->bytes = h->len;
	n_calls++;
	if (!h->tag.len)
		n = 5 + number_put_int(n_calls, number + 5);
	in->call.id = arena_strndup(&in->arena, h->tag.len ? h->tag.text : number, n);
}

struct inbound *rpc_inbound_take(struct rpc_conn *c, struct rpc_head *h, struct inbound *in)
{
	if (!h->id.text) {
		take_notification(c, h);
		return NULL;
	}
	if (!in)
		in = read_late(c, h);
	if (!in) {
		const char *name = arena_strndup(&c->scratch, h->method.text, h->method.len);
		refuse(c, h, RPC_NO_METHOD, err(UNKNOWN_CALL, name));
	} else if (in->bad_params) {
		refuse(c, h, RPC_BAD_PARAMS, take(in->bad_params));
		inbound_free(in);
	} else if (c->n_inbound >= c->limits.calls) {
		char limit[16];
		snprintf(limit, sizeof(limit), "%u", c->limits.calls);
		refuse(c, h, RPC_OWN_ERROR, err(LIMIT_EXCEEDED, "calls in flight", limit));
		inbound_free(in);
	} else {
		fill_call(in, h);
		if (in->call.method->flags & METHOD_TASK)
			start_task(in);
		else
			return start_call(in);
	}
	return NULL;
}

void rpc_inbound_abandon(struct rpc_conn *c)
{
	struct inbound *in;

	list_for_each (waiting, &c->inbound, struct inbound, link) {
		waiting->call.conn = NULL;
		fiber_cancel(waiting->fiber);
	}
	while ((in = list_pop_front(&c->tasks, struct inbound, link))) {
		in->call.conn = NULL;
		in->conn = NULL;
		rpc_conn_unref(c);
	}
}

void rpc_inbound_dump(const struct rpc_conn *c, struct json_writer *w)
{
	json_write_array(w);
	list_for_each (in, &c->inbound, struct inbound, link) {
		json_write_object(w);
		json_member_string(w, "call", in->call.method->name);
		json_member_string(w, "id", in->call.id);
		json_write_object_end(w);
	}
	json_write_array_end(w);
}
