/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest goes over to new images of its disks, while it runs, so that what they had can be
 * snapshotted (atoms_freeze.c says why that is safe).
 */
#include "core.gen.h"
#include "xenopsd/atoms.h"
#include "xenopsd/backend.h"
#include "xenopsd/disk.h"
#include "xenopsd/plans.h"
#include "xenopsd/xenopsd.h"

struct err *vbd_follow(struct device *vbd)
{
	auto_arena a = {0};

	if (!xenopsd.backend->vbds_move)
		return NULL;
	TRY(disk_ways(vbd, &a, &vbd->ways));
	return xenopsd.backend->vbds_move(vbd->vm, &vbd, 1);
}

static MAY_WAIT struct err *is_written(const struct device *vbd, bool *out)
{
	const struct xenops_disk *disk = vbd->vbd.backend;

	*out = false;
	if (!disk || disk->kind != XENOPS_DISK_VDI || vbd->vbd.mode != XENOPS_VBD_MODE_RW ||
		vbd->vbd.type != XENOPS_VBD_TYPE_DISK)
		return NULL;
	return device_is_plugged(vbd, out);
}

static MAY_WAIT struct err *find(
	struct plan *p, const struct vm *vm, const struct string_list *vbds, struct arena *a)
{
	p->vbds = arena_calloc(a, vbds->n, sizeof(*p->vbds));
	for (size_t i = 0; i < vbds->n; i++) {
		struct device *d;
		bool does_write;

		TRY(device_get(DEVICE_VBD, vbds->v[i], &d));
		if (d->vm != vm)
			return err(INVALID_VALUE, "vbds", "of another VM");
		TRY(is_written(d, &does_write));
		if (does_write)
			p->vbds[p->n_vbds++] = d;
	}
	return NULL;
}

static MAY_WAIT struct err *run(struct plan *p)
{
	plan_add(p, &atom_freeze_begin, NULL);
	plan_open(p, PLAN_PARALLEL);
	for (size_t i = 0; i < p->n_vbds; i++)
		plan_add(p, &atom_vbd_freeze, p->vbds[i]);
	plan_close(p);
	plan_add(p, &atom_vbds_move, NULL);
	plan_add(p, &atom_freeze_end, NULL);
	return plan_run(p);
}

static void tell(const struct plan *p, struct arena *a, struct string_map *out)
{
	out->n = 0;
	out->v = arena_calloc(a, p->n_vbds, sizeof(*out->v));
	for (size_t i = 0; i < p->n_vbds; i++)
		out->v[out->n++] = (struct string_map_entry){
			arena_strdup(a, p->vbds[i]->id), arena_strdup(a, p->vbds[i]->frozen)};
}

struct err *vm_freeze_disks(struct vm *vm, const struct string_list *vbds, struct task *task,
	struct arena *a, struct string_map *out)
{
	AUTO(plan_fini) struct plan plan = {0};

	plan_init(&plan, vm, task);
	TRY(find(&plan, vm, vbds, a));
	*out = (struct string_map){0};
	if (vm->phase == XENOPSD_PHASE_HALTED || vm->phase == XENOPSD_PHASE_SUSPENDED)
		return NULL;
	TRY(vm_need_up(vm));
	if (!xenopsd.backend->vbd_file || !xenopsd.backend->vbds_move)
		return err(Unimplemented, "snapshots of disks that a guest writes to");
	if (!plan.n_vbds)
		return NULL;
	TRY(run(&plan));
	tell(&plan, a, out);
	return NULL;
}
