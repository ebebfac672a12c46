/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What blocks in the kernel or in a library leaves the loop thread: offload() for one call, a pump
 * thread for bulk bytes. Neither touches daemon state, calls a fiber function or takes a fiber's
 * lock (asserted): they get their own copy of what they need.
 */
#ifndef XENITH_COMMON_OFFLOAD_H
#define XENITH_COMMON_OFFLOAD_H

#include "common/dialect.h"
#include "common/err.h"

#include <stdatomic.h>

/*
 * Runs FN(ARG) on the pool and parks the fiber until it has returned. ARG may live on the fiber's
 * stack, so a cancelled fiber leaves only while the work has not begun (the error says CANCELLED,
 * and FN was not called); once begun, the wait lasts until FN returns, and offload returns NULL.
 */
MAY_WAIT must_check struct err *offload(const char *what, void (*fn)(void *arg), void *arg);
/* The number of pool threads (default 4); they start when first needed. */
void offload_set_threads(unsigned n);
/* Joins the threads: after loop_run, before loop_fini. */
void offload_fini(void);

/*
 * A pump: a thread that owns a descriptor for a while. It reports progress with pump_progress and
 * looks at pump_is_cancelled (or polls pump_cancel_fd) at least once a block.
 */
struct pump;
typedef struct err *(*pump_fn)(struct pump *p, void *arg);

/* ARG must stay valid until pump_wait has returned. */
must_check struct err *pump_start(struct pump **out, pump_fn fn, void *arg, const char *name);
/* From the pump's thread. Wakes the loop at most once a turn. */
void pump_progress(struct pump *p, uint64_t done);
bool pump_is_cancelled(const struct pump *p);
int pump_cancel_fd(const struct pump *p);
/* From the loop. */
uint64_t pump_done(const struct pump *p);
void pump_cancel(struct pump *p);
/* Waits for the end of the pump, calling ON_PROGRESS (or NULL) between; a cancelled waiter cancels
 * the pump and still waits for its end. Frees P and returns the pump's own error. */
MAY_WAIT must_check struct err *pump_wait(
	struct pump *p, void (*on_progress)(uint64_t done, void *arg), void *arg);

#endif
