/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A connection, between http_conn.c and the rest of the door.
 */
#ifndef XENITH_XAPID_DOOR_HTTP_CONN_H
#define XENITH_XAPID_DOOR_HTTP_CONN_H

#include "common/list.h"
#include "xapid/door/door.h"

struct tls_context;

struct http_conn {
	struct list link; /* in its queue, or among the busy ones */
	struct stream *stream; /* owned */
	enum gate_origin origin;
	char address[48]; /* of the other end, numeric; "" of a Unix socket */
	struct tls_context *tls; /* a handshake is due */
	struct fiber *fiber; /* serves; NULL while idle */
	struct queue *queue; /* of the idle ones, where it is */
	int64_t idle_until;
	bool has_asked; /* for something: it is not a new one any more */
	bool is_receiving; /* it is among those whose request is on its way */
};

/* Once, before connections come. */
void http_conn_begin(size_t connections, int64_t idle_ns);
/* Takes over FD. TLS: the context to shake hands with, or NULL. */
void http_conn_new(int fd, enum gate_origin origin, struct tls_context *tls);
/* The idle ones close now, the busy ones after the answer at hand. */
void http_conn_close_all(void);
/* It waits for the rest of a request, and may be closed for one that does not keep us waiting. */
void http_conn_receives(struct http_conn *c);
void http_conn_has_received(struct http_conn *c);
size_t http_conn_count(void);
/* After the last fiber. */
void http_conn_fini(void);

/* ---- http_exchange.c ---- */

/* Answers the request that X holds; the handler is found and run. */
MAY_WAIT void exchange_serve(struct exchange *x);
/* Bytes that may be unwritten before a writer waits for the client to read. */
#define UNWRITTEN_MAX ((size_t)256 * 1024)

/* ---- route.c ---- */

/* NULL: none. *KNOWS_METHOD: whether there is one of its method at all. */
const struct route *route_find(const char *method, const char *path, bool *knows_method);
void route_fini(void);

/* ---- share.c ---- */

/* Waits until the caller at C may begin another request: at once, unless it has begun several in
 * this turn and others are there too. */
MAY_WAIT must_check struct err *share_wait(const struct http_conn *c, const char *agent);

/* ---- certificate.c ---- */

/* For those who listen: of the certificate at CERT_PATH, which is made if it is not there. */
MAY_WAIT must_check struct err *certificate_open(
	const char *cert_path, const char *address, struct tls_context **out);
void certificate_fini(void);

/* ---- what the door itself serves ---- */

extern const struct route rpc_routes[], file_routes[], console_routes[];
extern const size_t n_rpc_routes, n_file_routes, n_console_routes;
void files_set_root(const char *www);

#endif
