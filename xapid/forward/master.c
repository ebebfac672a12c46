/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The master's side (forward.h): the members that have called, and a fiber each that tells them
 * what has changed, as soon as it is durable. What a member wrote is done when it comes, and goes
 * back to it with the number of the write, whatever became of it; so the copies come to agree.
 *
 * Nobody is told of a change that a copy does not have yet: any member may have to be the next
 * master. A member that does not keep up is not waited for again until it has caught up.
 */
#define LOG_MODULE "pool"

#include "common/clock.h"
#include "common/fiber.h"
#include "common/list.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mem.h"
#include "common/rpc.h"
#include "common/stream.h"
#include "common/vec.h"
#include "core.gen.h"
#include "xapid/door/door.h"
#include "xapid/forward/forward.h"
#include "xapid/gate/call.h"
#include "xapid/gate/task.h"
#include "xapid/host/role.h"
#include "xapid/rules/rules.h"
#include "xapid/xapid.h"

#include <string.h>

#define ROWS_AT_ONCE 500 /* in one message; between two of them others run */

/* An operation that a member has begun. */
struct begun {
	const struct op_rules *rules;
	char *ref, *task; /* owned */
};

/* A host that has called; it stays in the list when it goes away. */
struct member {
	struct list link;
	char *host, *run; /* owned; the run of its xapid */
	char *address; /* owned, or NULL; of the one that becomes the master */
	struct rpc_conn *conn; /* NULL: it is away */
	uint64_t epoch; /* counts when it called */
	uint64_t number; /* of its newest write that was done */
	uint64_t sent, seen; /* generations: told of, and known to be there */
	bool keeps_up; /* the barrier waits for it */
	bool is_full; /* it is told of everything, up to a message without `more` */
	vec_of(char *) again; /* owned: to be told of whether it changed or not */
	vec_of(struct begun) begun;
	struct cond told; /* SEEN, or it went away */
};

static struct list members = LIST_INIT(members);

static struct member *member_of(const char *host)
{
	list_for_each (m, &members, struct member, link)
		if (!strcmp(m->host, host))
			return m;
	return NULL;
}

static struct member *member_on(const struct rpc_conn *conn)
{
	list_for_each (m, &members, struct member, link)
		if (conn && m->conn == conn)
			return m;
	return NULL;
}

struct rpc_conn *master_member(const char *host)
{
	const struct member *m = member_of(host);

	return m ? m->conn : NULL;
}

/* ---- whether it lives ---- */

static void set_live(const char *ref, bool is_live)
{
	const struct xenapi_host *host = db_find(host, ref);

	if (!host || !db_find(host_metrics, host->metrics))
		return;
	auto_err e = db_write(host_metrics, host->metrics, live, is_live);
	if (e)
		log_err(LOG_WARN_, e, "noting whether %s lives", ref);
	op_list(&host_rules, ref);
}

static void went_away(struct rpc_conn *conn, void *arg)
{
	struct member *m = member_on(conn);

	if (!m)
		return;
	m->conn = NULL;
	m->keeps_up = false;
	cond_broadcast(&m->told);
	if (loop_is_stopping())
		return;
	log_info("%s has gone away", m->host);
	set_live(m->host, false);
}

/* ---- what it is told ---- */

static void add_row(struct peer_copied_list *list, struct db_row *row, struct arena *a)
{
	auto_sbuf b = {0};
	struct json_text *whole = arena_new(a, struct json_text);

	db_row_write_whole(row, &b);
	*whole = (struct json_text){arena_strndup(a, sbuf_data(&b), sbuf_len(&b)), sbuf_len(&b)};
	list->v[list->n++] = (struct peer_copied){arena_strdup(a, db_ref(row)), whole};
}

static void add_again(struct member *m, struct peer_copied_list *list, struct arena *a)
{
	vec_for_each (i, &m->again) {
		struct db_row *row = db_row(NULL, m->again.v[i]);

		if (row)
			add_row(list, row, a);
		else
			list->v[list->n++] =
				(struct peer_copied){arena_strdup(a, m->again.v[i]), NULL};
	}
}

static void forget_again(struct member *m, size_t n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n; i++)
		free(m->again.v[i]);
	m->again.n -= n;
	if (m->again.n) /* else there may be no array at all */
		memmove(m->again.v, m->again.v + n, m->again.n * sizeof(*m->again.v));
}

