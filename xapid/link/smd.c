/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What smd says, in the database: drivers (class SM), sizes, VDIs that changed. What is attached is
 * smd's own to remember; after a boot it has nothing, and is told.
 */
#define LOG_MODULE "link"
#include "xapid/link/smd.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/uuid.h"
#include "xapid/db/db.h"
#include "xapid/gate/task.h"
#include "xapid/link/xenopsd.h"
#include "xapid/rules/rules.h"

#include "core.gen.h"

#include <string.h>

static void (*when_up)(void);

void smd_when_up(void (*fn)(void))
{
	when_up = fn;
}

static int64_t soon(void)
{
	return deadline_in(LINK_CALL_NS);
}

struct storage_secret_map smd_secrets(const struct string_map *texts, struct arena *a)
{
	struct storage_secret_map out = {arena_calloc(a, texts->n, sizeof(*out.v)), texts->n};

	for (size_t i = 0; i < texts->n; i++) {
		out.v[i].key = arena_strdup(a, texts->v[i].key);
		out.v[i].value.hidden = arena_strdup(a, texts->v[i].value);
	}
	return out;
}

/* ---- drivers ---- */

/* "VDI_RESET_ON_BOOT/2" is the feature VDI_RESET_ON_BOOT, version 2. */
static struct int_map features(const struct string_list *texts, struct arena *a)
{
	struct int_map out = {arena_calloc(a, texts->n, sizeof(*out.v)), 0};

	for (size_t i = 0; i < texts->n; i++) {
		const char *text = texts->v[i];
		const char *slash = strchrnul(text, '/');

		out.v[out.n++] =
			(struct int_map_entry){arena_strndup(a, text, (size_t)(slash - text)),
				*slash ? strtoll(slash + 1, NULL, 10) : 1};
	}
	return out;
}

static struct string_list names(const struct int_map *with_versions, struct arena *a)
{
	struct string_list out = {arena_calloc(a, with_versions->n, sizeof(*out.v)), 0};

	for (; out.n < with_versions->n; out.n++)
		out.v[out.n] = with_versions->v[out.n].key;
	return out;
}

static const char *sm_of(const char *type)
{
	db_for_each (sm, row) {
		if (!strcmp(((const struct xenapi_sm *)db_record(row))->type, type))
			return db_ref(row);
	}
	return NULL;
}

static struct err *note_driver(const struct storage_driver *driver)
{
	auto_arena arena = {0};
	struct xenapi_sm sm = db_blank(sm);
	const char *ref = sm_of(driver->driver);

	if (!ref) {
		sm.type = driver->driver;
		TRY(db_create(sm, &sm, &ref));
	}
	struct int_map all = features(&driver->features, &arena);
	TRY(db_write(sm, ref, name_label, driver->name));
	TRY(db_write(sm, ref, name_description, driver->description));
	TRY(db_write(sm, ref, vendor, driver->vendor));
	TRY(db_write(sm, ref, copyright, driver->copyright));
	TRY(db_write(sm, ref, version, driver->version));
	TRY(db_write(sm, ref, required_api_version, driver->required_api_version));
	TRY(db_write(sm, ref, configuration, driver->configuration));
	TRY(db_write(sm, ref, capabilities, names(&all, &arena)));
	return db_write(sm, ref, features, all);
}

static MAY_WAIT struct err *note_drivers(void)
{
	auto_arena arena = {0};
	struct storage_driver_list list;

	TRY(storage_sm_list(link_smd.client, &arena, &list, soon()));
	for (size_t i = 0; i < list.n; i++)
		TRY(note_driver(&list.v[i]));
	return NULL;
}

/* ---- SRs ---- */

struct err *smd_sr_note(const char *ref, const struct storage_sr *sr)
{
	const struct xenapi_sr *row = db_find(sr, ref);
	int64_t allocated = 0;

	if (!row)
		return NULL;
	for (size_t i = 0; i < row->VDIs.n; i++) {
		const struct xenapi_vdi *vdi = db_find(vdi, row->VDIs.v[i]);

		allocated += vdi->virtual_size;
	}
	TRY(db_write(sr, ref, physical_size, sr->total_space_bytes));
	TRY(db_write(sr, ref, physical_utilisation, sr->total_space_bytes - sr->free_space_bytes));
	TRY(db_write(sr, ref, virtual_allocation, allocated));
	return db_write(sr, ref, clustered, sr->clustered);
}

