/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VM.clone, VM.copy, VM.snapshot and what VM.checkpoint keeps: the disks first, each by smd, then
 * all rows of the new VM in one turn, so that nobody ever sees half a VM. What was made is taken
 * back when a later step fails.
 */
#include "common/clock.h"
#include "common/undo.h"
#include "common/uuid.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/plan/clone.h"
#include "xapid/plan/firmware.h"
#include "xapid/plan/freeze.h"
#include "xapid/plan/mac.h"
#include "xapid/plan/metadata.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

#include <string.h>

static bool is_snapshot(const struct cloning *k)
{
	return k->how->op == XENAPI_VM_OPERATIONS_SNAPSHOT ||
		k->how->op == XENAPI_VM_OPERATIONS_CHECKPOINT;
}

/* ---- disks ---- */

/* CDs and what nobody may write to is shared; all else is made anew. */
static bool is_shared(const struct xenapi_vbd *vbd, const struct xenapi_vdi *vdi)
{
	return vbd->type == XENAPI_VBD_TYPE_CD || (vdi->read_only && vdi->sharable);
}

static int disk_op(const struct cloning *k)
{
	return is_snapshot(k) ? XENAPI_VDI_OPERATIONS_SNAPSHOT : XENAPI_VDI_OPERATIONS_CLONE;
}

static MAY_WAIT struct err *make_disk(
	struct cloning *k, const char *vdi, const char *frozen, const char **out)
{
	if (k->how->op == XENAPI_VM_OPERATIONS_COPY)
		return plan_vdi_copy(k->call, vdi, k->how->sr, out);
	return plan_vdi_clone_frozen(
		k->call, vdi, (enum xenapi_vdi_operations)disk_op(k), frozen, out);
}

static bool is_left_out(const struct cloning *k, const char *vdi)
{
	for (size_t i = 0; i < k->how->without.n; i++)
		if (!strcmp(k->how->without.v[i], vdi))
			return true;
	return false;
}

/* Of its VBDs those that have a disk which is made anew. */
static struct string_list disks_of(const struct cloning *k, const struct string_list *vbds)
{
	struct string_list out = {arena_calloc(k->call->arena, vbds->n, sizeof(*out.v)), 0};

	for (size_t i = 0; i < vbds->n; i++) {
		const struct xenapi_vbd *vbd = db_find(vbd, vbds->v[i]);
		const struct xenapi_vdi *vdi = vbd ? db_find(vdi, vbd->VDI) : NULL;

		if (vdi && !is_left_out(k, vbd->VDI) && !is_shared(vbd, vdi))
			out.v[out.n++] = vbds->v[i];
	}
	return out;
}

/* What is refused is refused before the guest goes over to anything; what only has to wait for its
 * turn waits when it comes. */
static MAY_WAIT struct err *freeze(
	struct cloning *k, const struct string_list *vbds, struct string_map *frozen)
{
	struct string_list disks = disks_of(k, vbds);

	for (size_t i = 0; i < disks.n && k->how->op != XENAPI_VM_OPERATIONS_COPY; i++) {
		const struct xenapi_vbd *vbd = db_find(vbd, disks.v[i]);
		auto_err e = vdi_rules.check(vbd->VDI, disk_op(k), false);

		if (e && !op_is_in_the_way(e))
			return take(e);
	}
	return freeze_disks(k->call, k->how->vm, &disks, frozen);
}

/* Those that the guest writes to are what they were at one moment. */
static MAY_WAIT struct err *make_disks(struct cloning *k)
{
	struct arena *a = k->call->arena;
	const struct xenapi_vm *vm = db_find(vm, k->how->vm);
	struct string_list vbds = metadata_list(&vm->VBDs, a);
	struct string_map frozen;

	k->disks = arena_calloc(a, vbds.n, sizeof(*k->disks));
	k->made = arena_calloc(a, vbds.n + 1, sizeof(*k->made));
	TRY(freeze(k, &vbds, &frozen));
	for (size_t i = 0; i < vbds.n; i++) {
		const struct xenapi_vbd *vbd;

		TRY(db_get(vbd, vbds.v[i], &vbd));
		if (is_left_out(k, vbd->VDI))
			continue;
		struct clone_disk *disk = &k->disks[k->n_disks++];
		const struct xenapi_vdi *vdi = db_find(vdi, vbd->VDI);
		*disk = (struct clone_disk){vbds.v[i], arena_strdup(a, vbd->VDI)};
		if (!vdi || is_shared(vbd, vdi))
			continue;
		TRY(make_disk(k, disk->vdi, freeze_of(k->call, &frozen, disk->vbd), &disk->vdi));
		k->made[k->n_made++] = disk->vdi;
		call_progress(k->call, (double)(i + 1) / (double)(vbds.n + 1));
	}
	return NULL;
}

