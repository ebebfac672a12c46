/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Timers (loop.h): a binary heap on the injectable clock. The loop asks for the next one before it
 * sleeps. Loop thread only.
 */
#include "common/loop.h"

#include "common/fiber_priv.h"
#include "common/mem.h"

static struct timer **heap; /* the earliest first; each knows its index */
static size_t n_timers, capacity;

static void place(struct timer *t, size_t i)
{
	heap[i] = t;
	t->heap_index = i;
}

static void sift_up(struct timer *t, size_t i)
{
	while (i > 0 && heap[(i - 1) / 2]->at > t->at) {
		place(heap[(i - 1) / 2], i);
		i = (i - 1) / 2;
	}
	place(t, i);
}

static void sift_down(struct timer *t, size_t i)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child + 1 < n_timers && heap[child + 1]->at < heap[child]->at)
			child++;
		if (child >= n_timers || heap[child]->at >= t->at)
			break;
		place(heap[child], i);
		i = child;
	}
	place(t, i);
}

void timer_init(struct timer *t, void (*fn)(struct timer *t))
{
	t->at = NEVER;
	t->heap_index = 0;
	t->fn = fn;
}

void timer_disarm(struct timer *t)
{
	fiber_require(loop_is_here(), "timer_disarm outside the loop's thread");
	if (t->at == NEVER)
		return;
	struct timer *last = heap[--n_timers];
	if (last != t) {
		if (last->at < t->at)
			sift_up(last, t->heap_index);
		else
			sift_down(last, t->heap_index);
	}
	t->at = NEVER;
}

void timer_arm(struct timer *t, int64_t at)
{
	timer_disarm(t);
	if (at == NEVER)
		return;
	if (n_timers == capacity) {
		capacity = capacity ? 2 * capacity : 64;
		heap = xrealloc(heap, capacity, sizeof(*heap));
	}
	t->at = at;
	sift_up(t, n_timers++);
}

int64_t timer_next(void)
{
	return n_timers ? heap[0]->at : NEVER;
}

void timer_run_due(int64_t now)
{
	/* One that arms itself again for a time that is past comes in the next turn. */
	for (size_t n = n_timers; n > 0 && timer_next() <= now; n--) {
		struct timer *t = heap[0];

		timer_disarm(t);
		t->fn(t);
	}
}

void timer_fini(void)
{
	for (size_t i = 0; i < n_timers; i++)
		heap[i]->at = NEVER;
	free(take(heap));
	n_timers = capacity = 0;
}
