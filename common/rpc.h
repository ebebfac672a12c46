/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON-RPC 2.0 over Unix sockets, one message a line, many calls in flight both ways on one
 * connection, answered in any order. Parameters are always an object, named by the IDL.
 *
 * A handler that waits has a fiber of its own: it begins on the one that serves all connections,
 * which is handed over when it waits. Its call ends when it returns; a caller that goes away
 * cancels the fiber, and so does the notification rpc.cancel {"id": ID}. Errors travel as {"code":
 * -32000, "message": CODE, "data": [param, …]} (the codes of JSON-RPC itself for what is not JSON,
 * no request, no such method, bad parameters). A request may carry one more member, "tag": the id
 * of what it is done for, which then stands in the log lines of both sides.
 *
 * Batches are refused. A line that is not JSON ends its connection, and no other.
 */
#ifndef XENITH_COMMON_RPC_H
#define XENITH_COMMON_RPC_H

#include "common/arena.h"
#include "common/err.h"
#include "common/listen.h"
#include "common/schema.h"

struct rpc_conn;
struct rpc_server;
struct rpc_client;
struct task;

/* What a handler is given besides its arguments. */
struct call {
	const struct method *method;
	struct arena *arena; /* of this call: results are built here */
	struct peer peer;
	struct task *task; /* of a METHOD_TASK call, else NULL */
	struct rpc_conn *conn; /* for calls back over the same connection; NULL once it is gone */
	const struct service *const *services; /* what the server serves; NULL-terminated */
	const char *id; /* in log lines: the caller's tag if it gave one, else our number */
};

/* A member that is 0 means its default. */
struct rpc_limits {
	size_t message_size; /* bytes of one message (default 16 MiB) */
	unsigned calls; /* in flight on one connection (default 1024) */
	unsigned connections; /* default 1024 */
	int64_t write_stall_ns; /* a peer that reads nothing is cut off then (default 60 s) */
	unsigned descriptors; /* of one connection, that no call has taken (default: none is let in;
				 at most 16) */
};

/* ---- server ---- */

/* SERVICES: NULL-terminated; every daemon adds core_service (TASK, UPDATES, debug) itself. Both
 * borrow SERVICES for as long as the server lives. Listens on PATH, mode 0660, for root, our own
 * user and our group only. */
must_check struct err *rpc_server_new(struct rpc_server **out, const char *path,
	const struct service *const *services, const struct rpc_limits *limits);
/* Takes over a listening descriptor (socket activation). */
must_check struct err *rpc_server_from_fd(struct rpc_server **out, int fd,
	const struct service *const *services, const struct rpc_limits *limits);
/* Closes every connection. Task calls go on. */
void rpc_server_free(struct rpc_server *s);

/* ---- client ---- */

/*
 * A client reconnects by itself at the next call. Calls that were in flight when the connection
 * broke get CONNECTION_LOST (they may have been carried out); a call that could not be sent gets
 * CONNECTION_REFUSED (it was not). SERVICES (or NULL) may be called back by the other end.
 */
struct rpc_client *rpc_client_new(const char *path, const struct service *const *services);
void rpc_client_free(struct rpc_client *c);
/* Connects now if it is not connected, to learn early. */
MAY_WAIT must_check struct err *rpc_client_connect(struct rpc_client *c, int64_t deadline);
/* Calls FN on the loop each time the connection came up (true) or broke (false). */
void rpc_client_on_state(struct rpc_client *c, void (*fn)(bool is_up, void *arg), void *arg);

/*
 * What the generated client functions call. OUT (m->out, of m->out->size bytes; for a task call the
 * task's id, a const char *) is decoded into ARENA. The fiber's tag goes along as the call's id.
 */
MAY_WAIT must_check struct err *rpc_call(struct rpc_client *c, const struct method *m,
	const void *in, struct arena *arena, void *out, int64_t deadline);
/* The same over one connection: a handler's way to call its caller back. */
MAY_WAIT must_check struct err *rpc_call_conn(struct rpc_conn *c, const struct method *m,
	const void *in, struct arena *arena, void *out, int64_t deadline);
/* Without a table, for CLIs: PARAMS is a JSON object, *RESULT the result's text. */
MAY_WAIT must_check struct err *rpc_call_raw(struct rpc_client *c, const char *method,
	struct json_text params, struct arena *arena, struct json_text *result, int64_t deadline);

/* ---- descriptors ---- */

/*
 * A descriptor can be handed over to the other end of a Unix socket, under a name that the giver
 * chose; a call after it, on the same connection, has the name among its parameters, and its
 * handler takes the descriptor. On the wire it comes beside the first byte (SCM_RIGHTS) of the
 * notification
 *
 *	{"jsonrpc": "2.0", "method": "rpc.descriptor", "params": {"id": NAME}}
 *
 * What nobody takes is closed with the connection. A peer that sends more of them than there may
 * be, or a notification without one, loses its connection.
 */

/* Takes over FD, also on failure. *ID: for the call that follows, which must be made through C too.
 * If the connection breaks between the two, that call fails. */
MAY_WAIT must_check struct err *rpc_hand_over(
	struct rpc_client *c, int fd, struct arena *arena, const char **id, int64_t deadline);
/* The descriptor that the caller has handed over as ID; it is the handler's. INVALID_VALUE(PARAM,
 * …) when there is none. */
must_check struct err *rpc_take_descriptor(
	const struct call *call, const char *param, const char *id, int *fd);

/* ---- over a connection that somebody else has made: TCP, TLS ---- */

/*
 * Speaks on S, which it takes over, whoever is at the other end. ON_CLOSED is called once when the
 * connection has closed, which rpc_hang_up brings about; C is valid until then.
 */
struct stream;
must_check struct err *rpc_speak(struct rpc_conn **out, struct stream *s, const char *name,
	const struct service *const *services, void (*on_closed)(struct rpc_conn *c, void *arg),
	void *arg);
void rpc_hang_up(struct rpc_conn *c, const char *why);

/* Connections, calls in flight, bytes: for `diagnostics`. */
struct json_writer;
void rpc_dump(struct json_writer *w);

#endif
