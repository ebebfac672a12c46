/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The stacks that fibers run on: mapped without reserve, a guard below each, pooled. Used by
 * fiber.c alone, on the loop thread.
 */
#ifndef XENITH_COMMON_FIBER_STACK_H
#define XENITH_COMMON_FIBER_STACK_H

#include "common/dialect.h"
#include "common/list.h"

struct fiber_stack {
	struct list link; /* in the pool */
	char *map; /* the guard, then the stack */
	char *bottom; /* lowest byte that may be used */
	size_t size; /* from there */
	unsigned uses;
	unsigned color; /* different stacks start at different cache lines */
	unsigned valgrind_id;
};

/* NULL when the kernel gives none (errno). */
struct fiber_stack *fiber_stack_get(void);
void fiber_stack_put(struct fiber_stack *s);
/* Unmaps what the pool holds. */
void fiber_stack_fini(void);

/* How many bytes at its top to leave unused. */
size_t fiber_stack_top_offset(const struct fiber_stack *s);
bool fiber_stack_guards(const struct fiber_stack *s, const void *address);

/* For tests and diagnostics: mapped now, of these in the pool. */
size_t fiber_stack_count(void);
size_t fiber_stack_pooled(void);

#endif