/* What a checkpoint has beside a snapshot, and gives back. */
static MAY_WAIT struct err *make_memory(struct cloning *k)
{
	const struct xenapi_vm *vm = db_find(vm, k->how->vm);

	if ((k->how->op != XENAPI_VM_OPERATIONS_CHECKPOINT &&
		    k->how->op != XENAPI_VM_OPERATIONS_REVERT) ||
		!vm || vm->power_state != XENAPI_VM_POWER_STATE_SUSPENDED)
		return NULL;
	const char *vdi = arena_strdup(k->call->arena, vm->suspend_VDI);
	if (!db_find(vdi, vdi))
		return err(VM_HAS_NO_SUSPEND_VDI, k->how->vm);
	TRY(make_disk(k, vdi, NULL, &k->memory));
	k->made[k->n_made++] = k->memory;
	return NULL;
}

struct err *clone_disks(struct cloning *k)
{
	TRY(make_disks(k));
	return make_memory(k);
}

struct err *clone_take_back(void *arg)
{
	struct cloning *k = arg;
	struct err *first = NULL;

	while (k->n_made) {
		struct err *e = plan_vdi_destroy(k->call, k->made[--k->n_made]);

		if (first)
			err_free(e);
		else
			first = e;
	}
	return first;
}

/* ---- rows; nothing waits from here on ---- */

static struct err *add_vbd(const struct clone_disk *disk, const char *vm, bool is_suspended)
{
	const struct xenapi_vbd *original;
	const char *ref;

	TRY(db_get(vbd, disk->vbd, &original));
	struct xenapi_vbd vbd = *original;
	vbd.uuid = "";
	vbd.VM = vm;
	vbd.VDI = disk->vdi;
	vbd.allowed_operations.n = 0;
	vbd.current_operations.n = 0;
	vbd.currently_attached = is_suspended && original->currently_attached;
	vbd.reserved = false;
	vbd.metrics = REF_NULL;
	TRY(db_create(vbd, &vbd, &ref));
	return NULL;
}

static struct err *add_vif(
	const char *original_ref, const char *vm, bool keeps_mac, bool is_suspended)
{
	const struct xenapi_vif *original;
	char mac[MAC_TEXT_SIZE];

	TRY(db_get(vif, original_ref, &original));
	struct xenapi_vif vif = *original;
	vif.uuid = "";
	vif.VM = vm;
	vif.allowed_operations.n = 0;
	vif.current_operations.n = 0;
	vif.currently_attached = is_suspended && original->currently_attached;
	vif.reserved = false;
	vif.metrics = REF_NULL;
	if (!keeps_mac) {
		vif.MAC = mac_random(mac);
		vif.MAC_autogenerated = true;
	}
	return db_create(vif, &vif, NULL);
}

static struct err *add_metrics(const char *original_ref, const char **ref)
{
	const struct xenapi_vm_metrics *original = db_find(vm_metrics, original_ref);
	struct xenapi_vm_metrics metrics = db_blank(vm_metrics);

	if (original)
		metrics.VCPUs_number = original->VCPUs_number;
	return db_create(vm_metrics, &metrics, ref);
}

