/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A member's side (forward.h): one fiber keeps the connection to the master, one sends what was
 * written here. What comes in several messages is put over the copy as one.
 */
#define LOG_MODULE "pool"

#include "common/clock.h"
#include "common/fiber.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/rpc.h"
#include "common/stream.h"
#include "common/uuid.h"
#include "common/vec.h"
#include "core.gen.h"
#include "xapid/forward/forward.h"
#include "xapid/gate/auth.h"
#include "xapid/gate/call.h"
#include "xapid/gate/gate.h"
#include "xapid/host/role.h"
#include "xapid/rules/op.h"
#include "xapid/xapid.h"

#include <stdio.h>
#include <string.h>

#define RETRY_NS (500 * NS_PER_MS)
#define DIAL_NS  (10 * NS_PER_S)
#define CALL_NS  (60 * NS_PER_S)
#define BEGIN_NS (30 * NS_PER_S)

static struct {
	MAY_WAIT struct err *(*when_found)(void);
	char run[UUID_TEXT_SIZE]; /* of this process */
	struct rpc_conn *conn; /* to the master, or NULL */
	bool is_greeted; /* he has said hello: writes may go */
	bool is_in_touch, was_found;
	bool has_begun; /* WHEN_FOUND has done its part */
	uint64_t seen; /* his generation that is here */
	int64_t heard; /* clock_mono_ns of his newest word */
	uint64_t written; /* the newest write that he has got on this connection */
	char problem[128];
	struct arena arena; /* of CHANGES, */
	vec_of(struct db_copied *) changes; /* which wait for the last message, in order */
	struct cond changed; /* of all this */
} own;

bool member_is_in_touch(void)
{
	return own.is_in_touch;
}

MAY_WAIT struct err *member_await_begun(void)
{
	int64_t deadline = deadline_in(BEGIN_NS);

	while (own_role.is_member && !own.has_begun)
		TRY(cond_wait(&own.changed, "the member to begin", deadline));
	return NULL;
}

const char *member_problem(void)
{
	return own.problem;
}

static void forget_changes(void)
{
	vec_fini(&own.changes);
	arena_reset(&own.arena);
}

static void lost(struct rpc_conn *conn, void *arg)
{
	if (own.conn != conn)
		return;
	own.conn = NULL;
	own.is_in_touch = own.is_greeted = false;
	forget_changes();
	cond_broadcast(&own.changed);
}

/* ---- what the master tells ---- */

static void gather(const struct peer_copied_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		struct db_copied *copied = arena_new(&own.arena, struct db_copied);
		const struct json_text *whole = list->v[i].whole;

		copied->ref = arena_strdup(&own.arena, list->v[i].ref);
		if (whole)
			copied->whole = (struct json_text){
				arena_strndup(&own.arena, whole->text, whole->len), whole->len};
		vec_push(&own.changes, copied);
	}
}

/* What was told twice is as it was told last. */
static struct err *apply(bool is_full)
{
	AUTO(map_fini) struct map newest = {0};
	auto_arena a = {0};
	struct db_copied *v = arena_calloc(&a, own.changes.n + 1, sizeof(*v));
	size_t n = 0;

	vec_for_each (i, &own.changes)
		map_put(&newest, own.changes.v[i]->ref, own.changes.v[i]);
	vec_for_each (i, &own.changes)
		if (map_get(&newest, own.changes.v[i]->ref) == own.changes.v[i])
			v[n++] = *own.changes.v[i];
	struct err *e = db_copy_apply(v, n, is_full);
	for (size_t i = 0; !e && i < n; i++)
		op_look(v[i].ref);
	forget_changes();
	return e;
}

static MAY_WAIT void found(void *arg)
{
	fiber_set_tag("");
	auto_err e = own.when_found();

	own.has_begun = !e;
	cond_broadcast(&own.changed);
	if (!e || loop_is_stopping())
		return;
	log_err(LOG_ERROR_, e, "beginning as a member");
	own.was_found = false;
	if (own.conn)
		rpc_hang_up(own.conn, "the member could not begin");
}

static struct err *note_touch(void)
{
	own.is_in_touch = true;
	cond_broadcast(&own.changed);
	if (own.was_found)
		return NULL;
	own.was_found = true;
	return fiber_spawn(NULL, found, NULL, "member begins");
}

