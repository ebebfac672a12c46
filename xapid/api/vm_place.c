/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VM: what it belongs to and what it depends on: its group, its schedule of snapshots, its memory's
 * VDI; and whether it could run on any host of the pool.
 */
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/rules/rules.h"

#include <string.h>

/* A VM is in one group at most. */
MAY_WAIT struct err *xapi_vm_set_groups(struct call *c, const struct xenapi_vm_set_groups_in *in)
{
	const struct xenapi_vm_group *group;

	if (in->value.n > 1)
		return err(OPERATION_NOT_ALLOWED, "a VM can be in one group only");
	for (size_t i = 0; i < in->value.n; i++)
		TRY(db_get(vm_group, in->value.v[i], &group));
	return db_write(vm, in->self, groups, in->value);
}

/* What can be suspended alone has a VDI for it; the VDI is one of memory. */
MAY_WAIT struct err *xapi_vm_set_suspend_vdi(
	struct call *c, const struct xenapi_vm_set_suspend_vdi_in *in)
{
	const struct xenapi_vm *vm;
	const struct xenapi_vdi *was, *vdi;

	TRY(db_get(vm, in->self, &vm));
	TRY(vm_check_power_state(in->self, OP_BIT(XENAPI_VM_POWER_STATE_SUSPENDED)));
	TRY(op_check_others(&vm_rules, in->self, ~UINT64_C(0)));
	TRY(db_get(vdi, in->value, &vdi));
	was = db_find(vdi, vm->suspend_VDI);
	if (vdi->type != XENAPI_VDI_TYPE_SUSPEND)
		return err(VDI_INCOMPATIBLE_TYPE, in->value,
			type_case_name(&xenapi_type_vdi_type, (int)vdi->type));
	if (was && vdi->virtual_size < was->virtual_size)
		return err(INVALID_VALUE, "value", "smaller than the memory that the VM has");
	return db_write(vm, in->self, suspend_VDI, in->value);
}

/* ---- whether it could run anywhere ---- */

/* Whether every host has a connection to it. */
static bool is_everywhere(const struct xenapi_sr *sr)
{
	return sr->shared && sr->PBDs.n >= db_count(host);
}

static struct err *check_disks(const struct xenapi_vm *vm)
{
	for (size_t i = 0; i < vm->VBDs.n; i++) {
		const struct xenapi_vbd *vbd = db_find(vbd, vm->VBDs.v[i]);
		const struct xenapi_vdi *vdi = vbd ? db_find(vdi, vbd->VDI) : NULL;
		const struct xenapi_sr *sr = vdi ? db_find(sr, vdi->SR) : NULL;

		if (sr && !is_everywhere(sr))
			return err(HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED, vdi->SR);
	}
	return NULL;
}

/* One without PIFs is inside of a host; one with fewer than there are hosts is not on all. */
static struct err *check_networks(const struct xenapi_vm *vm)
{
	for (size_t i = 0; i < vm->VIFs.n; i++) {
		const struct xenapi_vif *vif = db_find(vif, vm->VIFs.v[i]);
		const struct xenapi_network *network = vif ? db_find(network, vif->network) : NULL;

		if (network && network->PIFs.n < db_count(host))
			return err(HA_CONSTRAINT_VIOLATION_NETWORK_NOT_SHARED, vif->network);
	}
	return NULL;
}

MAY_WAIT struct err *xapi_vm_assert_agile(
	struct call *c, const struct xenapi_vm_assert_agile_in *in)
{
	const struct xenapi_vm *vm;

	TRY(db_get(vm, in->self, &vm));
	TRY(check_disks(vm));
	return check_networks(vm);
}
