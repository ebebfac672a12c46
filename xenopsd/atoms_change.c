/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Atoms of a change to a VM (atoms.h), in its turn. The config is changed first: a killed xenopsd
 * tells the domain at its next start (repair.c).
 */
#include "core.gen.h"
#include "xenopsd/add.h"
#include "xenopsd/atoms.h"
#include "xenopsd/backend.h"
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

static MAY_WAIT struct err *change(struct plan *p, struct device *device)
{
	return change_vm(p->vm, p->config);
}

/* The domain may have been told already: it is told once more. */
static MAY_WAIT struct err *undo_change(struct plan *p, struct device *device)
{
	TRY(change_vm(p->vm, p->config_before));
	return p->tells ? p->tells->run(p, NULL) : NULL;
}

const struct atom atom_vm_change = {
	.name = "vm-change",
	.run = change,
	.undo = undo_change,
	.undo_name = "undo-vm-change",
};
