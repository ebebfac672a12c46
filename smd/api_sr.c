/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of class SR. SR.update_snapshot_info is not built yet.
 */
#include "common/rpc.h"
#include "common/updates.h"
#include "common/uuid.h"
#include "core.gen.h"
#include "smd/smd.h"
#include "smd/sr.h"

#include <string.h>

static struct err *check_id(const char *sr)
{
	struct uuid uuid;

	if (uuid_from_text(&uuid, sr))
		return err(INVALID_VALUE, "sr", "not a UUID");
	return NULL;
}

MAY_WAIT struct err *api_sr_create(
	struct call *c, const struct storage_sr_create_in *in, struct storage_secret_map *out)
{
	const struct backend *backend;

	TRY(check_id(in->sr));
	if (map_has(&smd.srs, in->sr))
		return err(Sr_attached, in->sr);
	TRY(backend_of(in->type, &backend));
	if (!backend->sr_create)
		return err(Unimplemented, "SR.create");
	return backend->sr_create(in, c->arena, out);
}

MAY_WAIT struct err *api_sr_probe(
	struct call *c, const struct storage_sr_probe_in *in, struct storage_probe_result *out)
{
	const struct backend *backend;

	TRY(backend_of(in->type, &backend));
	if (!backend->sr_probe)
		return err(Unimplemented, "SR.probe");
	return backend->sr_probe(in, c->arena, out);
}

MAY_WAIT struct err *api_sr_attach(struct call *c, const struct storage_sr_attach_in *in)
{
	TRY(check_id(in->sr));
	return sr_attach(in);
}

MAY_WAIT struct err *api_sr_detach(struct call *c, const struct storage_sr_detach_in *in)
{
	return sr_detach(in->sr);
}

MAY_WAIT struct err *api_sr_destroy(struct call *c, const struct storage_sr_destroy_in *in)
{
	return sr_destroy(in->sr);
}

MAY_WAIT struct err *api_sr_reset(struct call *c, const struct storage_sr_reset_in *in)
{
	return sr_reset(in->sr);
}

MAY_WAIT struct err *api_sr_scan(
	struct call *c, const struct storage_sr_scan_in *in, struct storage_sr_content *out)
{
	AUTO(sr_hold_end) struct sr_hold h = {0};

	TRY(sr_hold(&h, in->sr));
	TRY(h.sr->backend->sr_scan(h.sr, c->arena, &out->vdis));
	return h.sr->backend->sr_stat(h.sr, c->arena, &out->sr);
}

MAY_WAIT struct err *api_sr_stat(
	struct call *c, const struct storage_sr_stat_in *in, struct storage_sr *out)
{
	AUTO(sr_hold_end) struct sr_hold h = {0};

	auto_err e = sr_hold(&h, in->sr);
	if (!e)
		return h.sr->backend->sr_stat(h.sr, c->arena, out);
	if (!err_is(e, &ERR_Sr_unhealthy))
		return take(e);
	struct sr *sr = map_get(&smd.srs, in->sr);
	*out = (struct storage_sr)STORAGE_SR_INIT;
	out->sr = in->sr;
	out->health = sr ? sr->health : STORAGE_SR_HEALTH_UNAVAILABLE;
	return NULL;
}

MAY_WAIT struct err *api_sr_list(struct call *c, struct string_list *out)
{
	out->v = arena_calloc(c->arena, smd.srs.n, sizeof(*out->v));
	map_for_each (slot, &smd.srs)
		out->v[out->n++] = arena_strdup(c->arena, slot->key);
	return NULL;
}

MAY_WAIT struct err *api_sr_set(struct call *c, const struct storage_sr_set_in *in)
{
	AUTO(sr_hold_end) struct sr_hold h = {0};

	TRY(sr_hold(&h, in->sr));
	if (!h.sr->backend->sr_set)
		return err(Unimplemented, "SR.set");
	TRY(h.sr->backend->sr_set(h.sr, in));
	updates_add("sr", in->sr);
	return NULL;
}
