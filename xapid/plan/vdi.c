/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VDIs, made and changed by smd and noted here: the row comes after the disk and goes after it, so
 * what is interrupted is found by the next scan of the SR and not lost.
 */
#include "common/undo.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/link/smd.h"
#include "xapid/plan/freeze.h"
#include "xapid/plan/metadata.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

#define SR_OP(name)  XENAPI_STORAGE_OPERATIONS_VDI_##name
#define VDI_OP(name) XENAPI_VDI_OPERATIONS_##name

/* Where a VDI is, as smd has it. */
struct place {
	const char *sr, *vdi; /* for smd */
	const char *sr_ref;
};

static struct err *check_plugged(const char *sr)
{
	const struct xenapi_sr *row;

	TRY(db_get(sr, sr, &row));
	return sr_is_plugged(row, NULL) ? NULL : err(SR_HAS_NO_PBDS, sr);
}

static struct err *place_of(const char *vdi, struct arena *a, struct place *out)
{
	const struct xenapi_vdi *row;
	const struct xenapi_sr *sr;

	TRY(db_get(vdi, vdi, &row));
	TRY(db_get(sr, row->SR, &sr));
	TRY(check_plugged(row->SR));
	*out = (struct place){arena_strdup(a, sr->uuid), arena_strdup(a, row->location),
		arena_strdup(a, row->SR)};
	return NULL;
}

/* How the call shows a task: as the call's own where the call is about the one VDI alone. */
static struct link_work work_of(struct call *c, const char *part)
{
	struct xapi_call *x = c ? xapi_call(c) : NULL;
	bool is_own = x && x->message && x->message->class == &xenapi_class_vdi;

	return (struct link_work){.call = is_own ? c : NULL, .part = is_own ? NULL : part};
}

/* ---- create, destroy ---- */

/* The new disk's row: what smd says, and what only the client and the database know. */
static struct err *add_row(const struct storage_vdi *made, const char *sr,
	const struct xenapi_vdi *asked, const char **out)
{
	struct xenapi_vdi row = db_blank(vdi);

	smd_vdi_fill(made, sr, &row);
	row.name_label = asked->name_label;
	row.name_description = asked->name_description;
	row.other_config = asked->other_config;
	row.xenstore_data = asked->xenstore_data;
	row.tags = asked->tags;
	TRY(db_create(vdi, &row, out));
	op_list(&vdi_rules, *out);
	return NULL;
}

MAY_WAIT struct err *plan_vdi_create(
	struct call *c, const struct xenapi_vdi *what, const char **out)
{
	AUTO(plan_ops_end) struct plan_ops ops = {0};
	const struct link_work work = work_of(c, "VDI.create");
	const struct xenapi_sr *sr;
	struct storage_vdi made;
	const char *task;

	TRY(plan_op(&ops, &sr_rules, what->SR, SR_OP(CREATE), c));
	TRY(check_plugged(what->SR));
	TRY(db_get(sr, what->SR, &sr));
	struct storage_vdi_create_in in = {
		.sr = arena_strdup(c->arena, sr->uuid), .spec = STORAGE_VDI_SPEC_INIT};
	in.spec.virtual_size_bytes = what->virtual_size;
	in.spec.name_label = what->name_label;
	in.spec.name_description = what->name_description;
	in.spec.type = type_case_name(&xenapi_type_vdi_type, (int)what->type);
	in.spec.sharable = what->sharable;
	in.spec.read_only = what->read_only;
	in.spec.sm_config = what->sm_config;
	/* xenopsd writes a memory as bytes, one after the other. */
	if (what->type == XENAPI_VDI_TYPE_SUSPEND)
		in.spec.image_format = "raw";
	TRY(plan_commit());
	TRY(link_error(
		storage_vdi_create(link_smd.client, &in, c->arena, &task, plan_soon()), NULL));
	TRY(plan_await_storage(&work, task, &storage_type_vdi, c->arena, &made));
	TRY(add_row(&made, what->SR, what, out));
	*out = arena_strdup(c->arena, *out);
	return NULL;
}

MAY_WAIT struct err *plan_vdi_destroy(struct call *c, const char *vdi)
{
	AUTO(plan_ops_end) struct plan_ops ops = {0};
	const struct link_work work = work_of(c, "VDI.destroy");
	struct place place;
	const char *task;

	TRY(place_of(vdi, c->arena, &place));
	TRY(plan_op(&ops, &sr_rules, place.sr_ref, SR_OP(DESTROY), c));
	TRY(plan_op(&ops, &vdi_rules, vdi, VDI_OP(DESTROY), c));
	TRY(plan_commit());
	const struct storage_vdi_destroy_in in = {place.sr, place.vdi};
	struct err *e = storage_vdi_destroy(link_smd.client, &in, c->arena, &task, plan_soon());
	e = e ? link_error(e, NULL) : plan_await_storage(&work, task, NULL, c->arena, NULL);
	if (err_is(e, &ERR_VDI_MISSING))
		err_free(take(e));
	if (e)
		return e;
	return db_find(vdi, vdi) ? db_delete(vdi, vdi) : NULL;
}

/* ---- another one of it ---- */

