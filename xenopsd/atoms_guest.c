/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Atoms of a guest that stays in its domain (atoms.h): it sleeps and wakes, starts a kernel of its
 * own, or is written to a file when it has crashed. They run in the VM's turn.
 */
#define LOG_MODULE "guest"
#include "common/clock.h"
#include "common/daemon.h"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "core.gen.h"
#include "xenopsd/atoms.h"
#include "xenopsd/backend.h"
#include "xenopsd/xenopsd.h"

#define SLEEP_S 60 /* that a guest has to fall asleep */

static MAY_WAIT struct err *wake(struct plan *p, struct device *device)
{
	if (!xenopsd.backend->vm_s3resume)
		return err(Unimplemented, "vm_s3resume");
	return xenopsd.backend->vm_s3resume(p->vm);
}

static MAY_WAIT struct err *fall_asleep(struct plan *p, struct device *device)
{
	if (!xenopsd.backend->vm_s3suspend)
		return err(Unimplemented, "vm_s3suspend");
	return xenopsd.backend->vm_s3suspend(p->vm, deadline_in(SLEEP_S * NS_PER_S));
}

const struct atom atom_guest_s3suspend = {
	.name = "guest-s3suspend",
	.run = fall_asleep,
	.undo = wake,
	.undo_name = "undo-guest-s3suspend",
};

const struct atom atom_guest_s3resume = {
	.name = "guest-s3resume",
	.run = wake,
};

/* ---- a kernel of its own ---- */

static MAY_WAIT struct err *soft_reset(struct plan *p, struct device *device)
{
	return xenopsd.backend->vm_soft_reset(p->vm);
}

const struct atom atom_vm_soft_reset = {
	.name = "vm-soft-reset",
	.run = soft_reset,
};

/* ---- crashes ---- */

/* One a VM: a guest that crashes again and again does not fill the disk. */
static MAY_WAIT struct err *dump(struct plan *p, struct device *device)
{
	auto_str dir = *xenopsd_conf.coredumps ? xstrdup(xenopsd_conf.coredumps)
					       : xasprintf("%s/coredump", daemon_paths()->state);
	auto_str path = xasprintf("%s/%s.core", dir, p->vm->id);

	if (!xenopsd.backend->vm_coredump)
		return err(Unimplemented, "vm_coredump");
	int r = dir_make(dir, 0700);
	if (r)
		return err_errno(-r, "making %s", dir);
	TRY(xenopsd.backend->vm_coredump(p->vm, path));
	log_info("vm=%s its memory is in %s", p->vm->id, path);
	return NULL;
}

const struct atom atom_vm_coredump = {
	.name = "vm-coredump",
	.run = dump,
};