static MAY_WAIT struct err *update_sr(const char *uuid)
{
	auto_arena arena = {0};
	const struct storage_sr_stat_in in = {uuid};
	struct storage_sr sr;

	if (!db_find_uuid(sr, uuid))
		return NULL;
	auto_err e = storage_sr_stat(link_smd.client, &in, &arena, &sr, soon());
	if (err_is(e, &ERR_Sr_not_attached) || err_is(e, &ERR_Backend_error))
		return NULL;
	if (e)
		return take(e);
	const char *ref = db_find_uuid(sr, uuid);
	return ref ? smd_sr_note(ref, &sr) : NULL;
}

static struct err *note_plugged(const char *pbd, bool is_plugged)
{
	const struct xenapi_pbd *row = db_find(pbd, pbd);

	if (!row || row->currently_attached == is_plugged)
		return NULL;
	TRY(db_write(pbd, pbd, currently_attached, is_plugged));
	rules_sr_plugged(row->SR);
	return NULL;
}

MAY_WAIT struct err *smd_attach(const char *pbd, const struct link_work *work)
{
	auto_arena arena = {0};
	const struct xenapi_pbd *row;
	const struct xenapi_sr *sr;
	const char *task;

	pbd = arena_strdup(&arena, pbd);
	TRY(db_get(pbd, pbd, &row));
	TRY(db_get(sr, row->SR, &sr));
	const struct storage_sr_attach_in in = {arena_strdup(&arena, sr->uuid),
		arena_strdup(&arena, sr->type), smd_secrets(&row->device_config, &arena)};
	TRY(link_error(storage_sr_attach(link_smd.client, &in, &arena, &task, soon()), NULL));
	TRY(link_error(link_await(&link_smd, work, task, NULL, &arena, NULL), NULL));
	TRY(note_plugged(pbd, true));
	return update_sr(in.sr);
}

/* ---- VDIs ---- */

const char *smd_vdi_ref(const char *sr, const char *location)
{
	const struct class *class = &xenapi_class_vdi;
	const struct field *field = db_field_named(class, "location");

	for (const struct db_row *row = sr ? db_first_named(class, field, location) : NULL; row;
		row = db_next_named(row, field)) {
		const struct xenapi_vdi *vdi = db_record(row);

		if (!strcmp(vdi->SR, sr))
			return db_ref(row);
	}
	return NULL;
}

static enum xenapi_vdi_type type_of(const char *name)
{
	const struct type_case *found = type_case_named(&xenapi_type_vdi_type, name, strlen(name));

	return found ? (enum xenapi_vdi_type)found->value : XENAPI_VDI_TYPE_USER;
}

void smd_vdi_fill(const struct storage_vdi *vdi, const char *sr, struct xenapi_vdi *record)
{
	const char *of = vdi->snapshot_of ? smd_vdi_ref(sr, vdi->snapshot_of) : NULL;

	record->uuid = vdi->uuid ? vdi->uuid : "";
	record->name_label = vdi->name_label;
	record->name_description = vdi->name_description;
	record->SR = sr;
	record->location = vdi->vdi;
	record->virtual_size = vdi->virtual_size_bytes;
	record->physical_utilisation = vdi->physical_utilisation_bytes;
	record->type = type_of(vdi->type);
	record->sharable = vdi->sharable;
	record->read_only = vdi->read_only;
	record->managed = true;
	record->is_a_snapshot = vdi->is_a_snapshot;
	record->snapshot_of = of ? of : REF_NULL;
	record->snapshot_time = vdi->snapshot_time ? *vdi->snapshot_time : 0;
	record->on_boot = vdi->persistent ? XENAPI_ON_BOOT_PERSIST : XENAPI_ON_BOOT_RESET;
	record->cbt_enabled = vdi->cbt_enabled;
	record->sm_config = vdi->sm_config;
}

struct err *smd_vdi_note(const char *ref, const struct storage_vdi *vdi)
{
	TRY(db_write(vdi, ref, virtual_size, vdi->virtual_size_bytes));
	TRY(db_write(vdi, ref, physical_utilisation, vdi->physical_utilisation_bytes));
	TRY(db_write(vdi, ref, read_only, vdi->read_only));
	TRY(db_write(vdi, ref, sharable, vdi->sharable));
	TRY(db_write(vdi, ref, is_a_snapshot, vdi->is_a_snapshot));
	TRY(db_write(vdi, ref, cbt_enabled, vdi->cbt_enabled));
	TRY(db_write(vdi, ref, missing, false));
	return db_write(vdi, ref, managed, true);
}

