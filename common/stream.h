/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A connection as bytes: read and written directly (no bufferevent), plain or TLS. One contiguous
 * buffer each way; what is written during a turn leaves with one write at its end. A fiber that
 * reads parks until more bytes are there; one that writes parks only when the peer is slow.
 */
#ifndef XENITH_COMMON_STREAM_H
#define XENITH_COMMON_STREAM_H

#include "common/clock.h"
#include "common/dialect.h"
#include "common/err.h"
#include "common/sbuf.h"

#include <sys/types.h>

struct cond;
struct shared;
struct shared_run;
struct stream;
struct tls_session;

/* Takes over FD (a socket or pipe, made non-blocking). -1: a stream in memory alone, for
 * fuzzing: it is at its end, and swallows what is written. */
struct stream *stream_new(int fd);
/* Closes at once; what was not written is lost. Fibers that wait on it get CONNECTION_LOST. */
void stream_free(struct stream *s);

/* Bytes that were read and not consumed. */
struct sbuf *stream_in(struct stream *s);
/* Reads more, at least one byte. *IS_END: the peer has closed its side (then nothing was read). At
 * most MAX bytes are kept unread (LIMIT_EXCEEDED). */
MAY_WAIT must_check struct err *stream_fill(
	struct stream *s, size_t max, bool *is_end, int64_t deadline);

/*
 * The same without waiting: when nothing is there *HAS_READ is false, and FN is called once, on the
 * loop, when something is, or the stream broke. FN must not free the stream.
 */
must_check struct err *stream_fill_or_call(struct stream *s, size_t max, bool *is_end,
	bool *has_read, void (*fn)(void *arg), void *arg);

/*
 * While no fiber reads: FN is called once, on the loop, when there is something to read (or the
 * peer has closed). Until then buffers that are empty are given back, so that a connection which
 * only waits costs next to nothing. It is called in the next turn where bytes are there already or
 * the stream is broken. FN must not free the stream.
 */
void stream_rest(struct stream *s, void (*fn)(void *arg), void *arg);
/* Gives back the buffer of what was read, if nothing in it is unread: before a long wait. */
void stream_give_back(struct stream *s);
/* Gives back what the unread bytes do not fill of it: the same where there are some. */
void stream_shrink(struct stream *s);

/* Append here; it leaves at the end of the turn. */
struct sbuf *stream_out(struct stream *s);
/* Appends bytes that others hold as well, without copying them (with TLS: when their turn comes),
 * but for the first FROM of them. The caller's hold goes to the stream. */
void stream_put_shared(struct stream *s, struct shared *bytes, size_t from);
/* All of a run, which is empty then. */
void stream_put_run(struct stream *s, struct shared_run *run);
/*
 * As soon as the old ones among shared bytes (shared.h) are more than N: breaks the stream that has
 * had some in it for the longest, and so on until they are not. The stream that was given some last
 * stays, however many they are.
 */
void stream_limit_old_bytes(size_t n);
/* After appending: arranges the write. Does not wait. */
void stream_flush_later(struct stream *s);
/* Waits until at most LIMIT bytes are unwritten: the back pressure of a slow peer. */
MAY_WAIT must_check struct err *stream_drain(struct stream *s, size_t limit, int64_t deadline);
/* One attempt now, without waiting for the end of the turn: before stream_free. */
void stream_flush_now(struct stream *s);
size_t stream_unwritten(const struct stream *s);
/* Bytes that the kernel has taken since the beginning. */
uint64_t stream_written(const struct stream *s);
/* Cut off a peer that takes nothing for so long (NEVER: no limit). */
void stream_set_write_stall(struct stream *s, int64_t ns);
/* The error that broke the stream, or NULL; borrowed. */
const char *stream_broken(const struct stream *s);
int stream_fd(const struct stream *s);

/*
 * Descriptors beside the bytes of a Unix socket (scm.h). From now on those that the peer sends are
 * kept until somebody takes them, at most MAX (up to 16); one more breaks the stream. Without this
 * the kernel drops them.
 */
void stream_keep_fds(struct stream *s, unsigned max);
/* The one that came first and was not taken, now the caller's; -1: none. */
int stream_take_fd(struct stream *s);
/* FD, which is taken over, leaves with the next byte that is appended. */
void stream_put_fd(struct stream *s, int fd);

/*
 * While nobody reads (back pressure, or the peer has ended its side): wakes WAKE when the peer has
 * gone altogether or the stream broke; from then on stream_is_hung_up says so. WAKE must outlive
 * the stream.
 */
void stream_watch_hangup(struct stream *s, struct cond *wake);
bool stream_is_hung_up(const struct stream *s);

/* Gives up the descriptor, its TLS session (or NULL) and the unread bytes to a pump; frees S. */
int stream_detach(struct stream *s, struct tls_session **tls, struct sbuf *unread);
/* NULL: it is plain. Borrowed. */
const struct tls_session *stream_tls(const struct stream *s);
/* What a stream does with a session, by tls.h's functions: a program that never sets one does not
 * link with them. */
struct stream_cipher {
	ssize_t (*decrypt)(struct tls_session *s, void *buf, size_t n, unsigned *want);
	ssize_t (*encrypt)(struct tls_session *s, const void *buf, size_t n, unsigned *want);
	bool (*pending)(const struct tls_session *s);
	int (*shutdown)(struct tls_session *s, unsigned *want);
	void (*free)(struct tls_session *s);
	const char *(*problem)(const struct tls_session *s);
};
/* Puts TLS on a connected stream (tls.h does the handshake). */
void stream_set_tls(struct stream *s, const struct stream_cipher *cipher, struct tls_session *tls);

#endif
