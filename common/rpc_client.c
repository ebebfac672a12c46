/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client's side (rpc.h): a path, and the connection to it while there is one. Whoever calls
 * first after it broke makes it anew; others wait for that. Loop thread only.
 */
#define LOG_MODULE "rpc"

#include "common/log.h"
#include "common/mem.h"
#include "common/rpc_conn.h"
#include "core.gen.h"

#include <errno.h>
#include <string.h>

#define RETRY_AFTER (5 * NS_PER_MS) /* while the server's queue is full */

struct rpc_client {
	char *path; /* owned */
	const struct service *const *services;
	struct rpc_conn *conn; /* a reference; NULL while there is none */
	struct mutex connecting;
	unsigned users; /* fibers that are inside a function of this file */
	bool is_freed; /* the last user gives back the memory */
	void (*on_state)(bool is_up, void *arg); /* or NULL */
	void *on_state_arg;
};

struct rpc_client *rpc_client_new(const char *path, const struct service *const *services)
{
	struct rpc_client *c = xnew(struct rpc_client);

	c->path = xstrdup(path);
	c->services = services;
	mutex_init(&c->connecting);
	return c;
}

static void release(struct rpc_client *c)
{
	mutex_fini(&c->connecting);
	free(c->path);
	free(c);
}

/* Leaves a function that may have waited: the client may have been freed meanwhile. */
static struct err *leave(struct rpc_client *c, struct err *e)
{
	if (!--c->users && c->is_freed)
		release(c);
	return e;
}

void rpc_client_on_state(struct rpc_client *c, void (*fn)(bool is_up, void *arg), void *arg)
{
	c->on_state = fn;
	c->on_state_arg = arg;
}

static void conn_closed(struct rpc_conn *conn, void *arg)
{
	struct rpc_client *c = arg;

	c->conn = NULL;
	if (c->on_state)
		c->on_state(false, c->on_state_arg);
	rpc_conn_unref(conn);
}

void rpc_client_free(struct rpc_client *c)
{
	if (!c)
		return;
	c->on_state = NULL;
	c->is_freed = true;
	if (c->conn)
		rpc_conn_close(c->conn, "closed on this side");
	if (!c->users)
		release(c);
}

/* ---- connecting ---- */

static MAY_WAIT struct err *connect_fd(struct rpc_client *c, int *fd, int64_t deadline)
{
	for (;;) {
		int r = c->is_freed ? -ECONNABORTED : unix_connect(c->path, fd);

		if (!r)
			return NULL;
		if (r != -EAGAIN)
			return err(CONNECTION_REFUSED, c->path, strerrordesc_np(-r));
		if (clock_mono_ns() >= deadline)
			return err(TIMEOUT, c->path);
		TRY(fiber_sleep(RETRY_AFTER));
	}
}

static MAY_WAIT struct err *connect_locked(struct rpc_client *c, int64_t deadline)
{
	struct rpc_limits limits = rpc_limits_filled(NULL);
	struct rpc_conn *conn;
	int fd;

	if (c->conn) /* another fiber was first */
		return NULL;
	TRY(connect_fd(c, &fd, deadline));
	TRY(rpc_conn_new(&conn, fd, c->path, &limits, c->services));
	c->conn = rpc_conn_ref(conn);
	conn->on_closed = conn_closed;
	conn->on_closed_arg = c;
	peer_of_socket(fd, &conn->peer);
	log_debug("%s: connected", c->path);
	if (c->on_state)
		c->on_state(true, c->on_state_arg);
	return NULL;
}

/* Makes sure of c->conn. */
static MAY_WAIT struct err *connect_now(struct rpc_client *c, int64_t deadline)
{
	if (c->conn)
		return NULL;
	TRY(mutex_lock(&c->connecting, "another call to connect", deadline));
	struct err *e = connect_locked(c, deadline);
	mutex_unlock(&c->connecting);
	return e;
}

MAY_WAIT struct err *rpc_client_connect(struct rpc_client *c, int64_t deadline)
{
	c->users++;
	return leave(c, connect_now(c, deadline));
}

/* ---- calling ---- */

/* What is called: by its table, or by name. */
struct target {
	const struct method *m;
	const void *in;
	void *out;
	const char *name;
	struct json_text params;
	struct json_text *result;
	struct arena *arena;
};

static MAY_WAIT struct err *call_on(struct rpc_conn *conn, const struct target *t, int64_t deadline)
{
	if (t->m)
		return rpc_call_conn(conn, t->m, t->in, t->arena, t->out, deadline);
	return rpc_call_conn_raw(conn, t->name, t->params, t->arena, t->result, deadline);
}

/*
 * A connection may break after it was last looked at. A call that did not leave on it is made once
 * more, on a new one.
 */
static MAY_WAIT struct err *call_with_retry(
	struct rpc_client *c, const struct target *t, int64_t deadline)
{
	bool was_connected = c->conn;

	TRY(connect_now(c, deadline));
	struct err *e = call_on(c->conn, t, deadline);
	if (!was_connected || c->is_freed || !err_is(e, &ERR_CONNECTION_REFUSED) || !e->file)
		return e;
	err_free(e);
	TRY(connect_now(c, deadline));
	return call_on(c->conn, t, deadline);
}

/* Who is cancelled once it is asked for still learns of the task: nobody else would end it. */
static MAY_WAIT struct err *begin_task(
	struct rpc_client *c, const struct target *t, int64_t deadline)
{
	TRY(connect_now(c, deadline));
	fiber_cancel_mask();
	struct err *e = call_with_retry(c, t, deadline);
	fiber_cancel_unmask();
	return e;
}

static MAY_WAIT struct err *call_target(
	struct rpc_client *c, const struct target *t, int64_t deadline)
{
	c->users++;
	return leave(c, call_with_retry(c, t, deadline));
}

MAY_WAIT struct err *rpc_call(struct rpc_client *c, const struct method *m, const void *in,
	struct arena *arena, void *out, int64_t deadline)
{
	struct target t = {.m = m, .in = in, .out = out, .arena = arena};

	c->users++;
	return leave(c,
		m->flags & METHOD_TASK ? begin_task(c, &t, deadline)
				       : call_with_retry(c, &t, deadline));
}

MAY_WAIT struct err *rpc_call_raw(struct rpc_client *c, const char *method, struct json_text params,
	struct arena *arena, struct json_text *result, int64_t deadline)
{
	struct target t = {.name = method, .params = params, .result = result, .arena = arena};

	return call_target(c, &t, deadline);
}

static MAY_WAIT struct err *hand_over(
	struct rpc_client *c, int fd, struct arena *arena, const char **id, int64_t deadline)
{
	auto_fd owned = fd;

	TRY(connect_now(c, deadline));
	*id = rpc_descriptor_send(c->conn, owned, arena);
	owned = -1;
	return NULL;
}

MAY_WAIT struct err *rpc_hand_over(
	struct rpc_client *c, int fd, struct arena *arena, const char **id, int64_t deadline)
{
	c->users++;
	return leave(c, hand_over(c, fd, arena, id, deadline));
}
