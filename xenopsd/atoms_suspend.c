/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Atoms of suspending and resuming (atoms.h). They run in the VM's turn.
 */
#include "common/codec.h"
#include "core.gen.h"
#include "xenopsd/agent_features.h"
#include "xenopsd/atoms.h"
#include "xenopsd/backend.h"
#include "xenopsd/disk.h"
#include "xenopsd/files.h"
#include "xenopsd/image.h"
#include "xenopsd/memory.h"
#include "xenopsd/plans.h"
#include "xenopsd/xenopsd.h"

#define SUSPEND_S 1200.0 /* that a guest has to suspend */

/* Moving the memory takes longer than all the rest. */
#define MEMORY_WEIGHT 10

/* ---- the image ---- */

static MAY_WAIT struct err *image_make(struct plan *p, struct device *device)
{
	const char *path;
	int64_t max_bytes;

	TRY(disk_attach_image(p->vm, p->disk, true, &p->arena, &path, &max_bytes));
	return image_create(p->vm, path, max_bytes, &p->image);
}

static MAY_WAIT struct err *image_take(struct plan *p, struct device *device)
{
	const char *path;
	int64_t max_bytes;

	TRY(disk_attach_image(p->vm, p->disk, false, &p->arena, &path, &max_bytes));
	return image_open(p->vm, path, &p->image);
}

static MAY_WAIT struct err *image_close(struct plan *p, struct device *device)
{
	image_free(take(p->image));
	return disk_detach_image(p->vm);
}

const struct atom atom_image_create = {
	.name = "image-create",
	.run = image_make,
	.undo = image_close,
	.undo_name = "undo-image-create",
};

const struct atom atom_image_open = {
	.name = "image-open",
	.run = image_take,
	.undo = image_close,
	.undo_name = "undo-image-open",
};

const struct atom atom_image_close = {
	.name = "image-close",
	.run = image_close,
};

/* The share of the plan's progress that comes next. */
static void report(const struct plan *p, int64_t expected_bytes)
{
	double whole = p->top->weight;

	image_report(p->image, p->task, p->done / whole, (p->done + MEMORY_WEIGHT) / whole,
		expected_bytes);
}

/* ---- suspending ---- */

static struct err *suspend_begin(struct plan *p, struct device *device)
{
	return vm_set_phase(p->vm, XENOPSD_PHASE_SUSPENDING);
}

/* The guest goes on; what it did meanwhile is looked at now. */
static struct err *undo_suspend_begin(struct plan *p, struct device *device)
{
	if (p->has_left)
		return NULL;
	TRY(vm_set_phase(p->vm, XENOPSD_PHASE_UP));
	backend_changed(p->vm->id);
	return NULL;
}

const struct atom atom_suspend_begin = {
	.name = "suspend-begin",
	.run = suspend_begin,
	.undo = undo_suspend_begin,
	.undo_name = "undo-suspend-begin",
};

/* It may have halted instead. */
static MAY_WAIT struct err *guest_suspend(struct plan *p, struct device *device)
{
	struct domain_look look;

	TRY(vm_end_guest(p->vm, GUEST_SUSPENDED, SUSPEND_S));
	TRY(xenopsd.backend->vm_look(p->vm, &look));
	if (!look.is_there || look.end != GUEST_SUSPENDED)
		return bad_power_state(XENOPS_POWER_STATE_HALTED, XENOPS_POWER_STATE_RUNNING);
	return NULL;
}

/* Without its disks it cannot: when these are here again, it does. */
static MAY_WAIT struct err *guest_go_on(struct plan *p, struct device *device)
{
	if (p->phase == XENOPSD_PHASE_MIGRATING && p->has_left)
		return NULL;
	return xenopsd.backend->vm_fast_resume(p->vm);
}

const struct atom atom_guest_suspend = {
	.name = "guest-suspend",
	.run = guest_suspend,
	.undo = guest_go_on,
	.undo_name = "undo-guest-suspend",
};

