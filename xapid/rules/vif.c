/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What may be done with a VIF: one thing at a time, and plugging only while its VM runs.
 */
#include "xapid/db/db.h"
#include "xapid/rules/rules.h"

#define OP(name) XENAPI_VIF_OPERATIONS_##name
#define ALL      (OP_BIT(XENAPI_VIF_OPERATIONS_UNPLUG + 1) - 1)

static const uint64_t vm_leaves = OP_BIT(XENAPI_VM_OPERATIONS_CLEAN_SHUTDOWN) |
	OP_BIT(XENAPI_VM_OPERATIONS_HARD_SHUTDOWN) | OP_BIT(XENAPI_VM_OPERATIONS_SUSPEND) |
	OP_BIT(XENAPI_VM_OPERATIONS_PAUSE);

/* A guest without drivers has an emulated card, which does not come and go. */
static struct err *check_hotplug(const struct xenapi_vif *vif, const struct xenapi_vm *vm)
{
	const struct xenapi_vm_guest_metrics *guest = db_find(vm_guest_metrics, vm->guest_metrics);

	if (vm->domain_type != XENAPI_DOMAIN_TYPE_HVM || vm_has_drivers(vm))
		return NULL;
	if (guest && guest->can_use_hotplug_vif == XENAPI_TRISTATE_TYPE_YES)
		return NULL;
	return err(VM_MISSING_PV_DRIVERS, vif->VM);
}

static struct err *check(const char *ref, int op, bool really)
{
	const struct xenapi_vif *vif = db_find(vif, ref);
	const struct xenapi_vm *vm = db_find(vm, vif->VM);

	TRY(op_check_others(&vif_rules, ref, ALL));
	if (!vm)
		return err(HANDLE_INVALID, "VM", vif->VM);
	if (op == OP(ATTACH))
		return NULL;
	TRY(vm_check_power_state(vif->VM, OP_BIT(XENAPI_VM_POWER_STATE_RUNNING)));
	if (op == OP(PLUG) && vm->is_control_domain)
		return err(OPERATION_NOT_ALLOWED, "A VIF of dom0 cannot be plugged");
	if (op == OP(PLUG) && vif->currently_attached)
		return err(DEVICE_ALREADY_ATTACHED, ref);
	if (op == OP(UNPLUG) && !vif->currently_attached)
		return err(DEVICE_ALREADY_DETACHED, ref);
	if (op_is_under_way(&vm_rules, vif->VM, vm_leaves))
		return err(OPERATION_NOT_ALLOWED, "The VM is shutting down, suspending or pausing");
	return check_hotplug(vif, vm);
}

/* `attach` is part of a start, and of nothing else. */
static uint64_t candidates(const char *ref)
{
	const struct xenapi_vif *vif = db_find(vif, ref);

	return vif->currently_attached ? ALL & ~OP_BIT(OP(ATTACH)) : ALL;
}

const struct op_rules vif_rules = {
	.class = &xenapi_class_vif,
	.operations = &xenapi_type_vif_operations,
	.allowed = offsetof(struct xenapi_vif, allowed_operations),
	.current = offsetof(struct xenapi_vif, current_operations),
	.check = check,
	.candidates = candidates,
};
