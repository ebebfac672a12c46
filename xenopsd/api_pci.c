/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of class PCI: devices of the host that are passed to a VM. Each waits for its VM's
 * turn; what plugging is made of is in plan_device.c.
 */
#include "common/codec.h"
#include "common/rpc.h"
#include "core.gen.h"
#include "xenopsd/add.h"
#include "xenopsd/backend.h"
#include "xenopsd/plans.h"
#include "xenopsd/queue.h"
#include "xenopsd/turn_of_device.h"
#include "xenopsd/xenopsd.h"

MAY_WAIT struct err *api_pci_add(struct call *c, const struct xenops_pci_add_in *in)
{
	return device_add(DEVICE_PCI, &in->pci);
}

MAY_WAIT struct err *api_pci_remove(struct call *c, const struct xenops_pci_remove_in *in)
{
	return device_drop(DEVICE_PCI, in->pci);
}

static MAY_WAIT struct err *fill(
	const struct device *d, struct arena *a, struct xenops_pci_stat *out)
{
	auto_hold held = vm_hold(d->vm);

	codec_copy(&xenops_type_pci, &d->pci, a, &out->pci);
	codec_init_record(&xenops_type_pci_state, a, &out->state);
	return device_is_plugged(d, &out->state.plugged);
}

MAY_WAIT struct err *api_pci_stat(
	struct call *c, const struct xenops_pci_stat_in *in, struct xenops_pci_stat *out)
{
	struct device *d;

	TRY(device_get(DEVICE_PCI, in->pci, &d));
	return fill(d, c->arena, out);
}

MAY_WAIT struct err *api_pci_list(
	struct call *c, const struct xenops_pci_list_in *in, struct xenops_pci_stat_list *out)
{
	struct device_list all;

	TRY(devices_of(in->vm, DEVICE_PCI, c->arena, &all));
	auto_hold held = vm_hold(all.vm);
	out->n = all.n;
	out->v = arena_calloc(c->arena, all.n, sizeof(*out->v));
	for (size_t i = 0; i < all.n; i++)
		TRY(fill(all.v[i], c->arena, &out->v[i]));
	return NULL;
}

MAY_WAIT struct err *api_pci_dequarantine(
	struct call *c, const struct xenops_pci_dequarantine_in *in)
{
	if (!xenopsd.backend->pci_dequarantine)
		return err(Unimplemented, "pci_dequarantine");
	return xenopsd.backend->pci_dequarantine(in->address);
}

MAY_WAIT struct err *api_pci_plug(struct call *c, const struct xenops_pci_plug_in *in)
{
	AUTO(turn_end) struct turn turn = {0};
	struct device *d;

	TRY(turn_of_device(&turn, DEVICE_PCI, in->pci, "PCI.plug", &d));
	return device_plug(d, c->task);
}

MAY_WAIT struct err *api_pci_unplug(struct call *c, const struct xenops_pci_unplug_in *in)
{
	AUTO(turn_end) struct turn turn = {0};
	struct device *d;

	TRY(turn_of_device(&turn, DEVICE_PCI, in->pci, "PCI.unplug", &d));
	return device_unplug(d, false, c->task);
}
