/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a datapath may do next, as a table, and what that means for the whole VDI. Pure functions:
 * datapath.c keeps the states and calls the drivers.
 *
 *	DETACHED ──attach──► ATTACHED_RO ──activate──► ACTIVATED_RO
 *	    └──attach rw──► ATTACHED_RW ──activate──► ACTIVATED_RW
 *	                         └──activate ro──► WAITING_RW ──activate──► ACTIVATED_RW
 *
 * and back by deactivate and detach. A user that waits for its turn to write (WAITING_RW) reads
 * until another one has stopped writing: the receiving end of a migration.
 */
#ifndef XENITH_SMD_AUTOMATON_H
#define XENITH_SMD_AUTOMATON_H

#include "common/dialect.h"

#include "storage.gen.h"

/* Each stands for more than those before it, of its mode. */
enum dp_state {
	DP_DETACHED,
	DP_ATTACHED_RO,
	DP_ATTACHED_RW,
	DP_ACTIVATED_RO,
	DP_WAITING_RW,
	DP_ACTIVATED_RW,
};
#define N_DP_STATES 6

enum dp_op {
	DP_ATTACH_RO,
	DP_ATTACH_RW,
	DP_ACTIVATE,
	DP_ACTIVATE_RO,
	DP_DEACTIVATE,
	DP_DETACH,
};
#define N_DP_OPS 6

/* Where OP leads to from STATE (which may be where it is); false: it may not be done. */
bool dp_next(enum dp_state state, enum dp_op op, enum dp_state *out);
/* Whether two users of a VDI that is not sharable may be in these states at the same time: nobody
 * reads or writes what another one writes, but for one that waits for its turn. */
bool dp_is_allowed_beside(enum dp_state a, enum dp_state b);

/* What the driver is to have done for a VDI: the most that any of its users needs. */
struct vdi_need {
	bool is_attached, attached_rw;
	bool is_activated, activated_rw;
};
struct vdi_need dp_need(enum dp_state state);
struct vdi_need vdi_need_both(struct vdi_need a, struct vdi_need b);

/* As the wire has it: one that waits is an activated one, that is attached to write. */
enum storage_dp_state dp_wire_state(enum dp_state state);
bool dp_is_read_write(enum dp_state state);
enum dp_state dp_state_of_wire(enum storage_dp_state state, bool is_read_write);
/* For messages. */
const char *dp_state_name(enum dp_state state);
const char *dp_op_name(enum dp_op op);

#endif
