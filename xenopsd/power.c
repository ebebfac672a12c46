/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Power states (plans.h): what a VM is for those outside, of its phase and what the backend sees.
 */
#include "common/updates.h"
#include "core.gen.h"
#include "xenopsd/plans.h"
#include "xenopsd/xenopsd.h"

enum xenops_power_state power_state_of(const struct vm *vm, const struct domain_look *look)
{
	switch (vm->phase) {
	case XENOPSD_PHASE_HALTED:
	case XENOPSD_PHASE_STARTING:
		return XENOPS_POWER_STATE_HALTED;
	case XENOPSD_PHASE_STOPPING:
		return look->is_there ? XENOPS_POWER_STATE_RUNNING : XENOPS_POWER_STATE_HALTED;
	case XENOPSD_PHASE_REBOOTING:
	case XENOPSD_PHASE_SUSPENDING:
		return XENOPS_POWER_STATE_RUNNING;
	case XENOPSD_PHASE_SAVED:
	case XENOPSD_PHASE_KEPT:
	case XENOPSD_PHASE_SUSPENDED:
	case XENOPSD_PHASE_RESUMING:
		return XENOPS_POWER_STATE_SUSPENDED;
	case XENOPSD_PHASE_MIGRATING:
		return XENOPS_POWER_STATE_RUNNING;
	case XENOPSD_PHASE_HANDED_OVER:
	case XENOPSD_PHASE_MIGRATED:
		/* Whether it runs is known elsewhere; here nobody may touch it. */
		return vm->is_sent ? XENOPS_POWER_STATE_RUNNING : XENOPS_POWER_STATE_SUSPENDED;
	case XENOPSD_PHASE_RECEIVING:
		return XENOPS_POWER_STATE_SUSPENDED;
	case XENOPSD_PHASE_ARRIVED:
	case XENOPSD_PHASE_UP:
		break;
	}
	if (!look->is_there)
		return XENOPS_POWER_STATE_HALTED;
	return look->is_paused ? XENOPS_POWER_STATE_PAUSED : XENOPS_POWER_STATE_RUNNING;
}

/* Where the phase says all, the backend is not asked. */
static bool needs_look(const struct vm *vm)
{
	return vm->phase == XENOPSD_PHASE_UP || vm->phase == XENOPSD_PHASE_STOPPING ||
		vm->phase == XENOPSD_PHASE_ARRIVED;
}

struct err *vm_power_state(struct vm *vm, enum xenops_power_state *out)
{
	struct domain_look look = {0};

	if (needs_look(vm))
		TRY(xenopsd.backend->vm_look(vm, &look));
	*out = power_state_of(vm, &look);
	return NULL;
}

struct err *bad_power_state(enum xenops_power_state found, enum xenops_power_state expected)
{
	return err(Bad_power_state, type_case_name(&xenops_type_power_state, (int)found),
		type_case_name(&xenops_type_power_state, (int)expected));
}

struct err *vm_need_up(struct vm *vm)
{
	enum xenops_power_state found;

	TRY(vm_power_state(vm, &found));
	if (found == XENOPS_POWER_STATE_RUNNING || found == XENOPS_POWER_STATE_PAUSED)
		return NULL;
	return bad_power_state(found, XENOPS_POWER_STATE_RUNNING);
}

void vm_tell(const struct vm *vm)
{
	updates_add("vm", vm->id);
	vec_for_each (i, &vm->devices)
		updates_add(device_classes[vm->devices.v[i]->class].class, vm->devices.v[i]->id);
}
