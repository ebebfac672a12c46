/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The operations on a VM, each made of atoms (plan.h). All are called in the VM's turn (queue.h).
 * TASK may be NULL: the guest, or a restart of the daemon, wants it. A REASON other than NONE has
 * the hook vm-post-destroy run when the domain has gone; the end of what was ended before has none.
 */
#ifndef XENITH_XENOPSD_PLANS_H
#define XENITH_XENOPSD_PLANS_H

#include "xenopsd/backend.h"
#include "xenopsd/vm.h"

struct atom;

struct plan;

/* ---- power.c ---- */

/* As XenAPI's: of the phase, and of what the backend sees. */
MAY_WAIT must_check struct err *vm_power_state(struct vm *vm, enum xenops_power_state *out);
enum xenops_power_state power_state_of(const struct vm *vm, const struct domain_look *look);
/* Bad_power_state, unless the VM is running or paused. */
MAY_WAIT must_check struct err *vm_need_up(struct vm *vm);
must_check struct err *bad_power_state(
	enum xenops_power_state found, enum xenops_power_state expected);
/* The VM and its devices are to be looked at again. */
void vm_tell(const struct vm *vm);

/* ---- plan_start.c ---- */

/* A single step, and then the VM is told of. */
MAY_WAIT must_check struct err *vm_do(struct vm *vm, const struct atom *atom, struct task *task);
/* Brings up a halted VM, paused, or lets it run at once. */
MAY_WAIT must_check struct err *vm_start(struct vm *vm, bool runs, struct task *task);
/* Unimplemented where the backend knows nothing of a device that the VM has. */
must_check struct err *plan_check_devices(const struct vm *vm);
/* Puts the steps that do so into a plan. */
void plan_add_start(struct plan *p);
/* Of them, what plugs the devices and starts the device model; a resume has those of before. */
void plan_add_devices(struct plan *p);
/* Of a VM that comes from another host, what can be there while it still runs elsewhere. */
void plan_add_early_devices(struct plan *p);
/* A drive or an interface comes to the VM. */
void plan_add_vbd_plug(struct plan *p, struct device *vbd);
void plan_add_vif_plug(struct plan *p, struct device *vif);

/* ---- plan_stop.c ---- */

/* Whether the hook vm-pre-shutdown forbids the end: Hook_failed. It is not asked about an end that
 * has begun. */
MAY_WAIT must_check struct err *vm_ask_hook(struct vm *vm, enum xenopsd_hook_reason reason);
/* Asks the guest to end, and waits until it has. */
MAY_WAIT must_check struct err *vm_end_guest(struct vm *vm, enum guest_end how, double timeout_s);
/* Pulls the plug; also of what was begun and is half done. All that can be taken away is, also when
 * something fails: then the error says what, and it is tried again later. */
MAY_WAIT must_check struct err *vm_stop(
	struct vm *vm, enum xenopsd_hook_reason reason, struct task *task);
void plan_add_stop(struct plan *p);
/* Of them, what takes away the devices and the domain; one that is suspended keeps its epochs. */
void plan_add_take_down(struct plan *p);
/* Of them, the devices and what emulates the machine. */
void plan_add_take_devices(struct plan *p);

/* ---- plan_reboot.c ---- */

/* Takes the VM down, starts it and lets it run. */
MAY_WAIT must_check struct err *vm_reboot(
	struct vm *vm, enum xenopsd_hook_reason reason, struct task *task);

/* ---- plan_soft_reboot.c ---- */

/* Starts the kernel that the guest has loaded, in its domain. What goes wrong leaves it halted. */
MAY_WAIT must_check struct err *vm_soft_reboot(struct vm *vm, struct task *task);

/* ---- plan_suspend.c ---- */

/* Writes a running VM to its image and takes it down. Until the image is whole the guest can go on,
 * and does when anything is in the way; from then on the VM is suspended, whatever comes. With
 * KEEP_DOMAIN all of it stays here, and the guest may still go on. */
MAY_WAIT must_check struct err *vm_suspend(
	struct vm *vm, const struct xenops_disk *image, bool keep_domain, struct task *task);
/* Lets the guest go on whose domain was kept. */
MAY_WAIT must_check struct err *vm_fast_resume(struct vm *vm, struct task *task);
/* Brings it up again, paused; what goes wrong leaves it suspended. */
MAY_WAIT must_check struct err *vm_resume(
	struct vm *vm, const struct xenops_disk *image, struct task *task);
/* Ends a suspend, a resume or a migration that was not ended: the VM goes on, or is suspended (one
 * that was kept as any other), or it is elsewhere, and then Does_not_exist. */
MAY_WAIT must_check struct err *vm_settle(struct vm *vm);

/* ---- plan_device.c ---- */

/* Gives a device to a VM that is up, or takes it. */
MAY_WAIT must_check struct err *device_plug(struct device *d, struct task *task);
MAY_WAIT must_check struct err *device_unplug(struct device *d, bool force, struct task *task);
/* Puts a medium into an empty drive of a VM that is up; takes it out, with no way back once the
 * guest has let go of it. */
MAY_WAIT must_check struct err *vbd_insert(
	struct device *vbd, const struct xenops_disk *disk, struct task *task);
MAY_WAIT must_check struct err *vbd_eject(struct device *vbd, struct task *task);
/* Puts a new image in front of each of these drives, to which the guest goes over; OUT, in A: of
 * each that it writes to, what smd has behind it. Bad_power_state of one whose domain is kept. */
MAY_WAIT must_check struct err *vm_freeze_disks(struct vm *vm, const struct string_list *vbds,
	struct task *task, struct arena *a, struct string_map *out);
/* The guest writes to the image that smd has of the drive's VDI. */
MAY_WAIT must_check struct err *vbd_follow(struct device *vbd);
/* Whether the guest has it. */
MAY_WAIT must_check struct err *device_is_plugged(const struct device *d, bool *out);

#endif
