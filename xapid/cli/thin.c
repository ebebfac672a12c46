/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames of the thin protocol, to and from bytes (thin.h). What a tag carries is a row of a table;
 * the rest walks it.
 */
#include "xapid/cli/thin.h"

#include "common/stream.h"
#include "core.gen.h"

#include <string.h>

/* What a tag carries: t text, m more, n number, l list. */
static const struct {
	enum thin_kind kind;
	enum thin_tag tag;
	const char *parts;
} forms[] = {
	{THIN_COMMAND, THIN_PRINT, "t"},
	{THIN_COMMAND, THIN_LOAD, "t"},
	{THIN_COMMAND, THIN_PROMPT, ""},
	{THIN_COMMAND, THIN_EXIT, "n"},
	{THIN_COMMAND, THIN_HTTP_GET, "tm"},
	{THIN_COMMAND, THIN_HTTP_PUT, "tm"},
	{THIN_COMMAND, THIN_ERROR, "tl"},
	{THIN_COMMAND, THIN_DEBUG, "t"},
	{THIN_COMMAND, THIN_STDERR, "t"},
	{THIN_COMMAND, THIN_HTTP_CONNECT, "t"},
	{THIN_RESPONSE, THIN_OK, ""},
	{THIN_RESPONSE, THIN_FAILED, ""},
	{THIN_RESPONSE, THIN_WAIT, ""},
	{THIN_BLOB, THIN_CHUNK, "n"},
	{THIN_BLOB, THIN_END, ""},
};

static const char *parts_of(enum thin_kind kind, enum thin_tag tag)
{
	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		if (forms[i].kind == kind && forms[i].tag == tag)
			return forms[i].parts;
	return NULL;
}

static struct err *bad(const char *why)
{
	return err(BAD_REQUEST, why);
}

/* ---- writing ---- */

static void put_int(struct sbuf *out, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		sbuf_addc(out, (char)(v >> 8 * i & 0xff));
}

static void put_string(struct sbuf *out, const char *s)
{
	put_int(out, (uint32_t)strlen(s));
	sbuf_adds(out, s);
}

void thin_put_greeting(struct sbuf *out)
{
	sbuf_adds(out, THIN_GREETING);
	put_int(out, THIN_MAJOR);
	put_int(out, THIN_MINOR);
}

void thin_put(struct sbuf *out, const struct thin_message *m)
{
	auto_sbuf frame = {0};

	put_int(&frame, m->kind);
	put_int(&frame, m->tag);
	for (const char *part = parts_of(m->kind, m->tag); part && *part; part++) {
		if (*part == 'n')
			put_int(&frame, (uint32_t)m->number);
		else if (*part != 'l')
			put_string(&frame, *part == 't' ? m->text : m->more);
		else
			put_int(&frame, (uint32_t)m->n_list);
		for (size_t i = 0; *part == 'l' && i < m->n_list; i++)
			put_string(&frame, m->list[i]);
	}
	put_int(out, (uint32_t)sbuf_len(&frame));
	sbuf_add(out, sbuf_data(&frame), sbuf_len(&frame));
}

void thin_put_blob(struct sbuf *out, const void *bytes, size_t n, bool is_last)
{
	thin_put(out,
		&(struct thin_message){.kind = THIN_BLOB, .tag = THIN_CHUNK, .number = (int32_t)n});
	sbuf_add(out, bytes, n);
	if (is_last)
		thin_put(out, &(struct thin_message){.kind = THIN_BLOB, .tag = THIN_END});
}

/* ---- reading ---- */

static bool take_int(const char **at, const char *end, uint32_t *out)
{
	const unsigned char *v = (const unsigned char *)*at;

	if (end - *at < 4)
		return false;
	*out = v[0] | (uint32_t)v[1] << 8 | (uint32_t)v[2] << 16 | (uint32_t)v[3] << 24;
	*at += 4;
	return true;
}

static bool take_string(const char **at, const char *end, struct arena *a, const char **out)
{
	uint32_t len;

	if (!take_int(at, end, &len) || len > (size_t)(end - *at) || memchr(*at, '\0', len))
		return false;
	*out = arena_strndup(a, *at, len);
	*at += len;
	return true;
}

