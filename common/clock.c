/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The clocks (clock.h). While no test has touched them they are the kernel's; from then on they
 * are read under a mutex, shifted or stopped. Safe from every thread.
 */
#include "common/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

static atomic_bool was_touched; /* the clocks are not plainly the kernel's */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Guarded by lock: what was added to the kernel's clocks; and where they stand while stopped. */
static int64_t shift_ns;
static bool is_stopped;
static int64_t stopped_mono, stopped_real;
static void (*on_change)(void);

static int64_t kernel_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static int64_t touched_ns(clockid_t id, const int64_t *stopped)
{
	pthread_mutex_lock(&lock);
	int64_t now = is_stopped ? *stopped : kernel_ns(id) + shift_ns;
	pthread_mutex_unlock(&lock);
	return now;
}

int64_t clock_mono_ns(void)
{
	if (atomic_load_explicit(&was_touched, memory_order_acquire))
		return touched_ns(CLOCK_MONOTONIC, &stopped_mono);
	return kernel_ns(CLOCK_MONOTONIC);
}

int64_t clock_real_ns(void)
{
	if (atomic_load_explicit(&was_touched, memory_order_acquire))
		return touched_ns(CLOCK_REALTIME, &stopped_real);
	return kernel_ns(CLOCK_REALTIME);
}

int64_t deadline_in(int64_t ns)
{
	int64_t at;

	if (__builtin_add_overflow(clock_mono_ns(), ns, &at))
		return NEVER;
	return at;
}

static void unlock_and_tell(void)
{
	void (*fn)(void) = on_change;

	pthread_mutex_unlock(&lock);
	if (fn)
		fn();
}

void clock_stop(void)
{
	pthread_mutex_lock(&lock);
	if (!is_stopped) {
		stopped_mono = kernel_ns(CLOCK_MONOTONIC) + shift_ns;
		stopped_real = kernel_ns(CLOCK_REALTIME) + shift_ns;
		is_stopped = true;
		atomic_store_explicit(&was_touched, true, memory_order_release);
	}
	unlock_and_tell();
}

void clock_step(int64_t ns)
{
	pthread_mutex_lock(&lock);
	if (is_stopped) {
		stopped_mono += ns;
		stopped_real += ns;
	} else {
		shift_ns += ns;
		atomic_store_explicit(&was_touched, true, memory_order_release);
	}
	unlock_and_tell();
}

void clock_resume(void)
{
	pthread_mutex_lock(&lock);
	if (is_stopped) {
		shift_ns = stopped_mono - kernel_ns(CLOCK_MONOTONIC);
		is_stopped = false;
	}
	unlock_and_tell();
}

bool clock_is_stopped(void)
{
	if (!atomic_load_explicit(&was_touched, memory_order_acquire))
		return false;
	pthread_mutex_lock(&lock);
	bool is_it = is_stopped;
	pthread_mutex_unlock(&lock);
	return is_it;
}

void clock_on_change(void (*fn)(void))
{
	pthread_mutex_lock(&lock);
	on_change = fn;
	pthread_mutex_unlock(&lock);
}
