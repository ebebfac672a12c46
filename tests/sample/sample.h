/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All state of the sample daemon: the notes. A daemon of its own for the tests, and the pattern
 * that docs/hacking.md explains; never installed.
 */
#ifndef XENITH_TESTS_SAMPLE_SAMPLE_H
#define XENITH_TESTS_SAMPLE_SAMPLE_H

#include "common/list.h"
#include "common/map.h"

struct store;

struct sample {
	struct store *store;
	struct list notes; /* struct note, oldest first */
	struct map by_id; /* the same */
};

extern struct sample sample;

#endif
