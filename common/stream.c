/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Streams (stream.h) on libevent's loop. The read event stays registered while a fiber reads, so a
 * message costs no epoll_ctl; it is taken out only when bytes come that nobody waits for. The
 * write event is registered only after the kernel has refused to take more. Loop thread only.
 */
#include "common/stream.h"

#include "common/fiber.h"
#include "common/list.h"
#include "common/loop.h"
#include "common/mem.h"
#include "common/scm.h"
#include "common/shared.h"
#include "common/vec.h"
#include "core.gen.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define READ_FIRST   4096 /* bytes asked for at first; doubled while reads come back full */
#define READ_LARGEST ((size_t)256 * 1024)
#define KEEP_BUFFER  ((size_t)128 * 1024) /* an empty buffer larger than this is given back */
#define PIECES       64 /* that are written with one call */
#define PIECES_TURN  ((size_t)1024 * 1024) /* then the others have a turn */
#define TLS_PIECES   ((size_t)64 * 1024) /* of pieces, copied to be written with TLS */

/* That waits for its byte to be written. */
struct parting_fd {
	int fd; /* owned */
	uint64_t at; /* bytes before it, counted as n_written is */
};

/* Bytes that others hold too, behind those of `out` that were there before. */
struct piece {
	struct shared *bytes; /* held */
	size_t from; /* not written from here on */
	size_t before; /* bytes of `out` between the piece before and this one */
};

struct stream {
	int fd;
	bool is_socket; /* not a pipe */
	struct tls_session *tls; /* owned; NULL: plain */
	const struct stream_cipher *cipher; /* what it is used by */
	unsigned users; /* fibers that are inside a function of this file */
	bool is_freed; /* the last user gives back the memory */
	bool may_read; /* the descriptor may hold something */
	bool is_read_armed, is_write_armed;
	bool is_hung_up;
	bool has_last_words; /* it broke by a write: what the peer said before can still be read */
	struct event *on_read, *on_write, *on_hangup; /* owned; made when first needed */
	int hangup_fd; /* a duplicate: epoll keeps one registration a descriptor */
	struct cond *hangup_wake; /* borrowed */
	struct sbuf in, out;
	vec_of(struct piece) pieces;
	size_t first_piece; /* that is not written */
	size_t piece_bytes, before_pieces; /* unwritten: of pieces, and of `out` before one */
	struct list sending; /* those with pieces */
	struct sbuf copied; /* of both, to be written next: TLS */
	size_t read_size;
	uint64_t n_written;
	struct cond readable, drained;
	void (*on_bytes)(void *arg); /* who reads when something comes; NULL: a fiber, or nobody */
	void *on_bytes_arg;
	bool is_resting; /* it keeps no empty buffers */
	struct deferred flush; /* at the end of the turn */
	struct timer stall; /* armed while the kernel takes nothing */
	int64_t stall_ns;
	char *broken; /* owned; why, or NULL */
	unsigned keeps_fds; /* at most so many in come_fds; 0: none is taken */
	vec_of(int) come_fds; /* owned; in the order of their coming */
	vec_of(struct parting_fd) parting_fds;
};

static struct list sending = LIST_INIT(sending); /* with pieces, since when */

static void flush_deferred(struct deferred *d);
static void stalled(struct timer *t);
static void drop_pieces(struct stream *s);

static bool is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

struct stream *stream_new(int fd)
{
	struct stream *s = xnew(struct stream);

	s->fd = fd;
	s->hangup_fd = -1;
	s->may_read = true;
	s->read_size = READ_FIRST;
	s->stall_ns = NEVER;
	cond_init(&s->readable);
	cond_init(&s->drained);
	s->flush.fn = flush_deferred;
	timer_init(&s->stall, stalled);
	if (fd < 0)
		return s;
	s->is_socket = is_socket(fd);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	return s;
}

static void event_drop(struct event **ev)
{
	if (*ev)
		event_free(*ev);
	*ev = NULL;
}

/* Everything that the loop knows of the stream. */
static void leave_loop(struct stream *s)
{
	event_drop(&s->on_read);
	event_drop(&s->on_write);
	event_drop(&s->on_hangup);
	s->is_read_armed = s->is_write_armed = false;
	if (s->hangup_fd >= 0)
		close(s->hangup_fd);
	s->hangup_fd = -1;
	timer_disarm(&s->stall);
	loop_defer_cancel(&s->flush);
}

