/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whose turn it is: at most one fiber works on a VM, in the order of asking, and so many VMs at
 * once as there are workers; VMs take turns. Loop thread.
 *
 *	AUTO(turn_end) struct turn turn = {0};
 *	TRY(turn_begin(&turn, in->vm, "VM.start", TURN_WORK));
 *	… turn.vm …
 */
#ifndef XENITH_XENOPSD_QUEUE_H
#define XENITH_XENOPSD_QUEUE_H

#include "xenopsd/vm.h"

enum turn_kind {
	TURN_WORK, /* takes one of the workers */
	TURN_QUICK, /* touches files alone: does not wait for a worker */
	/* Takes in a VM whose sender has a worker already: two hosts that send to each other must
	 * not wait for one. */
	TURN_RECEIVE,
};

struct turn {
	struct vm *vm; /* held; NULL: it was removed meanwhile */
	const char *what; /* for diagnostics; borrowed */
	enum turn_kind kind;
	struct list link; /* in vm->pending */
	struct cond granted;
	bool is_granted, is_waiting;
	int64_t since_ns;
};

/* Waits until all turns of this VM that were asked for earlier have ended. Does_not_exist when
 * there is no such VM, or no longer; CANCELLED and the like when the fiber is to end. */
MAY_WAIT must_check struct err *turn_begin(
	struct turn *t, const char *vm_id, const char *what, enum turn_kind kind);
/* Harmless on a turn that did not begin. */
void turn_end(struct turn *t);

/* How many workers there are from now on; more than that may still work off what they have. */
void queue_set_workers(int64_t n);
/* For `diagnostics`. */
struct json_writer;
void queue_dump(struct json_writer *w);

#endif
