/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SRs: made, plugged, scanned and erased by smd. The rows of an SR and its PBD come once the
 * storage is there; the VDIs are those that a scan finds.
 */
#define LOG_MODULE "sr"

#include "common/fiber.h"
#include "common/log.h"
#include "common/map.h"
#include "common/undo.h"
#include "common/uuid.h"
#include "xapid/db/db.h"
#include "xapid/forward/forward.h"
#include "xapid/gate/call.h"
#include "xapid/link/smd.h"
#include "xapid/link/xenopsd.h"
#include "xapid/plan/metadata.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

#include <string.h>

#define OP(name) XENAPI_STORAGE_OPERATIONS_##name

/* ---- create ---- */

/* An SR in the making; on the stack of its plan. */
struct making {
	struct call *call;
	const struct plan_sr *what;
	const char *uuid;
	const char *sr, *pbd; /* rows; NULL: not yet */
};

static bool has_driver(const char *type)
{
	db_for_each (sm, row) {
		if (!strcmp(((const struct xenapi_sm *)db_record(row))->type, type))
			return true;
	}
	return false;
}

/* Answers with the configuration that attaches it. */
static MAY_WAIT struct err *make_storage(struct making *m, struct string_map *config)
{
	struct arena *a = m->call->arena;
	struct storage_sr_create_in in = STORAGE_SR_CREATE_IN_INIT;
	const struct link_work work = {m->call, "SR.create", 0, 0.5};
	const char *task;

	in.sr = m->uuid;
	in.type = m->what->type;
	in.device_config = smd_secrets(&m->what->device_config, a);
	in.name_label = m->what->name_label;
	in.name_description = m->what->name_description;
	in.physical_size_bytes = m->what->physical_size;
	TRY(link_error(storage_sr_create(link_smd.client, &in, a, &task, plan_soon()), NULL));
	return plan_await_storage(&work, task, &type_map_string, a, config);
}

static struct err *add_rows(struct making *m, const struct string_map *config)
{
	const struct plan_sr *what = m->what;
	struct xenapi_sr sr = db_blank(sr);
	struct xenapi_pbd pbd = db_blank(pbd);

	sr.uuid = m->uuid;
	sr.name_label = what->name_label;
	sr.name_description = what->name_description;
	sr.type = what->type;
	sr.content_type = what->content_type;
	sr.shared = what->shared;
	sr.sm_config = what->sm_config;
	sr.default_vdi_visibility = true;
	TRY(db_create(sr, &sr, &m->sr));
	m->sr = arena_strdup(m->call->arena, m->sr);
	pbd.host = what->host;
	pbd.SR = m->sr;
	pbd.device_config = *config;
	TRY(db_create(pbd, &pbd, &m->pbd));
	m->pbd = arena_strdup(m->call->arena, m->pbd);
	return NULL;
}

static MAY_WAIT struct err *remove_rows(void *arg)
{
	struct making *m = arg;

	return m->sr && db_find(sr, m->sr) ? plan_sr_delete_rows(m->sr) : NULL;
}

/* The other hosts' connections to a shared one; *PBDS: those of hosts that are there. */
static struct err *add_shared(struct making *m, struct string_list *pbds)
{
	*pbds = (struct string_list){
		arena_calloc(m->call->arena, db_count(host), sizeof(*pbds->v)), 0};
	db_for_each (host, row) {
		const struct xenapi_host *host = db_record(row);
		const struct xenapi_host_metrics *metrics = db_find(host_metrics, host->metrics);
		const struct xenapi_pbd *first = db_find(pbd, m->pbd);
		struct xenapi_pbd pbd = db_blank(pbd);
		const char *ref;

		if (!strcmp(db_ref(row), m->what->host))
			continue;
		pbd.host = db_ref(row);
		pbd.SR = m->sr;
		pbd.device_config = first->device_config;
		TRY(db_create(pbd, &pbd, &ref));
		if (metrics && metrics->live)
			pbds->v[pbds->n++] = arena_strdup(m->call->arena, ref);
	}
	return NULL;
}

/* That it cannot be reached from another host now is no reason not to have it. */
static MAY_WAIT struct err *share(struct making *m)
{
	struct string_list pbds;

	TRY(add_shared(m, &pbds));
	TRY(plan_commit());
	for (size_t i = 0; i < pbds.n; i++) {
		auto_err e = forward_pbd_plug(m->call, pbds.v[i]);

		if (e)
			log_err(LOG_WARN_, e, "plugging %s", pbds.v[i]);
		TRY(fiber_check());
	}
	return NULL;
}

