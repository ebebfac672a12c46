/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What updates of xenopsd mean: the object is asked for, and noted (vm_state.c). After a restart of
 * either side all VMs are compared: those that run in xenopsd run in the database, and no others.
 */
#define LOG_MODULE "link"
#include "xapid/link/xenopsd.h"

#include "common/clock.h"
#include "common/codec.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/uuid.h"
#include "xapid/db/db.h"
#include "xapid/link/host_state.h"
#include "xapid/rules/rules.h"

#include "core.gen.h"

#include <string.h>

#define OP(name) OP_BIT(XENAPI_VM_OPERATIONS_##name)

/* Plans that compare for themselves when they have come to their end. */
static const uint64_t starts = OP(START) | OP(START_ON) | OP(RESUME) | OP(RESUME_ON);

static int64_t soon(void)
{
	return deadline_in(LINK_CALL_NS);
}

/* ---- ids ---- */

/* The name of a drive: "xvda" for the first place. */
static const char *drive_name(struct arena *a, const char *userdevice)
{
	char *end;
	unsigned long n = strtoul(userdevice, &end, 10);

	if (*end || end == userdevice || n >= 702)
		return arena_strdup(a, userdevice);
	if (n < 26)
		return arena_printf(a, "xvd%c", (int)('a' + n));
	return arena_printf(a, "xvd%c%c", (int)('a' + n / 26 - 1), (int)('a' + n % 26));
}

const char *xenopsd_vbd_id(
	struct arena *a, const struct xenapi_vm *vm, const struct xenapi_vbd *vbd)
{
	return arena_printf(a, "%s/%s", vm->uuid, drive_name(a, vbd->userdevice));
}

const char *xenopsd_vif_id(
	struct arena *a, const struct xenapi_vm *vm, const struct xenapi_vif *vif)
{
	return arena_printf(a, "%s/%s", vm->uuid, vif->device);
}

/* The VM that an id of a device begins with; NULL: none of ours. */
static const struct xenapi_vm *vm_of(const char *id)
{
	char uuid[UUID_TEXT_SIZE];
	const char *slash = strchr(id, '/');

	if (!slash || slash - id != UUID_TEXT_SIZE - 1)
		return NULL;
	memcpy(uuid, id, sizeof(uuid) - 1);
	uuid[sizeof(uuid) - 1] = 0;
	return db_find(vm, db_find_uuid(vm, uuid));
}

const char *xenopsd_vbd_ref(const char *id)
{
	const struct xenapi_vm *vm = vm_of(id);
	auto_arena arena = {0};

	for (size_t i = 0; vm && i < vm->VBDs.n; i++) {
		const struct xenapi_vbd *vbd = db_find(vbd, vm->VBDs.v[i]);

		if (!strcmp(xenopsd_vbd_id(&arena, vm, vbd), id))
			return vm->VBDs.v[i];
	}
	return NULL;
}

const char *xenopsd_vif_ref(const char *id)
{
	const struct xenapi_vm *vm = vm_of(id);
	auto_arena arena = {0};

	for (size_t i = 0; vm && i < vm->VIFs.n; i++) {
		const struct xenapi_vif *vif = db_find(vif, vm->VIFs.v[i]);

		if (!strcmp(xenopsd_vif_id(&arena, vm, vif), id))
			return vm->VIFs.v[i];
	}
	return NULL;
}

/* ---- one VM ---- */

static bool is_here(const struct xenapi_vm *vm)
{
	return !strcmp(vm->resident_on, host_here());
}

/* A plan starts it, or a former xapid's did: what xenopsd says of it meanwhile is not its state. */
static bool is_starting(const char *ref)
{
	const struct xenapi_vm *vm = db_find(vm, ref);

	return op_is_under_way(&vm_rules, ref, starts) ||
		(vm && !strcmp(vm->scheduled_to_be_resident_on, host_here()));
}

/* A plan's to note, or another host's. */
static bool is_others(const char *ref)
{
	return is_starting(ref) || move_is_elsewhere(db_find(vm, ref));
}

/* It has a memory that no guest has gone on from: a resume lets go of it before anything runs. */
static bool is_in_image(const struct xenapi_vm *vm)
{
	return vm->power_state == XENAPI_VM_POWER_STATE_SUSPENDED && !ref_is_null(vm->suspend_VDI);
}

/* xenopsd knows nothing of it: if it ran here it does not any more. */
static struct err *note_gone(const char *ref)
{
	const struct xenapi_vm *vm = db_find(vm, ref);

