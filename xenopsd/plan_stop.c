/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The end of a VM: the guest is asked, or not; then everything is taken from it, as far as it can
 * be, and the domain goes.
 */
#include "common/mem.h"
#include "core.gen.h"
#include "xenopsd/atoms.h"
#include "xenopsd/memory.h"
#include "xenopsd/plans.h"
#include "xenopsd/repair.h"
#include "xenopsd/xenopsd.h"

/* How long a guest has to take notice, at most. */
#define ACKNOWLEDGE_S 60

/* ---- asking ---- */

struct err *vm_ask_hook(struct vm *vm, enum xenopsd_hook_reason reason)
{
	AUTO(plan_fini) struct plan plan = {0};

	if (vm->phase != XENOPSD_PHASE_UP)
		return NULL;
	plan_init(&plan, vm, NULL);
	plan.reason = reason;
	plan_add(&plan, &atom_hook_pre_shutdown, NULL);
	return plan_run(&plan);
}

static MAY_WAIT struct err *wait_for_end(struct vm *vm, int64_t deadline)
{
	for (;;) {
		struct domain_look look;
		unsigned n_changes = vm->n_changes;

		TRY(xenopsd.backend->vm_look(vm, &look));
		if (!look.is_there || look.end != GUEST_RUNS)
			return NULL;
		if (n_changes == vm->n_changes)
			TRY(cond_wait(&vm->changed, "for the guest to end", deadline));
	}
}

struct err *vm_end_guest(struct vm *vm, enum guest_end how, double timeout_s)
{
	double acknowledge_s = timeout_s < ACKNOWLEDGE_S ? timeout_s : ACKNOWLEDGE_S;
	int64_t begun = clock_mono_ns();

	if (!xenopsd.backend->vm_request_end)
		return err(Unimplemented, "vm_request_end");
	TRY(xenopsd.backend->vm_request_end(
		vm, how, begun + (int64_t)(acknowledge_s * (double)NS_PER_S)));
	struct err *e = wait_for_end(vm, begun + (int64_t)(timeout_s * (double)NS_PER_S));
	if (!err_is(e, &ERR_TIMEOUT))
		return e;
	err_free(e);
	auto_str timeout = xasprintf("%g", timeout_s);
	return how == GUEST_SUSPENDED ? err(Failed_to_suspend, vm->id, timeout)
				      : err(Failed_to_shutdown, vm->id, timeout);
}

/* ---- taking it down ---- */

static void add_all(struct plan *p, enum device_class class, const struct atom *atom)
{
	vm_for_each (d, p->vm, class)
		plan_add(p, atom, d);
}

static void add_vbd(struct plan *p, struct device *vbd)
{
	plan_open(p, PLAN_SERIAL);
	plan_add(p, &atom_vbd_unplug_force, vbd);
	plan_add(p, &atom_vbd_detach, vbd);
	if (!p->keeps_epochs)
		plan_add(p, &atom_vbd_epoch_end, vbd);
	plan_close(p);
}

static void add_vif(struct plan *p, struct device *vif)
{
	plan_open(p, PLAN_SERIAL);
	plan_add(p, &atom_vif_disconnect, vif);
	plan_add(p, &atom_vif_unplug_force, vif);
	plan_close(p);
}

void plan_add_take_devices(struct plan *p)
{
	plan_add(p, &atom_vm_pause, NULL);
	add_all(p, DEVICE_VUSB, &atom_vusb_unplug);
	add_all(p, DEVICE_PCI, &atom_pci_unplug);
	plan_add(p, &atom_vm_stop_device_model, NULL);
	plan_open(p, PLAN_PARALLEL);
	vm_for_each (d, p->vm, DEVICE_VBD)
		add_vbd(p, d);
	vm_for_each (d, p->vm, DEVICE_VIF)
		add_vif(p, d);
	plan_open(p, PLAN_SERIAL);
	add_all(p, DEVICE_VGPU, &atom_vgpu_unplug);
	plan_close(p);
	plan_close(p);
}

void plan_add_take_down(struct plan *p)
{
	plan_add_take_devices(p);
	plan_add(p, &atom_vm_destroy, NULL);
	plan_add(p, &atom_hook_post_destroy, NULL);
}

void plan_add_stop(struct plan *p)
{
	plan_add(p, &atom_vm_begin, NULL);
	if (p->vm->has_image)
		plan_add(p, &atom_image_close, NULL);
	plan_add_take_down(p);
}

/* Its disks may be another host's by now. */
static bool is_elsewhere(const struct vm *vm)
{
	return vm->phase == XENOPSD_PHASE_HANDED_OVER || vm->phase == XENOPSD_PHASE_MIGRATED ||
		vm->phase == XENOPSD_PHASE_RECEIVING;
}

struct err *vm_stop(struct vm *vm, enum xenopsd_hook_reason reason, struct task *task)
{
	AUTO(plan_fini) struct plan plan = {0};

	if (vm->phase == XENOPSD_PHASE_HALTED)
		return NULL;
	plan_init(&plan, vm, task);
	plan.phase = XENOPSD_PHASE_STOPPING;
	plan.reason = reason;
	plan.goes_on = true;
	plan.keeps_epochs = is_elsewhere(vm);
	vm_migration_fini(&vm->migration);
	plan_add_stop(&plan);
	plan_add(&plan, &atom_vm_halted, NULL);
	/* From here on there is no way back. */
	fiber_cancel_mask();
	struct err *e = plan_run(&plan);
	memory_release(vm);
	memory_changed();
	fiber_cancel_unmask();
	if (vm->phase != XENOPSD_PHASE_HALTED)
		repair_later(vm);
	vm_tell(vm);
	return e;
}
