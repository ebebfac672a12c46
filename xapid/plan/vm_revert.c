/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VM.revert: a VM becomes again what it was when the snapshot was made, with disks of its own: the
 * new ones are made first, from the snapshot's; then, in one turn, the VM has them and the settings
 * of then; the old ones go last. With a checkpoint it is suspended, and goes on from there.
 */
#define LOG_MODULE "revert"
#include "common/log.h"
#include "common/undo.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/link/xenopsd.h"
#include "xapid/plan/clone.h"
#include "xapid/plan/firmware.h"
#include "xapid/plan/metadata.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

#include <string.h>

/* A plan under way; on the stack of its fiber. */
struct revert {
	struct cloning k; /* of the snapshot */
	const char *vm;
	struct string_list old; /* VDIs of the VM that nobody will need any more */
};

/* ---- rows; nothing waits ---- */

/* What a snapshot says of its VM. Its names are its own, and the VM's place and power the VM's. */
#define SETTINGS(X) \
	X(user_version) \
	X(affinity) \
	X(memory_static_max) \
	X(memory_dynamic_max) \
	X(memory_dynamic_min) \
	X(memory_static_min) \
	X(VCPUs_params) \
	X(VCPUs_max) \
	X(VCPUs_at_startup) \
	X(actions_after_softreboot) \
	X(actions_after_shutdown) \
	X(actions_after_reboot) \
	X(actions_after_crash) \
	X(PV_bootloader) \
	X(PV_kernel) \
	X(PV_ramdisk) \
	X(PV_args) \
	X(PV_bootloader_args) \
	X(PV_legacy_args) \
	X(HVM_boot_policy) \
	X(HVM_boot_params) \
	X(HVM_shadow_multiplier) \
	X(platform) \
	X(PCI_bus) \
	X(other_config) \
	X(last_boot_CPU_flags) \
	X(recommendations) \
	X(xenstore_data) \
	X(ha_restart_priority) \
	X(tags) \
	X(bios_strings) \
	X(start_delay) \
	X(shutdown_delay) \
	X(order) \
	X(suspend_SR) \
	X(hardware_platform_version) \
	X(has_vendor_device) \
	X(domain_type) \
	X(NVRAM)

#define WRITE(field) TRY(db_write(vm, vm, field, then->field));

/* It has been what it becomes, and its guest is to know. */
static struct err *write_settings(const char *vm, const struct xenapi_vm *then)
{
	char generation[GENERATION_ID_SIZE];

	SETTINGS(WRITE)
	return db_write(
		vm, vm, generation_id, firmware_next_generation(then->generation_id, generation));
}

/* The VM's own drives and network interfaces go; the VDIs that are left to nobody are noted. */
static struct err *drop_devices(struct revert *r)
{
	struct arena *a = r->k.call->arena;
	const struct xenapi_vm *vm = db_find(vm, r->vm);
	struct string_list vbds = metadata_list(&vm->VBDs, a);
	struct string_list vifs = metadata_list(&vm->VIFs, a);

	r->old.v = arena_calloc(a, vbds.n + 1, sizeof(*r->old.v));
	for (size_t i = 0; i < vbds.n; i++) {
		const struct xenapi_vbd *vbd = db_find(vbd, vbds.v[i]);
		const struct xenapi_vdi *vdi = db_find(vdi, vbd->VDI);

		if (vdi && vbd->type != XENAPI_VBD_TYPE_CD && vdi->VBDs.n == 1 && !vdi->sharable)
			r->old.v[r->old.n++] = arena_strdup(a, vbd->VDI);
		TRY(db_delete(vbd, vbds.v[i]));
	}
	for (size_t i = 0; i < vifs.n; i++)
		TRY(db_delete(vif, vifs.v[i]));
	return NULL;
}

/* Snapshots of the disk that goes are snapshots of the one that comes. */
static struct err *hand_over_snapshots(struct cloning *k, const struct clone_disk *disk)
{
	const struct xenapi_vbd *vbd = db_find(vbd, disk->vbd);
	const struct xenapi_vdi *source = vbd ? db_find(vdi, vbd->VDI) : NULL;

