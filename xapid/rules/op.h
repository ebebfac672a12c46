/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Operations on objects: which may begin now, and which are under way. Each class with
 * allowed_operations and current_operations has a table of rules (rules.h); asking the table,
 * noting, waiting for others and telling are the same for all, and here.
 *
 *	AUTO(op_end) struct op op = {0};
 *	TRY(op_begin(&op, &vm_rules, vm, XENAPI_VM_OPERATIONS_START, call_task(c)));
 *	… the operation is under way until the scope ends …
 */
#ifndef XENITH_XAPID_RULES_OP_H
#define XENITH_XAPID_RULES_OP_H

#include "common/err.h"
#include "common/schema.h"

#define OP_MAX     64 /* operations of one class */
#define OP_BIT(op) (UINT64_C(1) << (op))

/* The rules of a class. */
struct op_rules {
	const struct class *class;
	const struct type *operations; /* the enum */
	size_t allowed, current; /* where the two fields are in the record */
	/* Why OP may not begin on the object, which is there; NULL: it may. REALLY is false when it
	 * is only to be listed: then what depends on others' VMs is not looked at. */
	struct err *(*check)(const char *ref, int op, bool really);
	/* A first sieve of what is worth a check when all are to be listed: OP_BIT of each. */
	uint64_t (*candidates)(const char *ref);
	/* What else depends on the operations that this object has: lists theirs anew. */
	void (*others)(const char *ref);
};

/* An operation that is under way; zeroed: none. */
struct op {
	const struct op_rules *rules;
	char *ref; /* owned */
	char *task; /* owned: the key in current_operations */
};

/*
 * Begins an operation of TASK's (REF_NULL: of no task). While another one is in the way
 * (OTHER_OPERATION_IN_PROGRESS) it waits for that, those who came first before those who came
 * later; whatever else speaks against it is the answer.
 */
MAY_WAIT must_check struct err *op_begin(
	struct op *op, const struct op_rules *rules, const char *ref, int what, const char *task);
/* The same without waiting. */
must_check struct err *op_begin_now(
	struct op *op, const struct op_rules *rules, const char *ref, int what, const char *task);
/* Harmless on a zeroed one, and when the object has gone. */
void op_end(struct op *op);

/* ---- in a pool, where the master says who may begin ---- */

/* At a member: begins it there, and returns when this host's database has it. NULL: here. */
typedef MAY_WAIT struct err *(*op_elsewhere_fn)(
	const struct op_rules *rules, const char *ref, int what, const char *task);
void op_set_elsewhere(op_elsewhere_fn fn);
/* At the master: begins it for a member; op_ended ends it. */
MAY_WAIT must_check struct err *op_begin_for(
	const struct op_rules *rules, const char *ref, int what, const char *task);
void op_ended(const struct op_rules *rules, const char *ref, const char *task);
/* The object may have changed otherwise: those who wait for its operations look again. */
void op_look(const char *ref);

/* Waits until the operations that the object has have changed; at once when it is gone. */
MAY_WAIT must_check struct err *op_wait(const struct op_rules *rules, const char *ref);
/* Whether an operation out of SET (bits) is under way on the object. */
bool op_is_under_way(const struct op_rules *rules, const char *ref, uint64_t set);
/* OTHER_OPERATION_IN_PROGRESS when one out of SET is under way. */
must_check struct err *op_check_others(const struct op_rules *rules, const char *ref, uint64_t set);
/* Whether that is what E says; the object of the other one is its second parameter. */
bool op_is_in_the_way(const struct err *e);
/* Writes allowed_operations anew, of this object and of those that depend on it. */
void op_list(const struct op_rules *rules, const char *ref);
/* Of this object alone. */
void op_list_one(const struct op_rules *rules, const char *ref);
/* At the start: nothing is under way on any object of the class. */
void op_clear(const struct op_rules *rules);
/* How many fibers wait for the object's operations. */
size_t op_waiters(const char *ref);
/* The value of OP in the words of XenAPI. */
const char *op_name(const struct op_rules *rules, int what);

/* While xapid runs: what `diagnostics` tells of those who wait. */
void op_start(void);
void op_stop(void);

#endif
