/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of class VBD: drives, and what is in them. Each waits for its VM's turn; what plugging
 * is made of is in plan_device.c.
 */
#include "common/codec.h"
#include "common/rpc.h"
#include "core.gen.h"
#include "xenopsd/add.h"
#include "xenopsd/atoms.h"
#include "xenopsd/plans.h"
#include "xenopsd/queue.h"
#include "xenopsd/repair.h"
#include "xenopsd/turn_of_device.h"

MAY_WAIT struct err *api_vbd_add(struct call *c, const struct xenops_vbd_add_in *in)
{
	return device_add(DEVICE_VBD, &in->vbd);
}

MAY_WAIT struct err *api_vbd_remove(struct call *c, const struct xenops_vbd_remove_in *in)
{
	return device_drop(DEVICE_VBD, in->vbd);
}

static MAY_WAIT struct err *fill(
	const struct device *d, struct arena *a, struct xenops_vbd_stat *out)
{
	auto_hold held = vm_hold(d->vm);

	codec_copy(&xenops_type_vbd, &d->vbd, a, &out->vbd);
	out->state = (struct xenops_vbd_state){
		.active = d->is_active, .backend = out->vbd.backend, .qos = out->vbd.qos};
	return device_is_plugged(d, &out->state.plugged);
}

MAY_WAIT struct err *api_vbd_stat(
	struct call *c, const struct xenops_vbd_stat_in *in, struct xenops_vbd_stat *out)
{
	struct device *d;

	TRY(device_get(DEVICE_VBD, in->vbd, &d));
	return fill(d, c->arena, out);
}

MAY_WAIT struct err *api_vbd_list(
	struct call *c, const struct xenops_vbd_list_in *in, struct xenops_vbd_stat_list *out)
{
	struct device_list all;

	TRY(devices_of(in->vm, DEVICE_VBD, c->arena, &all));
	auto_hold held = vm_hold(all.vm);
	out->n = all.n;
	out->v = arena_calloc(c->arena, all.n, sizeof(*out->v));
	for (size_t i = 0; i < all.n; i++)
		TRY(fill(all.v[i], c->arena, &out->v[i]));
	return NULL;
}

MAY_WAIT struct err *api_vbd_plug(struct call *c, const struct xenops_vbd_plug_in *in)
{
	AUTO(turn_end) struct turn turn = {0};
	struct device *d;

	TRY(turn_of_device(&turn, DEVICE_VBD, in->vbd, "VBD.plug", &d));
	return device_plug(d, c->task);
}

MAY_WAIT struct err *api_vbd_unplug(struct call *c, const struct xenops_vbd_unplug_in *in)
{
	AUTO(turn_end) struct turn turn = {0};
	struct device *d;

	TRY(turn_of_device(&turn, DEVICE_VBD, in->vbd, "VBD.unplug", &d));
	if (!in->force && !d->vbd.unpluggable)
		return err(Device_detach_rejected, "vbd", in->vbd, "it may not be unplugged");
	return device_unplug(d, in->force, c->task);
}

/* ---- the medium ---- */

MAY_WAIT struct err *api_vbd_insert(struct call *c, const struct xenops_vbd_insert_in *in)
{
	AUTO(turn_end) struct turn turn = {0};
	struct device *d;

	TRY(turn_of_device(&turn, DEVICE_VBD, in->vbd, "VBD.insert", &d));
	TRY(vm_need_up(turn.vm));
	TRY(repair_half_done(d));
	if (d->vbd.backend)
		return err(Media_present);
	return vbd_insert(d, &in->disk, c->task);
}

MAY_WAIT struct err *api_vbd_eject(struct call *c, const struct xenops_vbd_eject_in *in)
{
	AUTO(turn_end) struct turn turn = {0};
	struct device *d;

	TRY(turn_of_device(&turn, DEVICE_VBD, in->vbd, "VBD.eject", &d));
	TRY(vm_need_up(turn.vm));
	TRY(repair_half_done(d));
	if (d->vbd.type == XENOPS_VBD_TYPE_DISK)
		return err(Media_not_ejectable);
	if (!d->vbd.backend)
		return err(Media_not_present);
	return vbd_eject(d, c->task);
}

/* ---- its priority ---- */

static MAY_WAIT struct err *tell_qos(struct device *d, struct task *task)
{
	AUTO(plan_fini) struct plan plan = {0};
	bool is_plugged;

	TRY(device_is_plugged(d, &is_plugged));
	if (!is_plugged)
		return NULL;
	plan_init(&plan, d->vm, task);
	plan_add(&plan, &atom_vbd_set_qos, d);
	return plan_run(&plan);
}

MAY_WAIT struct err *api_vbd_set_qos(struct call *c, const struct xenops_vbd_set_qos_in *in)
{
	AUTO(turn_end) struct turn turn = {0};
	auto_arena a = {0};
	struct xenops_vbd before, config;
	struct device *d;

	if (in->qos && (in->qos->level < 0 || in->qos->level > 7))
		return err(INVALID_VALUE, "qos.level", "not between 0 and 7");
	TRY(turn_of_device(&turn, DEVICE_VBD, in->vbd, "VBD.set_qos", &d));
	codec_copy(&xenops_type_vbd, &d->vbd, &a, &before);
	config = before;
	config.qos = in->qos;
	TRY(change_device(d, &config));
	struct err *e = tell_qos(d, c->task);
	if (e)
		err_free(change_device(d, &before));
	return e;
}