static void close_fds(struct stream *s)
{
	vec_for_each (i, &s->come_fds)
		close(s->come_fds.v[i]);
	vec_fini(&s->come_fds);
	vec_for_each (i, &s->parting_fds)
		close(s->parting_fds.v[i].fd);
	vec_fini(&s->parting_fds);
}

static void release(struct stream *s)
{
	cond_fini(&s->readable);
	cond_fini(&s->drained);
	sbuf_fini(&s->in);
	sbuf_fini(&s->out);
	sbuf_fini(&s->copied);
	free(s->broken);
	free(s);
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	leave_loop(s);
	if (s->tls && !s->broken)
		s->cipher->shutdown(s->tls, &(unsigned){0}); /* if there is room for it */
	if (s->tls)
		s->cipher->free(take(s->tls));
	drop_pieces(s);
	close_fds(s);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->is_freed = true;
	cond_broadcast(&s->readable);
	cond_broadcast(&s->drained);
	if (!s->users)
		release(s);
}

/* Parks on C. Afterwards the stream may be gone: then the answer is an error. */
static MAY_WAIT struct err *wait_on(
	struct stream *s, struct cond *c, const char *what, int64_t deadline)
{
	s->users++;
	struct err *e = cond_wait(c, what, deadline);
	s->users--;
	if (!s->is_freed)
		return e;
	err_free(e);
	if (!s->users)
		release(s);
	return err(CONNECTION_LOST, "closed on this side");
}

static void tell_of_bytes(struct stream *s)
{
	if (!s->on_bytes)
		return;
	s->is_resting = false;
	take(s->on_bytes)(s->on_bytes_arg);
}

/* ---- a stream that broke ---- */

static void break_stream(struct stream *s, char *why)
{
	assert(!s->broken);
	s->broken = why;
	leave_loop(s);
	drop_pieces(s);
	sbuf_clear(&s->out);
	sbuf_clear(&s->copied);
	s->is_hung_up = true;
	cond_broadcast(&s->readable);
	cond_broadcast(&s->drained);
	if (s->hangup_wake)
		cond_broadcast(s->hangup_wake);
	tell_of_bytes(s);
}

static void stalled(struct timer *t)
{
	struct stream *s = container_of(t, struct stream, stall);

	break_stream(s,
		xasprintf("the peer took nothing for %lld s", (long long)(s->stall_ns / NS_PER_S)));
}

const char *stream_broken(const struct stream *s)
{
	return s->broken;
}

/* After a failed read or write, whose WHAT it was. */
static void break_by(struct stream *s, const char *what, int errnum)
{
	const char *problem = s->tls ? s->cipher->problem(s->tls) : "";

	break_stream(s, xasprintf("%s: %s", what, *problem ? problem : strerrordesc_np(errnum)));
}

static struct err *lost(const struct stream *s)
{
	return err(CONNECTION_LOST, s->broken);
}

/* ---- what the loop tells ---- */

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	s->may_read = true;
	if (s->tls && stream_unwritten(s))
		loop_defer(&s->flush); /* TLS may have to read before it can write */
	if (cond_signal(&s->readable))
		return;
	if (s->on_bytes) {
		tell_of_bytes(s); /* which may free the stream */
		return;
	}
	event_del(s->on_read);
	s->is_read_armed = false;
}

static void arm_read(struct stream *s)
{
	if (s->is_read_armed)
		return;
	if (!s->on_read)
		s->on_read = event_new(loop_base(), s->fd, EV_READ | EV_PERSIST, on_readable, s);
	event_add(s->on_read, NULL);
	s->is_read_armed = true;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	s->is_write_armed = false;
	loop_defer(&s->flush);
	if (!s->tls)
		return;
	s->may_read = true; /* it may have waited for this */
	if (!cond_signal(&s->readable))
		tell_of_bytes(s);
}

/* The kernel takes no more: wait until it does, but not for ever. */
static void arm_write(struct stream *s)
{
	if (!s->on_write)
		s->on_write = event_new(loop_base(), s->fd, EV_WRITE, on_writable, s);
	event_add(s->on_write, NULL);
	s->is_write_armed = true;
	timer_arm(&s->stall, deadline_in(s->stall_ns));
}