static void add_gone(struct member *m, uint64_t until, struct peer_copied_list *list,
	struct arena *a, const struct db_tombstone *first)
{
	for (const struct db_tombstone *t = first; t && t->deleted <= until;
		t = db_next_tombstone(t))
		list->v[list->n++] = (struct peer_copied){arena_strdup(a, t->ref), NULL};
}

static size_t count_gone(const struct db_tombstone *first)
{
	size_t n = 0;

	for (const struct db_tombstone *t = first; t; t = db_next_tombstone(t))
		n++;
	return n;
}

/* What is new since the last message, as far as it goes into one. */
static struct peer_member_apply_in gather(struct member *m, struct arena *a)
{
	const struct db_tombstone *gone = m->is_full ? NULL : db_first_tombstone(m->sent);
	struct peer_copied_list list = {
		arena_calloc(a, ROWS_AT_ONCE + m->again.n + count_gone(gone) + 1, sizeof(*list.v)),
		0};
	struct db_row *row = db_first_change(m->sent);
	uint64_t until = m->sent;

	for (; row && list.n < ROWS_AT_ONCE; row = db_next_change(row)) {
		add_row(&list, row, a);
		until = db_row_generation(row);
	}
	if (!row)
		until = db_generation();
	add_gone(m, until, &list, a, gone);
	if (!row)
		add_again(m, &list, a);
	return (struct peer_member_apply_in){.generation = (int64_t)until,
		.number = (int64_t)(row ? 0 : m->number),
		.full = m->is_full,
		.more = row,
		.changes = list};
}

/* Whether it has neither gone away nor called again. */
static bool is_there(const struct member *m, uint64_t epoch)
{
	return m->conn && m->epoch == epoch;
}

/* One message. What was taken back meanwhile has changed again, and comes with the next one. */
static MAY_WAIT struct err *tell(struct member *m, uint64_t epoch)
{
	auto_arena a = {0};
	const struct peer_member_apply_in in = gather(m, &a);
	size_t n_again = in.more ? 0 : m->again.n;
	auto_err undone = db_barrier_here(m->sent, NEVER);

	if (undone && !err_is(undone, &ERR_STORE_READ_ONLY))
		return take(undone);
	if (!is_there(m, epoch))
		return err(CONNECTION_LOST, m->host);
	TRY(peer_call(m->conn, PEER_METHOD_MEMBER_APPLY, &in, &a, NULL,
		deadline_in(BEATS * xapid_conf.heartbeat_ns)));
	if (!is_there(m, epoch))
		return err(CONNECTION_LOST, m->host);
	forget_again(m, n_again);
	m->sent = (uint64_t)in.generation;
	if (in.more)
		return NULL;
	m->is_full = false;
	m->seen = m->sent;
	m->keeps_up = true;
	cond_broadcast(&m->told);
	return NULL;
}

static bool has_news(const struct member *m)
{
	return m->sent < db_generation() || m->again.n || m->is_full;
}

/* Until there is something to tell, or it is time to say that we are here. */
static MAY_WAIT struct err *await_news(struct member *m, uint64_t epoch)
{
	int64_t beat = deadline_in(xapid_conf.heartbeat_ns);

	while (is_there(m, epoch) && !has_news(m)) {
		auto_err e = db_wait_change(m->sent, beat);

		if (err_is(e, &ERR_TIMEOUT))
			return NULL;
		if (e)
			return take(e);
	}
	return NULL;
}

static MAY_WAIT struct err *tell_all(struct member *m, uint64_t epoch)
{
	while (is_there(m, epoch)) {
		TRY(tell(m, epoch));
		TRY(await_news(m, epoch));
	}
	return NULL;
}

struct telling {
	struct member *member;
	uint64_t epoch;
};

static MAY_WAIT void tell_fiber(void *arg)
{
	struct telling t = *(struct telling *)arg;

	free(arg);
	auto_err e = tell_all(t.member, t.epoch);
	if (!is_there(t.member, t.epoch) || loop_is_stopping())
		return;
	log_err(LOG_WARN_, e, "telling %s what has changed", t.member->host);
	rpc_hang_up(t.member->conn, "it cannot be told what has changed");
}

MAY_WAIT struct err *master_await_copy(const char *host, int64_t deadline)
{
	struct member *m = member_of(host);
	uint64_t generation = db_generation();

	while (m && m->conn && m->seen < generation)
		TRY(cond_wait(&m->told, "a member's copy", deadline));
	return m && m->conn ? NULL : err(HOST_OFFLINE, host);
}

/* ---- what it has ---- */

/* Who becomes the master instead of this host: it must have what anybody is told of. */
static const struct member *heir;

