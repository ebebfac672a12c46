/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The JSON writer (json.h): appends to a string buffer, one line, no white space. What it writes is
 * valid whatever bytes it is given.
 */
#include "common/json.h"

#include "common/json_scan.h"
#include "common/number.h"
#include "common/utf8.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define NAME_ROOM 64 /* of a name with what stands around it */

void json_writer_init(struct json_writer *w, struct sbuf *out)
{
	*w = (struct json_writer){.out = out};
}

/* Every value begins with this: the comma that parts it from the one before. */
static inline void begin_value(struct json_writer *w)
{
	if (w->needs_comma)
		sbuf_addc(w->out, ',');
	w->needs_comma = true;
}

static inline void open_bracket(struct json_writer *w, char bracket)
{
	begin_value(w);
	sbuf_addc(w->out, bracket);
	if (++w->depth > w->deepest)
		w->deepest = w->depth;
	w->needs_comma = false;
}

static inline void close_bracket(struct json_writer *w, char bracket)
{
	assert(w->depth);
	sbuf_addc(w->out, bracket);
	w->depth--;
	w->needs_comma = true;
}

void json_write_object(struct json_writer *w)
{
	open_bracket(w, '{');
}

void json_write_object_end(struct json_writer *w)
{
	close_bracket(w, '}');
}

void json_write_array(struct json_writer *w)
{
	open_bracket(w, '[');
}

void json_write_array_end(struct json_writer *w)
{
	close_bracket(w, ']');
}

static void add_escape(struct sbuf *b, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	const char *short_form = c ? strchr(from, c) : NULL;

	if (short_form)
		sbuf_add(b, (char[]){'\\', to[short_form - from]}, 2);
	else
		sbuf_add(b, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
}

/* What is not plain, up to END, and the quote behind it. It is seldom, and inlined it would slow
 * down what is not. */
static __attribute__((__noinline__)) void add_odd(struct sbuf *b, const char *p, const char *end)
{
	while (p < end) {
		const char *from = p;

		p = json_scan(p, end);
		sbuf_add(b, from, (size_t)(p - from));
		if (p == end)
			break;
		uint32_t c;
		size_t n = (unsigned char)*p < 0x80 ? 0 : utf8_decode(p, (size_t)(end - p), &c);
		if (n)
			sbuf_add(b, p, n);
		else if ((unsigned char)*p < 0x80)
			add_escape(b, (unsigned char)*p);
		else
			sbuf_add(b, UTF8_REPLACEMENT, 3);
		p += n ? n : 1;
	}
	sbuf_addc(b, '"');
}

static void add_string(struct sbuf *b, const char *s, size_t len)
{
	const char *end = s + len;
	char *o = sbuf_room(b, len + 2);
	const char *p = json_copy_plain(s, end, o + 1);

	o[0] = '"';
	if (p == end) {
		o[len + 1] = '"';
		b->end += len + 2;
		return;
	}
	b->end += (size_t)(p - s) + 1;
	add_odd(b, p, end);
}

void json_write_string_n(struct json_writer *w, const char *s, size_t len)
{
	begin_value(w);
	add_string(w->out, s, len);
}

void json_write_string(struct json_writer *w, const char *s)
{
	json_write_string_n(w, s, strlen(s));
}

void json_write_name(struct json_writer *w, const char *name)
{
	char *o = sbuf_room(w->out, NAME_ROOM);
	size_t n = 0;

	assert(w->depth);
	if (w->needs_comma)
		o[n++] = ',';
	o[n++] = '"';
	/* Names are short: the three passes of a string would cost more than the bytes. */
	const char *p = name;
	while (n < NAME_ROOM - 2 && json_is_plain(*p))
		o[n++] = *p++;
	if (*p) {
		json_write_string(w, name);
		sbuf_addc(w->out, ':');
	} else {
		o[n++] = '"';
		o[n++] = ':';
		sbuf_added(w->out, n);
	}
	w->needs_comma = false;
}

void json_write_bool(struct json_writer *w, bool v)
{
	begin_value(w);
	if (v)
		sbuf_add(w->out, "true", 4);
	else
		sbuf_add(w->out, "false", 5);
}

void json_write_int(struct json_writer *w, int64_t v)
{
	begin_value(w);
	w->out->end += number_put_int(v, sbuf_room(w->out, NUMBER_INT_SIZE));
}

void json_write_float(struct json_writer *w, double v)
{
	if (!isfinite(v)) {
		json_write_null(w);
		return;
	}
	begin_value(w);
	w->out->end += number_put_double(v, sbuf_room(w->out, NUMBER_DOUBLE_SIZE));
}

void json_write_null(struct json_writer *w)
{
	begin_value(w);
	sbuf_add(w->out, "null", 4);
}

void json_write_raw(struct json_writer *w, const char *text, size_t len)
{
	/* what only may be too deep is looked at closely; a message is an object around all this */
	size_t enough = w->depth + 1 < JSON_MAX_DEPTH ? JSON_MAX_DEPTH - 1 - w->depth : 0;
	size_t depth = w->depth + json_depth(text, len, enough);

	if (depth > w->deepest)
		w->deepest = (unsigned)depth;
	begin_value(w);
	sbuf_add(w->out, text, len);
}
