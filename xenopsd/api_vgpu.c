/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of class VGPU: shares of graphics cards, which a VM has from its start to its end. Each
 * waits for its VM's turn.
 */
#include "common/codec.h"
#include "common/rpc.h"
#include "xenopsd/add.h"
#include "xenopsd/plans.h"
#include "xenopsd/queue.h"
#include "xenopsd/turn_of_device.h"

MAY_WAIT struct err *api_vgpu_add(struct call *c, const struct xenops_vgpu_add_in *in)
{
	return device_add(DEVICE_VGPU, &in->vgpu);
}

MAY_WAIT struct err *api_vgpu_remove(struct call *c, const struct xenops_vgpu_remove_in *in)
{
	return device_drop(DEVICE_VGPU, in->vgpu);
}

static MAY_WAIT struct err *fill(
	const struct device *d, struct arena *a, struct xenops_vgpu_stat *out)
{
	auto_hold held = vm_hold(d->vm);

	codec_copy(&xenops_type_vgpu, &d->vgpu, a, &out->vgpu);
	codec_init_record(&xenops_type_vgpu_state, a, &out->state);
	out->state.active = d->is_active;
	return device_is_plugged(d, &out->state.plugged);
}

MAY_WAIT struct err *api_vgpu_stat(
	struct call *c, const struct xenops_vgpu_stat_in *in, struct xenops_vgpu_stat *out)
{
	struct device *d;

	TRY(device_get(DEVICE_VGPU, in->vgpu, &d));
	return fill(d, c->arena, out);
}

MAY_WAIT struct err *api_vgpu_list(
	struct call *c, const struct xenops_vgpu_list_in *in, struct xenops_vgpu_stat_list *out)
{
	struct device_list all;

	TRY(devices_of(in->vm, DEVICE_VGPU, c->arena, &all));
	auto_hold held = vm_hold(all.vm);
	out->n = all.n;
	out->v = arena_calloc(c->arena, all.n, sizeof(*out->v));
	for (size_t i = 0; i < all.n; i++)
		TRY(fill(all.v[i], c->arena, &out->v[i]));
	return NULL;
}
