/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random values of any type of the IDL, by its table: for round trips, differential tests and fuzz
 * seeds. The same seed gives the same values.
 */
#ifndef XENITH_TESTS_UNIT_RANDOM_VALUE_H
#define XENITH_TESTS_UNIT_RANDOM_VALUE_H

#include "common/arena.h"
#include "common/schema.h"

struct random {
	uint64_t state; /* the seed */
	bool is_plain; /* no control characters: XML has none */
};

uint64_t random_next(struct random *r);
/* 0 to N - 1. */
size_t random_below(struct random *r, size_t n);
/* OUT has t->size bytes. What it points to lives in the arena. */
void random_value(struct random *r, const struct type *t, struct arena *a, void *out);

#endif
