/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Atoms of a change to a VM (atoms.h), in its turn. The config is changed first: a killed xenopsd
 * tells the domain at its next start (repair.c).
 */
#include "core.gen.h"
#include "xenopsd/add.h"
#include "xenopsd/atoms.h"
#include "xenopsd/backend.h"
#include "xenopsd/memory.h"
#include "xenopsd/xenopsd.h"

static MAY_WAIT struct err *set_vcpus(struct plan *p, struct device *device)
{
	if (!xenopsd.backend->vm_set_vcpus)
		return err(Unimplemented, "vm_set_vcpus");
	return xenopsd.backend->vm_set_vcpus(p->vm, p->vm->config.vcpus);
}

static MAY_WAIT struct err *set_xenstore_data(struct plan *p, struct device *device)
{
	if (!xenopsd.backend->vm_set_xenstore_data)
		return err(Unimplemented, "vm_set_xenstore_data");
	return xenopsd.backend->vm_set_xenstore_data(p->vm);
}

const struct atom atom_vm_set_vcpus = {
	.name = "vm-set-vcpus",
	.run = set_vcpus,
};

const struct atom atom_vm_set_xenstore_data = {
	.name = "vm-set-xenstore-data",
	.run = set_xenstore_data,
};

/* Of the host, for a guest that has its most. */
static int64_t whole_bytes(const struct vm *vm)
{
	int64_t bytes = vm->config.memory_dynamic_max_bytes;

	return xenopsd.backend->vm_memory_bytes ? xenopsd.backend->vm_memory_bytes(vm, bytes)
						: bytes;
}

static MAY_WAIT struct err *set_shadow_multiplier(struct plan *p, struct device *device)
{
	int64_t more = whole_bytes(p->vm) - p->bytes_before;

	if (!xenopsd.backend->vm_set_shadow_multiplier)
		return err(Unimplemented, "vm_set_shadow_multiplier");
	if (more > 0)
		TRY(memory_reserve_more(p->vm, more));
	struct err *e = xenopsd.backend->vm_set_shadow_multiplier(
		p->vm, p->vm->config.guest.hvm.shadow_multiplier);
	memory_release(p->vm);
	memory_changed();
	return e;
}

const struct atom atom_vm_set_shadow_multiplier = {
	.name = "vm-set-shadow-multiplier",
	.run = set_shadow_multiplier,
};

static MAY_WAIT struct err *change(struct plan *p, struct device *device)
{
	p->bytes_before = whole_bytes(p->vm);
	return change_vm(p->vm, p->config);
}

/* The domain may have been told already: it is told once more. */
static MAY_WAIT struct err *undo_change(struct plan *p, struct device *device)
{
	TRY(change_vm(p->vm, p->config_before));
	auto_err e = p->tells ? p->tells->run(p, NULL) : NULL;
	return err_is(e, &ERR_Unimplemented) ? NULL : take(e);
}

const struct atom atom_vm_change = {
	.name = "vm-change",
	.run = change,
	.undo = undo_change,
	.undo_name = "undo-vm-change",
};
