/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls between hosts (order.h, gate.h). Arguments and results travel as JSON by the tables.
 */
#define LOG_MODULE "gate"

#include "xapid/gate/order.h"

#include "common/codec.h"
#include "common/codec_xmlrpc.h"
#include "common/fiber.h"
#include "common/log.h"
#include "core.gen.h"
#include "xapid/gate/session.h"
#include "xapid/gate/task.h"
#include "xapid/host/role.h"

#include "xenapi.gen.h"

#include <string.h>

/* ---- arguments ---- */

/* Of CREATE the argument is a whole record. */
static const struct type *arg_type(const struct message *m, size_t i)
{
	return m->kind == MESSAGE_CREATE ? m->class->record : m->args[i];
}

static struct json_text keep(struct arena *a, struct sbuf *b)
{
	return (struct json_text){arena_strndup(a, sbuf_data(b), sbuf_len(b)), sbuf_len(b)};
}

static struct json_text write_args(struct job *j)
{
	const struct message *m = j->c.message;
	auto_sbuf b = {0};
	struct json_writer w;

	json_writer_init(&w, &b);
	if (m->method) {
		codec_write(m->method->in, j->in, 0, &w);
	} else {
		json_write_array(&w);
		for (size_t i = 0; i < m->n_args; i++)
			codec_write(arg_type(m, i), j->args[i], 0, &w);
		json_write_array_end(&w);
	}
	return keep(j->c.call.arena, &b);
}

static struct err *read_array(struct job *j, struct json_text in)
{
	const struct message *m = j->c.message;
	struct json_reader r;
	bool first = true;
	size_t i = 0;

	json_reader_init(&r, in.text, in.len, j->c.call.arena);
	if (!json_enter_array(&r))
		return err(BAD_REQUEST, "the arguments are no array");
	while (json_next_element(&r, &first) && i < m->n_args) {
		const struct type *t = arg_type(m, i);
		void *value = arena_alloc(j->c.call.arena, t->size);

		TRY(codec_read(t, "argument", &r, value));
		j->args[i++] = value;
	}
	return i == m->n_args ? NULL : err(BAD_REQUEST, "arguments are missing");
}

static struct err *read_args(struct job *j, struct json_text in)
{
	const struct message *m = j->c.message;

	if (!m->method)
		return read_array(j, in);
	j->in = arena_alloc(j->c.call.arena, m->method->in->size + sizeof(max_align_t));
	return codec_decode(m->method->in, "", in.text, in.len, j->c.call.arena, j->in);
}

/* ---- at the master ---- */

MAY_WAIT struct err *order_serve_there(struct job *j, const char *host, const struct gate_router *r)
{
	const struct type *t = j->c.message->result;
	struct json_text out = {0};

	TRY(r->run(&j->c, host, write_args(j), &out));
	if (!t || t->kind == TYPE_VOID)
		return NULL;
	return codec_decode(t, "result", out.text, out.len, j->c.call.arena, j->out);
}

/* ---- at a member ---- */

static struct err *not_here(void)
{
	return err(HOST_IS_SLAVE, own_role.master);
}

/* The session that comes first, or NULL. */
static const char *session_of(const struct gate_request *rq)
{
	const char *ref;

	if (!rq->n_params)
		return NULL;
	auto_err e =
		args_read(&type_string, "session_id", rq->form, &rq->params[0], rq->arena, &ref);
	return e ? NULL : ref;
}

struct err *order_check_member(
	const struct gate_request *rq, const struct message *m, bool *is_here)
{
	const struct method *method = m->method;
	bool is_login = method == &xenapi_methods[XENAPI_METHOD_SESSION_LOGIN_WITH_PASSWORD];
	bool is_root = rq->peer.origin == GATE_UNIX;

	*is_here = true;
	if (is_login) {
		*is_here = false;
		return is_root ? NULL : not_here();
	}
	if (method && method->flags & METHOD_SESSIONLESS)
		return NULL;
	const char *ref = session_of(rq);
	if (!ref || session_find(ref))
		return NULL;
	*is_here = false;
	if (is_root)
		return NULL;
	return db_find(session, ref) ? not_here() : err(SESSION_INVALID, ref);
}

MAY_WAIT struct err *order_relay(const struct gate_request *rq, struct gate_result *out)
{
	const struct gate_router *r = job_router();

	if (!r)
		return not_here();
	*out = (struct gate_result){0};
	return r->relay(rq, &out->wire);
}

static void describe(struct job *j, const struct gate_order *o, const struct message *m)
{
	j->c = (struct xapi_call){
		.call = {.method = m->method, .arena = o->arena},
		.message = m,
		.form = GATE_JSON,
		.name = o->message,
		.peer = {.origin = GATE_TCP, .address = own_role.master, .user_agent = "master"},
		.session = o->session,
		.task = o->task,
		.user = o->user,
		.subject = o->subject,
		.role = o->role,
		.is_root = o->is_root,
	};
}

static void cancel_fiber(const char *ref, void *arg)
{
	fiber_cancel(arg);
}

MAY_WAIT struct err *gate_obey(const struct gate_order *o, struct json_text *out)
{
	const struct message *m = message_resolve(o->message);
	struct job *j = arena_new(o->arena, struct job);
	auto_sbuf text = {0};

	if (!m)
		return err(MESSAGE_METHOD_UNKNOWN, o->message);
	describe(j, o, m);
	TRY(read_args(j, o->in));
	log_info("%s for the master, user='%s'", o->message, o->user);
	xtask_adopt(o->task, o->user, cancel_fiber, fiber_current());
	struct err *e = job_run(j);
	xtask_let_go(o->task);
	TRY(e);
	if (!m->result || m->result->kind == TYPE_VOID)
		sbuf_adds(&text, "null");
	else
		codec_encode(m->result, j->out, &text);
	*out = keep(o->arena, &text);
	return NULL;
}
