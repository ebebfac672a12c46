/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VDI: virtual disks. They are made and changed by plans; a name is told to the storage as well,
 * which keeps it with the disk.
 */
#include "xapid/api/hooks.h"
#include "xapid/db/db.h"
#include "xapid/link/smd.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

MAY_WAIT struct err *hook_vdi_create(struct xapi_call *c, const void *const *args, void *out)
{
	return plan_vdi_create(&c->call, args[0], out);
}

MAY_WAIT struct err *hook_vdi_destroy(struct xapi_call *c, const void *const *args, void *out)
{
	return plan_vdi_destroy(&c->call, *(const char *const *)args[0]);
}

MAY_WAIT struct err *xapi_vdi_clone(
	struct call *c, const struct xenapi_vdi_clone_in *in, const char **out)
{
	return plan_vdi_clone(c, in->vdi, XENAPI_VDI_OPERATIONS_CLONE, out);
}

MAY_WAIT struct err *xapi_vdi_snapshot(
	struct call *c, const struct xenapi_vdi_snapshot_in *in, const char **out)
{
	return plan_vdi_clone(c, in->vdi, XENAPI_VDI_OPERATIONS_SNAPSHOT, out);
}

MAY_WAIT struct err *xapi_vdi_copy(
	struct call *c, const struct xenapi_vdi_copy_in *in, const char **out)
{
	if (!ref_is_null(in->base_vdi) || !ref_is_null(in->into_vdi))
		return err(NOT_IMPLEMENTED, "VDI.copy over another VDI");
	return plan_vdi_copy(c, in->vdi, in->sr, out);
}

MAY_WAIT struct err *xapi_vdi_resize(struct call *c, const struct xenapi_vdi_resize_in *in)
{
	return plan_vdi_resize(c, in->vdi, in->size, XENAPI_VDI_OPERATIONS_RESIZE);
}

MAY_WAIT struct err *xapi_vdi_resize_online(
	struct call *c, const struct xenapi_vdi_resize_online_in *in)
{
	return plan_vdi_resize(c, in->vdi, in->size, XENAPI_VDI_OPERATIONS_RESIZE_ONLINE);
}

/* ---- notes ---- */

/* A VDI that is there and was not known: smd tells what it is. */
MAY_WAIT struct err *xapi_vdi_introduce(
	struct call *c, const struct xenapi_vdi_introduce_in *in, const char **out)
{
	AUTO(op_end) struct op doing = {0};
	const struct xenapi_sr *sr;
	struct xenapi_vdi row = db_blank(vdi);
	struct storage_vdi made;

	TRY(op_begin(
		&doing, &sr_rules, in->SR, XENAPI_STORAGE_OPERATIONS_VDI_INTRODUCE, call_task(c)));
	if (smd_vdi_ref(in->SR, in->location))
		return err(LOCATION_NOT_UNIQUE, in->SR, in->location);
	TRY(db_get(sr, in->SR, &sr));
	const struct storage_vdi_introduce_in smd_in = {
		arena_strdup(c->arena, sr->uuid), in->uuid, in->location, in->sm_config};
	TRY(link_error(
		storage_vdi_introduce(link_smd.client, &smd_in, c->arena, &made, plan_soon()),
		NULL));
	smd_vdi_fill(&made, in->SR, &row);
	row.name_label = in->name_label;
	row.name_description = in->name_description;
	row.other_config = in->other_config;
	row.xenstore_data = in->xenstore_data;
	TRY(db_create(vdi, &row, out));
	op_list(&vdi_rules, *out);
	*out = arena_strdup(c->arena, *out);
	return NULL;
}

MAY_WAIT struct err *xapi_vdi_forget(struct call *c, const struct xenapi_vdi_forget_in *in)
{
	AUTO(op_end) struct op doing = {0};

	TRY(op_begin(&doing, &vdi_rules, in->vdi, XENAPI_VDI_OPERATIONS_FORGET, call_task(c)));
	return db_delete(vdi, in->vdi);
}

/* ---- settings ---- */

/* Name and description are kept with the disk too, where its driver has a place for them. */
static MAY_WAIT struct err *tell_storage(
	struct call *c, const char *vdi, const char *label, const char *description)
{
	const struct xenapi_vdi *row;
	const struct xenapi_sr *sr;

	TRY(db_get(vdi, vdi, &row));
	TRY(db_get(sr, row->SR, &sr));
	if (!sr_is_plugged(sr, NULL))
		return NULL;
	const struct storage_vdi_set_in in = {.sr = arena_strdup(c->arena, sr->uuid),
		.vdi = arena_strdup(c->arena, row->location),
		.name_label = label,
		.name_description = description};
	return link_error(storage_vdi_set(link_smd.client, &in, c->arena, plan_soon()), NULL);
}

MAY_WAIT struct err *xapi_vdi_set_name_label(
	struct call *c, const struct xenapi_vdi_set_name_label_in *in)
{
	TRY(tell_storage(c, in->self, in->value, NULL));
	return db_write(vdi, in->self, name_label, in->value);
}

MAY_WAIT struct err *xapi_vdi_set_name_description(
	struct call *c, const struct xenapi_vdi_set_name_description_in *in)
{
	TRY(tell_storage(c, in->self, NULL, in->value));
	return db_write(vdi, in->self, name_description, in->value);
}

MAY_WAIT struct err *xapi_vdi_set_read_only(
	struct call *c, const struct xenapi_vdi_set_read_only_in *in)
{
	return db_write(vdi, in->self, read_only, in->value);
}

MAY_WAIT struct err *xapi_vdi_set_sharable(
	struct call *c, const struct xenapi_vdi_set_sharable_in *in)
{
	return db_write(vdi, in->self, sharable, in->value);
}
