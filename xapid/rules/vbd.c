/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What may be done with a VBD: plugged and unplugged while its VM runs, filled and emptied if it is
 * a CD drive; and who may share a VDI.
 */
#include "xapid/db/db.h"
#include "xapid/rules/rules.h"

#include <string.h>

#define OP(name)  XENAPI_VBD_OPERATIONS_##name
#define BIT(name) OP_BIT(OP(name))
#define ALL       (OP_BIT(XENAPI_VBD_OPERATIONS_UNPAUSE + 1) - 1)

/* Operations of the VM while which nothing is plugged or unplugged. */
static const uint64_t vm_leaves = OP_BIT(XENAPI_VM_OPERATIONS_CLEAN_SHUTDOWN) |
	OP_BIT(XENAPI_VM_OPERATIONS_HARD_SHUTDOWN) | OP_BIT(XENAPI_VM_OPERATIONS_SUSPEND) |
	OP_BIT(XENAPI_VM_OPERATIONS_PAUSE);

bool vbd_holds(const struct xenapi_vbd *vbd)
{
	return vbd->currently_attached || vbd->reserved;
}

static struct err *check_concurrency(const char *ref, int op)
{
	if (op == OP(PAUSE))
		return op_check_others(&vbd_rules, ref, ALL);
	if (op == OP(UNPAUSE))
		return op_check_others(
			&vbd_rules, ref, ALL & ~(BIT(ATTACH) | BIT(PAUSE) | BIT(UNPAUSE)));
	return op_check_others(&vbd_rules, ref, ALL & ~(BIT(PAUSE) | BIT(UNPAUSE)));
}

static struct err *check_medium(const char *ref, const struct xenapi_vbd *vbd, int op)
{
	bool is_unplug = op == OP(UNPLUG) || op == OP(UNPLUG_FORCE);
	bool is_media = op == OP(INSERT) || op == OP(EJECT);

	if (is_unplug && !vbd->unpluggable)
		return err(VBD_NOT_UNPLUGGABLE, ref);
	if (is_media && vbd->type != XENAPI_VBD_TYPE_CD)
		return err(VBD_NOT_REMOVABLE_MEDIA, ref);
	if (op == OP(EJECT) && vbd->empty)
		return err(VBD_IS_EMPTY, ref);
	if (op == OP(INSERT) && !vbd->empty)
		return err(VBD_NOT_EMPTY, ref);
	return NULL;
}

static struct err *check_power(const char *ref, const struct xenapi_vbd *vbd, int op)
{
	const struct xenapi_vm *vm = db_find(vm, vbd->VM);
	bool runs = vm && vm->power_state == XENAPI_VM_POWER_STATE_RUNNING;
	const uint64_t hotplug = BIT(PLUG) | BIT(UNPLUG) | BIT(UNPLUG_FORCE);

	if (!vm)
		return err(HANDLE_INVALID, "VM", vbd->VM);
	if (runs && op == OP(PLUG) && vbd->currently_attached)
		return err(DEVICE_ALREADY_ATTACHED, ref);
	if (runs && (op == OP(UNPLUG) || op == OP(UNPLUG_FORCE)) && !vbd->currently_attached)
		return err(DEVICE_ALREADY_DETACHED, ref);
	if (!runs && (OP_BIT(op) & hotplug))
		return vm_check_power_state(vbd->VM, OP_BIT(XENAPI_VM_POWER_STATE_RUNNING));
	if (OP_BIT(op) & (BIT(PAUSE) | BIT(UNPAUSE)))
		TRY(vm_check_power_state(vbd->VM,
			OP_BIT(XENAPI_VM_POWER_STATE_RUNNING) |
				OP_BIT(XENAPI_VM_POWER_STATE_PAUSED)));
	if (OP_BIT(op) & (BIT(INSERT) | BIT(EJECT)))
		TRY(vm_check_power_state(vbd->VM,
			OP_BIT(XENAPI_VM_POWER_STATE_RUNNING) |
				OP_BIT(XENAPI_VM_POWER_STATE_PAUSED) |
				OP_BIT(XENAPI_VM_POWER_STATE_HALTED)));
	if ((OP_BIT(op) & hotplug) && op_is_under_way(&vm_rules, vbd->VM, vm_leaves))
		return err(OPERATION_NOT_ALLOWED, "The VM is shutting down, suspending or pausing");
	return NULL;
}

