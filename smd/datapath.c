/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keeps the datapaths (datapath.h) and tells the drivers what a change of one of them means for its
 * VDI. Fibers.
 */
#define LOG_MODULE "datapath"
#include "smd/datapath.h"

#include "common/codec.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/updates.h"
#include "common/vec.h"
#include "core.gen.h"
#include "smd/nbd.h"
#include "smd/record.h"
#include "smd/smd.h"

#include <string.h>

/* ---- VDIs that are used or worked on ---- */

static struct vdi *vdi_of(const char *sr, const char *id)
{
	auto_str key = xasprintf("%s/%s", sr, id);
	struct vdi *vdi = map_get(&smd.vdis, key);

	if (!vdi) {
		vdi = xnew(struct vdi);
		vdi->key = take(key);
		mutex_init(&vdi->busy);
		list_init(&vdi->datapaths);
		map_put(&smd.vdis, vdi->key, vdi);
	}
	return vdi;
}

static void vdi_free(struct vdi *vdi)
{
	mutex_fini(&vdi->busy);
	free(vdi->key);
	free(vdi);
}

/* Forgets one that nobody has to do with any more. */
static void vdi_settle(struct vdi *vdi)
{
	if (vdi->n_users || !list_is_empty(&vdi->datapaths))
		return;
	map_remove(&smd.vdis, vdi->key);
	vdi_free(vdi);
}

static MAY_WAIT struct err *vdi_lock(struct vdi_hold *h, const char *id)
{
	struct vdi *vdi = vdi_of(h->sr.sr->id, id);

	vdi->n_users++;
	struct err *e = mutex_lock(&vdi->busy, "other work on the VDI", NEVER);
	if (e) {
		vdi->n_users--;
		vdi_settle(vdi);
		return e;
	}
	h->vdi = vdi;
	h->id = id;
	return NULL;
}

MAY_WAIT struct err *vdi_hold(struct vdi_hold *h, const char *sr, const char *id)
{
	TRY(sr_hold(&h->sr, sr));
	return vdi_lock(h, id);
}

MAY_WAIT struct err *vdi_hold_in(struct vdi_hold *h, struct sr *held, const char *id)
{
	sr_hold_again(&h->sr, held);
	return vdi_lock(h, id);
}

void vdi_hold_end(struct vdi_hold *h)
{
	struct vdi *vdi = take(h->vdi);

	if (vdi) {
		mutex_unlock(&vdi->busy);
		vdi->n_users--;
		vdi_settle(vdi);
	}
	sr_hold_end(&h->sr);
}

struct err *vdi_require_unused(const struct vdi_hold *h, bool may_read, const char *for_what)
{
	list_for_each (dp, &h->vdi->datapaths, struct datapath, link)
		if (!may_read || dp_is_read_write(dp->state))
			return err(Illegal_transition, dp_state_name(dp->state), for_what);
	return NULL;
}

/* ---- datapaths ---- */

struct datapath *datapath_find(const char *dp)
{
	return map_get(&smd.datapaths, dp);
}

/* Nor may a program that we started have the image open, which goes over to nothing. */
struct err *vdi_require_writer(const struct vdi_hold *h, const char *id, const char *for_what)
{
	const struct datapath *writer = datapath_find(id);

	if (!writer || writer->vdi != h->vdi)
		return err(Illegal_transition, dp_state_name(DP_DETACHED), for_what);
	list_for_each (dp, &h->vdi->datapaths, struct datapath, link)
		if (dp != writer || !dp_is_read_write(dp->state) || dp->nbd)
			return err(Illegal_transition, dp_state_name(dp->state), for_what);
	return NULL;
}

static struct datapath *datapath_add(const struct storage_datapath *value)
{
	struct datapath *dp = xnew(struct datapath);

	codec_keep(&storage_type_datapath, value, &dp->arena, &dp->value);
	dp->state = dp_state_of_wire(value->state, value->read_write);
	dp->vdi = vdi_of(value->sr, value->vdi);
	list_push_back(&dp->vdi->datapaths, &dp->link);
	map_put(&smd.datapaths, dp->value.dp, dp);
	return dp;
}

