/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of class VDI that make, change and destroy VDIs, and DATA.copy. Those by which a VDI is
 * used are in api_use.c. Not built yet: compose, get_url, changed block tracking, mirrors.
 */
#include "common/mem.h"
#include "common/rpc.h"
#include "common/task.h"
#include "common/updates.h"
#include "core.gen.h"
#include "smd/datapath.h"

#include <string.h>

#define REQUIRE(h, operation, name) \
	do { \
		if (!(h)->sr.sr->backend->operation) \
			return err(Unimplemented, name); \
	} while (0)

static void tell(const char *sr, const char *vdi)
{
	auto_str id = xasprintf("%s/%s", sr, vdi);

	updates_add("vdi", id);
}

static void tell_gone(const char *sr, const char *vdi)
{
	auto_str id = xasprintf("%s/%s", sr, vdi);

	updates_remove("vdi", id);
}

MAY_WAIT struct err *api_vdi_create(
	struct call *c, const struct storage_vdi_create_in *in, struct storage_vdi *out)
{
	AUTO(sr_hold_end) struct sr_hold h = {0};

	TRY(sr_hold(&h, in->sr));
	if (!h.sr->backend->vdi_create)
		return err(Unimplemented, "VDI.create");
	TRY(h.sr->backend->vdi_create(h.sr, &in->spec, c->arena, out));
	tell(in->sr, out->vdi);
	return NULL;
}

MAY_WAIT struct err *api_vdi_introduce(
	struct call *c, const struct storage_vdi_introduce_in *in, struct storage_vdi *out)
{
	AUTO(sr_hold_end) struct sr_hold h = {0};

	TRY(sr_hold(&h, in->sr));
	if (!h.sr->backend->vdi_introduce)
		return err(Unimplemented, "VDI.introduce");
	TRY(h.sr->backend->vdi_introduce(h.sr, in, c->arena, out));
	tell(in->sr, out->vdi);
	return NULL;
}

MAY_WAIT struct err *api_vdi_snapshot(
	struct call *c, const struct storage_vdi_snapshot_in *in, struct storage_vdi *out)
{
	AUTO(vdi_hold_end) struct vdi_hold h = {0};
	const struct vdi_copy_spec spec = {
		in->vdi, in->name_label, in->name_description, &in->sm_config, in->frozen};

	TRY(vdi_hold(&h, in->sr, in->vdi));
	REQUIRE(&h, vdi_snapshot, "VDI.snapshot");
	if (!in->frozen)
		TRY(vdi_require_unused(&h, true, "snapshot"));
	TRY(h.sr.sr->backend->vdi_snapshot(h.sr.sr, &spec, c->arena, out));
	tell(in->sr, in->vdi);
	tell(in->sr, out->vdi);
	return NULL;
}

MAY_WAIT struct err *api_vdi_clone(
	struct call *c, const struct storage_vdi_clone_in *in, struct storage_vdi *out)
{
	AUTO(vdi_hold_end) struct vdi_hold h = {0};
	const struct vdi_copy_spec spec = {
		in->vdi, in->name_label, in->name_description, &in->sm_config, in->frozen};

	TRY(vdi_hold(&h, in->sr, in->vdi));
	REQUIRE(&h, vdi_clone, "VDI.clone");
	if (!in->frozen)
		TRY(vdi_require_unused(&h, true, "clone"));
	TRY(h.sr.sr->backend->vdi_clone(h.sr.sr, &spec, c->arena, out));
	tell(in->sr, in->vdi);
	tell(in->sr, out->vdi);
	return NULL;
}

MAY_WAIT struct err *api_vdi_freeze(
	struct call *c, const struct storage_vdi_freeze_in *in, struct storage_frozen_vdi *out)
{
	AUTO(vdi_hold_end) struct vdi_hold h = {0};

	TRY(vdi_hold(&h, in->sr, in->vdi));
	REQUIRE(&h, vdi_freeze, "VDI.freeze");
	TRY(vdi_require_writer(&h, in->dp, "freeze"));
	return h.sr.sr->backend->vdi_freeze(h.sr.sr, in->vdi, in->path, c->arena, out);
}

MAY_WAIT struct err *api_vdi_resize(
	struct call *c, const struct storage_vdi_resize_in *in, int64_t *out)
{
	AUTO(vdi_hold_end) struct vdi_hold h = {0};

	TRY(vdi_hold(&h, in->sr, in->vdi));
	REQUIRE(&h, vdi_resize, "VDI.resize");
	TRY(vdi_require_unused(&h, false, "resize"));
	TRY(h.sr.sr->backend->vdi_resize(h.sr.sr, in->vdi, in->virtual_size_bytes, out));
	tell(in->sr, in->vdi);
	return NULL;
}

MAY_WAIT struct err *api_vdi_destroy(struct call *c, const struct storage_vdi_destroy_in *in)
{
	AUTO(vdi_hold_end) struct vdi_hold h = {0};

	TRY(vdi_hold(&h, in->sr, in->vdi));
	REQUIRE(&h, vdi_destroy, "VDI.destroy");
	TRY(vdi_require_unused(&h, false, "destroy"));
	TRY(h.sr.sr->backend->vdi_destroy(h.sr.sr, in->vdi));
	tell_gone(in->sr, in->vdi);
	return NULL;
}