static void fall_behind(struct member *m)
{
	if (!m->keeps_up)
		return;
	m->keeps_up = false;
	cond_broadcast(&m->told);
	log_warn("%s does not keep up: changes are not its before they are told of", m->host);
}

static MAY_WAIT struct err *await_copy(struct member *m, uint64_t generation, int64_t deadline)
{
	int64_t patience = deadline_in(xapid_conf.heartbeat_ns);

	while (m->keeps_up && m->seen < generation) {
		auto_err e = cond_wait(
			&m->told, "a member's copy", deadline < patience ? deadline : patience);

		if (!e)
			continue;
		if (!err_is(e, &ERR_TIMEOUT) || clock_mono_ns() < patience)
			return take(e);
		fall_behind(m);
	}
	return m == heir && m->seen < generation ? err(HOST_IS_SLAVE, m->address) : NULL;
}

static MAY_WAIT struct err *await_copies(uint64_t generation, int64_t deadline)
{
	list_for_each (m, &members, struct member, link)
		TRY(await_copy(m, generation, deadline));
	return NULL;
}

MAY_WAIT struct err *master_hand_over(const char *host, const char *address, int64_t deadline)
{
	struct member *m = member_of(host);

	if (!m || !m->conn)
		return err(HOST_OFFLINE, host);
	free(m->address);
	m->address = xstrdup(address);
	heir = m;
	struct err *e = master_await_copy(host, deadline);
	if (e)
		heir = NULL;
	return e;
}

void master_keep(void)
{
	heir = NULL;
}

/* ---- it begins ---- */

/* What its last run had begun is not under way any more. */
static void end_begun(struct member *m)
{
	vec_for_each (i, &m->begun) {
		struct begun *b = &m->begun.v[i];

		op_ended(b->rules, b->ref, b->task);
		free(b->ref);
		free(b->task);
	}
	m->begun.n = 0;
}

static void delete_its_tasks(const char *host)
{
	db_for_each (task, row) {
		const struct xenapi_task *t = db_record(row);

		if (strcmp(t->resident_on, host) != 0)
			continue;
		err_free(db_delete(task, db_ref(row)));
	}
}

static struct member *member_make(const char *host, const char *run)
{
	struct member *m = member_of(host);

	if (!m) {
		m = xnew(struct member);
		m->host = xstrdup(host);
		m->run = xstrdup("");
		cond_init(&m->told);
		list_push_back(&members, &m->link);
	}
	if (!strcmp(m->run, run))
		return m;
	free(m->run);
	m->run = xstrdup(run);
	m->number = 0;
	end_begun(m);
	delete_its_tasks(host);
	return m;
}

MAY_WAIT struct err *peer_api_master_hello(
	struct call *c, const struct peer_master_hello_in *in, int64_t *out)
{
	const char *host = db_find_uuid(host, in->host);
	struct telling *t = xnew(struct telling);

	if (!host) {
		free(t);
		return err(HOST_UNKNOWN_TO_MASTER, in->host);
	}
	struct member *m = member_make(host, in->run);
	if (m->conn)
		rpc_hang_up(take(m->conn), "the member has called again");
	m->conn = c->conn;
	m->epoch++;
	m->is_full = (uint64_t)in->since <= db_tombstones_from();
	m->sent = m->is_full ? 0 : (uint64_t)in->since;
	m->seen = 0;
	m->keeps_up = false;
	*out = (int64_t)m->number;
	log_info("%s is there", host);
	set_live(host, true);
	*t = (struct telling){m, m->epoch};
	struct err *e = fiber_spawn(NULL, tell_fiber, t, "member %s", in->host);
	if (e)
		free(t);
	return e;
}

/* ---- what it writes ---- */

static struct err *read_op(const struct peer_op *in, struct db_op *out)
{
	*out = (struct db_op){.kind = (enum db_op_kind)in->kind,
		.class = db_class_named(in->class, false),
		.ref = (char *)in->ref,
		.key = (char *)in->key,
		.value = in->value ? (char *)in->value->text : NULL};
	if (!out->class || !class_has_rows(out->class))
		return err(INVALID_VALUE, "class", in->class);
	out->field = *in->field ? db_field_named(out->class, in->field) : NULL;
	bool has_field = in->kind != PEER_OP_KIND_CREATE && in->kind != PEER_OP_KIND_DELETE &&
		in->kind != PEER_OP_KIND_END;
	if (has_field && !out->field)
		return err(INVALID_VALUE, "field", in->field);
	return NULL;
}