static void datapath_drop(struct datapath *dp)
{
	nbd_free(dp->nbd);
	list_remove(&dp->link);
	map_remove(&smd.datapaths, dp->value.dp);
	vdi_settle(dp->vdi);
	arena_fini(&dp->arena);
	free(dp);
}

static void set_state(struct datapath *dp, enum dp_state state)
{
	dp->state = state;
	dp->value.state = dp_wire_state(state);
	dp->value.read_write = dp_is_read_write(state);
}

/* Durable when it returns; DP is gone when it is detached. */
static MAY_WAIT struct err *save(struct datapath *dp, enum dp_state state)
{
	struct storage_datapath value = dp->value;

	value.state = dp_wire_state(state);
	value.read_write = dp_is_read_write(state);
	if (state == DP_DETACHED) {
		TRY(record_delete("datapath", value.dp));
		updates_remove("dp", value.dp);
		datapath_drop(dp);
		return NULL;
	}
	TRY(record_put("datapath", value.dp, &storage_type_datapath, &value));
	set_state(dp, state);
	updates_add("dp", value.dp);
	return NULL;
}

/* What a VDI needs when DP is in STATE and its other users are where they are. */
static struct vdi_need need_with(
	const struct vdi *vdi, const struct datapath *dp, enum dp_state state)
{
	struct vdi_need need = dp_need(state);

	list_for_each (other, &vdi->datapaths, struct datapath, link)
		if (other != dp)
			need = vdi_need_both(need, dp_need(other->state));
	return need;
}

/* ---- what the driver does ---- */

static MAY_WAIT struct err *bring_up(
	struct sr *sr, const char *vdi, struct vdi_need from, struct vdi_need to)
{
	const struct backend *b = sr->backend;

	if ((to.is_attached && !from.is_attached) || (to.attached_rw && !from.attached_rw))
		TRY(b->vdi_attach(sr, vdi, to.attached_rw));
	if ((to.is_activated && !from.is_activated) || (to.activated_rw && !from.activated_rw))
		TRY(b->vdi_activate(sr, vdi, to.activated_rw));
	return NULL;
}

static MAY_WAIT struct err *bring_down(
	struct sr *sr, const char *vdi, struct vdi_need from, struct vdi_need to)
{
	const struct backend *b = sr->backend;

	if (from.is_activated && !to.is_activated)
		TRY(b->vdi_deactivate(sr, vdi));
	if (from.is_attached && !to.is_attached)
		TRY(b->vdi_detach(sr, vdi));
	return NULL;
}

/* The record first, so that what the driver did is known whatever comes. */
static MAY_WAIT struct err *step_up(
	const struct vdi_hold *h, struct datapath *dp, enum dp_state before, enum dp_state to)
{
	struct vdi_need from = need_with(h->vdi, dp, before);

	TRY(save(dp, to));
	struct vdi_need need = need_with(h->vdi, dp, to);
	struct err *e = bring_up(h->sr.sr, h->id, from, need);
	if (!e)
		return NULL;
	auto_err down = bring_down(h->sr.sr, h->id, need, from);
	if (!down)
		down = save(dp, before);
	if (down)
		log_err(LOG_WARN_, down, "datapath %s was not taken back", dp->value.dp);
	return e;
}

static MAY_WAIT struct err *step_down(
	const struct vdi_hold *h, struct datapath *dp, enum dp_state to)
{
	nbd_stop(take(dp->nbd));
	TRY(bring_down(
		h->sr.sr, h->id, need_with(h->vdi, dp, dp->state), need_with(h->vdi, dp, to)));
	return save(dp, to);
}

/* ---- the steps ---- */

/* One that could not be taken down is tried again, before anybody else comes. */
static MAY_WAIT struct err *retry_leaked(const struct vdi_hold *h)
{
	list_for_each_safe (dp, &h->vdi->datapaths, struct datapath, link)
		if (dp->value.leaked)
			TRY(step_down(h, dp, DP_DETACHED));
	return NULL;
}