/* ---- reading ---- */

struct sbuf *stream_in(struct stream *s)
{
	return &s->in;
}

/* -EMFILE: the peer sends more descriptors than anybody takes. */
static ssize_t read_with_fds(struct stream *s, char *room, size_t ask)
{
	int fds[SCM_MAX];
	size_t n_fds;
	ssize_t n = scm_read(s->fd, room, ask, fds, &n_fds);

	for (size_t i = 0; n >= 0 && i < n_fds; i++)
		vec_push(&s->come_fds, fds[i]);
	return s->come_fds.n > s->keeps_fds ? -EMFILE : n;
}

/* A socket's own calls have less to look at than those of all files: a tenth of a short message. */
static ssize_t read_plain(const struct stream *s, char *room, size_t ask)
{
	ssize_t n = s->is_socket ? recv(s->fd, room, ask, 0) : read(s->fd, room, ask);

	return n < 0 ? -errno : n;
}

static ssize_t write_plain(const struct stream *s, const char *bytes, size_t len)
{
	ssize_t n = s->is_socket ? send(s->fd, bytes, len, MSG_NOSIGNAL) : write(s->fd, bytes, len);

	return n < 0 ? -errno : n;
}

static ssize_t read_bytes(struct stream *s, char *room, size_t ask)
{
	unsigned want = 0;

	if (s->fd < 0)
		return 0;
	if (s->keeps_fds)
		return read_with_fds(s, room, ask);
	if (!s->tls)
		return read_plain(s, room, ask);
	ssize_t n = s->cipher->decrypt(s->tls, room, ask, &want);
	if (n == -EAGAIN && want & FD_WRITABLE && !s->is_write_armed)
		arm_write(s);
	return n;
}

/* One read. The number of bytes, 0 at the end, -errno. */
static ssize_t read_some(struct stream *s, size_t max)
{
	char *room = sbuf_room(&s->in, s->read_size);
	size_t ask = sbuf_free_space(&s->in);

	if (ask > max - sbuf_len(&s->in))
		ask = max - sbuf_len(&s->in);
	ssize_t n = read_bytes(s, room, ask);
	if (n < 0)
		return n;
	sbuf_added(&s->in, (size_t)n);
	/* a short read has emptied the descriptor: the next one would be in vain */
	s->may_read = !n || (s->tls ? s->cipher->pending(s->tls) : (size_t)n == ask);
	if ((size_t)n == ask && s->read_size < READ_LARGEST)
		s->read_size *= 2;
	return n;
}

static void before_idle(struct stream *s)
{
	arm_read(s);
	if (!sbuf_len(&s->in) && s->in.size > KEEP_BUFFER) {
		sbuf_fini(&s->in);
		s->read_size = READ_FIRST;
	}
}

static struct err *too_much(size_t max)
{
	char text[32];

	snprintf(text, sizeof(text), "%zu", max);
	return err(LIMIT_EXCEEDED, "unread bytes", text);
}

void stream_give_back(struct stream *s)
{
	if (sbuf_len(&s->in))
		return;
	sbuf_fini(&s->in);
	s->read_size = READ_FIRST;
}

void stream_shrink(struct stream *s)
{
	struct sbuf tight = {0};

	sbuf_add(&tight, sbuf_data(&s->in), sbuf_len(&s->in));
	sbuf_fini(&s->in);
	s->in = tight;
	s->read_size = READ_FIRST;
}

void stream_rest(struct stream *s, void (*fn)(void *arg), void *arg)
{
	assert(!s->on_bytes);
	s->on_bytes = fn;
	s->on_bytes_arg = arg;
	s->is_resting = true;
	stream_give_back(s);
	if (!stream_unwritten(s))
		sbuf_fini(&s->out);
	arm_read(s);
	if (s->broken || sbuf_len(&s->in) || (s->tls && s->cipher->pending(s->tls)))
		event_active(s->on_read, EV_READ, 1);
}

