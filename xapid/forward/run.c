/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A message that another host runs (forward.h). It runs there with the caller's own session and
 * task; the call here waits for its end, also when it is cancelled: then the other host is told,
 * and takes back what it has begun.
 */
#define LOG_MODULE "pool"

#include "common/clock.h"
#include "common/fiber.h"
#include "common/log.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/rpc.h"
#include "common/uuid.h"
#include "core.gen.h"
#include "xapid/door/rpc.h"
#include "xapid/forward/forward.h"
#include "xapid/gate/call.h"
#include "xapid/gate/session.h"
#include "xapid/host/role.h"

#include <string.h>

#define COPY_NS   (30 * NS_PER_S)
#define CANCEL_NS (10 * NS_PER_S)

/* ---- at the master ---- */

/* On the stack of the call. */
struct remote {
	const char *host;
	const struct peer_member_run_in *in;
	struct arena *arena;
	struct json_text *out;
	struct err *e; /* owned */
	bool is_done;
	struct cond done;
};

static MAY_WAIT void run_fiber(void *arg)
{
	struct remote *r = arg;
	struct rpc_conn *conn = master_member(r->host); /* it may have gone since this was begun */

	r->e = conn ? peer_call(conn, PEER_METHOD_MEMBER_RUN, r->in, r->arena, r->out, NEVER)
		    : err(CONNECTION_LOST, r->host);
	r->is_done = true;
	cond_signal(&r->done);
}

static MAY_WAIT void tell_cancelled(struct remote *r, const char *host)
{
	const struct peer_member_cancel_in in = {r->in->id};
	struct rpc_conn *conn = master_member(host);

	if (conn)
		err_free(peer_call(conn, PEER_METHOD_MEMBER_CANCEL, &in, r->arena, NULL,
			deadline_in(CANCEL_NS)));
}

static MAY_WAIT struct err *await(struct remote *r, const char *host)
{
	struct err *cut = NULL;

	while (!r->is_done && !cut)
		cut = cond_wait(&r->done, "another host", NEVER);
	fiber_cancel_mask();
	if (cut && !r->is_done)
		tell_cancelled(r, host);
	while (!r->is_done)
		err_free(cond_wait(&r->done, "another host to take it back", NEVER));
	fiber_cancel_unmask();
	err_free(cut);
	return r->e;
}

/* What a client is told when the other host went away meanwhile. */
static struct err *in_words(struct err *e, const char *host)
{
	if (!err_is(e, &ERR_CONNECTION_LOST) && !err_is(e, &ERR_CONNECTION_REFUSED))
		return e;
	err_free(e);
	return err(CANNOT_CONTACT_HOST, host);
}

MAY_WAIT struct err *run_message(struct xapi_call *c, const char *host, const char *message,
	struct json_text in, struct json_text *out)
{
	char id[UUID_TEXT_SIZE];
	const char *there = arena_strdup(c->call.arena, host);

	TRY(master_await_copy(there, deadline_in(COPY_NS)));
	const struct peer_member_run_in what = {.id = uuid_random_text(id),
		.message = message,
		.in = in,
		.session = c->session,
		.task = c->task,
		.user = c->user,
		.subject = c->subject,
		.role = c->role,
		.root = c->is_root};
	struct remote r = {.host = there, .in = &what, .arena = c->call.arena, .out = out};

	cond_init(&r.done);
	TRY(fiber_spawn(NULL, run_fiber, &r, "%s elsewhere", message));
	return in_words(await(&r, there), there);
}

MAY_WAIT struct err *forward_pbd_plug(struct call *c, const char *pbd)
{
	const char *in = arena_printf(c->arena, "{\"self\":\"%s\"}", pbd);
	const struct xenapi_pbd *row;
	struct json_text out;

	if (own_role.is_member)
		return dial_call(c->arena, own_role.master, "PBD.plug", json_pack("[s]", pbd));
	TRY(db_get(pbd, pbd, &row));
	const char *host = arena_strdup(c->arena, row->host);
	return run_message(
		xapi_call(c), host, "PBD.plug", (struct json_text){in, strlen(in)}, &out);
}

