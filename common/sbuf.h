/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one string buffer: a contiguous run of bytes that grows at its end and is consumed at its
 * start. Text that is built, and the bytes of a connection, live in it.
 */
#ifndef XENITH_COMMON_SBUF_H
#define XENITH_COMMON_SBUF_H

#include "common/dialect.h"

#include <stdarg.h>
#include <string.h>

struct sbuf {
	char *base; /* owned; NULL while empty */
	size_t start; /* first byte that is not consumed */
	size_t end; /* behind the last byte */
	size_t size; /* of base */
};

/* A zeroed struct sbuf is a valid empty one. */
void sbuf_fini(struct sbuf *b);
void sbuf_clear(struct sbuf *b);

static inline char *sbuf_data(const struct sbuf *b)
{
	return b->base ? b->base + b->start : NULL;
}

static inline size_t sbuf_len(const struct sbuf *b)
{
	return b->end - b->start;
}

/* Of sbuf_room, when there is too little. */
char *sbuf_grow(struct sbuf *b, size_t n) __attribute__((__returns_nonnull__));

/* Makes room for N more bytes and returns where they go; sbuf_added tells how many came. */
static inline char *sbuf_room(struct sbuf *b, size_t n)
{
	return b->base && b->size - b->end >= n ? b->base + b->end : sbuf_grow(b, n);
}

static inline void sbuf_added(struct sbuf *b, size_t n)
{
	b->end += n;
}

static inline size_t sbuf_free_space(const struct sbuf *b)
{
	return b->size - b->end;
}

/* Takes N bytes from the start. */
void sbuf_consume(struct sbuf *b, size_t n);
/* Forgets what was added behind the first LEN bytes. */
void sbuf_truncate(struct sbuf *b, size_t len);

static inline void sbuf_add(struct sbuf *b, const void *bytes, size_t n)
{
	if (n) {
		memcpy(sbuf_room(b, n), bytes, n);
		b->end += n;
	}
}

static inline void sbuf_addc(struct sbuf *b, char c)
{
	if (b->size == b->end)
		sbuf_room(b, 1);
	b->base[b->end++] = c;
}

/* A string without its NUL. Inline, as the length of a literal is known. */
static inline void sbuf_adds(struct sbuf *b, const char *s)
{
	sbuf_add(b, s, strlen(s));
}

void sbuf_printf(struct sbuf *b, const char *fmt, ...) printf_like(2, 3);
void sbuf_vprintf(struct sbuf *b, const char *fmt, va_list ap) printf_like(2, 0);

/* The content as a string that lives until the next change; the NUL is not counted. */
char *sbuf_str(struct sbuf *b) __attribute__((__returns_nonnull__));
/* The content as a string from malloc, for the caller to free; the buffer is empty afterwards. */
char *sbuf_take(struct sbuf *b) __attribute__((__returns_nonnull__));

#define auto_sbuf AUTO(sbuf_fini) struct sbuf

#endif