/* Reads what is there; *HAS_READ: whether there was anything, or the end. */
static struct err *fill_now(struct stream *s, size_t max, bool *is_end, bool *has_read)
{
	if (sbuf_len(&s->in) >= max)
		return too_much(max);
	*has_read = true;
	for (;;) {
		if (s->broken && !s->has_last_words)
			return lost(s);
		ssize_t n = s->may_read || s->broken ? read_some(s, max) : -EAGAIN;
		if (s->broken && n <= 0) {
			s->has_last_words = false;
			continue;
		}
		if (n >= 0) {
			*is_end = n == 0;
			return NULL;
		}
		if (n == -EINTR)
			continue;
		if (n != -EAGAIN) {
			break_by(s, "reading", (int)-n);
			continue;
		}
		s->may_read = *has_read = false;
		before_idle(s);
		return NULL;
	}
}

MAY_WAIT struct err *stream_fill(struct stream *s, size_t max, bool *is_end, int64_t deadline)
{
	for (;;) {
		bool has_read;

		TRY(fill_now(s, max, is_end, &has_read));
		if (has_read)
			return NULL;
		TRY(wait_on(s, &s->readable, "bytes from the peer", deadline));
	}
}

struct err *stream_fill_or_call(struct stream *s, size_t max, bool *is_end, bool *has_read,
	void (*fn)(void *arg), void *arg)
{
	assert(!s->on_bytes);
	TRY(fill_now(s, max, is_end, has_read));
	if (!*has_read) {
		s->on_bytes = fn;
		s->on_bytes_arg = arg;
	}
	return NULL;
}

/* ---- writing ---- */

struct sbuf *stream_out(struct stream *s)
{
	return &s->out;
}

static void all_written(struct stream *s)
{
	timer_disarm(&s->stall);
	if (s->out.size > KEEP_BUFFER || s->is_resting)
		sbuf_fini(&s->out);
	sbuf_fini(&s->copied);
}

/* ---- pieces ---- */

void stream_put_shared(struct stream *s, struct shared *bytes, size_t from)
{
	assert(!s->parting_fds.n && from <= bytes->n);
	if (s->broken || from == bytes->n) {
		shared_drop(bytes);
		return;
	}
	if (!list_is_linked(&s->sending))
		list_push_back(&sending, &s->sending);
	size_t before = sbuf_len(&s->out) - s->before_pieces;
	vec_push(&s->pieces, (struct piece){bytes, from, before});
	s->before_pieces += before;
	s->piece_bytes += bytes->n - from;
}

void stream_put_run(struct stream *s, struct shared_run *run)
{
	vec_reserve(&s->pieces, s->pieces.n + run->held.n);
	vec_for_each (i, &run->held)
		stream_put_shared(s, run->held.v[i], i ? 0 : run->skip);
	run->held.n = 0;
	shared_run_fini(run);
}

static void drop_pieces(struct stream *s)
{
	for (size_t i = s->first_piece; i < s->pieces.n; i++)
		shared_drop(s->pieces.v[i].bytes);
	vec_fini(&s->pieces);
	s->first_piece = s->piece_bytes = s->before_pieces = 0;
	list_remove(&s->sending);
}

/* Pieces and what is between them, as far as there is room. */
static size_t gather(const struct stream *s, struct iovec v[static 2 * PIECES + 1])
{
	size_t i = s->first_piece, n = 0, at = 0;

	for (; i < s->pieces.n && n < (size_t)2 * PIECES; i++) {
		const struct piece *p = &s->pieces.v[i];

		if (p->before)
			v[n++] = (struct iovec){sbuf_data(&s->out) + at, p->before};
		at += p->before;
		v[n++] = (struct iovec){p->bytes->bytes + p->from, p->bytes->n - p->from};
	}
	if (i == s->pieces.n && sbuf_len(&s->out) > at)
		v[n++] = (struct iovec){sbuf_data(&s->out) + at, sbuf_len(&s->out) - at};
	return n;
}

/* The first N bytes of what gather found. */
static void pass(struct stream *s, size_t n)
{
	while (s->first_piece < s->pieces.n) {
		struct piece *p = &s->pieces.v[s->first_piece];
		size_t of_out = n < p->before ? n : p->before;
		size_t left = p->bytes->n - p->from;

		sbuf_consume(&s->out, of_out);
		p->before -= of_out;
		s->before_pieces -= of_out;
		n -= of_out;
		if (p->before || n < left) {
			p->from += n;
			s->piece_bytes -= n;
			return;
		}
		n -= left;
		s->piece_bytes -= left;
		shared_drop(p->bytes);
		s->first_piece++;
	}
	drop_pieces(s);
	sbuf_consume(&s->out, n);
}