/* A guest without drivers has emulated disks, which do not come and go; CDs never do. */
static struct err *check_hotplug(const char *ref, const struct xenapi_vbd *vbd, int op)
{
	const struct xenapi_vm *vm = db_find(vm, vbd->VM);
	const struct xenapi_vm_guest_metrics *guest = db_find(vm_guest_metrics, vm->guest_metrics);

	if (!(OP_BIT(op) & (BIT(PLUG) | BIT(UNPLUG))) ||
		vm->power_state != XENAPI_VM_POWER_STATE_RUNNING ||
		vm->domain_type != XENAPI_DOMAIN_TYPE_HVM)
		return NULL;
	if (vbd->type == XENAPI_VBD_TYPE_CD)
		return err(OPERATION_NOT_ALLOWED, "HVM CDROMs cannot be hotplugged");
	if (vm_has_drivers(vm) || (guest && guest->can_use_hotplug_vbd == XENAPI_TRISTATE_TYPE_YES))
		return NULL;
	return err(VM_MISSING_PV_DRIVERS, vbd->VM);
}

/* Whether a VBD beside REF holds the same VDI; WRITING: to write. */
static bool is_held(const char *ref, const struct xenapi_vdi *vdi, bool writing)
{
	for (size_t i = 0; i < vdi->VBDs.n; i++) {
		const struct xenapi_vbd *other = db_find(vbd, vdi->VBDs.v[i]);
		const struct xenapi_vm *vm = other ? db_find(vm, other->VM) : NULL;

		if (!vm || !strcmp(vdi->VBDs.v[i], ref) ||
			vm->power_state == XENAPI_VM_POWER_STATE_SUSPENDED)
			continue;
		if (!vbd_holds(other) &&
			!op_is_under_way(&vbd_rules, vdi->VBDs.v[i], BIT(ATTACH) | BIT(PLUG)))
			continue;
		if (!writing || other->mode == XENAPI_VBD_MODE_RW)
			return true;
	}
	return false;
}

struct err *vbd_check_sharing(const char *ref)
{
	const struct xenapi_vbd *vbd;
	const struct xenapi_vdi *vdi;

	TRY(db_get(vbd, ref, &vbd));
	vdi = db_find(vdi, vbd->VDI);
	if (!vdi)
		return NULL;
	if (vbd->mode == XENAPI_VBD_MODE_RW && vdi->read_only)
		return err(VDI_READONLY, vbd->VDI);
	if (!vdi->sharable && is_held(ref, vdi, vbd->mode != XENAPI_VBD_MODE_RW))
		return err(VDI_IN_USE, vbd->VDI, "attach");
	return NULL;
}

static struct err *check_vdi(const char *ref, const struct xenapi_vbd *vbd, int op, bool really)
{
	const struct xenapi_vdi *vdi = db_find(vdi, vbd->VDI);
	const uint64_t beside =
		OP_BIT(XENAPI_VDI_OPERATIONS_MIRROR) | OP_BIT(XENAPI_VDI_OPERATIONS_COPY);
	const uint64_t uses = BIT(ATTACH) | BIT(PLUG) | BIT(INSERT);

	if (!vdi)
		return NULL;
	if (!vdi->managed)
		return err(VDI_NOT_MANAGED, vbd->VDI);
	if (!(OP_BIT(op) & uses))
		return NULL;
	TRY(op_check_others(&vdi_rules, vbd->VDI, ~beside));
	return really ? vbd_check_sharing(ref) : NULL;
}

static struct err *check(const char *ref, int op, bool really)
{
	const struct xenapi_vbd *vbd = db_find(vbd, ref);

	TRY(check_concurrency(ref, op));
	TRY(check_medium(ref, vbd, op));
	TRY(check_power(ref, vbd, op));
	TRY(check_hotplug(ref, vbd, op));
	return check_vdi(ref, vbd, op, really);
}

/* `attach` is part of a start, and of nothing else. */
static uint64_t candidates(const char *ref)
{
	const struct xenapi_vbd *vbd = db_find(vbd, ref);

	return vbd->currently_attached ? ALL & ~BIT(ATTACH) : ALL;
}

static void others(const char *ref)
{
	const struct xenapi_vbd *vbd = db_find(vbd, ref);

	op_list_one(&vdi_rules, vbd->VDI);
}

const struct op_rules vbd_rules = {
	.class = &xenapi_class_vbd,
	.operations = &xenapi_type_vbd_operations,
	.allowed = offsetof(struct xenapi_vbd, allowed_operations),
	.current = offsetof(struct xenapi_vbd, current_operations),
	.check = check,
	.candidates = candidates,
	.others = others,
};