MAY_WAIT struct err *plan_sr_create(struct call *c, const struct plan_sr *what, const char **out)
{
	AUTO(undo_run) struct undo undo = {0};
	char uuid[UUID_TEXT_SIZE];
	struct making m = {.call = c, .what = what, .uuid = uuid_random_text(uuid)};
	const struct link_work attach = {c, "SR.attach", 0.5, 0.4};
	struct string_map config = {0};

	TRY(link_error(link_wait_up(&link_smd), NULL));
	if (!has_driver(what->type))
		return err(SR_UNKNOWN_DRIVER, what->type);
	TRY(make_storage(&m, &config));
	undo_push(&undo, remove_rows, &m, "forgetting the SR");
	TRY(add_rows(&m, &config));
	TRY(plan_commit());
	TRY(smd_attach(m.pbd, &attach));
	TRY(plan_sr_scan(c, m.sr));
	if (what->shared)
		TRY(share(&m));
	*out = m.sr;
	return undo_commit(&undo);
}

/* ---- scan ---- */

/* What is there and not in the database is added; what differs is noted. */
static struct err *note_found(const char *sr, const struct storage_vdi_list *vdis)
{
	for (size_t i = 0; i < vdis->n; i++) {
		const char *ref = smd_vdi_ref(sr, vdis->v[i].vdi);

		if (ref) {
			TRY(smd_vdi_note(ref, &vdis->v[i]));
			continue;
		}
		struct xenapi_vdi row = db_blank(vdi);
		smd_vdi_fill(&vdis->v[i], sr, &row);
		if (db_find_uuid(vdi, row.uuid))
			row.uuid = "";
		TRY(db_create(vdi, &row, &ref));
		op_list(&vdi_rules, ref);
	}
	return NULL;
}

/* What is in the database and not there is gone. */
static struct err *forget_missing(const char *sr, const struct storage_vdi_list *vdis)
{
	AUTO(map_fini) struct map there = {0};
	auto_arena arena = {0};
	const struct xenapi_sr *row = db_find(sr, sr);
	struct string_list rows = metadata_list(&row->VDIs, &arena);

	for (size_t i = 0; i < vdis->n; i++)
		map_put(&there, vdis->v[i].vdi, &vdis->v[i]);
	for (size_t i = 0; i < rows.n; i++) {
		const struct xenapi_vdi *vdi = db_find(vdi, rows.v[i]);

		if (!map_has(&there, vdi->location))
			TRY(db_delete(vdi, rows.v[i]));
	}
	return NULL;
}

MAY_WAIT struct err *plan_sr_scan(struct call *c, const char *sr)
{
	AUTO(plan_ops_end) struct plan_ops ops = {0};
	struct xapi_call *x = xapi_call(c);
	bool is_own = x->message && !strcmp(x->name, "SR.scan");
	const struct link_work work = {
		.call = is_own ? c : NULL, .part = is_own ? NULL : "SR.scan"};
	const struct xenapi_sr *row;
	struct storage_sr_content content;
	const char *task;

	TRY(plan_op(&ops, &sr_rules, sr, OP(SCAN), c));
	TRY(db_get(sr, sr, &row));
	if (!sr_is_plugged(row, NULL))
		return err(SR_HAS_NO_PBDS, sr);
	const struct storage_sr_scan_in in = {arena_strdup(c->arena, row->uuid)};
	TRY(link_error(storage_sr_scan(link_smd.client, &in, c->arena, &task, plan_soon()), NULL));
	TRY(plan_await_storage(&work, task, &storage_type_sr_content, c->arena, &content));
	if (!db_find(sr, sr))
		return err(HANDLE_INVALID, "SR", sr);
	TRY(note_found(sr, &content.vdis));
	TRY(forget_missing(sr, &content.vdis));
	return smd_sr_note(sr, &content.sr);
}

/* ---- plug, unplug, destroy ---- */

static struct err *check_here(const struct xenapi_pbd *pbd)
{
	return strcmp(pbd->host, host_here()) ? err(HOST_OFFLINE, pbd->host) : NULL;
}