	bool concerns_us = vm && (is_starting(ref) || (is_here(vm) && !move_is_under_way(vm)));
	if (!concerns_us || vm->is_control_domain)
		return NULL;
	if (is_in_image(vm))
		return db_write(vm, ref, scheduled_to_be_resident_on, REF_NULL);
	return vm_state_halted(ref);
}

/* A VM that has halted is no longer xenopsd's; its files would come back with it. One that is up
 * again by now stays, and is told of. */
static MAY_WAIT struct err *forget(const char *uuid)
{
	auto_arena arena = {0};
	const struct xenops_vm_remove_in in = {uuid};
	auto_err e = xenops_vm_remove(link_xenopsd.client, &in, &arena, soon());

	if (err_is(e, &ERR_Does_not_exist) || err_is(e, &ERR_Bad_power_state))
		return NULL;
	return take(e);
}

/* One that rests has what it has, whatever xenopsd knows of it. */
static bool is_up(const struct xenapi_vm *vm)
{
	return vm &&
		(vm->power_state == XENAPI_VM_POWER_STATE_RUNNING ||
			vm->power_state == XENAPI_VM_POWER_STATE_PAUSED);
}

/* Whether what xenopsd said of a device of the VM (or E) is of no use any more. By now the VM may
 * have halted, which took all of its devices out; one that comes up is compared as a whole. */
static bool is_late(const struct xenapi_vm *vm, const struct err *e)
{
	return e ? !is_up(vm) : vm && vm->power_state == XENAPI_VM_POWER_STATE_HALTED;
}

/* Devices of a VM that is up, and which xenopsd has not or no longer: they are not in it. */
static struct err *note_unplugged_vbds(
	const struct xenapi_vm *vm, const struct xenops_vbd_stat_list *list)
{
	static const struct xenops_vbd_stat unplugged;
	auto_arena arena = {0};

	for (size_t i = 0; i < vm->VBDs.n; i++) {
		const char *id = xenopsd_vbd_id(&arena, vm, db_find(vbd, vm->VBDs.v[i]));
		size_t j = 0;

		while (j < list->n && strcmp(list->v[j].vbd.vbd, id) != 0)
			j++;
		if (j == list->n)
			TRY(vbd_state_note(vm->VBDs.v[i], &unplugged));
	}
	return NULL;
}

static struct err *note_unplugged_vifs(
	const struct xenapi_vm *vm, const struct xenops_vif_stat_list *list)
{
	static const struct xenops_vif_stat unplugged;
	auto_arena arena = {0};

	for (size_t i = 0; i < vm->VIFs.n; i++) {
		const char *id = xenopsd_vif_id(&arena, vm, db_find(vif, vm->VIFs.v[i]));
		size_t j = 0;

		while (j < list->n && strcmp(list->v[j].vif.vif, id) != 0)
			j++;
		if (j == list->n)
			TRY(vif_state_note(vm->VIFs.v[i], &unplugged));
	}
	return NULL;
}

static MAY_WAIT struct err *compare_devices(const char *uuid)
{
	auto_arena arena = {0};
	const struct xenops_vbd_list_in in = {uuid};
	const struct xenops_vif_list_in vifs_in = {uuid};
	struct xenops_vbd_stat_list vbds;
	struct xenops_vif_stat_list vifs;

	TRY(xenops_vbd_list(link_xenopsd.client, &in, &arena, &vbds, soon()));
	TRY(xenops_vif_list(link_xenopsd.client, &vifs_in, &arena, &vifs, soon()));
	for (size_t i = 0; i < vbds.n; i++) {
		const char *ref = xenopsd_vbd_ref(vbds.v[i].vbd.vbd);

		if (ref)
			TRY(vbd_state_note(ref, &vbds.v[i]));
	}
	for (size_t i = 0; i < vifs.n; i++) {
		const char *ref = xenopsd_vif_ref(vifs.v[i].vif.vif);

		if (ref)
			TRY(vif_state_note(ref, &vifs.v[i]));
	}
	const struct xenapi_vm *vm = db_find(vm, db_find_uuid(vm, uuid));
	if (!is_up(vm))
		return NULL;
	TRY(note_unplugged_vbds(vm, &vbds));
	TRY(note_unplugged_vifs(vm, &vifs));
	return vusbs_compare(uuid);
}

/* What xenopsd must be told when it is resumed goes into the database, and the VM is no longer
 * xenopsd's. One that is not yet taken away is told of again. */
