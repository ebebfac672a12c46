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
#include "xenopsd/repair.h"
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
	out->state.pvs_rules_active =
		out->state.plugged && out->vif.pvs_proxy && xenopsd.backend->vif_set_pvs_proxy;
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

/* What makes it so where the VIF is plugged. */
static const struct atom *const on_network[] = {&atom_vif_set_carrier, &atom_vif_reconnect, NULL};
static const struct atom *const in_guest[] = {&atom_vif_set_addresses, NULL};
static const struct atom *const by_proxy[] = {&atom_vif_set_pvs_proxy, NULL};

static MAY_WAIT struct err *make_so(
	struct device *d, const struct atom *const *atoms, struct task *task)
{
	AUTO(plan_fini) struct plan plan = {0};
	bool is_plugged;

	TRY(device_is_plugged(d, &is_plugged));
	if (!is_plugged)
		return NULL;
	plan_init(&plan, d->vm, task);
	for (; *atoms; atoms++)
		plan_add(&plan, *atoms, d);
	return plan_run(&plan);
}

/* CONFIG is a shallow copy of the VIF's, with the change. */
static MAY_WAIT struct err *change(struct device *d, const struct xenops_vif *config,
	const struct atom *const *atoms, struct task *task)
{
	auto_arena a = {0};
	struct xenops_vif before;

	codec_copy(&xenops_type_vif, &d->vif, &a, &before);
	TRY(change_device(d, config));
	struct err *e = make_so(d, atoms, task);
	if (!e)
		return NULL;
	fiber_cancel_mask();
	struct err *undone = change_device(d, &before);
	if (!undone)
		undone = make_so(d, atoms, NULL);
	fiber_cancel_unmask();
	if (undone)
		repair_later(d->vm);
	err_free(undone);
	return e;
}

/* A handler's whole: its turn, the device D, and the statement that changes CONFIG. */
#define CHANGE(what, atoms, statement) \
	AUTO(turn_end) struct turn turn = {0}; \
	struct device *d; \
	TRY(turn_of_device(&turn, DEVICE_VIF, in->vif, what, &d)); \
	struct xenops_vif config = d->vif; \
	statement; \
	return change(d, &config, atoms, c->task)

MAY_WAIT struct err *api_vif_move(struct call *c, const struct xenops_vif_move_in *in)
{
	CHANGE("VIF.move", on_network, config.backend = in->backend);
}

MAY_WAIT struct err *api_vif_set_carrier(struct call *c, const struct xenops_vif_set_carrier_in *in)
{
	CHANGE("VIF.set_carrier", on_network, config.carrier = in->carrier);
}

MAY_WAIT struct err *api_vif_set_locking_mode(
	struct call *c, const struct xenops_vif_set_locking_mode_in *in)
{
	CHANGE("VIF.set_locking_mode", on_network, config.locking_mode = in->locking_mode);
}

MAY_WAIT struct err *api_vif_set_trunks(struct call *c, const struct xenops_vif_set_trunks_in *in)
{
	CHANGE("VIF.set_trunks", on_network, config.trunks = in->trunks);
}

MAY_WAIT struct err *api_vif_set_ipv4_configuration(
	struct call *c, const struct xenops_vif_set_ipv4_configuration_in *in)
{
	CHANGE("VIF.set_ipv4_configuration", in_guest,
		config.ipv4_configuration = in->configuration);
}

MAY_WAIT struct err *api_vif_set_ipv6_configuration(
	struct call *c, const struct xenops_vif_set_ipv6_configuration_in *in)
{
	CHANGE("VIF.set_ipv6_configuration", in_guest,
		config.ipv6_configuration = in->configuration);
}

MAY_WAIT struct err *api_vif_set_pvs_proxy(
	struct call *c, const struct xenops_vif_set_pvs_proxy_in *in)
{
	CHANGE("VIF.set_pvs_proxy", by_proxy, config.pvs_proxy = in->proxy);
}