/* The SR is held. */
static MAY_WAIT struct err *revert(struct call *c, struct sr *sr, const char *snapshot)
{
	AUTO(vdi_hold_end) struct vdi_hold first = {0}, second = {0};
	struct storage_vdi vdi;

	TRY(sr->backend->vdi_stat(sr, snapshot, c->arena, &vdi));
	const char *of = vdi.snapshot_of;
	if (!of || !strcmp(of, snapshot))
		return err(INVALID_VALUE, "snapshot", "not a snapshot of another VDI");
	/* Always in the same order, or two of us could wait for each other. */
	bool is_first = strcmp(snapshot, of) < 0;
	TRY(vdi_hold_in(&first, sr, is_first ? snapshot : of));
	TRY(vdi_hold_in(&second, sr, is_first ? of : snapshot));
	TRY(vdi_require_unused(is_first ? &first : &second, true, "revert"));
	TRY(vdi_require_unused(is_first ? &second : &first, false, "revert"));
	TRY(sr->backend->vdi_revert(sr, snapshot));
	tell(sr->id, of);
	return NULL;
}

MAY_WAIT struct err *api_vdi_revert(struct call *c, const struct storage_vdi_revert_in *in)
{
	AUTO(sr_hold_end) struct sr_hold h = {0};

	TRY(sr_hold(&h, in->sr));
	if (!h.sr->backend->vdi_revert)
		return err(Unimplemented, "VDI.revert");
	return revert(c, h.sr, in->snapshot);
}

MAY_WAIT struct err *api_vdi_stat(
	struct call *c, const struct storage_vdi_stat_in *in, struct storage_vdi *out)
{
	AUTO(sr_hold_end) struct sr_hold h = {0};

	TRY(sr_hold(&h, in->sr));
	return h.sr->backend->vdi_stat(h.sr, in->vdi, c->arena, out);
}

MAY_WAIT struct err *api_vdi_set(struct call *c, const struct storage_vdi_set_in *in)
{
	AUTO(vdi_hold_end) struct vdi_hold h = {0};

	TRY(vdi_hold(&h, in->sr, in->vdi));
	REQUIRE(&h, vdi_set, "VDI.set");
	TRY(h.sr.sr->backend->vdi_set(h.sr.sr, in));
	tell(in->sr, in->vdi);
	return NULL;
}

/* ---- copying ---- */

static void spec_of(const struct storage_vdi *from, struct storage_vdi_spec *out)
{
	*out = (struct storage_vdi_spec)STORAGE_VDI_SPEC_INIT;
	out->virtual_size_bytes = from->virtual_size_bytes;
	out->name_label = from->name_label;
	out->name_description = from->name_description;
	out->type = from->type;
	out->metadata_of_pool = from->metadata_of_pool;
	out->persistent = from->persistent;
}

/* FROM is attached to be read by DP. */
static MAY_WAIT struct err *copy_attached(struct call *c, const struct vdi_hold *from,
	struct sr *to, const struct storage_data_copy_in *in, struct storage_vdi *out)
{
	struct storage_implementation_list ways;
	struct storage_image_file image;
	struct storage_vdi vdi;
	struct storage_vdi_spec spec;

	TRY(from->sr.sr->backend->vdi_stat(from->sr.sr, in->vdi, c->arena, &vdi));
	TRY(from->sr.sr->backend->vdi_ways(from->sr.sr, in->vdi, c->arena, &ways));
	TRY(backend_image(&ways, "DATA.copy", &image));
	spec_of(&vdi, &spec);
	TRY(to->backend->vdi_import(to, &spec, &image, c->arena, out));
	tell(to->id, out->vdi);
	return NULL;
}

static MAY_WAIT struct err *copy_held(struct call *c, const struct vdi_hold *from, struct sr *to,
	const struct storage_data_copy_in *in, struct storage_vdi *out)
{
	const char *dp = arena_printf(c->arena, OWN_DATAPATH "copy/%s", task_id(c->task));

	TRY(vdi_require_unused(from, true, "copy"));
	TRY(datapath_step(from, dp, "", DP_ATTACH_RO));
	struct err *e = datapath_step(from, dp, "", DP_ACTIVATE);
	if (!e)
		e = copy_attached(c, from, to, in, out);
	auto_err down = datapath_step(from, dp, "", DP_DEACTIVATE);
	if (!down)
		down = datapath_step(from, dp, "", DP_DETACH);
	return e ? e : take(down);
}

MAY_WAIT struct err *api_data_copy(
	struct call *c, const struct storage_data_copy_in *in, struct storage_vdi *out)
{
	AUTO(vdi_hold_end) struct vdi_hold from = {0};
	AUTO(sr_hold_end) struct sr_hold to = {0};
	int order = strcmp(in->dest_sr, in->sr);

	if (in->url)
		return err(NOT_IMPLEMENTED, "DATA.copy to another host");
	/* Always in the same order, or two copies could wait for each other. */
	if (order < 0)
		TRY(sr_hold(&to, in->dest_sr));
	TRY(vdi_hold(&from, in->sr, in->vdi));
	if (order > 0)
		TRY(sr_hold(&to, in->dest_sr));
	else if (!order)
		sr_hold_again(&to, from.sr.sr);
	if (!to.sr->backend->vdi_import)
		return err(Unimplemented, "DATA.copy");
	return copy_held(c, &from, to.sr, in, out);
}