static ssize_t write_pieces(struct stream *s)
{
	struct iovec v[2 * PIECES + 1];
	const struct msghdr m = {.msg_iov = v, .msg_iovlen = gather(s, v)};
	ssize_t n = s->is_socket ? sendmsg(s->fd, &m, MSG_NOSIGNAL)
				 : writev(s->fd, v, (int)m.msg_iovlen);

	if (n < 0)
		return -errno;
	pass(s, (size_t)n);
	return n;
}

static void copy_pieces(struct stream *s)
{
	struct iovec v[2 * PIECES + 1];
	size_t n = gather(s, v), done = 0;

	for (size_t i = 0; i < n && done < TLS_PIECES; i++) {
		size_t part = v[i].iov_len < TLS_PIECES - done ? v[i].iov_len : TLS_PIECES - done;

		sbuf_add(&s->copied, v[i].iov_base, part);
		done += part;
	}
	pass(s, done);
}

/* Whoever is slowest has taken what he reads for the longest. The newest may just be large. */
static struct stream *slowest_with_old(void)
{
	list_for_each (s, &sending, struct stream, sending)
		for (size_t i = s->first_piece; i < s->pieces.n && s->sending.next != &sending; i++)
			if (s->pieces.v[i].bytes->is_old)
				return s;
	return NULL;
}

static size_t old_limit;

static void cut_slowest(struct deferred *d)
{
	struct stream *s;

	while (shared_old_bytes() > old_limit && (s = slowest_with_old()))
		break_stream(s, xstrdup("the peer reads so slowly that too much has changed"));
}

static struct deferred cutting = {.fn = cut_slowest};

static void cut_later(void)
{
	loop_defer(&cutting);
}

void stream_limit_old_bytes(size_t n)
{
	old_limit = n;
	shared_set_limit(n, cut_later);
}

/* ---- one write ---- */

/* What comes before the first descriptor, or that with its byte and what follows. */
static ssize_t write_with_fds(struct stream *s)
{
	const struct parting_fd *first = &s->parting_fds.v[0];
	size_t before = (size_t)(first->at - s->n_written);

	if (before) {
		ssize_t n = write(s->fd, sbuf_data(&s->out), before);
		return n < 0 ? -errno : n;
	}
	ssize_t n = scm_write(
		s->fd, sbuf_data(&s->out), s->parting_fds.n > 1 ? 1 : sbuf_len(&s->out), first->fd);
	if (n > 0) {
		close(first->fd);
		vec_remove(&s->parting_fds, 0);
	}
	return n;
}

static ssize_t write_tls(struct stream *s)
{
	unsigned want = FD_WRITABLE;

	if (s->pieces.n && !sbuf_len(&s->copied))
		copy_pieces(s);
	struct sbuf *b = sbuf_len(&s->copied) ? &s->copied : &s->out;
	ssize_t n = s->cipher->encrypt(s->tls, sbuf_data(b), sbuf_len(b), &want);
	if (n == -EAGAIN && want & FD_READABLE)
		arm_read(s);
	if (n > 0)
		sbuf_consume(b, (size_t)n);
	return n;
}

static ssize_t write_bytes(struct stream *s)
{
	if (s->tls)
		return write_tls(s);
	if (s->pieces.n && s->fd >= 0)
		return write_pieces(s);
	if (s->pieces.n)
		drop_pieces(s);
	ssize_t n = (ssize_t)sbuf_len(&s->out);
	if (s->parting_fds.n)
		n = write_with_fds(s);
	else if (s->fd >= 0)
		n = write_plain(s, sbuf_data(&s->out), sbuf_len(&s->out));
	if (n > 0)
		sbuf_consume(&s->out, (size_t)n);
	return n;
}

