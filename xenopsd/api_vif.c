/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of class VIF. A change is noted first and then made so on the host, where the VIF is
 * plugged; one that fails is as if it had not been.
 */
#include "common/codec.h"
#include "common/rpc.h"
#include "core.gen.h"
#include "xenopsd/add.h"
#include "xenopsd/atoms.h"
#include "xenopsd/backend.h"
#include "xenopsd/plans.h"
#include "xenopsd/queue.h"
#include "xenopsd/turn_of_device.h"
#include "xenopsd/xenopsd.h"

MAY_WAIT struct err *api_vif_add(struct call *c, const struct xenops_vif_add_in *in)
{
	return device_add(DEVICE_VIF, &in->vif);
}

MAY_WAIT struct err *api_vif_remove(struct call *c, const struct xenops_vif_remove_in *in)
{
	return device_drop(DEVICE_VIF, in->vif);
}

static MAY_WAIT struct err *fill(
	const struct device *d, struct arena *a, struct xenops_vif_stat *out)
{
	auto_hold held = vm_hold(d->vm);
	struct vif_interfaces on_host = {0};

	codec_copy(&xenops_type_vif, &d->vif, a, &out->vif);
	codec_init_record(&xenops_type_vif_state, a, &out->state);
	out->state.active = d->is_active;
	if (d->is_active && xenopsd.backend->vif_interfaces)
		TRY(xenopsd.backend->vif_interfaces(held, d, a, &on_host));
	out->state.plugged = on_host.n > 0;
	out->state.media_present = out->state.plugged && out->vif.carrier &&
		out->vif.locking_mode.kind != NETWORK_LOCKING_MODE_DISABLED;
	if (on_host.n)
		out->state.device = on_host.names[0];
	return NULL;
}

MAY_WAIT struct err *api_vif_stat(
	struct call *c, const struct xenops_vif_stat_in *in, struct xenops_vif_stat *out)
{
	struct device *d;

	TRY(device_get(DEVICE_VIF, in->vif, &d));
	return fill(d, c->arena, out);
}

MAY_WAIT struct err *api_vif_list(
	struct call *c, const struct xenops_vif_list_in *in, struct xenops_vif_stat_list *out)
{
	struct device_list all;

	TRY(devices_of(in->vm, DEVICE_VIF, c->arena, &all));
	auto_hold held = vm_hold(all.vm);
	out->n = all.n;
	out->v = arena_calloc(c->arena, all.n, sizeof(*out->v));
	for (size_t i = 0; i < all.n; i++)
		TRY(fill(all.v[i], c->arena, &out->v[i]));
	return NULL;
}

MAY_WAIT struct err *api_vif_plug(struct call *c, const struct xenops_vif_plug_in *in)
{
	AUTO(turn_end) struct turn turn = {0};
	struct device *d;

	TRY(turn_of_device(&turn, DEVICE_VIF, in->vif, "VIF.plug", &d));
	return device_plug(d, c->task);
}

MAY_WAIT struct err *api_vif_unplug(struct call *c, const struct xenops_vif_unplug_in *in)
{
	AUTO(turn_end) struct turn turn = {0};
	struct device *d;

	TRY(turn_of_device(&turn, DEVICE_VIF, in->vif, "VIF.unplug", &d));
	return device_unplug(d, in->force, c->task);
}

/* ---- changes ---- */

static MAY_WAIT struct err *make_so(struct device *d, struct task *task)
{
	AUTO(plan_fini) struct plan plan = {0};
	bool is_plugged;

	TRY(device_is_plugged(d, &is_plugged));
	if (!is_plugged)
		return NULL;
	plan_init(&plan, d->vm, task);
	plan_add(&plan, &atom_vif_set_carrier, d);
	plan_add(&plan, &atom_vif_reconnect, d);
	return plan_run(&plan);
}

/* CONFIG is a shallow copy of the VIF's, with the change. */
static MAY_WAIT struct err *change(
	struct device *d, const struct xenops_vif *config, struct task *task)
{
	auto_arena a = {0};
	struct xenops_vif before;

	codec_copy(&xenops_type_vif, &d->vif, &a, &before);
	TRY(change_device(d, config));
	struct err *e = make_so(d, task);
	if (!e)
		return NULL;
	err_free(change_device(d, &before));
	err_free(make_so(d, NULL));
	return e;
}

/* A handler's whole: its turn, the device D, and the statement that changes CONFIG. */
#define CHANGE(what, statement) \
	AUTO(turn_end) struct turn turn = {0}; \
	struct device *d; \
	TRY(turn_of_device(&turn, DEVICE_VIF, in->vif, what, &d)); \
	struct xenops_vif config = d->vif; \
	statement; \
	return change(d, &config, c->task)

MAY_WAIT struct err *api_vif_move(struct call *c, const struct xenops_vif_move_in *in)
{
	CHANGE("VIF.move", config.backend = in->backend);
}

MAY_WAIT struct err *api_vif_set_carrier(struct call *c, const struct xenops_vif_set_carrier_in *in)
{
	CHANGE("VIF.set_carrier", config.carrier = in->carrier);
}

MAY_WAIT struct err *api_vif_set_locking_mode(
	struct call *c, const struct xenops_vif_set_locking_mode_in *in)
{
	CHANGE("VIF.set_locking_mode", config.locking_mode = in->locking_mode);
}

MAY_WAIT struct err *api_vif_set_trunks(struct call *c, const struct xenops_vif_set_trunks_in *in)
{
	CHANGE("VIF.set_trunks", config.trunks = in->trunks);
}