static MAY_WAIT struct err *run_there(
	struct xapi_call *c, const char *host, struct json_text in, struct json_text *out)
{
	const char *name = strchr(c->name, '.');
	bool is_async = !strncmp(c->name, "Async.", 6) || !strncmp(c->name, "InternalAsync.", 14);

	return run_message(c, host, is_async && name ? name + 1 : c->name, in, out);
}

MAY_WAIT struct err *peer_api_master_relay(
	struct call *c, const struct peer_master_relay_in *in, struct json_text *out)
{
	struct gate_param *params = arena_calloc(c->arena, in->params.n + 1, sizeof(*params));
	AUTO(gate_result_fini) struct gate_result result = {0};
	auto_sbuf text = {0};

	for (size_t i = 0; i < in->params.n; i++)
		params[i].json = in->params.v[i];
	const struct gate_request rq = {
		.peer = {.origin = GATE_UNIX, .address = in->address, .user_agent = in->user_agent},
		.form = GATE_JSON,
		.method = in->method,
		.params = params,
		.n_params = in->params.n,
		.arena = c->arena};
	TRY(gate_call(&rq, &result));
	gate_write(&result, GATE_JSON, &text);
	*out = (struct json_text){
		arena_strndup(c->arena, sbuf_data(&text), sbuf_len(&text)), sbuf_len(&text)};
	return NULL;
}

MAY_WAIT struct err *peer_api_master_relay_xml(
	struct call *c, const struct peer_master_relay_xml_in *in, const char **out)
{
	struct gate_request rq = {
		.peer = {.origin = GATE_UNIX, .address = in->address, .user_agent = in->user_agent},
		.arena = c->arena};
	AUTO(gate_result_fini) struct gate_result result = {0};
	auto_sbuf text = {0};

	TRY(rpc_xml_read(in->call, strlen(in->call), &rq));
	TRY(gate_call(&rq, &result));
	gate_write(&result, GATE_XML, &text);
	*out = arena_strdup(c->arena, sbuf_str(&text));
	return NULL;
}

MAY_WAIT struct err *peer_api_master_session(
	struct call *c, const struct peer_master_session_in *in, struct peer_session_facts *out)
{
	struct session *s = session_find(in->session);

	if (!s)
		return err(Session_unknown, in->session);
	TRY(session_use(in->session, &s));
	*out = (struct peer_session_facts){arena_strdup(c->arena, s->user),
		arena_strdup(c->arena, s->subject), s->role, s->is_root};
	return NULL;
}

/* ---- at a member ---- */

static struct map running; /* by id: the fiber of each */

MAY_WAIT struct err *peer_api_member_run(
	struct call *c, const struct peer_member_run_in *in, struct json_text *out)
{
	const struct gate_order order = {.message = in->message,
		.in = in->in,
		.session = in->session,
		.task = in->task,
		.user = in->user,
		.subject = in->subject,
		.role = in->role,
		.is_root = in->root,
		.arena = c->arena};

	TRY(member_await_begun());
	map_put(&running, in->id, fiber_current());
	struct err *e = gate_obey(&order, out);
	map_remove(&running, in->id);
	return e;
}

MAY_WAIT struct err *peer_api_member_cancel(struct call *c, const struct peer_member_cancel_in *in)
{
	struct fiber *f = map_get(&running, in->id);

	if (f)
		fiber_cancel(f);
	return NULL;
}

/* ---- start ---- */

void run_serve(void)
{
	static const struct gate_router router = {.place = place_message,
		.run = run_there,
		.describe = member_describe,
		.relay = member_relay};

	gate_set_router(&router);
}

void run_stop(void)
{
	map_fini(&running);
}
