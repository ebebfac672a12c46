/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon's one loop. It owns all state: libevent callbacks only mark fibers runnable, and the
 * ready fibers run from one place, between two turns of event_base_loop(EVLOOP_ONCE). A turn runs
 * the fibers that were ready at its start, then those that these made ready, and no others. A turn
 * of over 50 ms is logged with the fiber that took longest.
 */
#ifndef XENITH_COMMON_LOOP_H
#define XENITH_COMMON_LOOP_H

#include "common/clock.h"
#include "common/dialect.h"
#include "common/err.h"
#include "common/list.h"

struct event_base;

/* Once, on the thread that will run the loop, before anything else of the runtime. */
void loop_init(void);
/* Runs until loop_stop was called and every fiber has ended (or GRACE_NS has passed since: then
 * the fibers that are left are logged by name and abandoned). */
void loop_run(int64_t grace_ns);
/* Every wait of every fiber ends with SHUTTING_DOWN from now on. From the loop thread. */
void loop_stop(void);
bool loop_is_stopping(void);
/* Gives back everything; after loop_run, for tests and leak checkers. */
void loop_fini(void);
/* Whether the caller is the loop's thread. */
bool loop_is_here(void);

/* Runs FN(ARG) on the loop thread, in its next turn. From any thread. */
void loop_post(void (*fn)(void *arg), void *arg);

/* A call at the end of the present turn, before the loop sleeps: one write a connection and turn.
 * Once queued it stays queued until it ran; `loop_defer_cancel` takes it back. */
struct deferred {
	struct list link;
	void (*fn)(struct deferred *d);
};
void loop_defer(struct deferred *d);
void loop_defer_cancel(struct deferred *d);

/* A timer on the injectable clock; FN runs on the loop and must not wait. */
struct timer {
	int64_t at; /* NEVER while not armed */
	size_t heap_index;
	void (*fn)(struct timer *t);
};
void timer_init(struct timer *t, void (*fn)(struct timer *t));
void timer_arm(struct timer *t, int64_t at);
void timer_disarm(struct timer *t);

/* A signal (SIGTERM, SIGHUP, …) calls FN on the loop, in the next turn; several of one kind may
 * come as one. FN may spawn fibers. */
must_check struct err *loop_on_signal(int signum, void (*fn)(int signum));

/* libevent's base, for common/{stream,listen}.c alone. */
struct event_base *loop_base(void);

/* Turns over 50 ms so far, and turns in all; for diagnostics and the idle tests. */
struct loop_counts {
	uint64_t turns, stalls, switches;
};
struct loop_counts loop_counts(void);

#endif