/* Whether the VDI is for that, and its other users leave room for it. */
static MAY_WAIT struct err *check_up(
	const struct vdi_hold *h, const struct datapath *dp, enum dp_op op, enum dp_state to)
{
	auto_arena a = {0};
	struct storage_vdi vdi;
	struct sr *sr = h->sr.sr;

	TRY(sr->backend->vdi_stat(sr, h->id, &a, &vdi));
	if (vdi.read_only && dp_is_read_write(to))
		return err(Illegal_transition, "read-only", dp_op_name(op));
	if (vdi.sharable)
		return NULL;
	list_for_each (other, &h->vdi->datapaths, struct datapath, link)
		if (!(dp && other == dp) && !dp_is_allowed_beside(to, other->state))
			return err(Illegal_transition, dp_state_name(other->state), dp_op_name(op));
	return NULL;
}

/* A datapath has one VDI. */
static struct err *check_same(const struct datapath *dp, const struct vdi_hold *h)
{
	return dp->vdi == h->vdi ? NULL : err(Already_exists, "dp", dp->value.dp);
}

static MAY_WAIT struct err *step(
	const struct vdi_hold *h, const char *id, const char *vm, enum dp_op op)
{
	enum dp_state to, from;

	TRY(retry_leaked(h));
	struct datapath *dp = datapath_find(id);
	if (dp)
		TRY(check_same(dp, h));
	from = dp ? dp->state : DP_DETACHED;
	if (!dp_next(from, op, &to))
		return err(Illegal_transition, dp_state_name(from), dp_op_name(op));
	if (to == from)
		return NULL;
	if (to < from)
		return step_down(h, dp, to);
	if (dp) {
		TRY(check_up(h, dp, op, to));
		return step_up(h, dp, from, to);
	}
	/* Known from now on: one who takes it back meanwhile finds it, and waits. */
	dp = datapath_add(&(struct storage_datapath){.dp = id,
		.sr = h->sr.sr->id,
		.vdi = h->id,
		.vm = vm,
		.state = STORAGE_DP_STATE_DETACHED});
	struct err *e = check_up(h, dp, op, to);
	if (!e)
		e = step_up(h, dp, from, to);
	/* When not even the record was written. */
	if (e && datapath_find(id) == dp && dp->state == DP_DETACHED)
		datapath_drop(dp);
	return e;
}

MAY_WAIT struct err *datapath_step(
	const struct vdi_hold *h, const char *id, const char *vm, enum dp_op op)
{
	fiber_cancel_mask();
	struct err *e = step(h, id, vm, op);
	fiber_cancel_unmask();
	return e;
}

MAY_WAIT struct err *datapath_serve(
	const struct vdi_hold *h, const char *id, struct arena *a, const char **out)
{
	struct datapath *dp = datapath_find(id);
	struct storage_implementation_list ways;
	struct storage_image_file image;

	if (!dp || dp->vdi != h->vdi || !dp_need(dp->state).is_activated)
		return err(Illegal_transition,
			dp_state_name(dp && dp->vdi == h->vdi ? dp->state : DP_DETACHED),
			"get_nbd_server");
	if (dp->nbd && nbd_has_ended(dp->nbd))
		nbd_free(take(dp->nbd));
	if (!dp->nbd) {
		TRY(h->sr.sr->backend->vdi_ways(h->sr.sr, h->id, a, &ways));
		TRY(backend_image(&ways, "DATA.get_nbd_server", &image));
		TRY(nbd_start(&dp->nbd, &image, dp_need(dp->state).activated_rw));
	}
	*out = arena_strdup(a, nbd_socket(dp->nbd));
	return NULL;
}

static MAY_WAIT struct err *leak(struct datapath *dp, struct err *why)
{
	auto_err e = why;

	log_err(LOG_WARN_, e, "datapath %s is leaked", dp->value.dp);
	dp->value.leaked = true;
	return save(dp, dp->state);
}

MAY_WAIT struct err *datapath_destroy(const char *id, bool allow_leak)
{
	AUTO(vdi_hold_end) struct vdi_hold h = {0};
	auto_arena a = {0};
	struct datapath *dp = datapath_find(id);

	if (!dp)
		return NULL;
	const char *sr = arena_strdup(&a, dp->value.sr);
	TRY(vdi_hold(&h, sr, arena_strdup(&a, dp->value.vdi)));
	dp = datapath_find(id);
	if (!dp || dp->vdi != h.vdi)
		return NULL;
	fiber_cancel_mask();
	struct err *e = step_down(&h, dp, DP_DETACHED);
	if (e && allow_leak)
		e = leak(dp, e);
	fiber_cancel_unmask();
	return e;
}

