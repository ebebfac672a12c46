/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How the host's memory is shared out among VMs that each take what lies between their least and
 * their most: all get the same ratio of their range. Arithmetic alone; memory.c looks, tells and
 * waits. A round says what each is to be told now; rounds are repeated until nothing moves:
 *
 *	struct balance b = {.free_bytes = …, .vms = vms, .n = n, .is_wanted = true, …};
 *	balance_round(&b);
 *
 * Memory counts as taken that a VM has, and that it was told it may have.
 */
#ifndef XENITH_XENOPSD_MEMORY_BALANCE_H
#define XENITH_XENOPSD_MEMORY_BALANCE_H

#include "common/dialect.h"

/* A VM that has its memory. */
struct balance_vm {
	int64_t min_bytes, max_bytes; /* its range */
	int64_t actual_bytes; /* what it has */
	int64_t target_bytes; /* what it was told to have */
	bool is_fixed; /* it is not told anything: its balloon does not move */
	bool is_stuck; /* of one that is fixed: it should give, and does not */
	int64_t next_bytes; /* of the round: what it is to be told */
};

struct balance {
	int64_t free_bytes; /* no VM has it */
	int64_t promised_bytes; /* of it, to those that are being built */
	struct balance_vm *vms;
	size_t n;
	/* Somebody wants memory, as much as its share is. */
	bool is_wanted;
	int64_t wanted_min_bytes, wanted_max_bytes;

	/* ---- of the round ---- */
	bool is_granted, is_impossible; /* neither: not yet */
	int64_t granted_bytes;
	int64_t freeable_bytes; /* all that could be free, with everybody at his least */
	int64_t given_bytes; /* of it, what VMs would have to give */
	int64_t stuck_bytes; /* what those could give besides that are stuck */
};

void balance_round(struct balance *b);

/* Shares BUDGET out: OUT[i] is the least of it and its part of what is left over. Where BUDGET is
 * too little each has its least. */
struct balance_share {
	int64_t min_bytes, max_bytes, out_bytes;
};
void balance_share_out(struct balance_share *v, size_t n, int64_t budget);

#endif
