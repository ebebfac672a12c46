/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of a datapath's states (automaton.h). Pure; any thread.
 */
#include "smd/automaton.h"

/* Short, so that the table can be seen; NO may not be done. */
enum {
	NO = -1,
	DET = DP_DETACHED,
	ARO = DP_ATTACHED_RO,
	ARW = DP_ATTACHED_RW,
	CRO = DP_ACTIVATED_RO,
	WRW = DP_WAITING_RW,
	CRW = DP_ACTIVATED_RW,
};

/* clang-format off */
static const signed char next[N_DP_STATES][N_DP_OPS] = {
	/*                   ATTACH_RO   ATTACH_RW   ACTIVATE  ACTIVATE_RO DEACTIVATE DETACH */
	[DP_DETACHED]     = {ARO,        ARW,        NO,       NO,         DET,       DET},
	[DP_ATTACHED_RO]  = {ARO,        NO,         CRO,      CRO,        ARO,       DET},
	[DP_ATTACHED_RW]  = {ARW,        ARW,        CRW,      WRW,        ARW,       DET},
	[DP_ACTIVATED_RO] = {CRO,        NO,         CRO,      CRO,        ARO,       NO},
	[DP_WAITING_RW]   = {WRW,        WRW,        CRW,      WRW,        ARW,       NO},
	[DP_ACTIVATED_RW] = {CRW,        CRW,        CRW,      NO,         ARW,       NO},
};
/* clang-format on */

bool dp_next(enum dp_state state, enum dp_op op, enum dp_state *out)
{
	int to = next[state][op];

	if (to == NO)
		return false;
	*out = (enum dp_state)to;
	return true;
}

bool dp_is_allowed_beside(enum dp_state a, enum dp_state b)
{
	if (a == DP_ACTIVATED_RW)
		return b != DP_ACTIVATED_RW && b != DP_ACTIVATED_RO;
	if (b == DP_ACTIVATED_RW)
		return a != DP_ACTIVATED_RO;
	return true;
}

struct vdi_need dp_need(enum dp_state state)
{
	return (struct vdi_need){
		.is_attached = state != DP_DETACHED,
		.attached_rw = dp_is_read_write(state),
		.is_activated = state >= DP_ACTIVATED_RO,
		.activated_rw = state == DP_ACTIVATED_RW,
	};
}

struct vdi_need vdi_need_both(struct vdi_need a, struct vdi_need b)
{
	return (struct vdi_need){
		.is_attached = a.is_attached || b.is_attached,
		.attached_rw = a.attached_rw || b.attached_rw,
		.is_activated = a.is_activated || b.is_activated,
		.activated_rw = a.activated_rw || b.activated_rw,
	};
}

enum storage_dp_state dp_wire_state(enum dp_state state)
{
	switch (state) {
	case DP_DETACHED:
		return STORAGE_DP_STATE_DETACHED;
	case DP_ATTACHED_RO:
		return STORAGE_DP_STATE_ATTACHED_RO;
	case DP_ATTACHED_RW:
		return STORAGE_DP_STATE_ATTACHED_RW;
	case DP_ACTIVATED_RO:
	case DP_WAITING_RW:
		return STORAGE_DP_STATE_ACTIVATED_RO;
	case DP_ACTIVATED_RW:
		return STORAGE_DP_STATE_ACTIVATED_RW;
	}
	abort();
}

bool dp_is_read_write(enum dp_state state)
{
	return state == DP_ATTACHED_RW || state == DP_WAITING_RW || state == DP_ACTIVATED_RW;
}

enum dp_state dp_state_of_wire(enum storage_dp_state state, bool is_read_write)
{
	switch (state) {
	case STORAGE_DP_STATE_DETACHED:
		return DP_DETACHED;
	case STORAGE_DP_STATE_ATTACHED_RO:
		return DP_ATTACHED_RO;
	case STORAGE_DP_STATE_ATTACHED_RW:
		return DP_ATTACHED_RW;
	case STORAGE_DP_STATE_ACTIVATED_RO:
		return is_read_write ? DP_WAITING_RW : DP_ACTIVATED_RO;
	case STORAGE_DP_STATE_ACTIVATED_RW:
		return DP_ACTIVATED_RW;
	}
	abort();
}

const char *dp_state_name(enum dp_state state)
{
	static const char *const names[] = {"detached", "attached_ro", "attached_rw",
		"activated_ro", "activated_ro (to write later)", "activated_rw"};

	return names[state];
}

const char *dp_op_name(enum dp_op op)
{
	static const char *const names[] = {"attach to read", "attach to write", "activate",
		"activate to read", "deactivate", "detach"};

	return names[op];
}