static MAY_WAIT struct err *keep_suspended(const char *uuid)
{
	auto_arena arena = {0};
	const struct xenops_vm_export_metadata_in in = {uuid};
	struct xenops_metadata metadata;
	auto_err e = xenops_vm_export_metadata(link_xenopsd.client, &in, &arena, &metadata, soon());
	const char *ref = db_find_uuid(vm, uuid);

	if (err_is(e, &ERR_Does_not_exist) || !ref)
		return NULL;
	if (e)
		return take(e);
	if (!metadata.domain)
		return NULL;
	TRY(db_write(vm, ref, last_booted_record,
		arena_strndup(&arena, metadata.domain->text, metadata.domain->len)));
	return forget(uuid);
}

/* What was said of the VM is noted; a halted or suspended one is forgotten there. */
static MAY_WAIT struct err *note(const char *uuid, const struct xenops_vm_stat *stat)
{
	const char *ref = db_find_uuid(vm, uuid);

	if (!ref)
		return NULL;
	bool is_halted = stat->state.power_state == XENOPS_POWER_STATE_HALTED;
	/* A resume did not come so far that it was one. */
	if (is_halted && is_in_image(db_find(vm, ref)) && op_is_under_way(&vm_rules, ref, starts))
		return forget(uuid);
	TRY(vm_state_note(ref, stat));
	if (is_halted)
		return forget(uuid);
	if (stat->state.power_state == XENOPS_POWER_STATE_SUSPENDED)
		return keep_suspended(uuid);
	return NULL;
}

static MAY_WAIT struct err *compare(const char *ref)
{
	auto_arena arena = {0};
	const struct xenapi_vm *vm;
	struct xenops_vm_stat stat;

	TRY(db_get(vm, ref, &vm));
	const char *uuid = arena_strdup(&arena, vm->uuid);
	const char *own_ref = arena_strdup(&arena, ref);
	const struct xenops_vm_stat_in in = {uuid};
	auto_err e = xenops_vm_stat(link_xenopsd.client, &in, &arena, &stat, soon());
	if (err_is(e, &ERR_Does_not_exist))
		return note_gone(own_ref);
	if (e)
		return take(e);
	vm = db_find(vm, own_ref);
	bool has_devices = vm && (vm->VBDs.n || vm->VIFs.n);
	if (stat.state.power_state != XENOPS_POWER_STATE_HALTED && has_devices) {
		auto_err bad = compare_devices(uuid);
		if (bad && !err_is(bad, &ERR_Does_not_exist))
			return take(bad);
	}
	return note(uuid, &stat);
}

MAY_WAIT struct err *xenopsd_compare(const char *ref)
{
	int64_t deadline = soon();
	auto_str own_ref = xstrdup(ref);
	struct err *e = compare(own_ref);

	while (link_is_back(&link_xenopsd, e, deadline)) {
		err_free(e);
		e = compare(own_ref);
	}
	return e;
}

/* ---- updates ---- */

static MAY_WAIT struct err *update_vm(const char *uuid)
{
	auto_arena arena = {0};
	const struct xenops_vm_stat_in in = {uuid};
	struct xenops_vm_stat stat;
	const char *ref = db_find_uuid(vm, uuid);

	if (!ref || is_others(ref))
		return NULL;
	auto_err e = xenops_vm_stat(link_xenopsd.client, &in, &arena, &stat, soon());
	ref = db_find_uuid(vm, uuid);
	if (!ref || is_others(ref))
		return NULL;
	if (err_is(e, &ERR_Does_not_exist))
		return note_gone(ref);
	if (e)
		return take(e);
	bool was_up = is_up(db_find(vm, ref));
	TRY(note(uuid, &stat));
	/* Somebody else than a plan has started it: what was told of its devices came too early. */
	if (was_up || !is_up(db_find(vm, db_find_uuid(vm, uuid))))
		return NULL;
	auto_err bad = compare_devices(uuid);
	return err_is(bad, &ERR_Does_not_exist) ? NULL : take(bad);
}

