/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files over HTTP/1.1 for xe (fetch.h). Just what xapid answers with: a length, chunks, or the
 * connection's end.
 */
#include "xapid/cli/fetch.h"

#include "common/clock.h"
#include "common/file.h"
#include "common/sbuf.h"
#include "common/stream.h"
#include "core.gen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define HEAD_MAX ((size_t)64 * 1024)
#define PIECE    ((size_t)64 * 1024)
#define SAID_MAX ((size_t)1024) /* of why it was refused */

struct head {
	int status;
	bool is_chunked, has_length;
	uint64_t length;
	const char *location;
};

/* ---- what comes ---- */

/* At least one byte more is there; *IS_END: none will be. */
static MAY_WAIT struct err *more(struct stream *s, bool *is_end)
{
	return stream_fill(s, HEAD_MAX + PIECE, is_end, NEVER);
}

static struct err *cut_off(void)
{
	return err(CONNECTION_LOST, "closed within an answer");
}

/* A line without its end, which lives until the next byte is read. */
static MAY_WAIT struct err *read_line(struct stream *s, struct arena *a, char **line)
{
	struct sbuf *in = stream_in(s);
	const char *end;
	bool is_end = false;

	while (!(end = sbuf_len(in) ? memchr(sbuf_data(in), '\n', sbuf_len(in)) : NULL)) {
		if (sbuf_len(in) > HEAD_MAX)
			return err(BAD_REQUEST, "a line of the answer is too long");
		TRY(more(s, &is_end));
		if (is_end)
			return cut_off();
	}
	size_t n = (size_t)(end - sbuf_data(in));
	*line = arena_strndup(a, sbuf_data(in), n && end[-1] == '\r' ? n - 1 : n);
	sbuf_consume(in, n + 1);
	return NULL;
}

static void take_header(struct head *h, char *line)
{
	char *value = strchr(line, ':');

	if (!value)
		return;
	*value++ = '\0';
	value += strspn(value, " \t");
	if (!strcasecmp(line, "content-length")) {
		h->has_length = true;
		h->length = strtoull(value, NULL, 10);
	} else if (!strcasecmp(line, "transfer-encoding")) {
		h->is_chunked = !strcasecmp(value, "chunked");
	} else if (!strcasecmp(line, "location")) {
		h->location = value;
	}
}

static MAY_WAIT struct err *read_head(struct stream *s, struct arena *a, struct head *h)
{
	char *line;

	*h = (struct head){0};
	TRY(read_line(s, a, &line));
	if (sscanf(line, "HTTP/1.%*d %d", &h->status) != 1)
		return err(BAD_REQUEST, "the answer is no HTTP");
	for (;;) {
		TRY(read_line(s, a, &line));
		if (!*line)
			return NULL;
		take_header(h, line);
	}
}

/* ---- the body ---- */

typedef struct err *(*sink_fn)(const char *bytes, size_t n, void *arg);

static struct err *to_file(const char *bytes, size_t n, void *arg)
{
	int r = write_all(*(int *)arg, bytes, n);

	return r < 0 ? err_errno(-r, "write the file") : NULL;
}

static struct err *to_text(const char *bytes, size_t n, void *arg)
{
	struct sbuf *text = arg;

	if (sbuf_len(text) < SAID_MAX)
		sbuf_add(text, bytes, n < SAID_MAX ? n : SAID_MAX);
	return NULL;
}

static struct err *to_nothing(const char *bytes, size_t n, void *arg)
{
	return NULL;
}

/* N bytes; or, of an answer that has no length, all until the end. */
static MAY_WAIT struct err *read_bytes(
	struct stream *s, uint64_t n, bool until_end, sink_fn sink, void *arg)
{
	struct sbuf *in = stream_in(s);
	bool is_end = false;

	while (n) {
		if (!sbuf_len(in))
			TRY(more(s, &is_end));
		if (is_end)
			return until_end ? NULL : cut_off();
		size_t piece = sbuf_len(in) < n ? sbuf_len(in) : (size_t)n;
		TRY(sink(sbuf_data(in), piece, arg));
		sbuf_consume(in, piece);
		n -= piece;
	}
	return NULL;
}

static MAY_WAIT struct err *read_chunks(struct stream *s, struct arena *a, sink_fn sink, void *arg)
{
	unsigned long long n = 1;
	char *line;

	while (n) {
		TRY(read_line(s, a, &line));
		if (sscanf(line, "%llx", &n) != 1)
			return err(BAD_REQUEST, "a chunk of the answer has no length");
		TRY(read_bytes(s, n, false, sink, arg));
		TRY(read_line(s, a, &line));
	}
	return NULL;
}

static MAY_WAIT struct err *read_body(
	struct stream *s, struct arena *a, const struct head *h, sink_fn sink, void *arg)
{
	if (h->is_chunked)
		return read_chunks(s, a, sink, arg);
	return read_bytes(s, h->has_length ? h->length : UINT64_MAX, !h->has_length, sink, arg);
}

/* ---- what is sent ---- */

static MAY_WAIT struct err *send_file(struct fetch *f, struct stream *s)
{
	char block[16384];

	for (uint64_t left = f->size; left;) {
		size_t want = left < sizeof(block) ? (size_t)left : sizeof(block);
		ssize_t n = read(f->fd, block, want);

		if (n < 0)
			return err_errno(errno, "read the file");
		if (n == 0)
			return err(CONNECTION_LOST, "the file has become shorter");
		sbuf_add(stream_out(s), block, (size_t)n);
		stream_flush_later(s);
		TRY(stream_drain(s, 4 * PIECE, NEVER));
		left -= (uint64_t)n;
	}
	return NULL;
}

static void send_head(struct fetch *f, struct stream *s)
{
	sbuf_printf(stream_out(s),
		"%s %s HTTP/1.1\r\nhost: xe\r\nuser-agent: xe\r\nconnection: close\r\n",
		f->is_put ? "PUT" : "GET", f->path);
	if (f->is_put)
		sbuf_printf(stream_out(s), "content-length: %llu\r\nexpect: 100-continue\r\n",
			(unsigned long long)f->size);
	sbuf_adds(stream_out(s), "\r\n");
	stream_flush_later(s);
}

MAY_WAIT struct err *fetch_run(struct fetch *f, struct stream *s, struct arena *a)
{
	auto_sbuf said = {0};
	struct head h;

	f->location = NULL;
	send_head(f, s);
	TRY(read_head(s, a, &h));
	if (h.status == 100) {
		TRY(send_file(f, s));
		TRY(read_head(s, a, &h));
	}
	if (h.status == 200)
		return read_body(s, a, &h, f->is_put ? to_nothing : to_file, &f->fd);
	if (h.status == 302 && h.location) {
		f->location = h.location;
		return NULL;
	}
	TRY(read_body(s, a, &h, to_text, &said));
	char *end = strchr(sbuf_str(&said), '\n');
	if (end)
		*end = '\0';
	return err(BAD_REQUEST, arena_printf(a, "%d: %s", h.status, sbuf_str(&said)));
}
