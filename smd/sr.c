/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keeps the SRs (sr.h), and who is at work in each. Fibers.
 */
#define LOG_MODULE "sr"
#include "smd/sr.h"

#include "common/codec.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/updates.h"
#include "common/uuid.h"
#include "core.gen.h"
#include "smd/datapath.h"
#include "smd/record.h"
#include "smd/smd.h"

#include <string.h>

#define ROW_TYPE (storage_methods[STORAGE_METHOD_SR_ATTACH].in)

const char *secret_map_get(const struct storage_secret_map *m, const char *key)
{
	for (size_t i = 0; i < m->n; i++)
		if (!strcmp(m->v[i].key, key))
			return m->v[i].value.hidden;
	return NULL;
}

/* ---- holds ---- */

static void sr_free(struct sr *sr)
{
	cond_fini(&sr->changed);
	arena_fini(&sr->arena);
	free(sr);
}

static void leave(struct sr *sr)
{
	if (!--sr->n_users && sr->is_gone)
		sr_free(sr);
}

/* Waits until nobody is in the way, and takes it. */
static MAY_WAIT struct err *enter(struct sr *sr, bool alone)
{
	struct err *e = NULL;

	sr->n_users++;
	sr->n_waiting += alone;
	while (!e && !sr->is_gone && (sr->is_alone || (alone ? sr->n_shared : sr->n_waiting)))
		e = cond_wait(&sr->changed, "other work in the SR", NEVER);
	sr->n_waiting -= alone;
	if (!e && sr->is_gone)
		e = err(Sr_not_attached, sr->id);
	if (e) {
		cond_broadcast(&sr->changed);
		leave(sr);
		return e;
	}
	if (alone)
		sr->is_alone = true;
	else
		sr->n_shared++;
	return NULL;
}

static MAY_WAIT struct err *hold(struct sr_hold *h, const char *id, bool alone)
{
	struct sr *sr = map_get(&smd.srs, id);

	if (!sr)
		return err(Sr_not_attached, id);
	TRY(enter(sr, alone));
	if (alone)
		fiber_cancel_mask();
	*h = (struct sr_hold){sr, alone};
	return NULL;
}

static const char *health_name(enum storage_sr_health health)
{
	return type_case_name(&storage_type_sr_health, health);
}

MAY_WAIT struct err *sr_hold(struct sr_hold *h, const char *id)
{
	TRY(hold(h, id, false));
	if (h->sr->health == STORAGE_SR_HEALTH_HEALTHY)
		return NULL;
	struct err *e = err(Sr_unhealthy, id, health_name(h->sr->health));

	sr_hold_end(h);
	return e;
}

void sr_hold_again(struct sr_hold *h, struct sr *held)
{
	held->n_users++;
	held->n_shared++;
	*h = (struct sr_hold){held, false};
}

void sr_hold_end(struct sr_hold *h)
{
	struct sr *sr = take(h->sr);

	if (!sr)
		return;
	if (h->is_alone) {
		fiber_cancel_unmask();
		sr->is_alone = false;
	} else {
		sr->n_shared--;
	}
	cond_broadcast(&sr->changed);
	leave(sr);
}

/* ---- coming and going ---- */

/* In the map, and held alone by the caller. */
static MAY_WAIT struct err *sr_add(const struct storage_sr_attach_in *how, struct sr_hold *h)
{
	struct sr *sr = xnew(struct sr);

	codec_keep(ROW_TYPE, how, &sr->arena, &sr->how);
	sr->id = sr->how.sr;
	cond_init(&sr->changed);
	struct err *e = backend_of(how->type, &sr->backend);
	if (e) {
		sr_free(sr);
		return e;
	}
	map_put(&smd.srs, sr->id, sr);
	e = hold(h, sr->id, true); /* does not wait: nobody else knows it */
	return e;
}

static void sr_drop(struct sr *sr)
{
	map_remove(&smd.srs, sr->id);
	sr->is_gone = true;
}

static MAY_WAIT struct err *backend_attach(struct sr *sr)
{
	struct err *e = sr->backend->sr_attach(sr);

	if (e) {
		sr->health = STORAGE_SR_HEALTH_UNAVAILABLE;
		return e;
	}
	sr->health = STORAGE_SR_HEALTH_HEALTHY;
	datapaths_recheck(sr);
	return NULL;
}

