/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SR and PBD: storage repositories, and this host's connections to them.
 */
#include "common/uuid.h"
#include "xapid/api/hooks.h"
#include "xapid/db/db.h"
#include "xapid/link/smd.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

#include <string.h>

#define OP(name) XENAPI_STORAGE_OPERATIONS_##name

/* ---- SR ---- */

MAY_WAIT struct err *xapi_sr_create(
	struct call *c, const struct xenapi_sr_create_in *in, const char **out)
{
	const struct plan_sr what = {
		.host = in->host,
		.device_config = in->device_config,
		.physical_size = in->physical_size,
		.name_label = in->name_label,
		.name_description = in->name_description,
		.type = in->type,
		.content_type = in->content_type,
		.shared = in->shared,
		.sm_config = in->sm_config,
	};
	const struct xenapi_host *host;

	TRY(db_get(host, in->host, &host));
	return plan_sr_create(c, &what, out);
}

MAY_WAIT struct err *xapi_sr_introduce(
	struct call *c, const struct xenapi_sr_introduce_in *in, const char **out)
{
	struct xenapi_sr sr = db_blank(sr);
	struct uuid uuid;

	if (*in->uuid && uuid_from_text(&uuid, in->uuid) < 0)
		return err(INVALID_VALUE, "uuid", in->uuid);
	if (db_find_uuid(sr, in->uuid))
		return err(SR_UUID_EXISTS, in->uuid);
	sr.uuid = in->uuid;
	sr.name_label = in->name_label;
	sr.name_description = in->name_description;
	sr.type = in->type;
	sr.content_type = in->content_type;
	sr.shared = in->shared;
	sr.sm_config = in->sm_config;
	sr.default_vdi_visibility = true;
	TRY(db_create(sr, &sr, out));
	op_list(&sr_rules, *out);
	*out = arena_strdup(c->arena, *out);
	return NULL;
}

MAY_WAIT struct err *xapi_sr_destroy(struct call *c, const struct xenapi_sr_destroy_in *in)
{
	return plan_sr_destroy(c, in->sr);
}

/* The storage stays; VDIs and PBDs of it are forgotten too. */
MAY_WAIT struct err *xapi_sr_forget(struct call *c, const struct xenapi_sr_forget_in *in)
{
	AUTO(op_end) struct op doing = {0};

	TRY(op_begin(&doing, &sr_rules, in->sr, OP(FORGET), call_task(c)));
	return plan_sr_delete_rows(in->sr);
}

MAY_WAIT struct err *xapi_sr_scan(struct call *c, const struct xenapi_sr_scan_in *in)
{
	return plan_sr_scan(c, in->sr);
}

MAY_WAIT struct err *xapi_sr_update(struct call *c, const struct xenapi_sr_update_in *in)
{
	const struct xenapi_sr *row;
	struct storage_sr sr;

	TRY(db_get(sr, in->sr, &row));
	const struct storage_sr_stat_in smd_in = {arena_strdup(c->arena, row->uuid)};
	TRY(link_error(
		storage_sr_stat(link_smd.client, &smd_in, c->arena, &sr, plan_soon()), NULL));
	return smd_sr_note(in->sr, &sr);
}

MAY_WAIT struct err *xapi_sr_get_supported_types(struct call *c, struct string_list *out)
{
	*out = (struct string_list){arena_calloc(c->arena, db_count(sm), sizeof(*out->v)), 0};
	db_for_each (sm, row)
		out->v[out->n++] =
			arena_strdup(c->arena, ((const struct xenapi_sm *)db_record(row))->type);
	return NULL;
}

/* What the driver knows of SRs that a configuration can mean. */
static MAY_WAIT struct err *probe(
	struct call *c, const struct storage_sr_probe_in *in, struct storage_probe_result *out)
{
	const struct link_work work = {.call = c};
	const char *task;

	TRY(link_error(link_wait_up(&link_smd), NULL));
	TRY(link_error(storage_sr_probe(link_smd.client, in, c->arena, &task, plan_soon()), NULL));
	return plan_await_storage(&work, task, &storage_type_probe_result, c->arena, out);
}

MAY_WAIT struct err *xapi_sr_probe(
	struct call *c, const struct xenapi_sr_probe_in *in, const char **out)
{
	const struct storage_sr_probe_in smd_in = {
		in->type, smd_secrets(&in->device_config, c->arena), in->sm_config};
	struct storage_probe_result found;

	TRY(probe(c, &smd_in, &found));
	if (found.kind != STORAGE_PROBE_RESULT_RAW)
		return err(SR_OPERATION_NOT_SUPPORTED, REF_NULL);
	*out = found.raw;
	return NULL;
}

MAY_WAIT struct err *xapi_sr_set_name_label(
	struct call *c, const struct xenapi_sr_set_name_label_in *in)
{
	return db_write(sr, in->sr, name_label, in->value);
}

MAY_WAIT struct err *xapi_sr_set_name_description(
	struct call *c, const struct xenapi_sr_set_name_description_in *in)
{
	return db_write(sr, in->sr, name_description, in->value);
}

/* ---- PBD ---- */

MAY_WAIT struct err *hook_pbd_create(struct xapi_call *c, const void *const *args, void *out)
{
	struct xenapi_pbd pbd = *(const struct xenapi_pbd *)args[0];
	AUTO(op_end) struct op doing = {0};
	const struct xenapi_host *host;
	const struct xenapi_sr *sr;
	const char *ref;

	TRY(db_get(host, pbd.host, &host));
	TRY(op_begin(&doing, &sr_rules, pbd.SR, OP(PBD_CREATE), c->task));
	TRY(db_get(sr, pbd.SR, &sr));
	for (size_t i = 0; i < sr->PBDs.n; i++) {
		const struct xenapi_pbd *there = db_find(pbd, sr->PBDs.v[i]);

		if (!strcmp(there->host, pbd.host))
			return err(PBD_EXISTS, pbd.SR, pbd.host, sr->PBDs.v[i]);
	}
	pbd.currently_attached = false;
	TRY(db_create(pbd, &pbd, &ref));
	*(const char **)out = arena_strdup(c->call.arena, ref);
	return NULL;
}

MAY_WAIT struct err *hook_pbd_destroy(struct xapi_call *c, const void *const *args, void *out)
{
	const char *ref = *(const char *const *)args[0];
	AUTO(op_end) struct op doing = {0};
	const struct xenapi_pbd *pbd;

	TRY(db_get(pbd, ref, &pbd));
	TRY(op_begin(
		&doing, &sr_rules, arena_strdup(c->call.arena, pbd->SR), OP(PBD_DESTROY), c->task));
	TRY(db_get(pbd, ref, &pbd));
	if (pbd->currently_attached)
		return err(OPERATION_NOT_ALLOWED, "PBD is currently attached");
	return db_delete(pbd, ref);
}

MAY_WAIT struct err *xapi_pbd_plug(struct call *c, const struct xenapi_pbd_plug_in *in)
{
	return plan_pbd_plug(c, in->self);
}

MAY_WAIT struct err *xapi_pbd_unplug(struct call *c, const struct xenapi_pbd_unplug_in *in)
{
	return plan_pbd_unplug(c, in->self);
}

MAY_WAIT struct err *xapi_pbd_set_device_config(
	struct call *c, const struct xenapi_pbd_set_device_config_in *in)
{
	const struct xenapi_pbd *pbd;

	TRY(db_get(pbd, in->self, &pbd));
	if (pbd->currently_attached)
		return err(OPERATION_NOT_ALLOWED, "PBD is currently attached");
	return db_write(pbd, in->self, device_config, in->value);
}
