/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices that come and go while the VM is up. It is noted that a device is active before anything
 * is done for it, and that it is not when all is taken back: one that is active and not plugged was
 * on its way when xenopsd was killed (repair.c).
 */
#include "core.gen.h"
#include "xenopsd/atoms.h"
#include "xenopsd/backend.h"
#include "xenopsd/plans.h"
#include "xenopsd/repair.h"
#include "xenopsd/xenopsd.h"

#define ASK(member, device, out) \
	(xenopsd.backend->member ? xenopsd.backend->member((device)->vm, (device), (out)) \
				 : err(Unimplemented, #member))

static MAY_WAIT struct err *vif_is_plugged(const struct device *vif, bool *out)
{
	auto_arena a = {0};
	struct vif_interfaces on_host;

	if (!xenopsd.backend->vif_interfaces)
		return err(Unimplemented, "vif_interfaces");
	TRY(xenopsd.backend->vif_interfaces(vif->vm, vif, &a, &on_host));
	*out = on_host.n > 0;
	return NULL;
}

struct err *device_is_plugged(const struct device *d, bool *out)
{
	*out = false;
	if (!d->is_active)
		return NULL;
	switch (d->class) {
	case DEVICE_VBD:
		return ASK(vbd_is_plugged, d, out);
	case DEVICE_VIF:
		return vif_is_plugged(d, out);
	case DEVICE_PCI:
		return ASK(pci_is_plugged, d, out);
	case DEVICE_VUSB:
		return ASK(vusb_is_plugged, d, out);
	case DEVICE_VGPU:
		return ASK(vgpu_is_plugged, d, out);
	}
	return NULL;
}

static struct err *add_plug(struct plan *p, struct device *d)
{
	plan_add(p, &atom_device_activate, d);
	switch (d->class) {
	case DEVICE_VBD:
		plan_add_vbd_plug(p, d);
		return NULL;
	case DEVICE_VIF:
		plan_add(p, &atom_vif_plug, d);
		plan_add(p, &atom_vif_connect, d);
		return NULL;
	case DEVICE_PCI:
		plan_add(p, &atom_pci_plug, d);
		return NULL;
	case DEVICE_VUSB:
		plan_add(p, &atom_vusb_plug, d);
		return NULL;
	case DEVICE_VGPU:
		break;
	}
	return err(Unimplemented, "plugging a VGPU");
}

static struct err *add_unplug(struct plan *p, struct device *d, bool force)
{
	switch (d->class) {
	case DEVICE_VBD:
		plan_add(p, force ? &atom_vbd_unplug_force : &atom_vbd_unplug, d);
		plan_add(p, &atom_vbd_detach, d);
		plan_add(p, &atom_vbd_epoch_end, d);
		break;
	case DEVICE_VIF:
		plan_add(p, &atom_vif_disconnect, d);
		plan_add(p, force ? &atom_vif_unplug_force : &atom_vif_unplug, d);
		break;
	case DEVICE_PCI:
		plan_add(p, &atom_pci_unplug, d);
		break;
	case DEVICE_VUSB:
		plan_add(p, &atom_vusb_unplug, d);
		break;
	case DEVICE_VGPU:
		return err(Unimplemented, "unplugging a VGPU");
	}
	plan_add(p, &atom_device_deactivate, d);
	return NULL;
}

static MAY_WAIT struct err *run(struct plan *p, struct device *d, struct err *e)
{
	if (!e)
		e = plan_run(p);
	if (e)
		repair_later(d->vm); /* one that is neither in nor out goes */
	vm_tell(d->vm);
	return e;
}

struct err *device_plug(struct device *d, struct task *task)
{
	AUTO(plan_fini) struct plan plan = {0};
	bool is_plugged;

	TRY(vm_need_up(d->vm));
	TRY(repair_half_done(d));
	TRY(device_is_plugged(d, &is_plugged));
	if (is_plugged)
		return NULL;
	plan_init(&plan, d->vm, task);
	struct err *e = run(&plan, d, add_plug(&plan, d));
	d->must_go = plan.has_left;
	return e;
}

struct err *device_unplug(struct device *d, bool force, struct task *task)
{
	AUTO(plan_fini) struct plan plan = {0};
	bool is_plugged;

	TRY(vm_need_up(d->vm));
	TRY(device_is_plugged(d, &is_plugged));
	if (!is_plugged && !d->is_active)
		return err(Device_not_connected);
	plan_init(&plan, d->vm, task);
	return run(&plan, d, add_unplug(&plan, d, force));
}

/* ---- media ---- */

struct err *vbd_insert(struct device *vbd, const struct xenops_disk *disk, struct task *task)
{
	AUTO(plan_fini) struct plan plan = {0};

	plan_init(&plan, vbd->vm, task);
	plan.disk = disk;
	plan_add(&plan, &atom_medium_comes, vbd);
	plan_add(&plan, &atom_vbd_attach, vbd);
	plan_add(&plan, &atom_vbd_insert, vbd);
	plan_add(&plan, &atom_medium_is_in, vbd);
	return plan_run(&plan);
}

/* The guest has it no more: it goes for good. */
static MAY_WAIT struct err *give_back(struct device *vbd)
{
	AUTO(plan_fini) struct plan plan = {0};

	plan_init(&plan, vbd->vm, NULL);
	plan_add(&plan, &atom_vbd_detach, vbd);
	plan_add(&plan, &atom_medium_is_out, vbd);
	fiber_cancel_mask();
	struct err *e = plan_run(&plan);
	fiber_cancel_unmask();
	if (e)
		repair_later(vbd->vm);
	return e;
}

struct err *vbd_eject(struct device *vbd, struct task *task)
{
	AUTO(plan_fini) struct plan plan = {0};

	plan_init(&plan, vbd->vm, task);
	plan_add(&plan, &atom_medium_goes, vbd);
	plan_add(&plan, &atom_vbd_eject, vbd);
	TRY(plan_run(&plan));
	return give_back(vbd);
}