MAY_WAIT struct err *peer_api_member_apply(struct call *c, const struct peer_member_apply_in *in)
{
	if (!own.conn || c->conn != own.conn)
		return err(PERMISSION_DENIED, "this is not the master");
	own.heard = clock_mono_ns();
	gather(&in->changes);
	if (in->more)
		return NULL;
	db_ops_included((uint64_t)in->number);
	struct err *e = apply(in->full);
	if (e) {
		own.seen = 0; /* all of it again */
		rpc_hang_up(own.conn, "the copy could not be written");
		return e;
	}
	own.seen = (uint64_t)in->generation;
	return note_touch();
}

/* ---- what is written here ---- */

static void ops_wait(void)
{
	cond_broadcast(&own.changed);
}

static struct peer_master_write_in write_of(const struct db_ops *ops, struct arena *a)
{
	struct peer_master_write_in in = {.number = (int64_t)ops->number};

	in.ops.v = arena_calloc(a, ops->v.n, sizeof(*in.ops.v));
	vec_for_each (i, &ops->v) {
		const struct db_op *op = &ops->v.v[i];
		struct peer_op *out = &in.ops.v[in.ops.n++];

		*out = (struct peer_op){.kind = (enum peer_op_kind)op->kind,
			.class = op->class->name,
			.ref = arena_strdup(a, op->ref),
			.field = op->field ? op->field->name : "",
			.key = arena_strdup(a, op->key ? op->key : "")};
		if (!op->value)
			continue;
		out->value = arena_new(a, struct json_text);
		*out->value = (struct json_text){arena_strdup(a, op->value), strlen(op->value)};
	}
	return in;
}

static MAY_WAIT struct err *send_write(const struct db_ops *ops)
{
	auto_arena a = {0};
	uint64_t number = ops->number;
	const struct peer_master_write_in in = write_of(ops, &a);
	auto_err e =
		peer_call(own.conn, PEER_METHOD_MASTER_WRITE, &in, &a, NULL, deadline_in(CALL_NS));

	if (err_is(e, &ERR_STORE_READ_ONLY)) {
		log_err(LOG_WARN_, e, "the master refused a write");
		db_ops_refused(number);
		own.seen = 0;
		if (own.conn)
			rpc_hang_up(own.conn, "what he has is needed anew");
		return NULL;
	}
	if (!e)
		own.written = number;
	return take(e);
}

static MAY_WAIT void write_fiber(void *arg)
{
	while (!loop_is_stopping()) {
		const struct db_ops *ops = own.is_greeted ? db_ops_after(own.written) : NULL;
		auto_err e = ops ? send_write(ops)
				 : cond_wait(&own.changed, "something to write", NEVER);

		if (!e || loop_is_stopping())
			continue;
		log_err(LOG_INFO_, e, "writing at the master");
		if (own.conn)
			rpc_hang_up(own.conn, "a write failed");
	}
}

/* ---- operations ---- */

static MAY_WAIT struct err *await_seen(uint64_t generation)
{
	while (own.is_in_touch && own.seen < generation)
		TRY(cond_wait(&own.changed, "what the master has", deadline_in(CALL_NS)));
	return own.is_in_touch ? NULL : err(CANNOT_CONTACT_HOST, own_role.master);
}

static MAY_WAIT struct err *begin_op(
	const struct op_rules *rules, const char *ref, int what, const char *task)
{
	const struct peer_master_begin_in in = {
		.class = rules->class->name, .ref = ref, .op = what, .task = task};
	auto_arena a = {0};
	int64_t generation;

	if (!own.is_in_touch)
		return err(CANNOT_CONTACT_HOST, own_role.master);
	TRY(peer_call(own.conn, PEER_METHOD_MASTER_BEGIN, &in, &a, &generation, NEVER));
	return await_seen((uint64_t)generation);
}

/* ---- calls of root's on this host ---- */

static MAY_WAIT struct err *relay_xml(const struct gate_request *rq, struct json_text *out)
{
	const struct peer_master_relay_xml_in in = {
		.call = arena_strndup(rq->arena, rq->text.text, rq->text.len),
		.address = rq->peer.address ? rq->peer.address : "",
		.user_agent = rq->peer.user_agent ? rq->peer.user_agent : ""};
	const char *value;

	TRY(peer_call(own.conn, PEER_METHOD_MASTER_RELAY_XML, &in, rq->arena, &value, NEVER));
	*out = (struct json_text){value, strlen(value)};
	return NULL;
}

