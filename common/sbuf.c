/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The string buffer (sbuf.h). Space grows by doubling; consumed bytes are closed up when room is
 * asked for and they are at least half of the buffer, so that a stream costs no copy a message.
 */
#include "common/sbuf.h"

#include "common/mem.h"

#include <stdio.h>

#define FIRST_SIZE 256

void sbuf_fini(struct sbuf *b)
{
	free(b->base);
	*b = (struct sbuf){0};
}

void sbuf_clear(struct sbuf *b)
{
	b->start = b->end = 0;
}

static void close_up(struct sbuf *b)
{
	if (!b->start)
		return;
	memmove(b->base, b->base + b->start, b->end - b->start);
	b->end -= b->start;
	b->start = 0;
}

/* There is too little room, or none at all. */
char *sbuf_grow(struct sbuf *b, size_t n)
{
	size_t want;

	if (b->start >= b->size / 2)
		close_up(b);
	if (__builtin_add_overflow(b->end, n, &want))
		abort();
	if (want > b->size || !b->base) {
		size_t size = b->size ? b->size : FIRST_SIZE;

		while (size < want)
			size = size > SIZE_MAX / 2 ? want : size * 2;
		b->base = xrealloc(b->base, size, 1);
		b->size = size;
	}
	return b->base + b->end;
}

void sbuf_consume(struct sbuf *b, size_t n)
{
	if (n > sbuf_len(b))
		abort();
	b->start += n;
	if (b->start == b->end)
		sbuf_clear(b);
}

void sbuf_truncate(struct sbuf *b, size_t len)
{
	if (len < sbuf_len(b))
		b->end = b->start + len;
}

void sbuf_vprintf(struct sbuf *b, const char *fmt, va_list ap)
{
	va_list again;

	va_copy(again, ap);
	int len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len < 0)
		abort();
	vsnprintf(sbuf_room(b, (size_t)len + 1), (size_t)len + 1, fmt, ap);
	b->end += (size_t)len;
}

void sbuf_printf(struct sbuf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	sbuf_vprintf(b, fmt, ap);
	va_end(ap);
}

char *sbuf_str(struct sbuf *b)
{
	*sbuf_room(b, 1) = '\0';
	return sbuf_data(b);
}

char *sbuf_take(struct sbuf *b)
{
	size_t n = sbuf_len(b);
	char *s = xmalloc(n + 1);

	/* Not as a string: there may be NULs inside. */
	memcpy(s, sbuf_str(b), n + 1);
	sbuf_fini(b);
	return s;
}
