/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The start of a VM: it is made, its devices come to it side by side, and it stays paused or is let
 * run. A step that fails undoes those before it, and the VM is halted as if nothing had been.
 */
#include "core.gen.h"
#include "xenopsd/atoms.h"
#include "xenopsd/backend.h"
#include "xenopsd/memory.h"
#include "xenopsd/plans.h"
#include "xenopsd/xenopsd.h"

/* Its guest ran before, here or elsewhere. */
static bool is_going_on(const struct plan *p)
{
	return p->phase == XENOPSD_PHASE_RESUMING || p->phase == XENOPSD_PHASE_RECEIVING;
}

void plan_add_vbd_plug(struct plan *p, struct device *vbd)
{
	plan_open(p, PLAN_SERIAL);
	if (!p->keeps_epochs)
		plan_add(p, &atom_vbd_epoch_begin, vbd);
	plan_add(p, &atom_vbd_attach, vbd);
	plan_add(p, &atom_vbd_plug, vbd);
	plan_close(p);
}

/* A VM that goes on has no more devices than it had. */
static bool comes(const struct plan *p, const struct device *d)
{
	return !is_going_on(p) || d->is_active;
}

/* Drives that are written to come first: a guest counts on it that they are there. */
static void add_vbds(struct plan *p, enum xenops_vbd_mode mode)
{
	plan_open(p, PLAN_PARALLEL);
	vm_for_each (d, p->vm, DEVICE_VBD)
		if (d->vbd.mode == mode && comes(p, d))
			plan_add_vbd_plug(p, d);
	plan_close(p);
}

static void add_all(struct plan *p, enum device_class class, const struct atom *atom)
{
	vm_for_each (d, p->vm, class)
		if (comes(p, d))
			plan_add(p, atom, d);
}

void plan_add_devices(struct plan *p)
{
	plan_open(p, PLAN_PARALLEL);
	plan_open(p, PLAN_SERIAL);
	add_vbds(p, XENOPS_VBD_MODE_RW);
	add_vbds(p, XENOPS_VBD_MODE_RO);
	plan_close(p);
	/* One that comes from elsewhere has them already. */
	if (p->phase != XENOPSD_PHASE_RECEIVING)
		add_all(p, DEVICE_VIF, &atom_vif_plug);
	plan_open(p, PLAN_SERIAL);
	add_all(p, DEVICE_VGPU, &atom_vgpu_plug);
	plan_close(p);
	plan_close(p);
	plan_add(p, &atom_vm_start_device_model, NULL);
	plan_open(p, PLAN_PARALLEL);
	add_all(p, DEVICE_VIF, &atom_vif_connect);
	plan_close(p);
	add_all(p, DEVICE_PCI, &atom_pci_plug);
	add_all(p, DEVICE_VUSB, &atom_vusb_plug);
}

void plan_add_early_devices(struct plan *p)
{
	plan_open(p, PLAN_PARALLEL);
	add_all(p, DEVICE_VIF, &atom_vif_plug);
	vm_for_each (d, p->vm, DEVICE_VBD)
		if (d->is_active && d->vbd.can_attach_early)
			plan_add(p, &atom_vbd_attach_early, d);
	plan_close(p);
}

void plan_add_start(struct plan *p)
{
	plan_add(p, &atom_vm_begin, NULL);
	if (p->phase == XENOPSD_PHASE_REBOOTING)
		plan_add(p, &atom_hook_pre_reboot, NULL);
	plan_add(p, &atom_hook_pre_start, NULL);
	plan_add(p, &atom_memory_reserve, NULL);
	plan_add(p, &atom_vm_create, NULL);
	plan_add(p, &atom_vm_build, NULL);
	plan_add_devices(p);
	plan_add(p, &atom_vm_survive, NULL);
}

struct err *plan_check_devices(const struct vm *vm)
{
	if (vm_device_from(vm, DEVICE_VGPU, NULL) && !xenopsd.backend->vgpu_plug)
		return err(Unimplemented, "vgpu_plug");
	return NULL;
}

struct err *vm_do(struct vm *vm, const struct atom *atom, struct task *task)
{
	AUTO(plan_fini) struct plan plan = {0};

	plan_init(&plan, vm, task);
	plan_add(&plan, atom, NULL);
	struct err *e = plan_run(&plan);
	vm_tell(vm);
	return e;
}

struct err *vm_start(struct vm *vm, bool runs, struct task *task)
{
	AUTO(plan_fini) struct plan plan = {0};
	enum xenops_power_state found;

	TRY(vm_power_state(vm, &found));
	if (found == XENOPS_POWER_STATE_PAUSED && runs)
		return vm_do(vm, &atom_vm_unpause, task);
	if (found == XENOPS_POWER_STATE_RUNNING || found == XENOPS_POWER_STATE_PAUSED)
		return NULL;
	if (found != XENOPS_POWER_STATE_HALTED)
		return bad_power_state(found, XENOPS_POWER_STATE_HALTED);
	TRY(plan_check_devices(vm));
	/* What is left of an earlier life goes first. */
	if (vm->phase != XENOPSD_PHASE_HALTED)
		TRY(vm_stop(vm, XENOPSD_HOOK_REASON_NONE, NULL));
	plan_init(&plan, vm, task);
	plan.phase = XENOPSD_PHASE_STARTING;
	plan_add_start(&plan);
	if (runs)
		plan_add(&plan, &atom_vm_unpause, NULL);
	struct err *e = plan_run(&plan);
	memory_release(vm);
	if (e)
		memory_changed();
	vm_tell(vm);
	return e;
}