static bool take_list(const char **at, const char *end, struct arena *a, struct thin_message *out)
{
	uint32_t n;

	/* each string takes four bytes at least */
	if (!take_int(at, end, &n) || n > (size_t)(end - *at) / 4)
		return false;
	out->list = arena_calloc(a, n, sizeof(*out->list));
	for (out->n_list = 0; out->n_list < n; out->n_list++)
		if (!take_string(at, end, a, &out->list[out->n_list]))
			return false;
	return true;
}

static bool take_part(
	char part, const char **at, const char *end, struct arena *a, struct thin_message *out)
{
	uint32_t number;

	switch (part) {
	case 't':
		return take_string(at, end, a, &out->text);
	case 'm':
		return take_string(at, end, a, &out->more);
	case 'l':
		return take_list(at, end, a, out);
	default:
		if (!take_int(at, end, &number))
			return false;
		out->number = (int32_t)number;
		return true;
	}
}

struct err *thin_parse(const char *frame, size_t n, struct arena *a, struct thin_message *out)
{
	const char *at = frame, *end = frame + n;
	uint32_t kind, tag;

	*out = (struct thin_message){.text = "", .more = ""};
	if (!take_int(&at, end, &kind) || !take_int(&at, end, &tag))
		return bad("a frame without a tag");
	out->kind = (enum thin_kind)kind;
	out->tag = (enum thin_tag)tag;
	const char *part = parts_of(out->kind, out->tag);
	if (!part)
		return bad("a frame of an unknown kind");
	for (; *part; part++)
		if (!take_part(*part, &at, end, a, out))
			return bad("a frame that is too short");
	return at == end ? NULL : bad("a frame that is too long");
}

/* ---- streams ---- */

static MAY_WAIT struct err *fill(struct stream *s, size_t n, int64_t deadline)
{
	bool is_end = false;

	while (sbuf_len(stream_in(s)) < n) {
		TRY(stream_fill(s, n + THIN_FRAME_MAX, &is_end, deadline));
		if (is_end)
			return err(CONNECTION_LOST, "closed by the other side");
	}
	return NULL;
}

MAY_WAIT struct err *thin_read_greeting(struct stream *s, int64_t deadline)
{
	TRY(fill(s, THIN_GREETING_SIZE, deadline));
	const char *at = sbuf_data(stream_in(s)), *end = at + THIN_GREETING_SIZE;
	uint32_t major = 0;
	bool is_greeting = !memcmp(at, THIN_GREETING, strlen(THIN_GREETING));

	at += strlen(THIN_GREETING);
	take_int(&at, end, &major);
	sbuf_consume(stream_in(s), THIN_GREETING_SIZE);
	return is_greeting && major == THIN_MAJOR ? NULL : bad("this is not the thin protocol");
}

MAY_WAIT struct err *thin_read(
	struct stream *s, struct arena *a, struct thin_message *out, int64_t deadline)
{
	uint32_t n = 0;

	TRY(fill(s, 4, deadline));
	const char *at = sbuf_data(stream_in(s));
	take_int(&at, at + 4, &n);
	if (n > THIN_FRAME_MAX)
		return bad("a frame that is too large");
	TRY(fill(s, 4 + (size_t)n, deadline));
	struct err *e = thin_parse(sbuf_data(stream_in(s)) + 4, n, a, out);
	sbuf_consume(stream_in(s), 4 + (size_t)n);
	return e;
}

MAY_WAIT struct err *thin_read_blobs(
	struct stream *s, size_t max, struct sbuf *out, int64_t deadline)
{
	auto_arena a = {0};
	struct thin_message m;

	for (;;) {
		TRY(thin_read(s, &a, &m, deadline));
		if (m.kind != THIN_BLOB)
			return bad("a blob was due");
		if (m.tag == THIN_END)
			return NULL;
		if (m.number < 0 || (size_t)m.number > max - sbuf_len(out))
			return bad("a blob that is too large");
		TRY(fill(s, (size_t)m.number, deadline));
		sbuf_add(out, sbuf_data(stream_in(s)), (size_t)m.number);
		sbuf_consume(stream_in(s), (size_t)m.number);
	}
}