static MAY_WAIT struct err *update_vdi(const char *id)
{
	auto_arena arena = {0};
	const char *slash = strchr(id, '/');
	struct storage_vdi vdi;

	if (!slash)
		return NULL;
	const struct storage_vdi_stat_in in = {
		arena_strndup(&arena, id, (size_t)(slash - id)), slash + 1};
	if (!smd_vdi_ref(db_find_uuid(sr, in.sr), in.vdi))
		return NULL;
	auto_err e = storage_vdi_stat(link_smd.client, &in, &arena, &vdi, soon());
	if (err_is(e, &ERR_Sr_not_attached) || err_is(e, &ERR_Backend_error) ||
		err_is(e, &ERR_Vdi_does_not_exist))
		return NULL;
	if (e)
		return take(e);
	const char *ref = smd_vdi_ref(db_find_uuid(sr, in.sr), in.vdi);
	return ref ? smd_vdi_note(ref, &vdi) : NULL;
}

static MAY_WAIT struct err *update(const struct core_update *u)
{
	if (u->deleted)
		return NULL;
	if (!strcmp(u->class, "sr"))
		return update_sr(u->id);
	if (!strcmp(u->class, "vdi"))
		return update_vdi(u->id);
	return NULL;
}

/* ---- everything ---- */

static bool is_in(const struct string_list *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++) {
		if (!strcmp(list->v[i], text))
			return true;
	}
	return false;
}

/* What is under way of it. */
static struct {
	size_t n;
	struct cond ended;
} attaching = {.ended.waiters = LIST_INIT(attaching.ended.waiters)};

MAY_WAIT struct err *smd_wait_attached(void)
{
	while (attaching.n)
		TRY(cond_wait(&attaching.ended, "SRs to be attached", NEVER));
	return NULL;
}

/* Attaches what is to be, which the stream must not wait for: it tells of the tasks. */
static MAY_WAIT void attach_lost(void *arg)
{
	char *pbd = arg;
	const struct link_work work = {.part = "PBD.plug"};
	auto_err e = smd_attach(pbd, &work);

	if (e) {
		log_err(LOG_WARN_, e, "attaching the SR of %s again", pbd);
		auto_err bad = note_plugged(pbd, false);
		if (bad)
			log_err(LOG_WARN_, bad, "noting that %s is unplugged", pbd);
	}
	free(pbd);
	if (--attaching.n == 0)
		cond_broadcast(&attaching.ended);
}

static struct err *attach_later(const char *pbd)
{
	TRY(fiber_spawn(NULL, attach_lost, xstrdup(pbd), "plug PBD"));
	attaching.n++;
	return NULL;
}

/* What a task of a killed xapid used. */
static MAY_WAIT struct err *end_stale_datapaths(void)
{
	auto_arena arena = {0};
	const struct storage_dp_list_in all = {0};
	struct storage_datapath_list list;

	TRY(storage_dp_list(link_smd.client, &all, &arena, &list, soon()));
	for (size_t i = 0; i < list.n; i++) {
		const struct storage_dp_destroy_in in = {list.v[i].dp, .allow_leak = true};
		size_t len = strlen(SMD_OWN_DATAPATH);

		if (!strncmp(in.dp, SMD_OWN_DATAPATH, len) && !xtask_is_pending(in.dp + len))
			TRY(storage_dp_destroy(link_smd.client, &in, &arena, soon()));
	}
	return NULL;
}

static MAY_WAIT struct err *resync(void)
{
	auto_arena arena = {0};
	struct string_list attached;

	TRY(note_drivers());
	TRY(storage_sr_list(link_smd.client, &arena, &attached, soon()));
	db_for_each (pbd, row) {
		const struct xenapi_pbd *pbd = db_record(row);
		const struct xenapi_sr *sr = db_find(sr, pbd->SR);

		if (!sr || strcmp(pbd->host, host_here()) != 0)
			continue;
		if (is_in(&attached, sr->uuid))
			TRY(note_plugged(db_ref(row), true));
		else if (pbd->currently_attached)
			TRY(attach_later(db_ref(row)));
	}
	for (size_t i = 0; i < attached.n; i++)
		TRY(update_sr(attached.v[i]));
	TRY(end_stale_datapaths());
	if (when_up)
		when_up();
	return NULL;
}

static const struct link_spec spec = {.daemon = "smd", .resync = resync, .update = update};
struct link link_smd = {.spec = &spec};
