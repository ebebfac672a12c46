/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Atoms of the VM itself (atoms.h): its domain, and what its file says of how far it has come. They
 * run in the VM's turn.
 */
#include "common/clock.h"
#include "core.gen.h"
#include "xenopsd/agent_features.h"
#include "xenopsd/atoms.h"
#include "xenopsd/backend.h"
#include "xenopsd/files.h"
#include "xenopsd/image.h"
#include "xenopsd/memory.h"
#include "xenopsd/xenopsd.h"

/* ---- coming up ---- */

static struct err *begin(struct plan *p, struct device *device)
{
	if (p->phase != XENOPSD_PHASE_STOPPING)
		vec_for_each (i, &p->vm->devices)
			p->vm->devices.v[i]->is_active = true;
	if (p->reason != XENOPSD_HOOK_REASON_NONE)
		p->vm->ends_for = p->reason;
	return vm_set_phase(p->vm, p->phase);
}

static struct err *halted(struct plan *p, struct device *device)
{
	vec_for_each (i, &p->vm->devices) {
		struct device *d = p->vm->devices.v[i];

		d->is_active = d->is_changing = d->is_moving = d->must_go = false;
	}
	vm_forget_lost(p->vm);
	p->vm->domid = -1;
	p->vm->ends_for = XENOPSD_HOOK_REASON_NONE;
	return vm_set_phase(p->vm, XENOPSD_PHASE_HALTED);
}

/* The last to be undone. */
static struct err *undo_begin(struct plan *p, struct device *device)
{
	if (!p->has_left)
		return halted(p, device);
	return vm_set_phase(p->vm, XENOPSD_PHASE_STOPPING);
}

const struct atom atom_vm_begin = {
	.name = "vm-begin",
	.run = begin,
	.undo = undo_begin,
	.undo_name = "undo-vm-begin",
};

/* A guest that was saved has what it had. */
static MAY_WAIT struct err *reserve(struct plan *p, struct device *device)
{
	if (p->image)
		return memory_reserve_exactly(p->vm, image_memory_bytes(p->image));
	return memory_reserve(p->vm);
}

static struct err *release(struct plan *p, struct device *device)
{
	memory_release(p->vm);
	return NULL;
}

const struct atom atom_memory_reserve = {
	.name = "memory-reserve",
	.run = reserve,
	.undo = release,
	.undo_name = "undo-memory-reserve",
};

static MAY_WAIT struct err *squeeze(struct plan *p, struct device *device)
{
	return memory_squeeze(p->vm);
}

static struct err *unsqueeze(struct plan *p, struct device *device)
{
	memory_unsqueeze(p->vm);
	return NULL;
}

const struct atom atom_memory_squeeze = {
	.name = "memory-squeeze",
	.run = squeeze,
	.undo = unsqueeze,
	.undo_name = "undo-memory-squeeze",
};

static MAY_WAIT struct err *create(struct plan *p, struct device *device)
{
	return xenopsd.backend->vm_create(p->vm, &p->vm->domid);
}

static MAY_WAIT struct err *destroy(struct plan *p, struct device *device)
{
	TRY(xenopsd.backend->vm_destroy(p->vm));
	p->vm->domid = -1;
	return NULL;
}

const struct atom atom_vm_create = {
	.name = "vm-create",
	.run = create,
	.undo = destroy,
	.undo_name = "undo-vm-create",
};

static MAY_WAIT struct err *build(struct plan *p, struct device *device)
{
	TRY(xenopsd.backend->vm_build(p->vm, p->task));
	memory_release(p->vm);
	return agent_features_tell(p->vm);
}

const struct atom atom_vm_build = {
	.name = "vm-build",
	.run = build,
};

static MAY_WAIT struct err *start_device_model(struct plan *p, struct device *device)
{
	if (!xenopsd.backend->vm_start_device_model)
		return NULL;
	return xenopsd.backend->vm_start_device_model(p->vm);
}

static MAY_WAIT struct err *stop_device_model(struct plan *p, struct device *device)
{
	if (!xenopsd.backend->vm_stop_device_model)
		return NULL;
	return xenopsd.backend->vm_stop_device_model(p->vm);
}

const struct atom atom_vm_start_device_model = {
	.name = "vm-start-device-model",
	.run = start_device_model,
	.undo = stop_device_model,
	.undo_name = "undo-vm-start-device-model",
};

static struct err *survive(struct plan *p, struct device *device)
{
	if (p->phase != XENOPSD_PHASE_RESUMING || !p->vm->last_start_s)
		p->vm->last_start_s = clock_real_ns() / NS_PER_S;
	p->vm->has_core = false;
	/* A reboot is not done before the guest runs. */
	return p->phase == XENOPSD_PHASE_REBOOTING ? NULL : vm_set_phase(p->vm, XENOPSD_PHASE_UP);
}

const struct atom atom_vm_survive = {
	.name = "vm-survive",
	.run = survive,
};

/* ---- pausing ---- */

static MAY_WAIT struct err *unpause(struct plan *p, struct device *device)
{
	TRY(xenopsd.backend->vm_unpause(p->vm));
	if (p->vm->phase != XENOPSD_PHASE_UP)
		TRY(vm_set_phase(p->vm, XENOPSD_PHASE_UP));
	/* Its balloon can move now. */
	memory_changed();
	return NULL;
}

const struct atom atom_vm_unpause = {
	.name = "vm-unpause",
	.run = unpause,
};

/* A domain that is not there cannot be paused, nor need it be. */
static MAY_WAIT struct err *pause_it(struct plan *p, struct device *device)
{
	struct err *e = xenopsd.backend->vm_pause(p->vm);

	if (!p->goes_on)
		return e;
	err_free(e);
	return NULL;
}

const struct atom atom_vm_pause = {
	.name = "vm-pause",
	.run = pause_it,
};

/* ---- going down ---- */

const struct atom atom_vm_stop_device_model = {
	.name = "vm-stop-device-model",
	.run = stop_device_model,
};

const struct atom atom_vm_destroy = {
	.name = "vm-destroy",
	.run = destroy,
};

/* What could not be taken away keeps the VM in its phase, and is tried again. */
static struct err *settle_halted(struct plan *p, struct device *device)
{
	return p->first ? NULL : halted(p, device);
}

const struct atom atom_vm_halted = {
	.name = "vm-halted",
	.run = settle_halted,
};