	if (!source || !strcmp(vbd->VDI, disk->vdi) || !db_find(vdi, source->snapshot_of))
		return NULL;
	const char *old = arena_strdup(k->call->arena, source->snapshot_of);
	const struct xenapi_vdi *row = db_find(vdi, old);
	struct string_list snapshots = metadata_list(&row->snapshots, k->call->arena);
	for (size_t i = 0; i < snapshots.n; i++)
		TRY(db_write(vdi, snapshots.v[i], snapshot_of, disk->vdi));
	return NULL;
}

static struct err *write_power(struct revert *r, const struct xenapi_vm *then)
{
	const char *memory = r->k.memory;

	TRY(db_write(vm, r->vm, suspend_VDI, memory ? memory : REF_NULL));
	TRY(db_write(vm, r->vm, last_booted_record, memory ? then->last_booted_record : ""));
	return db_write(vm, r->vm, power_state,
		memory ? XENAPI_VM_POWER_STATE_SUSPENDED : XENAPI_VM_POWER_STATE_HALTED);
}

static struct err *write_rows(struct revert *r)
{
	const char *snapshot = r->k.how->vm;
	const struct xenapi_vm *then;

	TRY(db_get(vm, snapshot, &then));
	TRY(vm_check_power_state(r->vm, OP_BIT(XENAPI_VM_POWER_STATE_HALTED)));
	for (size_t i = 0; i < r->k.n_disks; i++)
		TRY(hand_over_snapshots(&r->k, &r->k.disks[i]));
	TRY(drop_devices(r));
	TRY(clone_add_devices(&r->k, r->vm, true));
	TRY(write_settings(r->vm, then));
	TRY(write_power(r, then));
	TRY(db_write(vm, r->vm, parent, snapshot));
	rules_vm_changed(r->vm);
	return NULL;
}

/* ---- the rest ---- */

/* What runs, or is suspended, is lost: that is what was asked for. */
static MAY_WAIT struct err *end(struct call *c, const char *vm)
{
	const struct xenapi_vm *row;

	TRY(db_get(vm, vm, &row));
	if (row->power_state == XENAPI_VM_POWER_STATE_HALTED)
		return NULL;
	return plan_vm_shutdown(c, vm, XENAPI_VM_OPERATIONS_HARD_SHUTDOWN);
}

/* One that cannot be destroyed is nobody's, and no reason to fail: the VM is what it should be. */
static MAY_WAIT void destroy_old(const struct revert *r)
{
	for (size_t i = 0; i < r->old.n; i++) {
		auto_err e =
			db_find(vdi, r->old.v[i]) ? plan_vdi_destroy(r->k.call, r->old.v[i]) : NULL;

		if (e)
			log_err(LOG_WARN_, e, "VDI %s is left over", r->old.v[i]);
	}
}

static MAY_WAIT struct err *revert(struct revert *r)
{
	AUTO(undo_run) struct undo undo = {0};

	undo_push(&undo, clone_take_back, &r->k, "destroying the new disks");
	TRY(clone_disks(&r->k));
	TRY(end(r->k.call, r->vm));
	TRY(write_rows(r));
	TRY(undo_commit(&undo));
	TRY(plan_commit());
	destroy_old(r);
	return NULL;
}

MAY_WAIT struct err *plan_vm_revert(struct call *c, const char *snapshot)
{
	AUTO(op_end) struct op of_snapshot = {0};
	AUTO(op_end) struct op of_vm = {0};
	const struct plan_clone how = {snapshot, "", XENAPI_VM_OPERATIONS_REVERT, REF_NULL, {0}};
	struct revert r = {.k = {.call = c, .how = &how}};
	const struct xenapi_vm *row;

	TRY(op_begin(&of_snapshot, &vm_rules, snapshot, XENAPI_VM_OPERATIONS_REVERT, call_task(c)));
	TRY(db_get(vm, snapshot, &row));
	r.vm = arena_strdup(c->arena, row->snapshot_of);
	if (!db_find(vm, r.vm))
		return err(VM_REVERT_FAILED, r.vm, snapshot);
	TRY(op_begin(&of_vm, &vm_rules, r.vm, XENAPI_VM_OPERATIONS_REVERTING, call_task(c)));
	return revert(&r);
}
