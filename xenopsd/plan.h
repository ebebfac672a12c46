/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An operation on a VM is a plan of atoms, some of them side by side. When an atom fails, those
 * that were begun are undone, last first. Between atoms the task can be cancelled.
 *
 *	plan_add(&plan, &atom_vm_create, NULL);
 *	plan_open(&plan, PLAN_PARALLEL);
 *	vm_for_each (d, vm, DEVICE_VIF)
 *		plan_add(&plan, &atom_vif_plug, d);
 *	plan_close(&plan);
 *	TRY(plan_run(&plan));
 *
 * The atoms themselves are in atoms_*.c, the plans in plan_*.c.
 */
#ifndef XENITH_XENOPSD_PLAN_H
#define XENITH_XENOPSD_PLAN_H

#include "common/task.h"
#include "common/undo.h"
#include "common/vec.h"
#include "xenopsd/vm.h"

struct image;
struct migration;
struct plan;

/* DEVICE is NULL where the atom is one of the VM. */
typedef MAY_WAIT struct err *(*atom_fn)(struct plan *p, struct device *device);

struct atom {
	const char *name; /* "vbd-plug": for faults, the trace, the task's step */
	atom_fn run;
	/* NULL: there is nothing to undo. Called for an atom that failed too, so it must not mind
	 * finding little to undo. */
	atom_fn undo;
	const char *undo_name; /* "undo-vbd-plug" */
	unsigned weight; /* in the task's progress, against the others; 0 is 1 */
};

enum plan_group { PLAN_SERIAL, PLAN_PARALLEL };

struct step {
	struct plan *plan;
	const struct atom *atom; /* NULL: a group */
	struct device *device;
	enum plan_group group;
	struct step *parent;
	vec_of(struct step *) steps;
	unsigned weight; /* of all in it */
	bool was_refused; /* smd or networkd was not there: nothing was done, nothing is undone */
};

struct plan {
	struct vm *vm;
	struct task *task; /* NULL: nobody asked for it */
	enum xenopsd_phase phase; /* while it is carried out */
	enum xenopsd_phase before; /* of a resume: when it was begun */
	enum xenopsd_hook_reason reason; /* of its hooks */
	const struct xenops_disk *disk; /* of a suspend and a resume: where the image is */
	const struct xenops_vm *config, *config_before; /* of a change */
	struct device **vbds; /* of a freeze: in the caller's arena */
	size_t n_vbds;
	int64_t bytes_before; /* of a change: what the VM took at most */
	const struct atom *tells; /* of a change: the domain; NULL: there is none */
	struct image *image; /* owned by who runs the plan; NULL: not open */
	struct migration *migration; /* borrowed; of one that sends or receives the VM */
	bool keeps_epochs; /* the VM's time from boot to halt neither ends nor begins */
	bool goes_on; /* a failed step does not keep the others from being done */
	struct arena arena; /* of the steps */
	struct step *top; /* a serial group */
	struct step *at; /* where the next one goes */
	struct undo undo;
	bool has_left; /* something could not be undone */
	unsigned done; /* weight of what has ended */
	struct err *first; /* goes_on: the first failure */
	struct err *late; /* a hook's, which keeps nothing from its end */
};

/* A new plan has nothing in it. TASK may be NULL. plan_fini takes a zeroed one too. */
void plan_init(struct plan *p, struct vm *vm, struct task *task);
void plan_fini(struct plan *p);

void plan_add(struct plan *p, const struct atom *atom, struct device *device);
void plan_open(struct plan *p, enum plan_group group);
void plan_close(struct plan *p);

/* Carries it out. On an error everything has been undone, and what could not be will be by and by
 * (repair.h); unless `goes_on` is set: then nothing is, and the first error comes when all has been
 * tried, or else `late`. */
MAY_WAIT must_check struct err *plan_run(struct plan *p);

#endif
