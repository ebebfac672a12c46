/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Atoms by which a guest goes over to new images of its disks (atoms.h), in the VM's turn. smd has
 * the new one as the VDI's before the guest goes over to it, and as long as it has not it is empty:
 * whichever of the two the guest writes to, nothing is lost. So there is no way back and no need of
 * one: what is begun and fails, or is found by a later xenopsd, is ended.
 */
#include "core.gen.h"
#include "xenopsd/atoms.h"
#include "xenopsd/backend.h"
#include "xenopsd/disk.h"
#include "xenopsd/files.h"
#include "xenopsd/plans.h"
#include "xenopsd/xenopsd.h"

static struct err *note(struct plan *p, bool is_moving)
{
	for (size_t i = 0; i < p->n_vbds; i++)
		p->vbds[i]->is_moving = is_moving;
	return files_put_state(p->vm);
}

static struct err *begin(struct plan *p, struct device *device)
{
	return note(p, true);
}

static struct err *end(struct plan *p, struct device *device)
{
	return note(p, false);
}

static struct err *undo_begin(struct plan *p, struct device *device)
{
	return p->has_left ? NULL : note(p, false);
}

const struct atom atom_freeze_begin = {
	.name = "freeze-begin",
	.run = begin,
	.undo = undo_begin,
	.undo_name = "undo-freeze-begin",
};

const struct atom atom_freeze_end = {
	.name = "freeze-end",
	.run = end,
};

static MAY_WAIT struct err *freeze(struct plan *p, struct device *vbd)
{
	struct storage_frozen_vdi frozen;
	const char *path;

	TRY(xenopsd.backend->vbd_file(p->vm, vbd, &p->arena, &path));
	TRY(disk_freeze(vbd, path, &p->arena, &frozen));
	vbd->frozen = frozen.frozen;
	vbd->ways = frozen.ways;
	return NULL;
}

static MAY_WAIT struct err *follow(struct plan *p, struct device *vbd)
{
	return vbd_follow(vbd);
}

const struct atom atom_vbd_freeze = {
	.name = "vbd-freeze",
	.run = freeze,
	.undo = follow,
	.undo_name = "undo-vbd-freeze",
};

static MAY_WAIT struct err *move(struct plan *p, struct device *device)
{
	return xenopsd.backend->vbds_move(p->vm, p->vbds, p->n_vbds);
}

const struct atom atom_vbds_move = {
	.name = "vbds-move",
	.run = move,
};
