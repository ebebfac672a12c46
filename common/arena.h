/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An arena: memory that is taken piece by piece and given back all at once. A call's arguments and
 * results live in the call's arena, so no type needs a destructor or a copy. It has no
 * destructors of its own: descriptors and locks are AUTO, not arena.
 *
 * Not thread-safe: an arena belongs to one fiber or one thread at a time.
 */
#ifndef XENITH_COMMON_ARENA_H
#define XENITH_COMMON_ARENA_H

#include "common/dialect.h"

#include <stdarg.h>

struct arena_block;

struct arena {
	struct arena_block *blocks; /* newest first; owned */
	char *next; /* free bytes of the newest block */
	char *end;
	size_t used; /* bytes handed out since the last reset, with what aligns them */
};

/* A zeroed struct arena is a valid empty one. */
void arena_fini(struct arena *a);
/* The first block of A, which is empty, gets SIZE bytes: for what is of known size and stays. */
void arena_fit(struct arena *a, size_t size);
/* Forgets everything but keeps one block, for the next call on the same connection. */
void arena_reset(struct arena *a);

/* Zeroed, aligned for any type. */
void *arena_alloc(struct arena *a, size_t size) __attribute__((__returns_nonnull__));
/* N zeroed elements of SIZE bytes; the multiplication cannot overflow unseen. */
void *arena_calloc(struct arena *a, size_t n, size_t size) __attribute__((__returns_nonnull__));
/* Not zeroed, not aligned: for bytes and strings. */
char *arena_bytes(struct arena *a, size_t size) __attribute__((__returns_nonnull__));
char *arena_strdup(struct arena *a, const char *s) __attribute__((__returns_nonnull__));
char *arena_strndup(struct arena *a, const char *s, size_t len)
	__attribute__((__returns_nonnull__));
char *arena_printf(struct arena *a, const char *fmt, ...) printf_like(2, 3)
	__attribute__((__returns_nonnull__));
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap) printf_like(2, 0)
	__attribute__((__returns_nonnull__));

#define arena_new(a, type) ((type *)arena_alloc(a, sizeof(type)))

#define auto_arena AUTO(arena_fini) struct arena

#endif