MAY_WAIT struct err *plan_pbd_plug(struct call *c, const char *pbd)
{
	AUTO(plan_ops_end) struct plan_ops ops = {0};
	const struct link_work work = {.call = c};
	const struct xenapi_pbd *row;

	TRY(db_get(pbd, pbd, &row));
	TRY(check_here(row));
	if (row->currently_attached)
		return NULL;
	TRY(plan_op(&ops, &sr_rules, arena_strdup(c->arena, row->SR), OP(PLUG), c));
	TRY(link_error(link_wait_up(&link_smd), NULL));
	return smd_attach(pbd, &work);
}

/* Whose VDIs are in use stays. */
static struct err *check_unused(const struct xenapi_sr *sr)
{
	for (size_t i = 0; i < sr->VDIs.n; i++) {
		const struct xenapi_vdi *vdi = db_find(vdi, sr->VDIs.v[i]);

		for (size_t j = 0; j < vdi->VBDs.n; j++) {
			if (vbd_holds(db_find(vbd, vdi->VBDs.v[j])))
				return err(VDI_IN_USE, sr->VDIs.v[i], "detach");
		}
	}
	return NULL;
}

static MAY_WAIT struct err *detach(struct call *c, const char *uuid, const struct link_work *work)
{
	const struct storage_sr_detach_in in = {uuid};
	const char *task;
	struct err *e = storage_sr_detach(link_smd.client, &in, c->arena, &task, plan_soon());

	e = e ? link_error(e, NULL) : plan_await_storage(work, task, NULL, c->arena, NULL);
	if (err_is(e, &ERR_SR_NOT_ATTACHED))
		err_free(take(e));
	return e;
}

MAY_WAIT struct err *plan_pbd_unplug(struct call *c, const char *pbd)
{
	AUTO(plan_ops_end) struct plan_ops ops = {0};
	const struct link_work work = {.call = c};
	const struct xenapi_pbd *row;
	const struct xenapi_sr *sr;

	TRY(db_get(pbd, pbd, &row));
	TRY(check_here(row));
	if (!row->currently_attached)
		return NULL;
	TRY(db_get(sr, row->SR, &sr));
	const char *uuid = arena_strdup(c->arena, sr->uuid);
	TRY(plan_op(&ops, &sr_rules, arena_strdup(c->arena, row->SR), OP(UNPLUG), c));
	TRY(db_get(sr, db_find_uuid(sr, uuid), &sr));
	TRY(check_unused(sr));
	TRY(link_error(link_wait_up(&link_smd), NULL));
	TRY(detach(c, uuid, &work));
	if (!db_find(pbd, pbd))
		return NULL;
	TRY(db_write(pbd, pbd, currently_attached, false));
	rules_sr_plugged(db_find(pbd, pbd)->SR);
	return NULL;
}

struct err *plan_sr_delete_rows(const char *sr)
{
	auto_arena arena = {0};
	const struct xenapi_sr *row = db_find(sr, sr);
	struct string_list vdis = metadata_list(&row->VDIs, &arena);
	struct string_list pbds = metadata_list(&row->PBDs, &arena);

	for (size_t i = 0; i < vdis.n; i++)
		TRY(db_delete(vdi, vdis.v[i]));
	for (size_t i = 0; i < pbds.n; i++)
		TRY(db_delete(pbd, pbds.v[i]));
	return db_delete(sr, sr);
}

/* To erase it the driver wants it attached, though the PBDs are unplugged. */
static MAY_WAIT struct err *erase(struct call *c, const char *sr)
{
	const struct xenapi_sr *row = db_find(sr, sr);
	const char *pbd = arena_strdup(c->arena, row->PBDs.v[0]);
	const struct storage_sr_destroy_in in = {arena_strdup(c->arena, row->uuid)};
	const struct link_work attach = {c, "SR.attach", 0, 0.5};
	const struct link_work destroy = {c, "SR.destroy", 0.5, 0.5};
	const char *task;

	TRY(smd_attach(pbd, &attach));
	struct err *e = link_error(
		storage_sr_destroy(link_smd.client, &in, c->arena, &task, plan_soon()), NULL);
	return e ? e : plan_await_storage(&destroy, task, NULL, c->arena, NULL);
}

MAY_WAIT struct err *plan_sr_destroy(struct call *c, const char *sr)
{
	AUTO(plan_ops_end) struct plan_ops ops = {0};

	TRY(plan_op(&ops, &sr_rules, sr, OP(DESTROY), c));
	TRY(link_error(link_wait_up(&link_smd), NULL));
	TRY(erase(c, sr));
	return db_find(sr, sr) ? plan_sr_delete_rows(sr) : NULL;
}
