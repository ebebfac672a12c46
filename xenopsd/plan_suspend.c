/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A VM is written to an image and comes back from it. A suspend has two halves: until the image is
 * whole everything is undone and the guest goes on; then the VM is suspended, and what is left of
 * it on this host is taken away, with no way back. Killed anywhere, it is one of the two.
 *
 * A resume that does not end leaves the VM suspended: its guest has not run a step.
 */
#define LOG_MODULE "suspend"
#include "common/log.h"
#include "core.gen.h"
#include "xenopsd/atoms.h"
#include "xenopsd/backend.h"
#include "xenopsd/disk.h"
#include "xenopsd/files.h"
#include "xenopsd/image.h"
#include "xenopsd/memory.h"
#include "xenopsd/migration.h"
#include "xenopsd/plans.h"
#include "xenopsd/repair.h"
#include "xenopsd/xenopsd.h"

/* What could not be ended now is tried again. */
static void end_later(struct vm *vm)
{
	if (vm->phase == XENOPSD_PHASE_SUSPENDING || vm->phase == XENOPSD_PHASE_SAVED ||
		vm->phase == XENOPSD_PHASE_RESUMING)
		repair_later(vm);
}

/* ---- suspending ---- */

static void init_write(
	struct plan *p, struct vm *vm, const struct xenops_disk *disk, struct task *task)
{
	plan_init(p, vm, task);
	p->phase = XENOPSD_PHASE_SUSPENDING;
	p->reason = XENOPSD_HOOK_REASON_SUSPEND;
	p->disk = disk;
	plan_add(p, &atom_hook_pre_suspend, NULL);
	plan_add(p, &atom_suspend_begin, NULL);
	plan_add(p, &atom_image_create, NULL);
	plan_add(p, &atom_guest_suspend, NULL);
	plan_add(p, &atom_vm_save, NULL);
}

static MAY_WAIT struct err *write_image(
	struct vm *vm, const struct xenops_disk *disk, struct task *task)
{
	AUTO(plan_fini) struct plan plan = {0};

	init_write(&plan, vm, disk, task);
	plan_add(&plan, &atom_hook_pre_shutdown, NULL);
	plan_add(&plan, &atom_vm_saved, NULL);
	struct err *e = plan_run(&plan);
	image_free(plan.image);
	return e;
}

/* As write_image, but that the domain stays, and so do the hooks of its end. */
static MAY_WAIT struct err *write_image_of_kept(
	struct vm *vm, const struct xenops_disk *disk, struct task *task)
{
	AUTO(plan_fini) struct plan plan = {0};

	init_write(&plan, vm, disk, task);
	plan_add(&plan, &atom_image_close, NULL);
	plan_add(&plan, &atom_vm_kept, NULL);
	struct err *e = plan_run(&plan);
	image_free(plan.image);
	return e;
}

/* Nothing of the VM stays on this host; also of one whose resume has failed. */
static MAY_WAIT struct err *put_away(struct vm *vm)
{
	AUTO(plan_fini) struct plan plan = {0};

	plan_init(&plan, vm, NULL);
	plan.phase = XENOPSD_PHASE_SAVED;
	plan.goes_on = plan.keeps_epochs = true;
	plan_add(&plan, &atom_image_close, NULL);
	plan_add_take_down(&plan);
	plan_add(&plan, &atom_vm_suspended, NULL);
	fiber_cancel_mask();
	struct err *e = plan_run(&plan);
	memory_release(vm);
	memory_changed();
	fiber_cancel_unmask();
	return e;
}

static MAY_WAIT struct err *suspend(
	struct vm *vm, const struct xenops_disk *image, bool keep_domain, struct task *task)
{
	if (keep_domain)
		return write_image_of_kept(vm, image, task);
	TRY(write_image(vm, image, task));
	return put_away(vm);
}

struct err *vm_suspend(
	struct vm *vm, const struct xenops_disk *image, bool keep_domain, struct task *task)
{
	enum xenops_power_state found;

	if (!xenopsd.backend->vm_save || !xenopsd.backend->vm_fast_resume)
		return err(Unimplemented, "vm_save");
	if (vm->phase != XENOPSD_PHASE_KEPT)
		TRY(vm_settle(vm));
	TRY(vm_power_state(vm, &found));
	if (found != XENOPS_POWER_STATE_RUNNING)
		return bad_power_state(found, XENOPS_POWER_STATE_RUNNING);
	struct err *e = suspend(vm, image, keep_domain, task);
	end_later(vm);
	vm_tell(vm);
	return e;
}

/* ---- what was begun ---- */

