/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For a test that is exhaustive over N points (each call that can fail, each byte at which a peer
 * can die): visits them in an order that SEED shuffles, for as long as BUDGET says. BUDGET=0 visits
 * all; so does no BUDGET at all. Prints how far it came, and the seed that repeats the order, when
 * the points have a name.
 *
 *	struct points p = points_begin("write", 1000);
 *	for (size_t i; points_next(&p, &i);)
 *		fails_cleanly_at(i);
 */
#ifndef XENITH_TESTS_UNIT_POINTS_H
#define XENITH_TESTS_UNIT_POINTS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct points {
	const char *what; /* or NULL */
	size_t n, seen;
	uint64_t seed;
	size_t at,
		step; /* at += step (mod n) comes by every point once: step and n share no factor */
	int64_t until_s; /* 0: visit all */
};

static inline int64_t points_clock_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static inline size_t points_common_factor(size_t a, size_t b)
{
	while (b) {
		size_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

static inline struct points points_begin(const char *what, size_t n)
{
	const char *budget = getenv("BUDGET"), *seed = getenv("SEED");
	int64_t budget_s = budget ? strtoll(budget, NULL, 10) : 0;
	struct points p = {.what = what, .n = n};

	p.seed = seed ? strtoull(seed, NULL, 10) : 1;
	p.until_s = budget_s > 0 ? points_clock_s() + budget_s : 0;
	if (n > 0) {
		uint64_t mixed = (p.seed + 1) * UINT64_C(0x9e3779b97f4a7c15);

		p.at = (size_t)(mixed >> 20) % n;
		p.step = n > 2 ? 1 + (size_t)(mixed >> 7) % (n - 1) : 1;
		while (points_common_factor(p.step, n) != 1)
			p.step = p.step % n + 1;
	}
	return p;
}

/* The next point; false when all were seen or the budget is used up. One point is always seen. */
static inline bool points_next(struct points *p, size_t *out)
{
	bool is_over = p->seen > 0 && p->until_s != 0 && points_clock_s() >= p->until_s;

	if (p->seen == p->n || is_over) {
		if (p->what)
			printf("# %zu of %zu points (%s), SEED=%llu\n", p->seen, p->n, p->what,
				(unsigned long long)p->seed);
		return false;
	}
	*out = p->at;
	p->at = (p->at + p->step) % p->n;
	p->seen++;
	return true;
}

#endif