static MAY_WAIT struct err *relay_json(const struct gate_request *rq, struct json_text *out)
{
	struct json_text *v = arena_calloc(rq->arena, rq->n_params + 1, sizeof(*v));
	const struct peer_master_relay_in in = {.method = rq->method,
		.params = {v, rq->n_params},
		.address = rq->peer.address ? rq->peer.address : "",
		.user_agent = rq->peer.user_agent ? rq->peer.user_agent : ""};

	for (size_t i = 0; i < rq->n_params; i++)
		v[i] = rq->params[i].json;
	return peer_call(own.conn, PEER_METHOD_MASTER_RELAY, &in, rq->arena, out, NEVER);
}

MAY_WAIT struct err *member_relay(const struct gate_request *rq, struct json_text *out)
{
	if (!own.is_in_touch)
		return err(CANNOT_CONTACT_HOST, own_role.master);
	return rq->form == GATE_XML ? relay_xml(rq, out) : relay_json(rq, out);
}

/* ---- sessions of the master's ---- */

MAY_WAIT struct err *member_describe(const char *session, struct xapi_call *c)
{
	const struct peer_master_session_in in = {session};
	struct peer_session_facts facts;

	if (!own.is_in_touch)
		return err(CANNOT_CONTACT_HOST, own_role.master);
	auto_err e = peer_call(own.conn, PEER_METHOD_MASTER_SESSION, &in, c->call.arena, &facts,
		deadline_in(CALL_NS));
	if (err_is(e, &ERR_Session_unknown))
		return err(SESSION_INVALID, session);
	if (e)
		return err(CANNOT_CONTACT_HOST, own_role.master);
	c->session = arena_strdup(c->call.arena, session);
	c->user = facts.user;
	c->subject = facts.subject;
	c->role = facts.role;
	c->is_root = facts.root;
	return NULL;
}

/* ---- the connection ---- */

static const struct service *const services[] = {&peer_service, NULL};

static MAY_WAIT struct err *greet(void)
{
	const struct peer_master_hello_in in = {
		.host = own_role.host, .run = own.run, .since = (int64_t)own.seen};
	auto_arena a = {0};
	int64_t number;

	TRY(peer_call(own.conn, PEER_METHOD_MASTER_HELLO, &in, &a, &number, deadline_in(CALL_NS)));
	own.written = (uint64_t)number;
	own.is_greeted = true;
	cond_broadcast(&own.changed);
	return NULL;
}

/* Until he goes away, or says nothing for too long. */
static MAY_WAIT struct err *await_end(void)
{
	int64_t patience = BEATS * xapid_conf.heartbeat_ns;

	own.heard = clock_mono_ns();
	while (own.conn) {
		auto_err e = cond_wait(&own.changed, "the master to go away", own.heard + patience);

		if (e && !(err_is(e, &ERR_TIMEOUT) && own.heard + patience > clock_mono_ns()))
			return take(e);
	}
	return NULL;
}

static MAY_WAIT struct err *connect_master(void)
{
	struct stream *s;

	TRY(dial_link(own_role.master, NULL, auth_pool_secret(), &s, deadline_in(DIAL_NS)));
	TRY(rpc_speak(&own.conn, s, "master", services, lost, NULL));
	TRY(greet());
	log_info("the master at %s is there", own_role.master);
	own.problem[0] = '\0';
	return await_end();
}

static MAY_WAIT void keep_fiber(void *arg)
{
	while (!loop_is_stopping()) {
		auto_err e = connect_master();

		if (loop_is_stopping())
			return;
		if (e && own.conn)
			rpc_hang_up(own.conn, "no hello");
		if (e && strcmp(own.problem, e->code) != 0) {
			snprintf(own.problem, sizeof(own.problem), "%s", e->code);
			log_err(LOG_WARN_, e, "the master at %s", own_role.master);
		}
		err_free(fiber_sleep(RETRY_NS));
	}
}

/* ---- start and end ---- */

struct err *forward_start(MAY_WAIT struct err *(*when_found)(void))
{
	if (!own_role.is_member)
		return NULL;
	own.when_found = when_found;
	uuid_random_text(own.run);
	cond_init(&own.changed);
	db_copy_begin(ops_wait);
	op_set_elsewhere(begin_op);
	TRY(fiber_spawn(NULL, keep_fiber, NULL, "master"));
	return fiber_spawn(NULL, write_fiber, NULL, "writes");
}

void forward_stop(void)
{
	master_stop();
	run_stop();
	dial_fini();
	if (!own.when_found)
		return;
	forget_changes();
	arena_fini(&own.arena);
	cond_fini(&own.changed);
}
