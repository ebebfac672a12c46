/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The few words that this tree adds to C. Every file may rely on them; nothing is added here
 * lightly. Errors have their own header (err.h), memory too (mem.h, arena.h).
 */
#ifndef XENITH_COMMON_DIALECT_H
#define XENITH_COMMON_DIALECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

/* Run FN on the address of the variable when it leaves its scope. */
#define AUTO(fn) __attribute__((__cleanup__(fn)))

#define must_check             __attribute__((__warn_unused_result__))
#define printf_like(fmt, args) __attribute__((__format__(__printf__, fmt, args)))
#define never_returns          __attribute__((__noreturn__))
#define maybe_unused           __attribute__((__unused__))

/*
 * Marks a function that may park its fiber: other fibers run before it returns. The tree check
 * tests/lint/may_wait reads it: only a MAY_WAIT function may call one.
 */
#define MAY_WAIT

/* Gives away what the pointer P owns: the value of P, which becomes NULL. */
#define take(p) \
	({ \
		__typeof__(p) taken_ = (p); \
		(p) = NULL; \
		taken_; \
	})

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

static inline void free_strp(char **s)
{
	free(*s);
}

static inline void close_fdp(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* A string from malloc that frees itself; a descriptor (-1: none) that closes itself. */
#define auto_str AUTO(free_strp) char *
#define auto_fd  AUTO(close_fdp) int

#endif
