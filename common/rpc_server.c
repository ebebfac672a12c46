/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The server's side (rpc.h): who may connect, and how many. Each connection is rpc_conn.c's. One
 * that is turned away is told why before it is closed. Loop thread only.
 */
#define LOG_MODULE "rpc"

#include "common/api_core.h"
#include "common/listen.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/rpc_conn.h"
#include "core.gen.h"

#include <assert.h>
#include <stdio.h>

struct rpc_server {
	struct listener *listener; /* owned */
	const struct service *const *services;
	struct rpc_limits limits;
	struct list conns;
	unsigned n_conns;
};

/* A connection, as its server sees it. */
struct served {
	struct list link;
	struct rpc_server *server;
	struct rpc_conn *conn; /* that is open */
};

static void conn_closed(struct rpc_conn *c, void *arg)
{
	struct served *d = arg;

	list_remove(&d->link);
	d->server->n_conns--;
	free(d);
}

/* Takes E and FD. */
static void turn_away(int fd, const char *name, struct err *e)
{
	auto_fd closing = fd;
	auto_err owned = e;
	auto_sbuf text = {0};

	log_rl(LOG_WARN_, "%s is turned away: %s", name, err_text(owned));
	rpc_error_message(&text, (struct json_text){0}, RPC_OWN_ERROR, owned);
	if (write(closing, sbuf_data(&text), sbuf_len(&text)) < 0)
		log_debug("%s: has not heard why", name);
}

static struct err *may_connect(const struct rpc_server *s, int fd, const struct peer *p)
{
	char limit[16];

	if (!peer_is_trusted(fd, p))
		return err(PERMISSION_DENIED,
			"only root, the daemon's user and its group may connect");
	if (s->n_conns < s->limits.connections)
		return NULL;
	snprintf(limit, sizeof(limit), "%u", s->limits.connections);
	return err(LIMIT_EXCEEDED, "connections", limit);
}

static void accepted(int fd, void *arg)
{
	struct rpc_server *s = arg;
	struct peer p;
	char name[48];

	int r = peer_of_socket(fd, &p);
	if (r < 0) {
		turn_away(fd, "a peer", err_errno(-r, "asking who it is"));
		return;
	}
	snprintf(name, sizeof(name), "pid %d (uid %u)", (int)p.pid, (unsigned)p.uid);
	struct err *e = may_connect(s, fd, &p);
	if (e) {
		turn_away(fd, name, e);
		return;
	}
	struct rpc_conn *c;
	auto_err no_fiber = rpc_conn_new(&c, fd, name, &s->limits, s->services);
	if (no_fiber) {
		log_rl(LOG_ERROR_, "%s is turned away: %s", name, err_text(no_fiber));
		return;
	}
	struct served *d = xnew(struct served);
	*d = (struct served){.server = s, .conn = c};
	c->peer = p;
	c->on_closed = conn_closed;
	c->on_closed_arg = d;
	list_push_back(&s->conns, &d->link);
	s->n_conns++;
}

static struct rpc_server *server_of(
	const struct service *const *services, const struct rpc_limits *limits)
{
	struct rpc_server *s = xnew(struct rpc_server);

	assert(api_core_is_linked);
	s->services = services;
	s->limits = rpc_limits_filled(limits);
	list_init(&s->conns);
	return s;
}

/* Takes S; gives it out when its listener is there. */
static struct err *give(struct rpc_server **out, struct rpc_server *s, struct err *e)
{
	if (e)
		free(s);
	else
		*out = s;
	return e;
}

struct err *rpc_server_new(struct rpc_server **out, const char *path,
	const struct service *const *services, const struct rpc_limits *limits)
{
	struct rpc_server *s = server_of(services, limits);

	return give(out, s, listen_unix(&s->listener, path, 0660, accepted, s));
}

struct err *rpc_server_from_fd(struct rpc_server **out, int fd,
	const struct service *const *services, const struct rpc_limits *limits)
{
	struct rpc_server *s = server_of(services, limits);

	return give(out, s, listen_fd(&s->listener, fd, accepted, s));
}

void rpc_server_free(struct rpc_server *s)
{
	struct served *d;

	if (!s)
		return;
	listener_free(s->listener);
	while ((d = list_first(&s->conns, struct served, link)))
		rpc_conn_close(d->conn, "the server is being stopped");
	free(s);
}
