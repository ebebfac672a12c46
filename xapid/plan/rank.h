/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VMs in the order in which they start or end: by VM.order, and at a start the lowest first, at an
 * end the highest. Before the next rank the longest delay that one of the last rank asks for.
 */
#ifndef XENITH_XAPID_PLAN_RANK_H
#define XENITH_XAPID_PLAN_RANK_H

#include "common/arena.h"
#include "common/dialect.h"
#include "common/err.h"

struct ranked {
	const char *vm;
	int64_t order, delay_s;
};

struct ranks {
	struct ranked *v; /* in the arena, with room for all that are added */
	size_t n;
};

/* Adds a VM, which is there. */
void rank_add(struct ranks *all, struct arena *a, const char *vm, bool is_start);
/* After the last one was added. Those of one rank stay as they were added. */
void rank_sort(struct ranks *all);
/* Where the rank ends that begins at FROM. */
size_t rank_end(const struct ranks *all, size_t from);
/* Before NEXT begins: nothing within a rank. */
MAY_WAIT must_check struct err *rank_pause(const struct ranks *all, size_t next);

#endif
