/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of a fiber, for the files that make up the runtime (fiber, cond, mutex, fiber_group,
 * fiber_dump, fiber_guard, loop, offload) and for nobody else. Loop thread only.
 *
 *	           spawn             turn             fiber_park
 *	 (none) ---------> READY <---------> RUNNING ------------> PARKED
 *	                     ^                  |  FN returned        |
 *	                     |                  v                     |
 *	                     |                ENDED                   |
 *	                     +----------------------------------------+  fiber_wake
 */
#ifndef XENITH_COMMON_FIBER_PRIV_H
#define XENITH_COMMON_FIBER_PRIV_H

#include "common/fiber.h"
#include "common/fiber_stack.h"
#include "common/fiber_switch.h"
#include "common/loop.h"

#include <pthread.h>

enum { FIBER_NAME_BYTES = 64, FIBER_TAG_BYTES = 64 };

/* common/fiber-gdb.py knows these names. */
enum fiber_state { FIBER_READY, FIBER_RUNNING, FIBER_PARKED, FIBER_ENDED };

/* Why a wait ended. */
enum fiber_wake { FIBER_WOKEN, FIBER_TIMED_OUT, FIBER_CANCELLED, FIBER_STOPPING };

struct fiber {
	struct list all; /* every fiber, oldest first */
	struct list link; /* ready: in a queue of the scheduler; parked: where it waits, or none */
	enum fiber_state state;
	enum fiber_wake woken_by; /* how the last wait ended */
	struct fiber_context context;
	struct fiber_stack *stack; /* owned */
	fiber_fn fn;
	void *arg;

	struct timer timer; /* of the present wait */
	const char *waits_for; /* while parked */
	int64_t waits_since, waits_until; /* while parked */
	int64_t deadline; /* of all its waits */
	unsigned masked, no_wait; /* nesting */
	bool is_cancelled;
	void (*on_park)(void *arg); /* once, before it parks; or NULL */
	void *on_park_arg;
	struct fiber_group *awaits; /* a cancellation goes on to its members; or NULL */
	char name[FIBER_NAME_BYTES];
	const char *tag; /* own_tag, or lent */
	char own_tag[FIBER_TAG_BYTES];
};

/* Every fiber that has not ended. */
extern struct list fiber_all;

/*
 * Parks the running fiber until fiber_wake, DEADLINE, or what else ends waits; it stands at the end
 * of QUEUE (or NULL) meanwhile. The error is that of the deadline (TIMEOUT, with WHAT),
 * cancellation or shutdown; it comes at once when the wait need not begin.
 */
MAY_WAIT must_check struct err *fiber_park(const char *what, int64_t deadline, struct list *queue);
/* Makes a parked fiber ready and takes it off where it waits; nothing if it is not parked. */
void fiber_wake(struct fiber *f, enum fiber_wake why);

/* For the loop: runs the fibers that are ready now, in order. */
void fiber_run_ready(void);
bool fiber_any_ready(void);
/* Ends the waits of all that are not masked. */
void fiber_stop_all(void);
uint64_t fiber_switches(void);
/* The fiber that ran longest in this turn so far; "" and 0 when none took a tick. */
struct fiber_longest {
	char name[FIBER_NAME_BYTES];
	int64_t ns;
};
struct fiber_longest fiber_longest_take(void);
/* Abandons fibers that have not ended, and gives back all memory. */
void fiber_fini(void);
void fiber_init(void);

/* Aborts with a message: the program breaks a rule of fiber.h. */
never_returns void fiber_abort(const char *fmt, ...) printf_like(1, 2);
#define fiber_require(condition, ...) \
	do { \
		if (!(condition)) \
			fiber_abort(__VA_ARGS__); \
	} while (0)

/* A thread of that name (its first 15 bytes), with every signal blocked: those are the loop's. 0 or
 * -errno. */
int thread_start(pthread_t *out, const char *name, void *(*fn)(void *arg), void *arg);

/* What loop_post does, with memory of the caller's: free again when FN is called. */
struct loop_call {
	struct list link;
	void (*fn)(void *arg);
	void *arg;
	bool is_heap; /* of loop_post itself */
};
void loop_post_call(struct loop_call *c);

/* The kernel's clock, whatever the tests do to ours: coarse (some ms) and cheap. */
int64_t loop_tick_ns(void);
/* The time at which this turn began, of clock_mono_ns. */
int64_t loop_now(void);
/* Fires what is due; timer_next: when the next one is, or NEVER. */
void timer_run_due(int64_t now);
int64_t timer_next(void);
void timer_fini(void);
/* Makes an overflow of a fiber's stack say so. */
void fiber_guard_init(void);
void fiber_guard_fini(void);

#endif
