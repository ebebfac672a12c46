/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A soft reboot: the guest starts a kernel that it has loaded (kexec), in the domain that it has.
 * Its devices are taken from it and given anew, and its disks' epochs go on. It is noted as a
 * reboot: a xenopsd that is killed amid it reboots the VM, for the kernel that ran is gone.
 */
#include "core.gen.h"
#include "xenopsd/atoms.h"
#include "xenopsd/backend.h"
#include "xenopsd/memory.h"
#include "xenopsd/plans.h"
#include "xenopsd/xenopsd.h"

static MAY_WAIT struct err *take_devices(struct vm *vm)
{
	AUTO(plan_fini) struct plan plan = {0};

	plan_init(&plan, vm, NULL);
	plan.phase = XENOPSD_PHASE_REBOOTING;
	plan.goes_on = plan.keeps_epochs = true;
	plan_add(&plan, &atom_vm_begin, NULL);
	plan_add_take_devices(&plan);
	return plan_run(&plan);
}

static MAY_WAIT struct err *start_kernel(struct vm *vm, struct task *task)
{
	AUTO(plan_fini) struct plan plan = {0};

	plan_init(&plan, vm, task);
	plan.phase = XENOPSD_PHASE_REBOOTING;
	plan.keeps_epochs = true;
	plan_add(&plan, &atom_vm_soft_reset, NULL);
	plan_add_devices(&plan);
	plan_add(&plan, &atom_vm_survive, NULL);
	plan_add(&plan, &atom_vm_unpause, NULL);
	return plan_run(&plan);
}

struct err *vm_soft_reboot(struct vm *vm, struct task *task)
{
	if (!xenopsd.backend->vm_soft_reset)
		return err(Unimplemented, "vm_soft_reset");
	fiber_cancel_mask();
	struct err *e = take_devices(vm);
	fiber_cancel_unmask();
	if (!e)
		e = start_kernel(vm, task);
	/* Nothing runs in the domain any more: what is left of it goes. */
	if (e)
		err_free(vm_stop(vm, XENOPSD_HOOK_REASON_NONE, NULL));
	vm_tell(vm);
	return e;
}
