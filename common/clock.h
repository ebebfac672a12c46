/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The time, injectable: a test stops the clock and steps it, and every deadline and timer of the
 * loop follows. Safe from every thread.
 */
#ifndef XENITH_COMMON_CLOCK_H
#define XENITH_COMMON_CLOCK_H

#include "common/dialect.h"

#define NS_PER_US ((int64_t)1000)
#define NS_PER_MS ((int64_t)1000 * 1000)
#define NS_PER_S  ((int64_t)1000 * 1000 * 1000)

/* A deadline that never comes. Deadlines are points of clock_mono_ns. */
#define NEVER INT64_MAX

/* Never jumps: for deadlines and durations. */
int64_t clock_mono_ns(void);
/* Since 1970, UTC: for what a person or a client sees. */
int64_t clock_real_ns(void);

/* The deadline that is NS from now; saturates at NEVER. */
int64_t deadline_in(int64_t ns);

/* For tests: stop the clock where it is; step it (timers that come due fire); let it run again. */
void clock_stop(void);
void clock_step(int64_t ns);
void clock_resume(void);
bool clock_is_stopped(void);

/* FN is called after each of the three above, on their thread; NULL takes it back. For the loop. */
void clock_on_change(void (*fn)(void));

#endif