static bool is_same(const struct sr *sr, const struct storage_sr_attach_in *in)
{
	return codec_equal(ROW_TYPE, &sr->how, in);
}

/* One that is there: attached in the same way, it is fine; unhealthy, it is tried again. */
static MAY_WAIT struct err *attach_again(struct sr *sr, const struct storage_sr_attach_in *in)
{
	if (!is_same(sr, in))
		return err(Sr_attached, sr->id);
	if (sr->health == STORAGE_SR_HEALTH_HEALTHY)
		return NULL;
	TRY(backend_attach(sr));
	updates_add("sr", sr->id);
	return NULL;
}

MAY_WAIT struct err *sr_attach(const struct storage_sr_attach_in *in)
{
	AUTO(sr_hold_end) struct sr_hold h = {0};

	if (map_has(&smd.srs, in->sr)) {
		TRY(hold(&h, in->sr, true));
		return attach_again(h.sr, in);
	}
	TRY(sr_add(in, &h));
	struct sr *sr = h.sr;
	struct err *e = record_put("sr", sr->id, ROW_TYPE, &sr->how);
	if (!e)
		e = backend_attach(sr);
	if (e) {
		err_free(record_delete("sr", sr->id));
		sr_drop(sr);
		return e;
	}
	updates_add("sr", sr->id);
	return NULL;
}

/* Nobody has it attached any more, here. */
static MAY_WAIT struct err *sr_end(struct sr *sr)
{
	TRY(record_delete("sr", sr->id));
	updates_remove("sr", sr->id);
	sr_drop(sr);
	return NULL;
}

MAY_WAIT struct err *sr_detach(const char *id)
{
	AUTO(sr_hold_end) struct sr_hold h = {0};

	TRY(hold(&h, id, true));
	TRY(datapaths_end(h.sr, h.sr->state != NULL));
	if (h.sr->state)
		TRY(h.sr->backend->sr_detach(h.sr));
	return sr_end(h.sr);
}

MAY_WAIT struct err *sr_destroy(const char *id)
{
	AUTO(sr_hold_end) struct sr_hold h = {0};

	TRY(hold(&h, id, true));
	if (!h.sr->backend->sr_destroy)
		return err(Unimplemented, "SR.destroy");
	if (!h.sr->state)
		return err(Sr_unhealthy, id, health_name(h.sr->health));
	TRY(datapaths_end(h.sr, true));
	TRY(h.sr->backend->sr_destroy(h.sr));
	return sr_end(h.sr);
}

MAY_WAIT struct err *sr_reset(const char *id)
{
	AUTO(sr_hold_end) struct sr_hold h = {0};

	TRY(hold(&h, id, true));
	return datapaths_end(h.sr, false);
}

/* ---- at the start and at the end ---- */

struct rows {
	struct arena arena;
	struct storage_sr_attach_in *v;
	size_t n;
};

static struct err *read_row(const struct store_row *row, void *arg)
{
	struct rows *rows = arg;
	struct storage_sr_attach_in *grown =
		arena_calloc(&rows->arena, rows->n + 1, sizeof(*grown));

	if (rows->n)
		memcpy(grown, rows->v, rows->n * sizeof(*grown));
	TRY(codec_decode(ROW_TYPE, row->key, row->value, row->size, &rows->arena, &grown[rows->n]));
	rows->v = grown;
	rows->n++;
	return NULL;
}

static MAY_WAIT void reattach(const struct storage_sr_attach_in *how)
{
	AUTO(sr_hold_end) struct sr_hold h = {0};

	auto_err e = sr_add(how, &h);
	if (!e) {
		updates_add("sr", h.sr->id);
		e = backend_attach(h.sr);
	}
	if (e)
		log_err(LOG_ERROR_, e, "SR %s cannot be attached again", how->sr);
}

MAY_WAIT struct err *srs_open(void)
{
	struct rows rows = {0};
	struct err *e = records_load("sr", read_row, &rows);

	for (size_t i = 0; !e && i < rows.n; i++)
		reattach(&rows.v[i]);
	arena_fini(&rows.arena);
	return e;
}

void srs_close(void)
{
	map_for_each (slot, &smd.srs) {
		struct sr *sr = slot->value;

		if (sr->state)
			sr->backend->sr_forget(sr);
		sr_free(sr);
	}
	map_fini(&smd.srs);
}
