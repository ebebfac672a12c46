/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What may be done with the VMs of an appliance together: one thing at a time, and what fits at
 * least one of them.
 */
#include "xapid/db/db.h"
#include "xapid/rules/rules.h"

#define OP(name)    XENAPI_VM_APPLIANCE_OPERATION_##name
#define STATE(name) OP_BIT(XENAPI_VM_POWER_STATE_##name)
#define ALL         (OP_BIT(OP(SHUTDOWN) + 1) - 1)

uint64_t appliance_states(enum xenapi_vm_appliance_operation op)
{
	switch (op) {
	case OP(START):
		return STATE(HALTED);
	case OP(CLEAN_SHUTDOWN):
		return STATE(RUNNING);
	case OP(HARD_SHUTDOWN):
	case OP(SHUTDOWN):
		break;
	}
	return STATE(RUNNING) | STATE(PAUSED) | STATE(SUSPENDED);
}

static struct err *check(const char *ref, int op, bool really)
{
	const struct xenapi_vm_appliance *appliance = db_find(vm_appliance, ref);
	uint64_t states = appliance_states((enum xenapi_vm_appliance_operation)op);

	TRY(op_check_others(&appliance_rules, ref, ALL));
	for (size_t i = 0; i < appliance->VMs.n; i++) {
		const struct xenapi_vm *vm = db_find(vm, appliance->VMs.v[i]);

		if (vm && states & OP_BIT(vm->power_state))
			return NULL;
	}
	return err(OPERATION_NOT_ALLOWED, "No VM of the appliance is in a state for this.");
}

static uint64_t candidates(const char *ref)
{
	return ALL;
}

const struct op_rules appliance_rules = {
	.class = &xenapi_class_vm_appliance,
	.operations = &xenapi_type_vm_appliance_operation,
	.allowed = offsetof(struct xenapi_vm_appliance, allowed_operations),
	.current = offsetof(struct xenapi_vm_appliance, current_operations),
	.check = check,
	.candidates = candidates,
};
