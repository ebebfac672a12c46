/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The heap. Out of memory aborts: limits on every input make sure that nobody outside can cause it,
 * so no caller ever checks. Memory that belongs to one call comes from its arena (arena.h) instead.
 */
#ifndef XENITH_COMMON_MEM_H
#define XENITH_COMMON_MEM_H

#include "common/dialect.h"

#include <stdarg.h>

/* As those of libc, but for that they never return NULL. */
void *xmalloc(size_t size) __attribute__((__malloc__, __returns_nonnull__));
void *xcalloc(size_t n, size_t size) __attribute__((__malloc__, __returns_nonnull__));
/* N elements of SIZE bytes; the multiplication cannot overflow unseen. */
void *xrealloc(void *p, size_t n, size_t size) __attribute__((__returns_nonnull__));
char *xstrdup(const char *s) __attribute__((__malloc__, __returns_nonnull__));
char *xstrndup(const char *s, size_t n) __attribute__((__malloc__, __returns_nonnull__));
char *xasprintf(const char *fmt, ...) printf_like(1, 2) __attribute__((__returns_nonnull__));
char *xvasprintf(const char *fmt, va_list ap) printf_like(1, 0)
	__attribute__((__returns_nonnull__));

/* A zeroed object of TYPE. */
#define xnew(type) ((type *)xcalloc(1, sizeof(type)))

#endif
