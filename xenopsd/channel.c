/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages between two xenopsds (channel.h), on a stream. The fiber that migrates the VM is the
 * only one that reads or writes.
 */
#include "xenopsd/channel.h"

#include "common/codec.h"
#include "common/fiber.h"
#include "common/mem.h"
#include "common/sbuf.h"
#include "common/stream.h"
#include "core.gen.h"
#include "xenops.gen.h"
#include "xenopsd.gen.h"

#include <endian.h>
#include <string.h>

#define GREETING   "xenith migration 1\n"
#define HEAD_BYTES 8
#define UNREAD_MAX (CHANNEL_RECORD_MAX + HEAD_BYTES)
#define UNSENT_MAX ((size_t)1 << 20) /* bytes that may wait for the peer */

#define LAST_WORDS_NS (5 * NS_PER_S)

struct channel {
	struct stream *stream; /* owned */
	bool has_failed; /* the peer has said FAILED */
	uint64_t sent, read; /* bytes of memory */
	size_t memory_left; /* of the MEMORY message that is being read */
	bool is_memory_at_end;
};

struct channel *channel_new(struct stream *s)
{
	struct channel *p = xnew(struct channel);

	p->stream = s;
	return p;
}

void channel_free(struct channel *p)
{
	if (!p)
		return;
	stream_flush_now(p->stream);
	stream_free(p->stream);
	free(p);
}

bool channel_has_failed(const struct channel *p)
{
	return p->has_failed;
}

static struct err *unusable(const char *why)
{
	return err(Stream_unusable, why);
}

/* ---- writing ---- */

static void put_head(struct sbuf *out, enum channel_kind kind, size_t n)
{
	uint32_t head[2] = {htobe32((uint32_t)kind), htobe32((uint32_t)n)};

	sbuf_add(out, head, sizeof(head));
}

/* What the peer has said when it would not take more: that tells why. */
static MAY_WAIT struct err *why_broken(struct channel *p, struct err *e)
{
	auto_err broken = e;
	auto_err said =
		channel_await(p, CHANNEL_FAILED, NULL, NULL, NULL, deadline_in(LAST_WORDS_NS));

	return p->has_failed ? take(said) : take(broken);
}

static MAY_WAIT struct err *pass_on(struct channel *p)
{
	stream_flush_later(p->stream);
	struct err *e = stream_drain(p->stream, UNSENT_MAX, NEVER);
	return err_is(e, &ERR_CONNECTION_LOST) ? why_broken(p, e) : e;
}

MAY_WAIT struct err *channel_greet(struct channel *p)
{
	sbuf_adds(stream_out(p->stream), GREETING);
	return pass_on(p);
}

MAY_WAIT struct err *channel_send(
	struct channel *p, enum channel_kind kind, const struct type *type, const void *value)
{
	auto_sbuf text = {0};

	if (type)
		codec_encode(type, value, &text);
	if (sbuf_len(&text) > CHANNEL_RECORD_MAX)
		return unusable("there is more to tell of the VM than may be sent");
	put_head(stream_out(p->stream), kind, sbuf_len(&text));
	sbuf_add(stream_out(p->stream), sbuf_data(&text), sbuf_len(&text));
	return pass_on(p);
}

MAY_WAIT struct err *channel_send_failure(struct channel *p, const struct err *why)
{
	const struct xenopsd_migration_failure failure = {
		.code = why->code, .params = {(const char **)why->params, why->n_params}};

	return channel_send(p, CHANNEL_FAILED, &xenopsd_type_migration_failure, &failure);
}

MAY_WAIT struct err *channel_flush(struct channel *p, int64_t deadline)
{
	return stream_drain(p->stream, 0, deadline);
}

/* Whether it speaks while memory is on its way to it: then it has failed. */
static MAY_WAIT bool is_speaking(struct channel *p)
{
	bool is_end = true;

	if (!sbuf_len(stream_in(p->stream)))
		err_free(stream_fill(p->stream, UNREAD_MAX, &is_end, clock_mono_ns()));
	return sbuf_len(stream_in(p->stream));
}

MAY_WAIT struct err *channel_send_memory(struct channel *p, const void *bytes, size_t n)
{
	const char *at = bytes;

	while (n) {
		size_t part = n < CHANNEL_MEMORY_MAX ? n : CHANNEL_MEMORY_MAX;

		if (is_speaking(p))
			return channel_await(p, CHANNEL_FAILED, NULL, NULL, NULL, NEVER);

		put_head(stream_out(p->stream), CHANNEL_MEMORY, part);
		sbuf_add(stream_out(p->stream), at, part);
		TRY(pass_on(p));
		p->sent += part;
		at += part;
		n -= part;
	}
	return NULL;
}

MAY_WAIT struct err *channel_end_memory(struct channel *p)
{
	const struct xenopsd_migration_memory_end end = {.bytes = (int64_t)p->sent};

	return channel_send(p, CHANNEL_MEMORY_END, &xenopsd_type_migration_memory_end, &end);
}

