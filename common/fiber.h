/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fibers: straight-line C on the daemon's one loop thread. Nothing else runs between two waits, so
 * data that only fibers touch needs no lock. A function that may wait says MAY_WAIT.
 *
 * Every wait ends: by its event, or with an error: TIMEOUT (its own deadline or the fiber's),
 * CANCELLED (fiber_cancel) or SHUTTING_DOWN (loop_stop). Cancellation is a value, never a jump: it
 * stays set, and each later wait fails at once, until fiber_cancel_mask is raised for clean-up.
 *
 * A fiber never migrates to another thread, never parks inside a library's callback, with an open
 * sqlite statement or holding a thread's lock. errno is the fiber's own.
 */
#ifndef XENITH_COMMON_FIBER_H
#define XENITH_COMMON_FIBER_H

#include "common/clock.h"
#include "common/dialect.h"
#include "common/err.h"
#include "common/list.h"

struct fiber;
struct json_writer;

typedef void (*fiber_fn)(void *arg);

/*
 * Makes a fiber that runs FN(ARG) after this one has waited; its stack goes back to the pool when
 * FN returns. Fails (LIMIT_EXCEEDED) when the kernel gives no stack. OUT may be NULL; the handle is
 * valid until FN has returned. The new fiber inherits log tag and nothing else.
 */
must_check struct err *fiber_spawn(
	struct fiber **out, fiber_fn fn, void *arg, const char *name_fmt, ...) printf_like(4, 5);

/* The fiber that runs now; NULL on the loop itself and in other threads. */
struct fiber *fiber_current(void);
const char *fiber_name(const struct fiber *f);

/* The fiber's present or next wait ends with CANCELLED. May be called from a fiber or the loop. */
void fiber_cancel(struct fiber *f);
bool fiber_is_cancelled(const struct fiber *f);
/* While raised, waits of this fiber do not end by cancellation, the fiber's own deadline or
 * shutdown (its clean-up can wait; at shutdown for as long as loop_run's grace). They still end by
 * the deadline given to the wait. Counted. */
void fiber_cancel_mask(void);
void fiber_cancel_unmask(void);
/* An upper bound for every wait of this fiber from now on; returns the one before. */
int64_t fiber_set_deadline(int64_t deadline);
int64_t fiber_deadline(void);
/* CANCELLED, TIMEOUT or SHUTTING_DOWN when the fiber is to end: a cancel point that does not
 * wait. */
must_check struct err *fiber_check(void);

/*
 * FN(ARG) is called on the running fiber before it next parks (or yields), and not again; it must
 * not wait. NULL forgets it. So work may be begun on a fiber that has other duties: they are handed
 * over when it turns out that the work waits.
 */
void fiber_on_park(void (*fn)(void *arg), void *arg);
/* For a fiber that has come to do something else. */
void fiber_rename(const char *name);

MAY_WAIT must_check struct err *fiber_sleep(int64_t ns);
/* Lets every other ready fiber run once. */
MAY_WAIT must_check struct err *fiber_yield(void);

enum fd_events { FD_READABLE = 1, FD_WRITABLE = 2 };
/* Waits until FD is ready for one of EVENTS (or in error). WHAT names the wait in diagnostics. */
MAY_WAIT must_check struct err *fiber_wait_fd(
	int fd, unsigned events, const char *what, int64_t deadline);

/* Asserts at run time that nothing between the two waits. */
void no_wait_begin(void);
void no_wait_end(void);

/*
 * A condition: fibers wait on it until somebody signals. There is no lost wake-up to fear: nothing
 * else runs between the check of a predicate and the wait. First come, first served. cond_signal
 * and cond_broadcast may be called from fibers and from the loop, not from other threads
 * (loop_post brings a call over).
 */
struct cond {
	struct list waiters;
};

void cond_init(struct cond *c);
/* No fiber may wait on it any more. */
void cond_fini(struct cond *c);
/* Wakes the one that waits longest; false when nobody waits. */
bool cond_signal(struct cond *c);
void cond_broadcast(struct cond *c);
MAY_WAIT must_check struct err *cond_wait(struct cond *c, const char *what, int64_t deadline);

/* Excludes other fibers over several waits; handed over in order of arrival. */
struct mutex {
	struct fiber *owner;
	struct cond free;
};

void mutex_init(struct mutex *m);
void mutex_fini(struct mutex *m);
MAY_WAIT must_check struct err *mutex_lock(struct mutex *m, const char *what, int64_t deadline);
void mutex_unlock(struct mutex *m);

/*
 * Fibers that belong together: spawned, cancelled and awaited as one. The first error of a member
 * is the group's; fiber_group_wait waits for every member, whatever happens (it masks
 * cancellation of the waiter and passes it on to the members; so it does when the waiter's own
 * deadline comes, and then says TIMEOUT), and so the group may live on the waiter's stack.
 */
struct fiber_group {
	struct list members;
	struct cond ended;
	struct err *first; /* owned; until fiber_group_wait takes it */
};

typedef MAY_WAIT struct err *(*fiber_group_fn)(void *arg);

void fiber_group_init(struct fiber_group *g);
must_check struct err *fiber_group_spawn(struct fiber_group *g, fiber_group_fn fn, void *arg,
	const char *name_fmt, ...) printf_like(4, 5);
void fiber_group_cancel(struct fiber_group *g);
MAY_WAIT must_check struct err *fiber_group_wait(struct fiber_group *g);

/*
 * The tag that every log line of this fiber carries (a task or request id); inherited by spawned
 * fibers and by offloaded work. Copied; at most 63 bytes are kept.
 */
void fiber_set_tag(const char *tag);
/* The same without a copy: TAG must stay until the fiber's tag is set anew. */
void fiber_lend_tag(const char *tag);
const char *fiber_tag(void);

/* Every fiber, as an array: name, what it waits for, since when, until when. For `diagnostics`. */
void fiber_dump(struct json_writer *w);
size_t fiber_count(void);

#endif
