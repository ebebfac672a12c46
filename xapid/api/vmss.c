/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VMSS: schedules of snapshots, as clients make and change them (vmss.h). What a schedule has to
 * have depends on its frequency, and is checked whenever either is set.
 */
#include "xapid/api/vmss.h"

#include "common/codec.h"
#include "xapid/api/hooks.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"

#include "core.gen.h"

#include <string.h>

#define MAX_RETAINED 10

static struct err *check_type(enum xenapi_vmss_type type)
{
	return type == XENAPI_VMSS_TYPE_SNAPSHOT_WITH_QUIESCE
		? err(NOT_IMPLEMENTED, "VMSS of type snapshot_with_quiesce")
		: NULL;
}

static struct err *check_retained(int64_t n)
{
	return n < 1 || n > MAX_RETAINED
		? err(INVALID_VALUE, "retained_snapshots", "not from 1 to 10")
		: NULL;
}

MAY_WAIT struct err *hook_vmss_create(struct xapi_call *c, const void *const *args, void *out)
{
	const struct xenapi_vmss *vmss = args[0];
	const char *ref;

	TRY(check_type(vmss->type));
	TRY(check_retained(vmss->retained_snapshots));
	TRY(vmss_check_schedule(vmss->frequency, &vmss->schedule));
	TRY(db_create(vmss, vmss, &ref));
	*(const char **)out = arena_strdup(c->call.arena, ref);
	vmss_changed();
	return NULL;
}

MAY_WAIT struct err *hook_vmss_destroy(struct xapi_call *c, const void *const *args, void *out)
{
	const char *ref = *(const char *const *)args[0];
	const struct xenapi_vmss *vmss;

	TRY(db_get(vmss, ref, &vmss));
	return vmss->VMs.n ? err(VMSS_HAS_VM) : db_delete(vmss, ref);
}

MAY_WAIT struct err *xapi_vmss_set_type(struct call *c, const struct xenapi_vmss_set_type_in *in)
{
	TRY(check_type(in->value));
	return db_write(vmss, in->self, type, in->value);
}

MAY_WAIT struct err *xapi_vmss_set_retained_snapshots(
	struct call *c, const struct xenapi_vmss_set_retained_snapshots_in *in)
{
	TRY(check_retained(in->value));
	return db_write(vmss, in->self, retained_snapshots, in->value);
}

MAY_WAIT struct err *xapi_vmss_set_last_run_time(
	struct call *c, const struct xenapi_vmss_set_last_run_time_in *in)
{
	TRY(db_write(vmss, in->self, last_run_time, in->value));
	vmss_changed();
	return NULL;
}

/* ---- when ---- */

/* What of SCHEDULE another frequency wants, and at midnight on Mondays what it does not have. */
static struct string_map schedule_for(
	enum xenapi_vmss_frequency frequency, const struct string_map *schedule, struct arena *a)
{
	static const struct string_map_entry standard[] = {
		{"min", "0"}, {"hour", "0"}, {"days", "Monday"}};
	struct string_map out = {arena_calloc(a, ARRAY_LEN(standard), sizeof(*out.v)), 0};

	for (; out.n <= (size_t)frequency && out.n < ARRAY_LEN(standard); out.n++) {
		const char *has = string_map_get(schedule, standard[out.n].key);

		out.v[out.n] = standard[out.n];
		if (has)
			out.v[out.n].value = arena_strdup(a, has);
	}
	return out;
}

MAY_WAIT struct err *xapi_vmss_set_frequency(
	struct call *c, const struct xenapi_vmss_set_frequency_in *in)
{
	const struct xenapi_vmss *vmss;

	TRY(db_get(vmss, in->self, &vmss));
	const struct string_map schedule = schedule_for(in->value, &vmss->schedule, c->arena);
	TRY(vmss_check_schedule(in->value, &schedule));
	TRY(db_write(vmss, in->self, frequency, in->value));
	TRY(db_write(vmss, in->self, schedule, schedule));
	vmss_changed();
	return NULL;
}

static struct err *set_schedule(const char *ref, const struct string_map *schedule)
{
	const struct xenapi_vmss *vmss;

	TRY(db_get(vmss, ref, &vmss));
	TRY(vmss_check_schedule(vmss->frequency, schedule));
	TRY(db_write(vmss, ref, schedule, *schedule));
	vmss_changed();
	return NULL;
}

MAY_WAIT struct err *xapi_vmss_set_schedule(
	struct call *c, const struct xenapi_vmss_set_schedule_in *in)
{
	return set_schedule(in->self, &in->value);
}

/* The schedule without KEY, with room for one more. */
static struct err *without(struct call *c, const char *ref, const char *key, struct string_map *out)
{
	const struct xenapi_vmss *vmss;

	TRY(db_get(vmss, ref, &vmss));
	*out = (struct string_map){
		arena_calloc(c->arena, vmss->schedule.n + 1, sizeof(*out->v)), 0};
	for (size_t i = 0; i < vmss->schedule.n; i++) {
		const struct string_map_entry *entry = &vmss->schedule.v[i];

		if (strcmp(entry->key, key) != 0)
			out->v[out->n++] =
				(struct string_map_entry){arena_strdup(c->arena, entry->key),
					arena_strdup(c->arena, entry->value)};
	}
	return NULL;
}

/* One that is there is replaced: none may be missing in between. */
MAY_WAIT struct err *xapi_vmss_add_to_schedule(
	struct call *c, const struct xenapi_vmss_add_to_schedule_in *in)
{
	struct string_map schedule;

	TRY(without(c, in->self, in->key, &schedule));
	schedule.v[schedule.n++] = (struct string_map_entry){in->key, in->value};
	return set_schedule(in->self, &schedule);
}

/* What is taken away is as it would be if it had never been said. */
MAY_WAIT struct err *xapi_vmss_remove_from_schedule(
	struct call *c, const struct xenapi_vmss_remove_from_schedule_in *in)
{
	const struct xenapi_vmss *vmss;
	struct string_map rest;

	TRY(without(c, in->self, in->key, &rest));
	TRY(db_get(vmss, in->self, &vmss));
	const struct string_map schedule = schedule_for(vmss->frequency, &rest, c->arena);
	return set_schedule(in->self, &schedule);
}

/* ---- whose ---- */

MAY_WAIT struct err *xapi_vm_set_snapshot_schedule(
	struct call *c, const struct xenapi_vm_set_snapshot_schedule_in *in)
{
	const struct xenapi_vm *vm;

	TRY(db_get(vm, in->self, &vm));
	if (vm->is_control_domain || vm->is_a_template)
		return err(OPERATION_NOT_ALLOWED, "neither templates nor dom0 are snapshotted");
	TRY(db_write(vm, in->self, snapshot_schedule, in->value));
	vmss_changed();
	return NULL;
}