/* ---- reading ---- */

/* Until there are N unread bytes. */
static MAY_WAIT struct err *fill(struct channel *p, size_t n, int64_t deadline)
{
	while (sbuf_len(stream_in(p->stream)) < n) {
		bool is_end;

		TRY(stream_fill(p->stream, UNREAD_MAX, &is_end, deadline));
		if (is_end)
			return err(CONNECTION_LOST, "the host at the other end of the migration");
	}
	return NULL;
}

MAY_WAIT struct err *channel_await_greeting(struct channel *p, int64_t deadline)
{
	struct sbuf *in = stream_in(p->stream);

	/* What is no greeting may be too short for one. */
	for (size_t n = 0; n < strlen(GREETING); n++) {
		TRY(fill(p, n + 1, deadline));
		if (sbuf_data(in)[n] != GREETING[n])
			return unusable("it does not begin as a migration of this version does");
	}
	sbuf_consume(in, strlen(GREETING));
	return NULL;
}

static MAY_WAIT struct err *look(struct channel *p, uint32_t *kind, uint32_t *n, int64_t deadline)
{
	uint32_t head[2];

	TRY(fill(p, HEAD_BYTES, deadline));
	memcpy(head, sbuf_data(stream_in(p->stream)), sizeof(head));
	*kind = be32toh(head[0]);
	*n = be32toh(head[1]);
	if (*n > (*kind == CHANNEL_MEMORY ? CHANNEL_MEMORY_MAX : CHANNEL_RECORD_MAX))
		return unusable("a message is too long");
	return NULL;
}

MAY_WAIT struct err *channel_look(struct channel *p, enum channel_kind *kind, int64_t deadline)
{
	uint32_t any, n;

	TRY(look(p, &any, &n, deadline));
	*kind = (enum channel_kind)any;
	return NULL;
}

/* The content of the message at hand, which is N bytes long. */
static MAY_WAIT struct err *read_record(struct channel *p, const struct type *type, uint32_t n,
	struct arena *a, void *out, int64_t deadline)
{
	struct sbuf *in = stream_in(p->stream);

	TRY(fill(p, HEAD_BYTES + n, deadline));
	auto_err e = type ? codec_decode(type, "message", sbuf_data(in) + HEAD_BYTES, n, a, out)
		: n       ? unusable("")
			  : NULL;
	sbuf_consume(in, HEAD_BYTES + n);
	if (e)
		return err_wrap(unusable("a message has the wrong content"), "%s", err_text(e));
	return NULL;
}

/* What the peer says went wrong. */
static MAY_WAIT struct err *read_failure(struct channel *p, uint32_t n, int64_t deadline)
{
	auto_arena a = {0};
	struct xenopsd_migration_failure failure;

	TRY(read_record(p, &xenopsd_type_migration_failure, n, &a, &failure, deadline));
	p->has_failed = true;
	return err_new(NULL, 0, failure.code, failure.params.n, failure.params.v);
}

MAY_WAIT struct err *channel_await(struct channel *p, enum channel_kind kind,
	const struct type *type, struct arena *a, void *out, int64_t deadline)
{
	uint32_t found, n;

	TRY(look(p, &found, &n, deadline));
	if (found == CHANNEL_FAILED)
		return read_failure(p, n, deadline);
	if (found != (uint32_t)kind)
		return unusable("a message comes that is not awaited");
	return read_record(p, type, n, a, out, deadline);
}

static MAY_WAIT struct err *read_end(struct channel *p)
{
	struct xenopsd_migration_memory_end end;
	auto_arena a = {0};

	TRY(channel_await(
		p, CHANNEL_MEMORY_END, &xenopsd_type_migration_memory_end, &a, &end, NEVER));
	if (end.bytes != (int64_t)p->read)
		return unusable("some of the memory is missing");
	p->is_memory_at_end = true;
	return NULL;
}

/* To the first byte of a MEMORY message, or to what is none. */
static MAY_WAIT struct err *next_memory(struct channel *p)
{
	uint32_t kind, n;

	TRY(look(p, &kind, &n, NEVER));
	if (kind != CHANNEL_MEMORY)
		return read_end(p);
	if (!n)
		return unusable("a message of memory is empty");
	sbuf_consume(stream_in(p->stream), HEAD_BYTES);
	p->memory_left = n;
	return NULL;
}

MAY_WAIT struct err *channel_read_memory(struct channel *p, void *bytes, size_t size, size_t *n)
{
	struct sbuf *in = stream_in(p->stream);

	*n = 0;
	if (!p->memory_left && !p->is_memory_at_end)
		TRY(next_memory(p));
	if (!p->memory_left)
		return NULL;
	TRY(fill(p, 1, NEVER));
	*n = sbuf_len(in) < size ? sbuf_len(in) : size;
	if (*n > p->memory_left)
		*n = p->memory_left;
	memcpy(bytes, sbuf_data(in), *n);
	sbuf_consume(in, *n);
	p->memory_left -= *n;
	p->read += *n;
	return NULL;
}
