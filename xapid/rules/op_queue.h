/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Those who wait for operations to end, in order of arrival. Who ends one begins the next for him
 * whose turn it is, so a fiber is woken once, when it has what it waited for; the others sleep on.
 */
#ifndef XENITH_XAPID_RULES_OP_QUEUE_H
#define XENITH_XAPID_RULES_OP_QUEUE_H

#include "xapid/rules/op.h"

/* An operation that somebody wants to begin. */
struct op_wish {
	const struct op_rules *rules;
	const char *ref, *task; /* borrowed until it has been waited for */
	int what;
};

/* Waits until it has begun, or cannot any more. IN_THE_WAY is the object of the operation that it
 * waits for, its own or another one. */
MAY_WAIT must_check struct err *op_queue_wait(
	struct op *op, const struct op_wish *wish, const char *in_the_way);
/* Until something about the object's operations has changed. */
MAY_WAIT must_check struct err *op_queue_watch(const char *ref);
/* An operation on the object has ended: those who can begin now do. */
void op_queue_serve(const char *ref);

#endif
