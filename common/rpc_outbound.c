/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls to the peer (rpc_conn.h): they are numbered on the wire, and each waits in the slot of its
 * number in a ring; a number whose slot is in use is left out, so an answer that comes too late
 * finds nobody. The answer is decoded by the reader into the arena of the call that waits.
 */
#define LOG_MODULE "rpc"

#include "common/rpc_conn.h"

#include "common/codec.h"
#include "common/log.h"
#include "common/mem.h"
#include "core.gen.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define MAX_CALLS 65536 /* in flight; their slots are a power of two */

/* On the stack of the fiber that calls. */
struct outbound {
	uint64_t number; /* its id on the wire */
	const char *method;
	const struct type *type; /* of the result; NULL: as text, into RAW */
	struct arena *arena;
	void *out;
	struct json_text *raw;
	void *value; /* decoded, of TYPE */
	struct json_text text; /* without TYPE */
	struct cond answered;
	bool is_answered;
	struct err *e; /* the answer, when it is an error; owned */
	uint64_t end; /* its last byte, counted from the connection's first */
};

/* ---- slots ---- */

/* Numbers that differ in one ring of slots differ in one of twice the size. */
static void slots_grow(struct rpc_conn *c)
{
	uint32_t n = c->n_slots ? c->n_slots * 2 : 32;
	struct outbound **slots = xcalloc(n, sizeof(*slots));

	for (uint32_t i = 0; i < c->n_slots; i++)
		if (c->slots[i])
			slots[c->slots[i]->number & (n - 1)] = c->slots[i];
	free(c->slots);
	c->slots = slots;
	c->n_slots = n;
}

/* At least half of the slots are free, so that those in use are passed over rarely. */
static struct err *slot_add(struct rpc_conn *c, struct outbound *o)
{
	if (c->n_outbound == MAX_CALLS)
		return err(LIMIT_EXCEEDED, "calls to one peer", "65536");
	if (2 * c->n_outbound >= c->n_slots)
		slots_grow(c);
	while (c->slots[c->next_number & (c->n_slots - 1)])
		c->next_number++;
	o->number = c->next_number++;
	c->slots[o->number & (c->n_slots - 1)] = o;
	c->n_outbound++;
	return NULL;
}

static void slot_free(struct rpc_conn *c, const struct outbound *o)
{
	c->slots[o->number & (c->n_slots - 1)] = NULL;
	c->n_outbound--;
}

static struct outbound *slot_find(const struct rpc_conn *c, uint64_t number)
{
	struct outbound *o = c->n_outbound ? c->slots[number & (c->n_slots - 1)] : NULL;

	return o && o->number == number ? o : NULL;
}

/* The call has ended; E is its error. */
static void settle(struct rpc_conn *c, struct outbound *o, struct err *e)
{
	slot_free(c, o);
	if (!e && o->value)
		memcpy(o->out, o->value, o->type->size);
	if (!e && o->raw)
		*o->raw = o->text;
	o->e = e;
	o->is_answered = true;
	cond_signal(&o->answered);
}

/* ---- answers ---- */

/* Decodes the value before R. An answer that is not of the declared type is the call's error. */
static struct err *read_result(struct outbound *o, struct json_reader *r)
{
	if (!o->type) {
		if (json_skip(r, &o->text))
			o->text.text = arena_strndup(o->arena, o->text.text, o->text.len);
	} else if (o->type->kind == TYPE_VOID) {
		json_skip(r, NULL);
	} else {
		TRY_CTX(codec_read_new(o->type, "result", r, &o->value), "the answer of %s",
			o->method);
	}
	return NULL;
}

struct outbound *rpc_outbound_read(struct rpc_conn *c, struct rpc_head *h)
{
	struct outbound *o = slot_find(c, h->number);
	struct json_reader before = h->r;

	if (o) {
		h->r.arena = o->arena;
		o->e = read_result(o, &h->r);
		h->r.arena = before.arena;
	}
	if (!o || o->e) {
		h->r = before;
		json_skip(&h->r, NULL);
	}
	return o;
}

/* An error without an id is why the peer closes the connection; with one, an answer too late. */
static void take_orphan(struct rpc_conn *c, const struct rpc_head *h)
{
	if (!h->error.text || (h->id.text && *h->id.text != 'n')) {
		log_debug("%s: an answer that nobody waits for", c->name);
		return;
	}
	auto_err e = rpc_error_read(h->error, &c->scratch);
	log_rl(LOG_WARN_, "%s: the peer says: %s", c->name, err_text(e));
	if (err_is(e, &ERR_LIMIT_EXCEEDED) || err_is(e, &ERR_PERMISSION_DENIED)) {
		err_free(c->farewell);
		c->farewell = take(e);
	}
}

void rpc_outbound_take(struct rpc_conn *c, struct rpc_head *h, struct outbound *o)
{
	if (!o)
		o = slot_find(c, h->number);
	if (!o) {
		take_orphan(c, h);
	} else if (h->error.text) {
		err_free(o->e);
		settle(c, o, rpc_error_read(h->error, o->arena));
	} else if (h->result.text) { /* it came before the id */
		struct json_reader r;

		json_reader_init(&r, h->result.text, h->result.len, o->arena);
		settle(c, o, read_result(o, &r));
	} else {
		settle(c, o, o->e);
	}
}