/* What it is to have when it is resumed. */
static MAY_WAIT struct err *note_memory(struct plan *p)
{
	auto_arena a = {0};
	struct xenops_vm_state state;

	codec_init_record(&xenops_type_vm_state, &a, &state);
	TRY(xenopsd.backend->vm_stat(p->vm, &a, &state));
	image_set_memory_bytes(p->image, state.memory_actual_bytes);
	return NULL;
}

static MAY_WAIT struct err *save(struct plan *p, struct device *device)
{
	TRY(note_memory(p));
	report(p, p->vm->config.memory_dynamic_max_bytes);
	TRY(xenopsd.backend->vm_save(p->vm, p->image));
	return image_finish(p->image);
}

const struct atom atom_vm_save = {
	.name = "vm-save",
	.run = save,
	.weight = MEMORY_WEIGHT,
};

static struct err *saved(struct plan *p, struct device *device)
{
	p->vm->ends_for = p->reason;
	return vm_set_phase(p->vm, XENOPSD_PHASE_SAVED);
}

const struct atom atom_vm_saved = {
	.name = "vm-saved",
	.run = saved,
};

static struct err *kept(struct plan *p, struct device *device)
{
	return vm_set_phase(p->vm, XENOPSD_PHASE_KEPT);
}

const struct atom atom_vm_kept = {
	.name = "vm-kept",
	.run = kept,
};

static struct err *settle_suspended(struct plan *p, struct device *device)
{
	if (p->first)
		return NULL;
	p->vm->domid = -1;
	return vm_set_phase(p->vm, XENOPSD_PHASE_SUSPENDED);
}

const struct atom atom_vm_suspended = {
	.name = "vm-suspended",
	.run = settle_suspended,
};

/* ---- going on ---- */

/* A guest that has gone on is not suspended any more, whatever comes: then it is let be (repair.c).
 */
static MAY_WAIT struct err *undo_fast_resume_begin(struct plan *p, struct device *device)
{
	struct domain_look look;

	TRY(xenopsd.backend->vm_look(p->vm, &look));
	return look.end == GUEST_SUSPENDED ? kept(p, device) : NULL;
}

/* Killed from here on, the guest goes on. */
const struct atom atom_fast_resume_begin = {
	.name = "fast-resume-begin",
	.run = suspend_begin,
	.undo = undo_fast_resume_begin,
	.undo_name = "undo-fast-resume-begin",
};

const struct atom atom_guest_go_on = {
	.name = "guest-go-on",
	.run = guest_go_on,
};

/* What was changed for all guests meanwhile, it has not been told. */
static MAY_WAIT struct err *went_on(struct plan *p, struct device *device)
{
	TRY(agent_features_tell(p->vm));
	TRY(vm_set_phase(p->vm, XENOPSD_PHASE_UP));
	backend_changed(p->vm->id);
	return NULL;
}

const struct atom atom_vm_went_on = {
	.name = "vm-went-on",
	.run = went_on,
};

/* ---- resuming ---- */

static struct err *resume_begin(struct plan *p, struct device *device)
{
	return vm_set_phase(p->vm, XENOPSD_PHASE_RESUMING);
}

static struct err *undo_resume_begin(struct plan *p, struct device *device)
{
	if (p->has_left)
		return NULL;
	p->vm->domid = -1;
	if (p->before == XENOPSD_PHASE_HALTED)
		vec_for_each (i, &p->vm->devices)
			p->vm->devices.v[i]->is_active = false;
	return vm_set_phase(p->vm, p->before);
}

const struct atom atom_resume_begin = {
	.name = "resume-begin",
	.run = resume_begin,
	.undo = undo_resume_begin,
	.undo_name = "undo-resume-begin",
};

static MAY_WAIT struct err *restore(struct plan *p, struct device *device)
{
	report(p, 0);
	TRY(xenopsd.backend->vm_restore(p->vm, p->image));
	memory_release(p->vm);
	return agent_features_tell(p->vm);
}

const struct atom atom_vm_restore = {
	.name = "vm-restore",
	.run = restore,
	.weight = MEMORY_WEIGHT,
};
