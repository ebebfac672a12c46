/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What may be done with an object, class by class: one table or one straight check each. Messages
 * and plans ask by op_begin (op.h) and nowhere else decide such a thing.
 */
#ifndef XENITH_XAPID_RULES_RULES_H
#define XENITH_XAPID_RULES_RULES_H

#include "xapid/rules/op.h"

#include "xenapi.gen.h"

extern const struct op_rules vm_rules, vbd_rules, vif_rules, vdi_rules, sr_rules, network_rules,
	host_rules, appliance_rules, pool_rules;

/* The power states (OP_BIT of each) of VMs that an operation on their appliance is for. */
uint64_t appliance_states(enum xenapi_vm_appliance_operation op);

/* One that does not say what it is has firmware if it has a boot policy. */
enum xenapi_domain_type vm_domain_type(const struct xenapi_vm *vm);
/* Whether a VM of this kind wants its guest's consent and gets it without asking: a paravirtual
 * guest, or one with drivers. */
bool vm_has_drivers(const struct xenapi_vm *vm);
/* VM_LACKS_FEATURE when the guest, as it runs, cannot do its part of an operation. */
must_check struct err *vm_check_guest(const char *ref, enum xenapi_vm_operations op);
/* "halted", as errors have it. */
const char *vm_power_state_text(enum xenapi_vm_power_state state);
/* VM_BAD_POWER_STATE unless the VM is in a state of SET: OP_BIT of each. */
must_check struct err *vm_check_power_state(const char *ref, uint64_t set);

/* A VBD as it would be shared: VDI_IN_USE, VDI_READONLY, or NULL. */
must_check struct err *vbd_check_sharing(const char *ref);
/* Whether the VBD holds its VDI now: attached, or about to be. */
bool vbd_holds(const struct xenapi_vbd *vbd);
/* Whether the SR's type can do this: a feature of its SM, "VDI_CREATE". */
bool sr_has_feature(const struct xenapi_sr *sr, const char *feature);
/* Whether this host has the SR plugged; *PBD (or NULL) is that connection. */
bool sr_is_plugged(const struct xenapi_sr *sr, const char **pbd);

/* Lists what may be done with the SR and its VDIs, after it was plugged or unplugged; one that is
 * gone is fine. */
void rules_sr_plugged(const char *sr);
/* Lists what may be done with everything that depends on it, after it has changed otherwise than by
 * an operation: power state, guest, blocked operations. */
void rules_vm_changed(const char *ref);
/* The rules of a class by its name; NULL: it has none. */
const struct op_rules *rules_of(const char *class);
/* At the start: clears what was under way, and lists everything anew. */
void rules_start(void);
/* Lists everything anew. */
void rules_list(void);

#endif