/* What a new VM does not take over: it is halted, nowhere, and its own. */
static void begin_anew(struct xenapi_vm *vm)
{
	vm->uuid = "";
	vm->allowed_operations.n = 0;
	vm->current_operations.n = 0;
	vm->power_state = XENAPI_VM_POWER_STATE_HALTED;
	vm->suspend_VDI = REF_NULL;
	vm->resident_on = REF_NULL;
	vm->scheduled_to_be_resident_on = REF_NULL;
	vm->domid = -1;
	vm->guest_metrics = REF_NULL;
	vm->is_default_template = false;
	vm->last_booted_record = "";
	vm->appliance = REF_NULL;
	vm->snapshot_schedule = REF_NULL;
	vm->protection_policy = REF_NULL;
	vm->blobs.n = 0;
	vm->requires_reboot = false;
	vm->transportable_snapshot_id = "";
}

/* A snapshot tells what it is of; all else stands for itself. */
static void set_origin(
	const struct cloning *k, const struct xenapi_vm *original, struct xenapi_vm *vm)
{
	vm->is_a_snapshot = is_snapshot(k);
	vm->snapshot_of = is_snapshot(k) ? k->how->vm : REF_NULL;
	vm->snapshot_time = is_snapshot(k) ? clock_real_ns() / NS_PER_S : 0;
	vm->parent = original->parent;
	if (is_snapshot(k))
		vm->is_a_template = true;
	else if (original->is_a_snapshot)
		vm->is_a_template = true;
	vm->name_label = k->how->name;
}

static struct err *add_vm(struct cloning *k, const struct xenapi_vm *original, const char **out)
{
	struct xenapi_vm vm = *original;
	char seed[UUID_TEXT_SIZE], generation[GENERATION_ID_SIZE];

	begin_anew(&vm);
	if (!is_snapshot(k))
		vm.generation_id = firmware_next_generation(vm.generation_id, generation);
	if (k->memory) {
		vm.power_state = XENAPI_VM_POWER_STATE_SUSPENDED;
		vm.suspend_VDI = k->memory;
		vm.last_booted_record = original->last_booted_record;
	}
	set_origin(k, original, &vm);
	TRY(add_metrics(original->metrics, &vm.metrics));
	TRY(db_create(vm, &vm, out));
	*out = arena_strdup(k->call->arena, *out);
	if (!is_snapshot(k))
		TRY(db_map_put(vm, *out, other_config, "mac_seed", uuid_random_text(seed)));
	TRY(db_map_remove(vm, *out, other_config, "default_template"));
	if (is_snapshot(k))
		TRY(db_write(vm, k->how->vm, parent, *out));
	return NULL;
}

struct err *clone_add_devices(struct cloning *k, const char *vm, bool keeps_macs)
{
	const struct xenapi_vm *original;

	TRY(db_get(vm, k->how->vm, &original));
	struct string_list vifs = metadata_list(&original->VIFs, k->call->arena);
	for (size_t i = 0; i < k->n_disks; i++)
		TRY(add_vbd(&k->disks[i], vm, k->memory != NULL));
	for (size_t i = 0; i < vifs.n; i++)
		TRY(add_vif(vifs.v[i], vm, keeps_macs, k->memory != NULL));
	return NULL;
}

static struct err *add_rows(struct cloning *k, const char **out)
{
	const struct xenapi_vm *original;

	TRY(db_get(vm, k->how->vm, &original));
	TRY(add_vm(k, original, out));
	TRY(clone_add_devices(k, *out, is_snapshot(k)));
	rules_vm_changed(*out);
	return NULL;
}

MAY_WAIT struct err *plan_vm_clone_within(
	struct call *c, const struct plan_clone *how, const char **out)
{
	AUTO(undo_run) struct undo undo = {0};
	struct cloning k = {.call = c, .how = how};

	undo_push(&undo, clone_take_back, &k, "destroying the new disks");
	TRY(clone_disks(&k));
	TRY(call_check(c));
	TRY(add_rows(&k, out));
	return undo_commit(&undo);
}

MAY_WAIT struct err *plan_vm_clone(struct call *c, const struct plan_clone *how, const char **out)
{
	AUTO(op_end) struct op doing = {0};

	TRY(op_begin(&doing, &vm_rules, how->vm, (int)how->op, call_task(c)));
	return plan_vm_clone_within(c, how, out);
}