static void note_ended(
	struct member *m, const struct op_rules *rules, const char *ref, const char *task)
{
	op_ended(rules, ref, task);
	vec_for_each (i, &m->begun) {
		struct begun *b = &m->begun.v[i];

		if (b->rules != rules || strcmp(b->ref, ref) != 0 || strcmp(b->task, task) != 0)
			continue;
		free(b->ref);
		free(b->task);
		m->begun.v[i] = m->begun.v[--m->begun.n];
		return;
	}
}

/* What cannot be done, because something is gone say, is not: the member is told how it is. */
static struct err *do_op(struct member *m, const struct peer_op *in)
{
	struct db_op op;

	TRY(read_op(in, &op));
	const struct op_rules *rules = rules_of(op.class->name);
	if (op.kind == DB_OP_END) {
		if (rules)
			note_ended(m, rules, in->ref, in->key);
		return NULL;
	}
	auto_err e = db_op_apply(&op);
	if (err_is(e, &ERR_STORE_READ_ONLY))
		return take(e);
	if (e)
		log_err(LOG_INFO_, e, "a write of %s", m->host);
	if (op.kind == DB_OP_DELETE)
		op_look(in->ref);
	if (op.class == &xenapi_class_task && op.kind == DB_OP_WRITE)
		xtask_ended_there(in->ref);
	return NULL;
}

MAY_WAIT struct err *peer_api_master_write(struct call *c, const struct peer_master_write_in *in)
{
	struct member *m = member_on(c->conn);

	if (!m)
		return err(PERMISSION_DENIED, "the member has not said hello");
	if ((uint64_t)in->number <= m->number)
		return NULL;
	for (size_t i = 0; i < in->ops.n; i++) {
		vec_push(&m->again, xstrdup(in->ops.v[i].ref));
		TRY(do_op(m, &in->ops.v[i]));
	}
	m->number = (uint64_t)in->number;
	db_wake();
	return NULL;
}

MAY_WAIT struct err *peer_api_master_begin(
	struct call *c, const struct peer_master_begin_in *in, int64_t *out)
{
	const struct op_rules *rules = rules_of(in->class);
	struct member *m = member_on(c->conn);

	if (!rules || !m || in->op < 0 || in->op >= (int64_t)rules->operations->n)
		return err(INVALID_VALUE, "operation", in->class);
	TRY(op_begin_for(rules, in->ref, (int)in->op, in->task));
	if (m->conn != c->conn) { /* whoever would end it is gone */
		op_ended(rules, in->ref, in->task);
		return err(CONNECTION_LOST, m->host);
	}
	vec_push(&m->begun, (struct begun){rules, xstrdup(in->ref), xstrdup(in->task)});
	*out = (int64_t)db_generation();
	return NULL;
}

MAY_WAIT struct err *peer_api_master_join(struct call *c, const struct peer_master_join_in *in)
{
	TRY(merge_add(in->host, &in->objects));
	rules_list();
	return db_barrier(db_generation(), NEVER);
}

/* ---- the door ---- */

static const struct service *const services[] = {&peer_service, NULL};

static MAY_WAIT struct err *serve_link(struct exchange *x)
{
	struct rpc_conn *conn;

	if (!x->call->is_pool || own_role.is_member) {
		exchange_refuse(x, 403, "this is the pool's own");
		return NULL;
	}
	auto_str name = xasprintf("member %s", x->peer.address);
	struct stream *s = exchange_give_away(x);
	sbuf_adds(stream_out(s), "HTTP/1.1 200 OK\r\n\r\n");
	stream_flush_later(s);
	return rpc_speak(&conn, s, name, services, went_away, NULL);
}

void master_serve(void)
{
	static const struct route routes[] = {{.method = "CONNECT",
		.path = "/pool_link",
		.action = "pool_link",
		.role = "pool-admin",
		.fn = serve_link}};

	door_add_routes(routes, ARRAY_LEN(routes));
	if (!own_role.is_member)
		db_set_await_copies(await_copies);
}

void master_stop(void)
{
	struct member *m;

	while ((m = list_pop_front(&members, struct member, link))) {
		vec_for_each (i, &m->again)
			free(m->again.v[i]);
		vec_for_each (i, &m->begun) {
			free(m->begun.v[i].ref);
			free(m->begun.v[i].task);
		}
		vec_fini(&m->again);
		vec_fini(&m->begun);
		cond_fini(&m->told);
		free(m->host);
		free(m->address);
		free(m->run);
		free(m);
	}
}