/* ---- all of an SR ---- */

static MAY_WAIT void end_one(struct sr *sr, struct datapath *dp)
{
	struct vdi_need now = need_with(dp->vdi, dp, dp->state);

	nbd_stop(take(dp->nbd));
	auto_err e = bring_down(sr, dp->value.vdi, now, need_with(dp->vdi, dp, DP_DETACHED));

	if (e)
		log_err(LOG_WARN_, e, "datapath %s was not taken down", dp->value.dp);
}

typedef vec_of(struct datapath *) datapath_vec;

static void find_all(const struct sr *sr, datapath_vec *out)
{
	map_for_each (slot, &smd.datapaths) {
		struct datapath *dp = slot->value;

		if (!strcmp(dp->value.sr, sr->id))
			vec_push(out, dp);
	}
}

MAY_WAIT struct err *datapaths_end(struct sr *sr, bool tell_driver)
{
	datapath_vec all = {0};
	struct err *e = NULL;

	find_all(sr, &all);
	vec_for_each (i, &all) {
		if (e)
			break;
		if (tell_driver)
			end_one(sr, all.v[i]);
		e = save(all.v[i], DP_DETACHED);
	}
	vec_fini(&all);
	return e;
}

struct recheck {
	struct sr *sr;
	struct datapath *dp;
};

static MAY_WAIT struct err *recheck(void *arg)
{
	static const struct vdi_need nothing;
	const struct recheck *r = arg;
	struct datapath *dp = r->dp;
	auto_err e = bring_up(r->sr, dp->value.vdi, nothing, need_with(dp->vdi, dp, dp->state));

	if (e)
		log_err(LOG_ERROR_, e, "VDI %s cannot be attached again", dp->vdi->key);
	return NULL;
}

/* Side by side: what a driver writes for one VDI is synced together with that for others. */
MAY_WAIT void datapaths_recheck(struct sr *sr)
{
	auto_arena a = {0};
	datapath_vec all = {0};
	struct fiber_group group;
	struct err *e = NULL;

	find_all(sr, &all);
	fiber_group_init(&group);
	vec_for_each (i, &all) {
		struct datapath *dp = all.v[i];
		struct recheck *r = arena_new(&a, struct recheck);

		/* Once for each VDI. */
		if (e || list_first(&dp->vdi->datapaths, struct datapath, link) != dp)
			continue;
		*r = (struct recheck){sr, dp};
		e = fiber_group_spawn(&group, recheck, r, "vdi %s", dp->vdi->key);
	}
	err_free(fiber_group_wait(&group));
	if (e)
		log_err(LOG_ERROR_, e, "not all VDIs of SR %s are attached again", sr->id);
	err_free(e);
	vec_fini(&all);
}

MAY_WAIT void datapaths_end_own(void)
{
	vec_of(char *) names = {0};

	map_for_each (slot, &smd.datapaths)
		if (!strncmp(slot->key, OWN_DATAPATH, strlen(OWN_DATAPATH)))
			vec_push(&names, xstrdup(slot->key));
	vec_for_each (i, &names) {
		auto_err e = datapath_destroy(names.v[i], true);

		if (e)
			log_err(LOG_WARN_, e, "datapath %s was not ended", names.v[i]);
		free(names.v[i]);
	}
	vec_fini(&names);
}

static struct err *read_row(const struct store_row *row, void *arg)
{
	auto_arena a = {0};
	struct storage_datapath value;

	TRY(codec_decode(&storage_type_datapath, row->key, row->value, row->size, &a, &value));
	datapath_add(&value);
	updates_add("dp", value.dp);
	return NULL;
}

struct err *datapaths_load(void)
{
	return records_load("datapath", read_row, NULL);
}

void datapaths_close(void)
{
	map_for_each (slot, &smd.datapaths) {
		struct datapath *dp = slot->value;

		nbd_free(dp->nbd);
		arena_fini(&dp->arena);
		free(dp);
	}
	map_fini(&smd.datapaths);
	map_for_each (slot, &smd.vdis)
		vdi_free(slot->value);
	map_fini(&smd.vdis);
}
