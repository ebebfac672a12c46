/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client of an NBD server (nbd.h). Everything on the wire is big-endian.
 */
#include "xapid/link/nbd.h"

#include "common/clock.h"
#include "common/listen.h"
#include "common/mem.h"
#include "common/stream.h"
#include "core.gen.h"

#include <endian.h>
#include <string.h>

#define WITHIN       (120 * NS_PER_S) /* for one answer: a disk may be slow */
#define IN_FLIGHT    16
#define UNWRITTEN    ((size_t)1 << 20)
#define GREETING_LEN 18
#define EXPORT_LEN   10 /* of the answer to EXPORT_NAME; zeroes follow if we took them */
#define ZEROES_LEN   124
#define REPLY_LEN    16

#define MAGIC         UINT64_C(0x4e42444d41474943) /* "NBDMAGIC" */
#define MAGIC_OPTION  UINT64_C(0x49484156454f5054) /* "IHAVEOPT" */
#define MAGIC_REQUEST UINT32_C(0x25609513)
#define MAGIC_REPLY   UINT32_C(0x67446698)

enum { FIXED_NEWSTYLE = 1, NO_ZEROES = 2 }; /* of the handshake */
enum { OPTION_EXPORT_NAME = 1 };
enum { CAN_FLUSH = 4, CAN_WRITE_ZEROES = 64 }; /* of the export */
enum { WRITE = 1, DISCONNECT = 2, FLUSH = 3, WRITE_ZEROES = 6 };

struct nbd {
	struct stream *stream;
	uint64_t size;
	unsigned flags; /* of the export */
	unsigned in_flight; /* requests without an answer yet */
	uint64_t handle; /* of the last request */
};

static void put16(struct sbuf *b, uint16_t v)
{
	v = htobe16(v);
	sbuf_add(b, &v, sizeof(v));
}

static void put32(struct sbuf *b, uint32_t v)
{
	v = htobe32(v);
	sbuf_add(b, &v, sizeof(v));
}

static void put64(struct sbuf *b, uint64_t v)
{
	v = htobe64(v);
	sbuf_add(b, &v, sizeof(v));
}

/* The value of N bytes, which are consumed. */
static uint64_t get(struct nbd *n, unsigned len)
{
	struct sbuf *in = stream_in(n->stream);
	uint64_t v = 0;

	for (unsigned i = 0; i < len; i++)
		v = v << 8 | (unsigned char)sbuf_data(in)[i];
	sbuf_consume(in, len);
	return v;
}

static MAY_WAIT struct err *await_bytes(struct nbd *n, size_t len)
{
	bool is_end = false;

	while (sbuf_len(stream_in(n->stream)) < len) {
		TRY(stream_fill(n->stream, 65536, &is_end, deadline_in(WITHIN)));
		if (is_end)
			return err(CONNECTION_LOST, "the NBD server");
	}
	return NULL;
}

/* ---- the handshake ---- */

static MAY_WAIT struct err *shake_hands(struct nbd *n)
{
	struct sbuf *out = stream_out(n->stream);

	TRY(await_bytes(n, GREETING_LEN));
	if (get(n, 8) != MAGIC || get(n, 8) != MAGIC_OPTION)
		return err(BAD_REQUEST, "no NBD server is there");
	unsigned flags = (unsigned)get(n, 2) & (FIXED_NEWSTYLE | NO_ZEROES);
	put32(out, flags);
	put64(out, MAGIC_OPTION);
	put32(out, OPTION_EXPORT_NAME);
	put32(out, 0);
	stream_flush_later(n->stream);
	size_t zeroes = flags & NO_ZEROES ? 0 : ZEROES_LEN;
	TRY(await_bytes(n, EXPORT_LEN + zeroes));
	n->size = get(n, 8);
	n->flags = (unsigned)get(n, 2);
	sbuf_consume(stream_in(n->stream), zeroes);
	return NULL;
}

MAY_WAIT struct err *nbd_open(const char *path, struct nbd **out)
{
	int fd, r = unix_connect(path, &fd);

	if (r < 0)
		return err_errno(-r, "connecting to %s", path);
	struct nbd *n = xnew(struct nbd);
	n->stream = stream_new(fd);
	struct err *e = shake_hands(n);
	if (e)
		nbd_close(n);
	else
		*out = n;
	return e;
}

uint64_t nbd_size(const struct nbd *n)
{
	return n->size;
}

/* ---- requests ---- */

static void put_request(struct nbd *n, uint16_t type, uint64_t offset, uint32_t len)
{
	struct sbuf *out = stream_out(n->stream);

	put32(out, MAGIC_REQUEST);
	put16(out, 0);
	put16(out, type);
	put64(out, ++n->handle);
	put64(out, offset);
	put32(out, len);
	stream_flush_later(n->stream);
}

/* Takes answers until so many requests are left without one. */
static MAY_WAIT struct err *await_replies(struct nbd *n, unsigned left)
{
	while (n->in_flight > left) {
		TRY(await_bytes(n, REPLY_LEN));
		uint64_t magic = get(n, 4), error = get(n, 4);

		get(n, 8);
		if (magic != MAGIC_REPLY)
			return err(BAD_REQUEST, "what the NBD server says is no answer");
		n->in_flight--;
		if (error)
			return err_errno((int)error, "writing over NBD");
	}
	return NULL;
}

static bool is_zero(const char *bytes, uint32_t len)
{
	return !len || (!*bytes && !memcmp(bytes, bytes + 1, len - 1));
}

MAY_WAIT struct err *nbd_write(struct nbd *n, uint64_t offset, const void *bytes, uint32_t len)
{
	bool is_hole = n->flags & CAN_WRITE_ZEROES && is_zero(bytes, len);

	put_request(n, is_hole ? WRITE_ZEROES : WRITE, offset, len);
	if (!is_hole)
		sbuf_add(stream_out(n->stream), bytes, len);
	n->in_flight++;
	TRY(stream_drain(n->stream, UNWRITTEN, deadline_in(WITHIN)));
	return await_replies(n, IN_FLIGHT);
}

MAY_WAIT struct err *nbd_flush(struct nbd *n)
{
	TRY(await_replies(n, 0));
	if (!(n->flags & CAN_FLUSH))
		return NULL;
	put_request(n, FLUSH, 0, 0);
	n->in_flight++;
	return await_replies(n, 0);
}

void nbd_close(struct nbd *n)
{
	if (!n)
		return;
	put_request(n, DISCONNECT, 0, 0);
	stream_flush_now(n->stream);
	stream_free(n->stream);
	free(n);
}