static MAY_WAIT struct err *ask_for_clone(struct call *c, const struct place *place,
	enum xenapi_vdi_operations op, const char *frozen, const char **task)
{
	if (op == VDI_OP(SNAPSHOT)) {
		const struct storage_vdi_snapshot_in in = {
			.sr = place->sr, .vdi = place->vdi, .frozen = frozen};

		return storage_vdi_snapshot(link_smd.client, &in, c->arena, task, plan_soon());
	}
	const struct storage_vdi_clone_in in = {
		.sr = place->sr, .vdi = place->vdi, .frozen = frozen};

	return storage_vdi_clone(link_smd.client, &in, c->arena, task, plan_soon());
}

/* The row of a disk that was made from VDI: it is called the same. */
static struct err *add_offspring(struct call *c, const char *vdi, const char *sr,
	const struct storage_vdi *made, bool is_snapshot, const char **out)
{
	const struct xenapi_vdi *original;

	TRY(db_get(vdi, vdi, &original));
	struct storage_vdi as = *made;
	as.is_a_snapshot = is_snapshot;
	TRY(add_row(&as, sr, original, out));
	*out = arena_strdup(c->arena, *out);
	TRY(db_write(vdi, *out, snapshot_of, is_snapshot ? vdi : REF_NULL));
	TRY(db_write(vdi, *out, on_boot, original->on_boot));
	return db_write(vdi, *out, type, original->type);
}

/* The operations are under way. */
static MAY_WAIT struct err *clone(struct call *c, const char *vdi, const struct place *place,
	enum xenapi_vdi_operations op, const char *frozen, const char **out)
{
	bool is_snapshot = op == VDI_OP(SNAPSHOT);
	const struct link_work work = work_of(c, is_snapshot ? "VDI.snapshot" : "VDI.clone");
	struct storage_vdi made;
	const char *task;

	TRY(plan_commit());
	TRY(link_error(ask_for_clone(c, place, op, frozen, &task), NULL));
	TRY(plan_await_storage(&work, task, &storage_type_vdi, c->arena, &made));
	return add_offspring(c, vdi, place->sr_ref, &made, is_snapshot, out);
}

static MAY_WAIT struct err *begin_clone(struct call *c, struct plan_ops *ops, const char *vdi,
	enum xenapi_vdi_operations op, struct place *place)
{
	TRY(place_of(vdi, c->arena, place));
	TRY(plan_op(ops, &sr_rules, place->sr_ref,
		op == VDI_OP(SNAPSHOT) ? SR_OP(SNAPSHOT) : SR_OP(CLONE), c));
	return plan_op(ops, &vdi_rules, vdi, (int)op, c);
}

MAY_WAIT struct err *plan_vdi_clone_frozen(struct call *c, const char *vdi,
	enum xenapi_vdi_operations op, const char *frozen, const char **out)
{
	AUTO(plan_ops_end) struct plan_ops ops = {0};
	struct place place;

	TRY(begin_clone(c, &ops, vdi, op, &place));
	return clone(c, vdi, &place, op, frozen, out);
}

MAY_WAIT struct err *plan_vdi_clone(
	struct call *c, const char *vdi, enum xenapi_vdi_operations op, const char **out)
{
	AUTO(plan_ops_end) struct plan_ops ops = {0};
	struct place place;
	const char *frozen;

	TRY(begin_clone(c, &ops, vdi, op, &place));
	TRY(freeze_disk(c, vdi, &frozen));
	return clone(c, vdi, &place, op, frozen, out);
}

MAY_WAIT struct err *plan_vdi_copy(
	struct call *c, const char *vdi, const char *sr, const char **out)
{
	AUTO(plan_ops_end) struct plan_ops ops = {0};
	const struct link_work work = work_of(c, "VDI.copy");
	const struct xenapi_sr *dest;
	struct storage_vdi made;
	struct place place;
	const char *task;

	TRY(place_of(vdi, c->arena, &place));
	if (ref_is_null(sr))
		sr = place.sr_ref;
	TRY(check_plugged(sr));
	TRY(plan_op(&ops, &vdi_rules, vdi, VDI_OP(COPY), c));
	TRY(db_get(sr, sr, &dest));
	const struct storage_data_copy_in in = {
		.sr = place.sr, .vdi = place.vdi, .dest_sr = arena_strdup(c->arena, dest->uuid)};
	TRY(plan_commit());
	TRY(link_error(
		storage_data_copy(link_smd.client, &in, c->arena, &task, plan_soon()), NULL));
	TRY(plan_await_storage(&work, task, &storage_type_vdi, c->arena, &made));
	return add_offspring(c, vdi, sr, &made, false, out);
}

/* ---- resize ---- */

MAY_WAIT struct err *plan_vdi_resize(
	struct call *c, const char *vdi, int64_t size, enum xenapi_vdi_operations op)
{
	AUTO(plan_ops_end) struct plan_ops ops = {0};
	const struct link_work work = work_of(c, "VDI.resize");
	struct place place;
	int64_t bytes;
	const char *task;

	TRY(place_of(vdi, c->arena, &place));
	TRY(plan_op(&ops, &sr_rules, place.sr_ref, SR_OP(RESIZE), c));
	TRY(plan_op(&ops, &vdi_rules, vdi, (int)op, c));
	TRY(plan_commit());
	const struct storage_vdi_resize_in in = {place.sr, place.vdi, size};
	TRY(link_error(
		storage_vdi_resize(link_smd.client, &in, c->arena, &task, plan_soon()), NULL));
	TRY(plan_await_storage(&work, task, &type_int, c->arena, &bytes));
	return db_write(vdi, vdi, virtual_size, bytes);
}
