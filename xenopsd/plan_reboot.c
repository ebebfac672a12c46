/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A reboot: the end of a VM and its start, noted as one thing, so that a xenopsd that is killed
 * between the two finishes it.
 */
#include "xenopsd/atoms.h"
#include "xenopsd/files.h"
#include "xenopsd/memory.h"
#include "xenopsd/plans.h"

static MAY_WAIT struct err *take_down(struct vm *vm, enum xenopsd_hook_reason reason)
{
	AUTO(plan_fini) struct plan plan = {0};

	plan_init(&plan, vm, NULL);
	plan.phase = XENOPSD_PHASE_REBOOTING;
	plan.reason = reason;
	plan.goes_on = true;
	plan_add_stop(&plan);
	return plan_run(&plan);
}

static MAY_WAIT struct err *bring_up(struct vm *vm, struct task *task)
{
	AUTO(plan_fini) struct plan plan = {0};

	plan_init(&plan, vm, task);
	plan.phase = XENOPSD_PHASE_REBOOTING;
	plan_add_start(&plan);
	plan_add(&plan, &atom_vm_unpause, NULL);
	struct err *e = plan_run(&plan);
	memory_release(vm);
	if (e)
		memory_changed();
	return e;
}

struct err *vm_reboot(struct vm *vm, enum xenopsd_hook_reason reason, struct task *task)
{
	fiber_cancel_mask();
	struct err *e = take_down(vm, reason);
	fiber_cancel_unmask();
	/* What is left of the old life must go before a new one can begin. */
	bool is_between = e != NULL;
	if (!e) {
		e = bring_up(vm, task);
		/* It may not even have begun: cancelled between the two. */
		is_between = e && vm->phase == XENOPSD_PHASE_REBOOTING;
	}
	if (is_between)
		err_free(vm_stop(vm, XENOPSD_HOOK_REASON_NONE, NULL));
	vm_tell(vm);
	return e;
}