static MAY_WAIT struct err *go_on(struct vm *vm)
{
	struct domain_look look;

	TRY(xenopsd.backend->vm_look(vm, &look));
	if (!look.is_there)
		return vm_stop(vm, XENOPSD_HOOK_REASON_HARD_SHUTDOWN, NULL);
	log_info("vm=%s goes on: it was not suspended to the end", vm->id);
	TRY(xenopsd.backend->vm_fast_resume(vm));
	TRY(disk_detach_image(vm));
	TRY(vm_set_phase(vm, XENOPSD_PHASE_UP));
	backend_changed(vm->id);
	return NULL;
}

/* Afterwards it may be gone. */
static MAY_WAIT struct err *settle_migration(struct vm *vm)
{
	struct err *e = NULL;

	if (vm->phase == XENOPSD_PHASE_MIGRATING || vm->phase == XENOPSD_PHASE_HANDED_OVER ||
		vm->phase == XENOPSD_PHASE_MIGRATED)
		e = vm_settle_sent(vm);
	else if (vm->phase == XENOPSD_PHASE_RECEIVING || vm->phase == XENOPSD_PHASE_ARRIVED)
		e = vm_settle_received(vm);
	if (e && !vm->is_removed)
		repair_later(vm);
	if (e || !vm->is_removed)
		return e;
	return err(Does_not_exist, "vm", vm->id);
}

struct err *vm_settle(struct vm *vm)
{
	struct err *e = NULL;

	if (vm->phase == XENOPSD_PHASE_SUSPENDING)
		e = go_on(vm);
	if (vm->phase == XENOPSD_PHASE_KEPT)
		TRY(vm_set_phase(vm, XENOPSD_PHASE_SAVED));
	if (vm->phase == XENOPSD_PHASE_SAVED || vm->phase == XENOPSD_PHASE_RESUMING) {
		log_info("vm=%s is taken away: it is suspended", vm->id);
		e = put_away(vm);
	}
	end_later(vm);
	return e ? e : settle_migration(vm);
}

/* ---- going on ---- */

struct err *vm_fast_resume(struct vm *vm, struct task *task)
{
	AUTO(plan_fini) struct plan plan = {0};
	enum xenops_power_state found;

	TRY(vm_power_state(vm, &found));
	if (vm->phase != XENOPSD_PHASE_KEPT)
		return bad_power_state(found, XENOPS_POWER_STATE_SUSPENDED);
	plan_init(&plan, vm, task);
	plan_add(&plan, &atom_hook_pre_resume, NULL);
	plan_add(&plan, &atom_hook_post_resume, NULL);
	plan_add(&plan, &atom_fast_resume_begin, NULL);
	plan_add(&plan, &atom_guest_go_on, NULL);
	plan_add(&plan, &atom_vm_went_on, NULL);
	struct err *e = plan_run(&plan);
	end_later(vm);
	vm_tell(vm);
	return e;
}

/* ---- resuming ---- */

static MAY_WAIT struct err *read_image(
	struct vm *vm, const struct xenops_disk *disk, struct task *task)
{
	AUTO(plan_fini) struct plan plan = {0};

	plan_init(&plan, vm, task);
	plan.phase = XENOPSD_PHASE_RESUMING;
	plan.before = vm->phase;
	plan.keeps_epochs = true;
	plan.disk = disk;
	if (vm->phase == XENOPSD_PHASE_HALTED)
		vec_for_each (i, &vm->devices)
			vm->devices.v[i]->is_active = true;
	plan_add(&plan, &atom_resume_begin, NULL);
	plan_add(&plan, &atom_image_open, NULL);
	plan_add(&plan, &atom_hook_pre_resume, NULL);
	plan_add(&plan, &atom_memory_reserve, NULL);
	plan_add(&plan, &atom_vm_create, NULL);
	plan_add(&plan, &atom_vm_restore, NULL);
	plan_add_devices(&plan);
	plan_add(&plan, &atom_image_close, NULL);
	plan_add(&plan, &atom_hook_post_resume, NULL);
	plan_add(&plan, &atom_vm_survive, NULL);
	struct err *e = plan_run(&plan);
	image_free(plan.image);
	return e;
}

struct err *vm_resume(struct vm *vm, const struct xenops_disk *image, struct task *task)
{
	enum xenops_power_state found;

	if (!xenopsd.backend->vm_restore)
		return err(Unimplemented, "vm_restore");
	TRY(vm_settle(vm));
	TRY(vm_power_state(vm, &found));
	if (found != XENOPS_POWER_STATE_SUSPENDED && found != XENOPS_POWER_STATE_HALTED)
		return bad_power_state(found, XENOPS_POWER_STATE_SUSPENDED);
	TRY(plan_check_devices(vm));
	/* What is left of an earlier life goes first. */
	if (vm->phase != XENOPSD_PHASE_SUSPENDED)
		TRY(vm_stop(vm, XENOPSD_HOOK_REASON_NONE, NULL));
	struct err *e = read_image(vm, image, task);
	memory_release(vm);
	if (e)
		memory_changed();
	end_later(vm);
	vm_tell(vm);
	return e;
}
