/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The switch between two stacks, with all that the sanitizers want to know about it. Only fiber.c
 * uses it. A context saves the registers that a callee keeps; neither the floating point control
 * words nor the signal mask are switched, so fibers leave those alone.
 *
 * Not siglongjmp: with it AddressSanitizer loses overflows of frames that were parked,
 * ThreadSanitizer dies, and _FORTIFY_SOURCE aborts.
 */
#ifndef XENITH_COMMON_FIBER_SWITCH_H
#define XENITH_COMMON_FIBER_SWITCH_H

#include "common/dialect.h"

#if !defined(FIBER_SWITCH_PORTABLE) && !defined(__x86_64__) && !defined(__aarch64__)
#define FIBER_SWITCH_PORTABLE
#endif

#ifdef FIBER_SWITCH_PORTABLE
#include <ucontext.h>
#endif

#ifndef __has_feature
#define __has_feature(x) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#else
#define HAVE_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define HAVE_TSAN 1
#else
#define HAVE_TSAN 0
#endif

struct fiber_context {
	void *sp; /* where the registers were saved; common/fiber-gdb.py reads it */
#ifdef FIBER_SWITCH_PORTABLE
	ucontext_t uc;
#endif
	void *stack; /* lowest byte, and size: for AddressSanitizer */
	size_t stack_size;
	void *fake_stack; /* AddressSanitizer's, while parked */
	void *tsan; /* ThreadSanitizer's fiber */
};

/* The context that runs now, on its thread's own stack. */
void fiber_context_init_self(struct fiber_context *c);
/* A context that calls ENTRY on the given stack when it is first switched to. ENTRY calls
 * fiber_context_entered first, and never returns. */
void fiber_context_init(struct fiber_context *c, void *stack, size_t stack_size, size_t top_offset,
	void (*entry)(void));
void fiber_context_entered(struct fiber_context *c, struct fiber_context *from);
/* Once it will not be switched to any more; not by itself. */
void fiber_context_fini(struct fiber_context *c);

void fiber_context_switch(struct fiber_context *from, struct fiber_context *to);
/* The last switch of FROM: it never returns. */
never_returns void fiber_context_leave(struct fiber_context *from, struct fiber_context *to);

#endif