void rpc_outbound_drop(struct outbound *o)
{
	if (o)
		err_free(take(o->e));
}

/* What a call gets whose connection breaks: whether it may have been carried out. */
static struct err *broken(
	const struct rpc_conn *c, const struct outbound *o, uint64_t written, const char *why)
{
	if (c->farewell)
		return err_new(c->farewell->file, c->farewell->line, c->farewell->code,
			c->farewell->n_params, (const char *const *)c->farewell->params);
	if (o->end > written)
		return err_wrap(err(CONNECTION_REFUSED, c->name, why), "calling %s", o->method);
	return err_wrap(err(CONNECTION_LOST, c->name), "calling %s: %s", o->method, why);
}

void rpc_outbound_abandon(struct rpc_conn *c, uint64_t written, const char *why)
{
	for (uint32_t i = 0; i < c->n_slots; i++)
		if (c->slots[i])
			settle(c, c->slots[i], broken(c, c->slots[i], written, why));
}

/* ---- making a call ---- */

/* Waits for the answer; when the wait ends otherwise the peer is told. */
static MAY_WAIT struct err *wait_for_answer(
	struct rpc_conn *c, struct outbound *o, int64_t deadline)
{
	while (!o->is_answered) {
		struct err *e = cond_wait(&o->answered, o->method, deadline);

		if (!e || o->is_answered) {
			err_free(e);
			continue;
		}
		slot_free(c, o);
		rpc_cancel_message(stream_out(c->stream), o->number);
		stream_flush_later(c->stream);
		return e;
	}
	return o->e;
}

/* Writes the request of O: IN of type TYPE, or PARAMS when TYPE is NULL. */
static struct err *send_request(struct rpc_conn *c, struct outbound *o, const struct type *type,
	const void *in, struct json_text params)
{
	struct sbuf *out = stream_out(c->stream);
	size_t before = sbuf_len(out);
	struct json_writer w;

	rpc_request_begin(out, o->number, o->method, fiber_tag());
	json_writer_init(&w, out);
	if (type && in)
		codec_write(type, in, 0, &w);
	else
		json_write_raw(&w, params.text, params.len);
	rpc_message_end(out);
	struct err *e = rpc_check_message(c, sbuf_len(out) - before, w.deepest);
	if (e) {
		sbuf_truncate(out, before);
		return e;
	}
	o->end = stream_written(c->stream) + sbuf_len(out);
	stream_flush_later(c->stream);
	return NULL;
}

/* The wait for a slow peer before anything was sent. */
static MAY_WAIT struct err *wait_to_send(struct rpc_conn *c, int64_t deadline)
{
	if (c->stream && stream_unwritten(c->stream) > RPC_UNWRITTEN_MAX) {
		auto_err e = stream_drain(c->stream, RPC_UNWRITTEN_MAX, deadline);

		if (e && !err_is(e, &ERR_CONNECTION_LOST))
			return take(e);
	}
	if (!c->stream)
		return err(CONNECTION_REFUSED, c->name, "the connection is closed");
	return NULL;
}

static MAY_WAIT struct err *call(struct rpc_conn *c, struct outbound *o, const struct type *type,
	const void *in, struct json_text params, int64_t deadline)
{
	cond_init(&o->answered);
	TRY(fiber_check());
	TRY(wait_to_send(c, deadline));
	TRY(slot_add(c, o));
	struct err *e = send_request(c, o, type, in, params);
	if (e) {
		slot_free(c, o);
		return e;
	}
	if (c->n_outbound == 1)
		cond_signal(
			&c->room); /* answers are to be read now, whatever the peer has in flight */
	return wait_for_answer(c, o, deadline);
}

/* The connection may close while the call waits. */
static MAY_WAIT struct err *call_keeping(struct rpc_conn *c, struct outbound *o,
	const struct type *type, const void *in, struct json_text params, int64_t deadline)
{
	rpc_conn_ref(c);
	struct err *e = call(c, o, type, in, params, deadline);
	rpc_conn_unref(c);
	return e;
}

static const struct json_text no_params = {"{}", 2};

MAY_WAIT struct err *rpc_call_conn(struct rpc_conn *c, const struct method *m, const void *in,
	struct arena *arena, void *out, int64_t deadline)
{
	struct outbound o = {.method = m->name,
		.type = m->flags & METHOD_TASK ? &type_string : m->out,
		.arena = arena,
		.out = out};

	return call_keeping(c, &o, m->in, in, no_params, deadline);
}

MAY_WAIT struct err *rpc_call_conn_raw(struct rpc_conn *c, const char *method,
	struct json_text params, struct arena *arena, struct json_text *result, int64_t deadline)
{
	struct outbound o = {.method = method, .arena = arena, .raw = result};

	return call_keeping(c, &o, NULL, NULL, params.text ? params : no_params, deadline);
}
