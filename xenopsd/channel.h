/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The connection over which a VM migrates, the same at both ends. It begins with a line that names
 * the form; then come messages, each of eight bytes (kind and length, big endian) and its content:
 * a record of idl/xenopsd.idl as JSON, or bytes of the guest's memory, which only a backend
 * understands. Everything that is read is bounded and checked: whoever is at the other end.
 *
 *	sender                              receiver
 *	HELLO what comes           ──►      makes the domain, plugs VIFs, attaches early
 *	                           ◄──      READY
 *	MEMORY …, MEMORY_END       ──►      has the guest, paused
 *	DONE (its guest stands,    ──►      brings up the devices, and decides: the VM is here
 *	 its disks are let go)
 *	                           ◄──      RUNS
 *	THANKS                     ──►      forgets the migration
 *
 * Until it decides, the receiver says FAILED instead of what is awaited, and has nothing of the VM
 * any more. A sender that said DONE and heard no answer comes again:
 *
 *	ASK did it arrive?         ──►
 *	                           ◄──      ANSWER
 *	THANKS                     ──►
 *
 * Fibers only. An error of reading or writing leaves a connection that is good for nothing.
 */
#ifndef XENITH_XENOPSD_CHANNEL_H
#define XENITH_XENOPSD_CHANNEL_H

#include "common/arena.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/schema.h"

#define CHANNEL_RECORD_MAX ((size_t)4 << 20) /* bytes of a record */
#define CHANNEL_MEMORY_MAX ((size_t)1 << 20) /* bytes of a MEMORY message */

enum channel_kind {
	CHANNEL_HELLO = 1,
	CHANNEL_READY,
	CHANNEL_MEMORY,
	CHANNEL_MEMORY_END,
	CHANNEL_DONE,
	CHANNEL_RUNS,
	CHANNEL_THANKS,
	CHANNEL_FAILED,
	CHANNEL_ASK,
	CHANNEL_ANSWER,
};

struct channel;
struct stream;

/* Takes over S, which has only what belongs to the migration to say from now on. */
struct channel *channel_new(struct stream *s);
/* NULL is fine. */
void channel_free(struct channel *p);
static inline void channel_freep(struct channel **p)
{
	channel_free(*p);
}

/* The first line, sent or awaited. Stream_unusable when it is another. */
MAY_WAIT must_check struct err *channel_greet(struct channel *p);
MAY_WAIT must_check struct err *channel_await_greeting(struct channel *p, int64_t deadline);

/* Sends a record, and waits while the peer is slow. TYPE NULL: a message without content. */
MAY_WAIT must_check struct err *channel_send(
	struct channel *p, enum channel_kind kind, const struct type *type, const void *value);
/* FAILED, with what went wrong here. */
MAY_WAIT must_check struct err *channel_send_failure(struct channel *p, const struct err *why);
/* Waits until all that was sent is on its way. */
MAY_WAIT must_check struct err *channel_flush(struct channel *p, int64_t deadline);

/*
 * Awaits a record (or, TYPE NULL, a message without content). FAILED gives the peer's error, and
 * then channel_has_failed; another kind, or what is none of this type, is Stream_unusable; an end
 * is CONNECTION_LOST.
 */
MAY_WAIT must_check struct err *channel_await(struct channel *p, enum channel_kind kind,
	const struct type *type, struct arena *a, void *out, int64_t deadline);
/* The kind of the next message, which stays to be awaited. */
MAY_WAIT must_check struct err *channel_look(
	struct channel *p, enum channel_kind *kind, int64_t deadline);
bool channel_has_failed(const struct channel *p);

/* ---- the guest's memory, for images (image.h) ---- */

MAY_WAIT must_check struct err *channel_send_memory(struct channel *p, const void *bytes, size_t n);
/* No more comes. */
MAY_WAIT must_check struct err *channel_end_memory(struct channel *p);
/* At most SIZE of the next bytes; *N is 0 at the end, and then all that was sent has come. */
MAY_WAIT must_check struct err *channel_read_memory(
	struct channel *p, void *bytes, size_t size, size_t *n);

#endif