static MAY_WAIT struct err *update_vbd(const char *id)
{
	auto_arena arena = {0};
	const struct xenops_vbd_stat_in in = {id};
	struct xenops_vbd_stat stat;

	if (!xenopsd_vbd_ref(id))
		return NULL;
	auto_err e = xenops_vbd_stat(link_xenopsd.client, &in, &arena, &stat, soon());
	if (e && !err_is(e, &ERR_Does_not_exist))
		return take(e);
	const char *ref = xenopsd_vbd_ref(id);
	if (!ref || move_is_elsewhere(vm_of(id)) || is_late(vm_of(id), e))
		return NULL;
	if (e)
		stat = (struct xenops_vbd_stat){0};
	return vbd_state_note(ref, &stat);
}

static MAY_WAIT struct err *update_vif(const char *id)
{
	auto_arena arena = {0};
	const struct xenops_vif_stat_in in = {id};
	struct xenops_vif_stat stat;

	if (!xenopsd_vif_ref(id))
		return NULL;
	auto_err e = xenops_vif_stat(link_xenopsd.client, &in, &arena, &stat, soon());
	if (e && !err_is(e, &ERR_Does_not_exist))
		return take(e);
	const char *ref = xenopsd_vif_ref(id);
	if (!ref || move_is_elsewhere(vm_of(id)) || is_late(vm_of(id), e))
		return NULL;
	if (e)
		stat = (struct xenops_vif_stat){0};
	return vif_state_note(ref, &stat);
}

static MAY_WAIT struct err *update(const struct core_update *u)
{
	if (!strcmp(u->class, "vm")) {
		host_state_memory_soon();
		return update_vm(u->id);
	}
	if (u->deleted)
		return NULL;
	if (!strcmp(u->class, "vbd"))
		return update_vbd(u->id);
	if (!strcmp(u->class, "vif"))
		return update_vif(u->id);
	if (!strcmp(u->class, "vusb"))
		return vusb_update(u->id);
	return NULL;
}

/* ---- everything ---- */

/* Those that were here and are not in xenopsd any more have halted. */
static struct err *note_missing(const struct xenops_vm_stat_list *list)
{
	AUTO(map_fini) struct map listed = {0};

	for (size_t i = 0; i < list->n; i++)
		map_put(&listed, list->v[i].vm.vm, &list->v[i]);
	db_for_each (vm, row) {
		const struct xenapi_vm *vm = db_record(row);

		if (!is_here(vm) || vm->is_control_domain || is_others(db_ref(row)) ||
			map_has(&listed, vm->uuid))
			continue;
		log_info("VM %s has halted while nobody looked", vm->uuid);
		TRY(vm_state_halted(db_ref(row)));
	}
	return NULL;
}

static MAY_WAIT struct err *resync(void)
{
	auto_arena arena = {0};
	struct xenops_vm_stat_list list;

	TRY(xenops_vm_list(link_xenopsd.client, &arena, &list, soon()));
	TRY(note_missing(&list));
	for (size_t i = 0; i < list.n; i++) {
		const char *uuid = list.v[i].vm.vm;
		const char *ref = db_find_uuid(vm, uuid);

		if (!ref) {
			log_warn("VM %s is in xenopsd alone; it is left there", uuid);
			continue;
		}
		if (is_others(ref))
			continue;
		TRY(compare(ref));
	}
	TRY(xenopsd_finish_starts());
	TRY(move_settle_all());
	auto_err e = host_state_compare();
	if (e)
		log_err(LOG_INFO_, e, "what the host is");
	return NULL;
}

/* ---- consoles ---- */

MAY_WAIT struct err *xenopsd_console(const char *ref, struct arena *a, struct xenops_console *out)
{
	const struct xenapi_console *console;
	const struct xenapi_vm *vm;
	struct xenops_vm_stat stat;

	TRY(db_get(console, ref, &console));
	TRY(db_get(vm, console->VM, &vm));
	bool is_graphics = console->protocol == XENAPI_CONSOLE_PROTOCOL_RFB;
	const struct xenops_vm_stat_in in = {arena_strdup(a, vm->uuid)};
	const char *own_ref = arena_strdup(a, ref);

	TRY(xenops_vm_stat(link_xenopsd.client, &in, a, &stat, soon()));
	for (size_t i = 0; i < stat.state.consoles.n; i++) {
		const struct xenops_console *found = &stat.state.consoles.v[i];

		if ((found->protocol == XENOPS_CONSOLE_PROTOCOL_RFB) == is_graphics) {
			*out = *found;
			return NULL;
		}
	}
	return err(HANDLE_INVALID, "console", own_ref);
}

static const struct link_spec spec = {
	.daemon = "xenopsd", .resync = resync, .update = update, .at_once = 16};
struct link link_xenopsd = {.spec = &spec};
