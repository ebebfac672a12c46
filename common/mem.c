/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The heap, aborting when there is none left (mem.h). Safe from every thread.
 */
#include "common/mem.h"

#include <stdio.h>
#include <string.h>

static void *or_abort(void *p)
{
	if (!p) {
		static const char message[] = "out of memory\n";
		ssize_t ignored = write(STDERR_FILENO, message, sizeof(message) - 1);

		(void)ignored;
		abort();
	}
	return p;
}

void *xmalloc(size_t size)
{
	return or_abort(malloc(size ? size : 1));
}

void *xcalloc(size_t n, size_t size)
{
	return or_abort(calloc(n ? n : 1, size ? size : 1));
}

void *xrealloc(void *p, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total))
		return or_abort(NULL);
	return or_abort(realloc(p, total ? total : 1));
}

char *xstrdup(const char *s)
{
	return xstrndup(s, strlen(s));
}

char *xstrndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *copy = xmalloc(len + 1);

	memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

char *xvasprintf(const char *fmt, va_list ap)
{
	char *s;

	if (vasprintf(&s, fmt, ap) < 0)
		or_abort(NULL);
	return s;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *s = xvasprintf(fmt, ap);
	va_end(ap);
	return s;
}
