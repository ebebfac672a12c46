/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One connection, the same at both ends: calls in flight both ways. rpc_conn.c is its life and its
 * lines, rpc_reader.c who reads it, rpc_inbound.c the calls of the peer, rpc_outbound.c the calls
 * to it. Of rpc_*.c alone; loop thread only.
 *
 * A connection is kept by references: one while it is open, one each call in flight. Closing
 * cancels the fibers of inbound calls and ends the outbound ones with an error.
 */
#ifndef XENITH_COMMON_RPC_CONN_H
#define XENITH_COMMON_RPC_CONN_H

#include "common/fiber.h"
#include "common/list.h"
#include "common/rpc.h"
#include "common/rpc_wire.h"
#include "common/stream.h"

struct rpc_conn {
	unsigned refs;
	struct stream *stream; /* owned; NULL once closed */
	char *name; /* owned; of the peer, for logs and errors */
	struct peer peer;
	const struct service *const *services; /* borrowed; NULL: calls are not served here */
	struct rpc_limits limits;
	struct list link; /* among all connections */
	bool ends_with_peer; /* one that sends no more wants no answers either */
	bool is_refused; /* the peer does not speak the protocol: closes after our last words */
	struct list ready; /* among those that are to be served */
	struct fiber *reader; /* that serves it now, or NULL */
	bool has_ended; /* nobody serves it any more: the last call in flight closes */
	size_t scanned; /* unread bytes that hold no newline */
	size_t n_open; /* no fewer than the brackets that open in these bytes */
	bool has_answered; /* something is written that need not wait for the turn's end */
	struct cond room; /* the reader: calls have ended, or the peer has gone */
	struct arena scratch; /* for the head of the message at hand */
	void (*on_closed)(struct rpc_conn *c, void *arg); /* or NULL */
	void *on_closed_arg;

	/* rpc_inbound.c */
	struct list inbound; /* calls of the peer whose answer is due */
	struct list tasks; /* calls of the peer that became tasks */
	unsigned n_inbound;
	size_t inbound_bytes; /* of their messages */

	/* rpc_outbound.c */
	struct outbound **slots; /* owned; NULL: free */
	uint32_t n_slots; /* a power of two, or 0 */
	unsigned n_outbound;
	uint64_t next_number;
	struct err *farewell; /* owned; why the peer closes, if it has said so */

	/* rpc_descriptor.c */
	struct list descriptors; /* that the peer has handed over and no call has taken */
	unsigned n_descriptors;
	uint64_t next_descriptor; /* names of those that we hand over */
};

/* Takes over FD. NAME is copied. ON_CLOSED is called once, when it has closed. */
must_check struct err *rpc_conn_new(struct rpc_conn **out, int fd, const char *name,
	const struct rpc_limits *limits, const struct service *const *services);
/* The same on a stream, which it takes over. */
must_check struct err *rpc_conn_over(struct rpc_conn **out, struct stream *s, const char *name,
	const struct rpc_limits *limits, const struct service *const *services);
struct rpc_conn *rpc_conn_ref(struct rpc_conn *c);
void rpc_conn_unref(struct rpc_conn *c);
/* Harmless on one that is closed. */
void rpc_conn_close(struct rpc_conn *c, const char *why);
/* Serves the complete lines in the stream's buffer, as far as there is room. False: a call that
 * waited has kept this fiber, and others serve now. */
MAY_WAIT bool rpc_conn_take_lines(struct rpc_conn *c);
/* Reads and serves what is there. True: there is more, but others may have their turn. */
MAY_WAIT bool rpc_conn_serve(struct rpc_conn *c);
/* A call has ended: the reader may go on, an ending connection may close. */
void rpc_conn_call_ended(struct rpc_conn *c);
/* LIMITS (or NULL) with the defaults filled in. */
struct rpc_limits rpc_limits_filled(const struct rpc_limits *limits);
must_check struct err *rpc_message_too_long(const struct rpc_conn *c);
/* What the peer would refuse is not sent: why, of a message of so many bytes whose value is nested
 * so deeply. */
must_check struct err *rpc_check_message(const struct rpc_conn *c, size_t len, unsigned depth);
/* Bytes that may be unwritten before a call waits for the peer to read. */
#define RPC_UNWRITTEN_MAX ((size_t)1024 * 1024)

/* ---- rpc_reader.c ---- */

/* C is to be served. */
void rpc_reader_wake(struct rpc_conn *c);
/* This fiber serves C: should it wait, another one is the reader from then on. */
void rpc_reader_serves(struct rpc_conn *c);
/* This fiber is going to wait: if it is the reader, another one is from now on. */
void rpc_reader_leave(const char *name);
/* No connection is open any more. */
void rpc_reader_end(void);

/* ---- rpc_inbound.c ---- */

struct inbound;

/* Reads the params that H stands before; NULL when there is no such call (they were skipped). */
struct inbound *rpc_inbound_read(struct rpc_conn *c, struct rpc_head *h);
/* The message is whole: the call to run, which is NULL when that was answered already. IN: what was
 * read, or NULL. */
must_check struct inbound *rpc_inbound_take(
	struct rpc_conn *c, struct rpc_head *h, struct inbound *in);
/* Runs the call on the reader's fiber; if it waits, another reader takes over. False: it did. */
MAY_WAIT bool rpc_inbound_run(struct inbound *in);
/* The message is none: forget what was read. */
void rpc_inbound_drop(struct inbound *in);
/* The connection has closed. */
void rpc_inbound_abandon(struct rpc_conn *c);
/* The calls whose answer is due. */
void rpc_inbound_dump(const struct rpc_conn *c, struct json_writer *w);
/* Gives back the pool of calls; for leak checkers. */
void rpc_inbound_fini(void);

/* ---- rpc_descriptor.c ---- */

/* The notification "rpc.descriptor". An error: the peer is to lose its connection. */
must_check struct err *rpc_descriptor_take_in(struct rpc_conn *c, struct json_text params);
/* Closes what no call has taken. */
void rpc_descriptors_close(struct rpc_conn *c);
/* Sends FD (taken over) and its notification; the name is in the arena. */
const char *rpc_descriptor_send(struct rpc_conn *c, int fd, struct arena *a);

/* ---- rpc_outbound.c ---- */

struct outbound;

/* Reads the result that H stands before into the call that waits for it, if there is one. */
struct outbound *rpc_outbound_read(struct rpc_conn *c, struct rpc_head *h);
/* The message is whole: end the call. O: what was read, or NULL. */
void rpc_outbound_take(struct rpc_conn *c, struct rpc_head *h, struct outbound *o);
/* The message is none: forget what was read. */
void rpc_outbound_drop(struct outbound *o);
MAY_WAIT must_check struct err *rpc_call_conn_raw(struct rpc_conn *c, const char *method,
	struct json_text params, struct arena *arena, struct json_text *result, int64_t deadline);
/* The connection has closed, having written so many bytes. */
void rpc_outbound_abandon(struct rpc_conn *c, uint64_t written, const char *why);

#endif