/* As much as the kernel takes, but of pieces not all at once. */
void stream_flush_now(struct stream *s)
{
	size_t done = 0;

	loop_defer_cancel(&s->flush);
	if (s->broken || s->is_write_armed)
		return;
	while (stream_unwritten(s)) {
		ssize_t n = s->piece_bytes && done >= PIECES_TURN ? -EAGAIN : write_bytes(s);

		if (n >= 0) {
			s->n_written += (size_t)n;
			done += (size_t)n;
		} else if (n == -EAGAIN) {
			arm_write(s);
			break;
		} else if (n != -EINTR) {
			s->has_last_words = true;
			break_by(s, "writing", (int)-n);
			return;
		}
	}
	if (!stream_unwritten(s))
		all_written(s);
	cond_broadcast(&s->drained);
}

static void flush_deferred(struct deferred *d)
{
	stream_flush_now(container_of(d, struct stream, flush));
}

void stream_flush_later(struct stream *s)
{
	if (s->broken)
		sbuf_clear(&s->out); /* pieces are not even taken */
	else if (!s->is_write_armed)
		loop_defer(&s->flush);
}

MAY_WAIT struct err *stream_drain(struct stream *s, size_t limit, int64_t deadline)
{
	for (;;) {
		if (s->broken)
			return lost(s);
		if (stream_unwritten(s) <= limit)
			return NULL;
		stream_flush_later(s);
		TRY(wait_on(s, &s->drained, "a slow peer to read", deadline));
	}
}

size_t stream_unwritten(const struct stream *s)
{
	return sbuf_len(&s->out) + s->piece_bytes + sbuf_len(&s->copied);
}

uint64_t stream_written(const struct stream *s)
{
	return s->n_written;
}

void stream_set_write_stall(struct stream *s, int64_t ns)
{
	s->stall_ns = ns;
}

int stream_fd(const struct stream *s)
{
	return s->fd;
}

/* ---- descriptors beside the bytes ---- */

void stream_keep_fds(struct stream *s, unsigned max)
{
	assert(max <= SCM_MAX && !s->tls);
	s->keeps_fds = max;
}

int stream_take_fd(struct stream *s)
{
	if (!s->come_fds.n)
		return -1;
	int fd = s->come_fds.v[0];
	vec_remove(&s->come_fds, 0);
	return fd;
}

void stream_put_fd(struct stream *s, int fd)
{
	vec_push(&s->parting_fds, (struct parting_fd){fd, s->n_written + sbuf_len(&s->out)});
}

/* ---- a peer that goes away while nobody reads ---- */

static bool fd_is_hung_up(int fd)
{
	struct pollfd p = {.fd = fd};

	return poll(&p, 1, 0) == 1 && p.revents & (POLLHUP | POLLERR);
}

static void on_hangup(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	if (!fd_is_hung_up(fd))
		return;
	s->is_hung_up = true;
	event_del(s->on_hangup);
	cond_broadcast(s->hangup_wake);
}

void stream_watch_hangup(struct stream *s, struct cond *wake)
{
	if (s->on_hangup || s->fd < 0 || s->is_hung_up)
		return;
	s->hangup_wake = wake;
	s->is_hung_up = fd_is_hung_up(s->fd);
	if (s->is_hung_up)
		return;
	s->hangup_fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
	if (s->hangup_fd < 0)
		return; /* then the peer is missed at the next write */
	/* by edge: half of the connection may be closed all the time */
	s->on_hangup =
		event_new(loop_base(), s->hangup_fd, EV_CLOSED | EV_ET | EV_PERSIST, on_hangup, s);
	event_add(s->on_hangup, NULL);
}

bool stream_is_hung_up(const struct stream *s)
{
	return s->is_hung_up;
}

/* ---- hand-over ---- */

void stream_set_tls(struct stream *s, const struct stream_cipher *cipher, struct tls_session *tls)
{
	assert(!s->tls);
	s->cipher = cipher;
	s->tls = tls;
}

const struct tls_session *stream_tls(const struct stream *s)
{
	return s->tls;
}

int stream_detach(struct stream *s, struct tls_session **tls, struct sbuf *unread)
{
	int fd = s->fd;

	assert(!s->users && !stream_unwritten(s));
	if (tls)
		*tls = take(s->tls);
	*unread = s->in;
	s->in = (struct sbuf){0};
	s->fd = -1;
	stream_free(s);
	return fd;
}
