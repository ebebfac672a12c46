/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks that guests write to are frozen before smd makes other VDIs of them: the guests go over to
 * new images, those of one VM at the same moment, and go on. What comes to nothing afterwards
 * leaves a disk whose chain of images is one longer.
 */
#include "xapid/plan/freeze.h"

#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/link/xenopsd.h"

#include <string.h>

/* Whether its VM, which is up, may write to it. */
static bool is_written(const struct xenapi_vbd *vbd)
{
	const struct xenapi_vm *vm = vbd ? db_find(vm, vbd->VM) : NULL;

	return vm && vbd->currently_attached && vbd->mode == XENAPI_VBD_MODE_RW &&
		vbd->type != XENAPI_VBD_TYPE_CD &&
		(vm->power_state == XENAPI_VM_POWER_STATE_RUNNING ||
			vm->power_state == XENAPI_VM_POWER_STATE_PAUSED);
}

const char *freeze_writer(const char *vdi)
{
	const struct xenapi_vdi *row = db_find(vdi, vdi);

	for (size_t i = 0; row && i < row->VBDs.n; i++)
		if (is_written(db_find(vbd, row->VBDs.v[i])))
			return row->VBDs.v[i];
	return NULL;
}

static MAY_WAIT struct err *ask(struct call *c, const char *vm,
	const struct xenops_vm_freeze_disks_in *in, struct string_map *out)
{
	const struct link_work work = {.part = "VM.freeze_disks"};
	const char *task;

	TRY(plan_commit());
	TRY(link_error(link_wait_up(&link_xenopsd), vm));
	TRY(link_error(
		xenops_vm_freeze_disks(link_xenopsd.client, in, c->arena, &task, plan_soon()), vm));
	return link_error(
		link_await(&link_xenopsd, &work, task, &type_map_string, c->arena, out), vm);
}

MAY_WAIT struct err *freeze_disks(
	struct call *c, const char *vm, const struct string_list *vbds, struct string_map *frozen)
{
	struct xenops_vm_freeze_disks_in in = {0};
	const struct xenapi_vm *row;

	*frozen = (struct string_map){0};
	TRY(db_get(vm, vm, &row));
	in.vm = arena_strdup(c->arena, row->uuid);
	in.vbds.v = arena_calloc(c->arena, vbds->n, sizeof(*in.vbds.v));
	for (size_t i = 0; i < vbds->n; i++) {
		const struct xenapi_vbd *vbd = db_find(vbd, vbds->v[i]);

		if (is_written(vbd))
			in.vbds.v[in.vbds.n++] = xenopsd_vbd_id(c->arena, row, vbd);
	}
	return in.vbds.n ? ask(c, vm, &in, frozen) : NULL;
}

const char *freeze_of(struct call *c, const struct string_map *frozen, const char *vbd)
{
	const struct xenapi_vbd *row = db_find(vbd, vbd);
	const struct xenapi_vm *vm = row ? db_find(vm, row->VM) : NULL;

	return vm ? string_map_get(frozen, xenopsd_vbd_id(c->arena, vm, row)) : NULL;
}

MAY_WAIT struct err *freeze_disk(struct call *c, const char *vdi, const char **frozen)
{
	const char *vbd = freeze_writer(vdi);
	struct string_map map;

	*frozen = NULL;
	if (!vbd)
		return NULL;
	vbd = arena_strdup(c->arena, vbd);
	struct string_list one = {(const char *[]){vbd}, 1};
	const struct xenapi_vbd *row = db_find(vbd, vbd);
	TRY(freeze_disks(c, arena_strdup(c->arena, row->VM), &one, &map));
	*frozen = freeze_of(c, &map, vbd);
	return NULL;
}
