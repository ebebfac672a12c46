/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Atoms of the medium of a drive (atoms.h), in the VM's turn. That it is being changed is noted
 * before anything is done; a drive that a killed xenopsd has left so is emptied (repair.c).
 */
#include "core.gen.h"
#include "xenopsd/add.h"
#include "xenopsd/atoms.h"
#include "xenopsd/backend.h"
#include "xenopsd/files.h"
#include "xenopsd/xenopsd.h"

static struct err *note(struct device *vbd, bool is_changing)
{
	vbd->is_changing = is_changing;
	return files_put_state(vbd->vm);
}

static struct err *set_medium(struct device *vbd, const struct xenops_disk *disk)
{
	struct xenops_vbd config = vbd->vbd;

	config.backend = (struct xenops_disk *)disk;
	return change_device(vbd, &config);
}

static struct err *comes(struct plan *p, struct device *vbd)
{
	TRY(note(vbd, true));
	return set_medium(vbd, p->disk);
}

static struct err *is_out(struct plan *p, struct device *vbd)
{
	TRY(set_medium(vbd, NULL));
	return note(vbd, false);
}

/* What could not be undone needs the medium's name until it is. */
static struct err *undo_comes(struct plan *p, struct device *vbd)
{
	return p->has_left ? NULL : is_out(p, vbd);
}

const struct atom atom_medium_comes = {
	.name = "medium-comes",
	.run = comes,
	.undo = undo_comes,
	.undo_name = "undo-medium-comes",
};

const struct atom atom_medium_is_out = {
	.name = "medium-is-out",
	.run = is_out,
};

static struct err *goes(struct plan *p, struct device *vbd)
{
	return note(vbd, true);
}

static struct err *is_in(struct plan *p, struct device *vbd)
{
	return note(vbd, false);
}

const struct atom atom_medium_goes = {
	.name = "medium-goes",
	.run = goes,
	.undo = is_in,
	.undo_name = "undo-medium-goes",
};

const struct atom atom_medium_is_in = {
	.name = "medium-is-in",
	.run = is_in,
};

static MAY_WAIT struct err *insert(struct plan *p, struct device *vbd)
{
	if (!xenopsd.backend->vbd_insert)
		return err(Unimplemented, "vbd_insert");
	return xenopsd.backend->vbd_insert(p->vm, vbd, &vbd->ways);
}

static MAY_WAIT struct err *eject(struct plan *p, struct device *vbd)
{
	if (!xenopsd.backend->vbd_eject)
		return err(Unimplemented, "vbd_eject");
	return xenopsd.backend->vbd_eject(p->vm, vbd);
}

const struct atom atom_vbd_insert = {
	.name = "vbd-insert",
	.run = insert,
	.undo = eject,
	.undo_name = "undo-vbd-insert",
};

const struct atom atom_vbd_eject = {
	.name = "vbd-eject",
	.run = eject,
};
