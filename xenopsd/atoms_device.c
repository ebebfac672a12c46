/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Atoms of devices (atoms.h). smd's and networkd's parts are atoms of xenopsd like all others, so a
 * guest's own reboot needs nobody else.
 */
#include "core.gen.h"
#include "xenopsd/atoms.h"
#include "xenopsd/backend.h"
#include "xenopsd/disk.h"
#include "xenopsd/files.h"
#include "xenopsd/nic.h"
#include "xenopsd/xenopsd.h"

/* A backend's function that is not there. */
#define NEED(member) \
	do { \
		if (!xenopsd.backend->member) \
			return err(Unimplemented, #member); \
	} while (0)

/* ---- active ---- */

static struct err *activate(struct plan *p, struct device *device)
{
	device->is_active = true;
	return files_put_state(p->vm);
}

static struct err *deactivate(struct plan *p, struct device *device)
{
	device->is_active = false;
	return files_put_state(p->vm);
}

/* What could not be undone is undone later, and it is still on its way until then. */
static struct err *undo_activate(struct plan *p, struct device *device)
{
	return p->has_left ? NULL : deactivate(p, device);
}

const struct atom atom_device_activate = {
	.name = "device-activate",
	.run = activate,
	.undo = undo_activate,
	.undo_name = "undo-device-activate",
};

const struct atom atom_device_deactivate = {
	.name = "device-deactivate",
	.run = deactivate,
};

/* ---- drives ---- */

static MAY_WAIT struct err *epoch_begin(struct plan *p, struct device *vbd)
{
	return disk_epoch_begin(vbd);
}

static MAY_WAIT struct err *epoch_end(struct plan *p, struct device *vbd)
{
	return disk_epoch_end(vbd);
}

const struct atom atom_vbd_epoch_begin = {
	.name = "vbd-epoch-begin",
	.run = epoch_begin,
	.undo = epoch_end,
	.undo_name = "undo-vbd-epoch-begin",
};

const struct atom atom_vbd_epoch_end = {
	.name = "vbd-epoch-end",
	.run = epoch_end,
};

static MAY_WAIT struct err *vbd_attach(struct plan *p, struct device *vbd)
{
	return disk_attach(vbd, vbd->vbd.backend, &p->arena, &vbd->ways);
}

static MAY_WAIT struct err *vbd_detach(struct plan *p, struct device *vbd)
{
	return disk_detach(vbd);
}

const struct atom atom_vbd_attach = {
	.name = "vbd-attach",
	.run = vbd_attach,
	.undo = vbd_detach,
	.undo_name = "undo-vbd-attach",
};

const struct atom atom_vbd_detach = {
	.name = "vbd-detach",
	.run = vbd_detach,
};

static MAY_WAIT struct err *vbd_plug(struct plan *p, struct device *vbd)
{
	NEED(vbd_plug);
	return xenopsd.backend->vbd_plug(p->vm, vbd, &vbd->ways);
}

static MAY_WAIT struct err *vbd_unplug(struct plan *p, struct device *vbd)
{
	NEED(vbd_unplug);
	return xenopsd.backend->vbd_unplug(p->vm, vbd, false);
}

static MAY_WAIT struct err *vbd_unplug_force(struct plan *p, struct device *vbd)
{
	NEED(vbd_unplug);
	return xenopsd.backend->vbd_unplug(p->vm, vbd, true);
}

const struct atom atom_vbd_plug = {
	.name = "vbd-plug",
	.run = vbd_plug,
	.undo = vbd_unplug_force,
	.undo_name = "undo-vbd-plug",
};

const struct atom atom_vbd_unplug = {
	.name = "vbd-unplug",
	.run = vbd_unplug,
};

const struct atom atom_vbd_unplug_force = {
	.name = "vbd-unplug-force",
	.run = vbd_unplug_force,
};

static MAY_WAIT struct err *vbd_set_qos(struct plan *p, struct device *vbd)
{
	NEED(vbd_set_qos);
	return xenopsd.backend->vbd_set_qos(p->vm, vbd);
}

const struct atom atom_vbd_set_qos = {
	.name = "vbd-set-qos",
	.run = vbd_set_qos,
};

/* ---- network interfaces ---- */

static MAY_WAIT struct err *vif_plug(struct plan *p, struct device *vif)
{
	NEED(vif_plug);
	return xenopsd.backend->vif_plug(p->vm, vif);
}

static MAY_WAIT struct err *vif_unplug(struct plan *p, struct device *vif)
{
	NEED(vif_unplug);
	return xenopsd.backend->vif_unplug(p->vm, vif, false);
}

static MAY_WAIT struct err *vif_unplug_force(struct plan *p, struct device *vif)
{
	NEED(vif_unplug);
	return xenopsd.backend->vif_unplug(p->vm, vif, true);
}

const struct atom atom_vif_plug = {
	.name = "vif-plug",
	.run = vif_plug,
	.undo = vif_unplug_force,
	.undo_name = "undo-vif-plug",
};

const struct atom atom_vif_unplug = {
	.name = "vif-unplug",
	.run = vif_unplug,
};

const struct atom atom_vif_unplug_force = {
	.name = "vif-unplug-force",
	.run = vif_unplug_force,
};

static MAY_WAIT struct err *vif_connect(struct plan *p, struct device *vif)
{
	auto_arena a = {0};
	struct vif_interfaces on_host;

	NEED(vif_interfaces);
	TRY(xenopsd.backend->vif_interfaces(p->vm, vif, &a, &on_host));
	for (size_t i = 0; i < on_host.n; i++)
		TRY(nic_plug(vif, on_host.names[i]));
	return NULL;
}

/* The names of one that the backend no longer has are networkd's to tell. */
static MAY_WAIT struct err *vif_disconnect(struct plan *p, struct device *vif)
{
	auto_arena a = {0};
	struct vif_interfaces on_host;

	NEED(vif_interfaces);
	TRY(xenopsd.backend->vif_interfaces(p->vm, vif, &a, &on_host));
	for (size_t i = 0; i < on_host.n; i++)
		TRY(nic_unplug(on_host.names[i]));
	return on_host.n ? NULL : nic_unplug_all(vif);
}

const struct atom atom_vif_connect = {
	.name = "vif-connect",
	.run = vif_connect,
	.undo = vif_disconnect,
	.undo_name = "undo-vif-connect",
};

const struct atom atom_vif_disconnect = {
	.name = "vif-disconnect",
	.run = vif_disconnect,
};

const struct atom atom_vif_reconnect = {
	.name = "vif-reconnect",
	.run = vif_connect,
};

static MAY_WAIT struct err *vif_set_carrier(struct plan *p, struct device *vif)
{
	NEED(vif_set_carrier);
	return xenopsd.backend->vif_set_carrier(p->vm, vif);
}

const struct atom atom_vif_set_carrier = {
	.name = "vif-set-carrier",
	.run = vif_set_carrier,
};

static MAY_WAIT struct err *vif_set_addresses(struct plan *p, struct device *vif)
{
	NEED(vif_set_addresses);
	return xenopsd.backend->vif_set_addresses(p->vm, vif);
}

const struct atom atom_vif_set_addresses = {
	.name = "vif-set-addresses",
	.run = vif_set_addresses,
};

static MAY_WAIT struct err *vif_set_pvs_proxy(struct plan *p, struct device *vif)
{
	NEED(vif_set_pvs_proxy);
	return xenopsd.backend->vif_set_pvs_proxy(p->vm, vif);
}

const struct atom atom_vif_set_pvs_proxy = {
	.name = "vif-set-pvs-proxy",
	.run = vif_set_pvs_proxy,
};

/* ---- PCI, graphics and USB ---- */

static MAY_WAIT struct err *vgpu_plug(struct plan *p, struct device *vgpu)
{
	NEED(vgpu_plug);
	return xenopsd.backend->vgpu_plug(p->vm, vgpu);
}

static MAY_WAIT struct err *vgpu_unplug(struct plan *p, struct device *vgpu)
{
	NEED(vgpu_unplug);
	return xenopsd.backend->vgpu_unplug(p->vm, vgpu);
}

const struct atom atom_vgpu_plug = {
	.name = "vgpu-plug",
	.run = vgpu_plug,
	.undo = vgpu_unplug,
	.undo_name = "undo-vgpu-plug",
};

const struct atom atom_vgpu_unplug = {
	.name = "vgpu-unplug",
	.run = vgpu_unplug,
};

static MAY_WAIT struct err *pci_plug(struct plan *p, struct device *pci)
{
	NEED(pci_plug);
	return xenopsd.backend->pci_plug(p->vm, pci);
}

static MAY_WAIT struct err *pci_unplug(struct plan *p, struct device *pci)
{
	NEED(pci_unplug);
	return xenopsd.backend->pci_unplug(p->vm, pci);
}

const struct atom atom_pci_plug = {
	.name = "pci-plug",
	.run = pci_plug,
	.undo = pci_unplug,
	.undo_name = "undo-pci-plug",
};

const struct atom atom_pci_unplug = {
	.name = "pci-unplug",
	.run = pci_unplug,
};

static MAY_WAIT struct err *vusb_plug(struct plan *p, struct device *vusb)
{
	NEED(vusb_plug);
	return xenopsd.backend->vusb_plug(p->vm, vusb);
}

static MAY_WAIT struct err *vusb_unplug(struct plan *p, struct device *vusb)
{
	NEED(vusb_unplug);
	return xenopsd.backend->vusb_unplug(p->vm, vusb);
}

const struct atom atom_vusb_plug = {
	.name = "vusb-plug",
	.run = vusb_plug,
	.undo = vusb_unplug,
	.undo_name = "undo-vusb-plug",
};

const struct atom atom_vusb_unplug = {
	.name = "vusb-unplug",
	.run = vusb_unplug,
};
