/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The link to xenopsd, which runs the VMs of this host: what it says of a VM is what the database
 * has. While a VM is being started the plan that does so looks for itself (plan/start.c), so that
 * clients do not see the steps of a start.
 */
#ifndef XENITH_XAPID_LINK_XENOPSD_H
#define XENITH_XAPID_LINK_XENOPSD_H

#include "xapid/host/role.h"
#include "xapid/link/link.h"

#include "xenapi.gen.h"
#include "xenops.gen.h"

/* Makes the database say of a VM and its devices what xenopsd does, before the fiber goes on. REF
 * is the VM's. One that has halted or is suspended is forgotten in xenopsd. If xenopsd is away it
 * is waited for. */
MAY_WAIT must_check struct err *xenopsd_compare(const char *ref);

/* Where a console (its reference) can be reached now; HANDLE_INVALID when it is gone. */
MAY_WAIT must_check struct err *xenopsd_console(
	const char *ref, struct arena *a, struct xenops_console *out);

/* "UUID/NAME" of a device, and the row of the VM's VBD or VIF with this id; NULL: none. */
const char *xenopsd_vbd_id(
	struct arena *a, const struct xenapi_vm *vm, const struct xenapi_vbd *vbd);
const char *xenopsd_vif_id(
	struct arena *a, const struct xenapi_vm *vm, const struct xenapi_vif *vif);
const char *xenopsd_vusb_id(
	struct arena *a, const struct xenapi_vm *vm, const struct xenapi_vusb *vusb);
const char *xenopsd_vbd_ref(const char *id);
const char *xenopsd_vif_ref(const char *id);

/* Sees to the end of starts that a former xapid began (unfinished.c). Does not wait. */
must_check struct err *xenopsd_finish_starts(void);

/* ---- VMs that move to another host (move.c) ---- */

/* Whether it is between two hosts, or at another one: what xenopsd says here is not its state. */
bool move_is_under_way(const struct xenapi_vm *vm);
bool move_is_elsewhere(const struct xenapi_vm *vm);
/* Of a VM that leaves this host: notes where it is, once xenopsd is done with it. */
MAY_WAIT must_check struct err *move_settle(const char *vm);
/* The same in the background, until it is known. */
must_check struct err *move_settle_later(const char *vm);
/* All of them, those that no plan looks after any more. */
must_check struct err *move_settle_all(void);
/* How the other host is told to take the VM from there. */
typedef MAY_WAIT struct err *(*move_tell_fn)(const char *vm, const char *host);
void move_set_tell(move_tell_fn fn);
void move_stop(void);

/* ---- what a VM's state makes of the database (vm_state.c); nothing waits ---- */

/* Of the VM and its consoles and metrics. */
must_check struct err *vm_state_note(const char *ref, const struct xenops_vm_stat *stat);
/* It does not run any more: nothing of it is attached, and it is nowhere. */
must_check struct err *vm_state_halted(const char *ref);
must_check struct err *vbd_state_note(const char *ref, const struct xenops_vbd_stat *stat);
must_check struct err *vif_state_note(const char *ref, const struct xenops_vif_stat *stat);
must_check struct err *vusb_state_note(const char *ref, bool is_attached);
/* The USB devices of a VM that is up (vusb.c), by its uuid, and by the id of one of them. */
MAY_WAIT must_check struct err *vusbs_compare(const char *uuid);
MAY_WAIT must_check struct err *vusb_update(const char *id);
/* What the guest's agent says (guest.c); *CHANGED: what the guest can do did. */
must_check struct err *guest_note(
	const char *ref, const struct xenops_vm_state *state, bool *changed);

#endif
