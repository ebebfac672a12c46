/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls by which a VDI is used: attach, activate and their undo, epochs, its NBD server, and
 * class DP.
 */
#include "common/codec.h"
#include "common/rpc.h"
#include "core.gen.h"
#include "smd/datapath.h"
#include "smd/smd.h"

#include <string.h>

/* More would be no name, and less none. */
#define MAX_NAME 255

static struct err *check_name(const char *dp)
{
	size_t len = strlen(dp);

	if (!len || len > MAX_NAME)
		return err(INVALID_VALUE, "dp", "empty or too long");
	return NULL;
}

MAY_WAIT struct err *api_vdi_attach(struct call *c, const struct storage_vdi_attach_in *in,
	struct storage_implementation_list *out)
{
	AUTO(vdi_hold_end) struct vdi_hold h = {0};

	TRY(check_name(in->dp));
	TRY(vdi_hold(&h, in->sr, in->vdi));
	TRY(datapath_step(&h, in->dp, in->vm, in->read_write ? DP_ATTACH_RW : DP_ATTACH_RO));
	return h.sr.sr->backend->vdi_ways(h.sr.sr, in->vdi, c->arena, out);
}

MAY_WAIT struct err *api_vdi_activate(struct call *c, const struct storage_vdi_activate_in *in)
{
	AUTO(vdi_hold_end) struct vdi_hold h = {0};

	TRY(vdi_hold(&h, in->sr, in->vdi));
	return datapath_step(&h, in->dp, in->vm, in->read_only ? DP_ACTIVATE_RO : DP_ACTIVATE);
}

MAY_WAIT struct err *api_vdi_deactivate(struct call *c, const struct storage_vdi_deactivate_in *in)
{
	AUTO(vdi_hold_end) struct vdi_hold h = {0};

	TRY(vdi_hold(&h, in->sr, in->vdi));
	return datapath_step(&h, in->dp, in->vm, DP_DEACTIVATE);
}

MAY_WAIT struct err *api_vdi_detach(struct call *c, const struct storage_vdi_detach_in *in)
{
	AUTO(vdi_hold_end) struct vdi_hold h = {0};

	TRY(vdi_hold(&h, in->sr, in->vdi));
	return datapath_step(&h, in->dp, in->vm, DP_DETACH);
}

MAY_WAIT struct err *api_vdi_epoch_begin(
	struct call *c, const struct storage_vdi_epoch_begin_in *in)
{
	AUTO(vdi_hold_end) struct vdi_hold h = {0};

	TRY(vdi_hold(&h, in->sr, in->vdi));
	if (!h.sr.sr->backend->epoch_begin)
		return err(Unimplemented, "VDI.epoch_begin");
	if (!in->persistent)
		TRY(vdi_require_unused(&h, false, "epoch_begin"));
	return h.sr.sr->backend->epoch_begin(h.sr.sr, in->vdi, in->persistent);
}

MAY_WAIT struct err *api_vdi_epoch_end(struct call *c, const struct storage_vdi_epoch_end_in *in)
{
	AUTO(vdi_hold_end) struct vdi_hold h = {0};

	TRY(vdi_hold(&h, in->sr, in->vdi));
	if (!h.sr.sr->backend->epoch_end)
		return err(Unimplemented, "VDI.epoch_end");
	TRY(vdi_require_unused(&h, false, "epoch_end"));
	return h.sr.sr->backend->epoch_end(h.sr.sr, in->vdi);
}

MAY_WAIT struct err *api_data_get_nbd_server(
	struct call *c, const struct storage_data_get_nbd_server_in *in, const char **out)
{
	AUTO(vdi_hold_end) struct vdi_hold h = {0};

	TRY(vdi_hold(&h, in->sr, in->vdi));
	return datapath_serve(&h, in->dp, c->arena, out);
}

/* ---- class DP ---- */

MAY_WAIT struct err *api_dp_destroy(struct call *c, const struct storage_dp_destroy_in *in)
{
	return datapath_destroy(in->dp, in->allow_leak);
}

MAY_WAIT struct err *api_dp_attach_info(struct call *c, const struct storage_dp_attach_info_in *in,
	struct storage_implementation_list *out)
{
	AUTO(sr_hold_end) struct sr_hold h = {0};
	struct datapath *dp = datapath_find(in->dp);

	if (!dp)
		return err(Does_not_exist, "dp", in->dp);
	/* It may go while the SR is waited for. */
	const char *vdi = arena_strdup(c->arena, dp->value.vdi);
	TRY(sr_hold(&h, arena_strdup(c->arena, dp->value.sr)));
	return h.sr->backend->vdi_ways(h.sr, vdi, c->arena, out);
}

MAY_WAIT struct err *api_dp_list(
	struct call *c, const struct storage_dp_list_in *in, struct storage_datapath_list *out)
{
	out->v = arena_calloc(c->arena, smd.datapaths.n, sizeof(*out->v));
	map_for_each (slot, &smd.datapaths) {
		const struct storage_datapath *dp = &((struct datapath *)slot->value)->value;

		if (in->sr && strcmp(in->sr, dp->sr))
			continue;
		if (in->vdi && strcmp(in->vdi, dp->vdi))
			continue;
		codec_copy(&storage_type_datapath, dp, c->arena, &out->v[out->n++]);
	}
	return NULL;
}
