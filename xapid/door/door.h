/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The door: HTTP/1.1 on plain TCP, TLS and the Unix socket <run>/xapi. A request is read, its
 * handler found by method and longest prefix of the path, and run in the connection's fiber, which
 * is there only from a request's first byte to its answer: an idle connection has neither fiber nor
 * buffer. Loop thread only.
 *
 * Reading order: http.h (a head), http_conn.c (a connection's life), http_exchange.c (what handlers
 * call), route.c, then what is served: rpc_xml.c, rpc_json.c, files.c, console.c.
 */
#ifndef XENITH_XAPID_DOOR_DOOR_H
#define XENITH_XAPID_DOOR_DOOR_H

#include "common/arena.h"
#include "common/err.h"
#include "common/list.h"
#include "xapid/door/http.h"
#include "xapid/gate/gate.h"

struct stream;

/* ---- the whole ---- */

struct door_conf {
	const char *address; /* numeric; "::" is all */
	int64_t port, tls_port; /* 0: none */
	int64_t connections; /* so many may be open; for one more an idle one is closed */
	int64_t idle_ns; /* a connection without a request for so long is closed */
	const char *unix_path; /* the socket of root */
	const char *cert_path; /* key and certificate; made when there is none */
	const char *www; /* the files that are served at / */
};

/* Opens the listeners. CONF is looked at only now. */
MAY_WAIT must_check struct err *door_open(const struct door_conf *conf);
/* No new connections, the idle ones are closed; those with a request in hand end after it. */
void door_close(void);
/* What is left is given back: after the last fiber. */
void door_fini(void);

/* ---- its certificate ---- */

/* Makes one for this host, and for ADDRESS (or NULL), where there is none. The file is also that
 * which the functions below are about. */
MAY_WAIT must_check struct err *door_certificate_ensure(const char *cert_path, const char *address);
/* The file is another one: connections from now on see it, those that are open go on. On an error
 * (STORE_UNUSABLE) all stays as it was. */
must_check struct err *door_certificate_reload(void);
/* Puts key, certificate and chain in its place, when they can be served with. */
MAY_WAIT must_check struct err *door_certificate_put(const char *pem);
/* Makes one that signs itself, for this host and ADDRESS, to be put there; owned, and secret. */
MAY_WAIT must_check struct err *door_certificate_make(const char *address, char **pem);

/* ---- an exchange: one request and its answer ---- */

struct exchange {
	struct http_request request;
	struct gate_peer peer;
	struct arena *arena; /* of this exchange */
	struct xapi_call *call; /* of a route with an action: what the gate made of it */
	struct gate_result result; /* of its task, for the handler to set (type NULL: none) */
	struct http_conn *conn;
	/* http_exchange.c's: */
	uint64_t body_left; /* of the request, not read yet */
	size_t body_held; /* was given to the handler and is still in the stream's buffer */
	struct sbuf extra; /* header lines of the answer to come */
	const char *constant; /* the same, or NULL */
	uint64_t reply_left; /* of an answer with a length, not written yet */
	const char *refusal; /* why it was refused, where the handler did */
	bool awaits_continue; /* the client does not send the body before it is asked to */
	bool is_begun; /* the head of the answer is on its way */
	bool is_chunked; /* the answer is */
	bool is_taken_over;
	bool goes_on_elsewhere; /* another host serves it, and ends its task */
	bool ends_connection;
};

#define BODY_STALL_NS (60 * NS_PER_S) /* a client may be silent so long within a body */

/* The whole body, of at most MAX bytes; it lives until the handler returns or lets go of it. The
 * error (LIMIT_EXCEEDED, or what broke the connection) is for the handler to return. */
MAY_WAIT must_check struct err *exchange_body(
	struct exchange *x, size_t max, const char **bytes, size_t *n);
/* What was given of the body is of no use any more; before a long wait. */
void exchange_let_go_of_body(struct exchange *x);
/* The next bytes of the body as they come; *N 0: it is at its end. They live until the next call.
 */
MAY_WAIT must_check struct err *exchange_read(struct exchange *x, const char **bytes, size_t *n);

/* A header line of the answer; before it begins. */
void exchange_header(struct exchange *x, const char *name, const char *value);
/* Whole lines of it, as they go out; constant, and once for an answer. */
void exchange_headers(struct exchange *x, const char *lines);
/* A whole answer. TYPE NULL: without a body. */
void exchange_reply(
	struct exchange *x, unsigned status, const char *type, const void *bytes, size_t n);
/* Sends the client to another host, which the request's task goes to as well. */
void exchange_redirect(struct exchange *x, const char *location);
/* A short text that says what is wrong. */
void exchange_refuse(struct exchange *x, unsigned status, const char *fmt, ...) printf_like(3, 4);

/* An answer in pieces: begin (LENGTH -1: not known), write, and return from the handler. Writing
 * waits while the client is slow. */
void exchange_begin(struct exchange *x, unsigned status, const char *type, int64_t length);
MAY_WAIT must_check struct err *exchange_write(struct exchange *x, const void *bytes, size_t n);
/* The same without waiting, for what is at hand anyway: a copy, or the bytes of a run where they
 * are, which is empty then. */
void exchange_put(struct exchange *x, const void *bytes, size_t n);
void exchange_put_shared(struct exchange *x, struct shared_run *run);

/* The same with the first N bytes of a file, after exchange_begin. */
MAY_WAIT must_check struct err *exchange_write_file(struct exchange *x, int fd, uint64_t n);
/* What is left of the body, to a file. */
MAY_WAIT must_check struct err *exchange_read_file(struct exchange *x, int fd);

/*
 * Takes the connection over for another protocol: what is written to the stream goes as it is, and
 * what was read ahead is in it. It closes when the handler returns. Neither request body nor answer
 * are handled for it any more.
 */
struct stream *exchange_take_over(struct exchange *x);
/* The same for good: the stream is the caller's, also after the handler has returned. */
struct stream *exchange_give_away(struct exchange *x);

/* ---- routes ---- */

/* An error that it returns is answered (500, or what suits it) when nothing was sent yet, and ends
 * the call's task. */
typedef MAY_WAIT struct err *(*route_fn)(struct exchange *x);

struct route {
	const char *method;
	const char *path; /* a prefix of the path */
	const char *action; /* what the gate knows it by ("get_export"); NULL: public */
	const char *role; /* the least that may, where there is an action */
	bool (*is_public)(struct exchange *x); /* this once for everybody; NULL: never */
	route_fn fn;
};

/* Adds N routes; borrowed for ever. Of two with the same method and path the later one counts. */
void door_add_routes(const struct route *routes, size_t n);

/* ---- consoles ---- */

/* A client's session with a console. */
struct door_console {
	struct stream *stream; /* the console's side; the door's from then on */
	int64_t idle_ns; /* it ends when the client says nothing for so long; 0: it does not */
	struct list link; /* of door_console_claim */
	const char *of;
};
/* Connects to the console that the request's query names. LIMIT_EXCEEDED: 429. */
typedef MAY_WAIT struct err *(*door_console_fn)(struct exchange *x, struct door_console *out);
/* For such a function, before it connects: from now on until its end the session is one of OF's,
 * which lives as long as the exchange. Where ALONE, false if there is another one. */
bool door_console_claim(struct door_console *c, const char *of, bool alone);
/* Without such a function /console answers 404. */
void door_on_console(door_console_fn fn);

#endif
