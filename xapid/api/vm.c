/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VM: its life. Each message is a plan (xapid/plan); what is a setting is in vm_settings.c.
 */
#include "common/uuid.h"
#include "xapid/api/hooks.h"
#include "xapid/db/db.h"
#include "xapid/forward/forward.h"
#include "xapid/gate/roles.h"
#include "xapid/link/xenopsd.h"
#include "xapid/plan/overhead.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

#include <string.h>

#define OP(name) XENAPI_VM_OPERATIONS_##name

#define MAX_VBDS 255
#define MAX_VIFS 16

/* ---- made and destroyed ---- */

MAY_WAIT struct err *hook_vm_create(struct xapi_call *c, const void *const *args, void *out)
{
	struct xenapi_vm vm = *(const struct xenapi_vm *)args[0];
	struct xenapi_vm_metrics metrics = db_blank(vm_metrics);
	char seed[UUID_TEXT_SIZE];
	const char *ref;

	vm.power_state = XENAPI_VM_POWER_STATE_HALTED;
	vm.domid = -1;
	vm.domain_type = vm_domain_type(&vm);
	vm.last_booted_record = "";
	vm.memory_overhead = overhead_of(&vm);
	TRY(db_create(vm_metrics, &metrics, &vm.metrics));
	TRY(db_create(vm, &vm, &ref));
	if (!string_map_get(&vm.other_config, "mac_seed"))
		TRY(db_map_put(vm, ref, other_config, "mac_seed", uuid_random_text(seed)));
	rules_vm_changed(ref);
	*(const char **)out = arena_strdup(c->call.arena, ref);
	return NULL;
}

MAY_WAIT struct err *hook_vm_destroy(struct xapi_call *c, const void *const *args, void *out)
{
	return plan_vm_destroy(&c->call, *(const char *const *)args[0]);
}

/* A copy says no more than its maker could have said: keys of maps that ask for a higher role. */
static struct err *check_keys(struct call *c, const char *ref)
{
	const struct xenapi_vm *vm;

	TRY(db_get(vm, ref, &vm));
	return role_check_record(
		xapi_call(c), &xenapi_class_vm, db_blank_record(&xenapi_class_vm), vm);
}

MAY_WAIT struct err *xapi_vm_clone(
	struct call *c, const struct xenapi_vm_clone_in *in, const char **out)
{
	const struct plan_clone how = {in->vm, in->new_name, OP(CLONE), REF_NULL, {0}};

	TRY(check_keys(c, in->vm));
	return plan_vm_clone(c, &how, out);
}

MAY_WAIT struct err *xapi_vm_copy(
	struct call *c, const struct xenapi_vm_copy_in *in, const char **out)
{
	const struct plan_clone how = {in->vm, in->new_name, OP(COPY), in->sr, {0}};

	TRY(check_keys(c, in->vm));
	return plan_vm_clone(c, &how, out);
}

MAY_WAIT struct err *xapi_vm_snapshot(
	struct call *c, const struct xenapi_vm_snapshot_in *in, const char **out)
{
	const struct plan_clone how = {
		in->vm, in->new_name, OP(SNAPSHOT), REF_NULL, in->ignore_vdis};

	return plan_vm_clone(c, &how, out);
}

MAY_WAIT struct err *xapi_vm_checkpoint(
	struct call *c, const struct xenapi_vm_checkpoint_in *in, const char **out)
{
	return plan_vm_checkpoint(c, in->vm, in->new_name, out);
}

/* What the VM would get back, or lose, its caller could have given or taken. */
static struct err *check_reverted_keys(struct call *c, const char *snapshot)
{
	const struct xenapi_vm *then;

	TRY(db_get(vm, snapshot, &then));
	const struct xenapi_vm *now = db_find(vm, then->snapshot_of);
	return now ? role_check_record(xapi_call(c), &xenapi_class_vm, now, then) : NULL;
}

MAY_WAIT struct err *xapi_vm_revert(struct call *c, const struct xenapi_vm_revert_in *in)
{
	TRY(check_reverted_keys(c, in->snapshot));
	return plan_vm_revert(c, in->snapshot);
}

MAY_WAIT struct err *xapi_vm_provision(struct call *c, const struct xenapi_vm_provision_in *in)
{
	return plan_vm_provision(c, in->vm);
}

/* ---- power ---- */

MAY_WAIT struct err *xapi_vm_start(struct call *c, const struct xenapi_vm_start_in *in)
{
	const char *host = arena_strdup(c->arena, host_here());
	const struct plan_start how = {in->vm, host, OP(START), in->start_paused, in->force};

	return plan_vm_start(c, &how);
}

MAY_WAIT struct err *xapi_vm_start_on(struct call *c, const struct xenapi_vm_start_on_in *in)
{
	const struct plan_start how = {in->vm, in->host, OP(START_ON), in->start_paused, in->force};

	return plan_vm_start(c, &how);
}

MAY_WAIT struct err *xapi_vm_suspend(struct call *c, const struct xenapi_vm_suspend_in *in)
{
	return plan_vm_suspend(c, in->vm);
}

MAY_WAIT struct err *xapi_vm_resume(struct call *c, const struct xenapi_vm_resume_in *in)
{
	const char *host = arena_strdup(c->arena, host_here());
	const struct plan_start how = {in->vm, host, OP(RESUME), in->start_paused, in->force};

	return plan_vm_start(c, &how);
}

MAY_WAIT struct err *xapi_vm_resume_on(struct call *c, const struct xenapi_vm_resume_on_in *in)
{
	const struct plan_start how = {
		in->vm, in->host, OP(RESUME_ON), in->start_paused, in->force};

	return plan_vm_start(c, &how);
}

MAY_WAIT struct err *xapi_vm_pause(struct call *c, const struct xenapi_vm_pause_in *in)
{
	return plan_vm_pause(c, in->vm);
}

MAY_WAIT struct err *xapi_vm_unpause(struct call *c, const struct xenapi_vm_unpause_in *in)
{
	return plan_vm_unpause(c, in->vm);
}

MAY_WAIT struct err *xapi_vm_clean_shutdown(
	struct call *c, const struct xenapi_vm_clean_shutdown_in *in)
{
	return plan_vm_shutdown(c, in->vm, OP(CLEAN_SHUTDOWN));
}

MAY_WAIT struct err *xapi_vm_hard_shutdown(
	struct call *c, const struct xenapi_vm_hard_shutdown_in *in)
{
	return plan_vm_shutdown(c, in->vm, OP(HARD_SHUTDOWN));
}

MAY_WAIT struct err *xapi_vm_shutdown(struct call *c, const struct xenapi_vm_shutdown_in *in)
{
	return plan_vm_shutdown(c, in->vm, OP(SHUTDOWN));
}

MAY_WAIT struct err *xapi_vm_clean_reboot(
	struct call *c, const struct xenapi_vm_clean_reboot_in *in)
{
	return plan_vm_reboot(c, in->vm, OP(CLEAN_REBOOT));
}

MAY_WAIT struct err *xapi_vm_hard_reboot(struct call *c, const struct xenapi_vm_hard_reboot_in *in)
{
	return plan_vm_reboot(c, in->vm, OP(HARD_REBOOT));
}

MAY_WAIT struct err *xapi_vm_pool_migrate(
	struct call *c, const struct xenapi_vm_pool_migrate_in *in)
{
	return plan_vm_migrate(c, in->vm, in->host);
}

MAY_WAIT struct err *xapi_vm_pool_migrate_complete(
	struct call *c, const struct xenapi_vm_pool_migrate_complete_in *in)
{
	if (strcmp(in->host, host_here()) != 0)
		return err(OPERATION_NOT_ALLOWED, "the VM goes to another host");
	return plan_vm_arrived(in->vm);
}

/* The master is asked only where the host that the VM is on is away. */
static bool is_at_lost_host(const struct xenapi_vm *vm)
{
	return !own_role.is_member && !ref_is_null(vm->resident_on) &&
		strcmp(vm->resident_on, host_here()) != 0;
}

/* For a VM whose host is gone; one that runs here is not forgotten so. */
MAY_WAIT struct err *xapi_vm_power_state_reset(
	struct call *c, const struct xenapi_vm_power_state_reset_in *in)
{
	const struct xenapi_vm *vm;

	TRY(db_get(vm, in->vm, &vm));
	if (vm->is_control_domain)
		return err(CANNOT_RESET_CONTROL_DOMAIN, in->vm);
	if (is_at_lost_host(vm))
		return vm_state_halted(in->vm);
	TRY(link_wait_up(&link_xenopsd));
	TRY(link_error(xenopsd_compare(in->vm), in->vm));
	TRY(db_get(vm, in->vm, &vm));
	if (vm->power_state == XENAPI_VM_POWER_STATE_RUNNING ||
		vm->power_state == XENAPI_VM_POWER_STATE_PAUSED)
		return err_new(__FILE__, __LINE__, "DOMAIN_EXISTS", 1, &in->vm);
	return vm_state_halted(in->vm);
}

/* ---- questions ---- */

MAY_WAIT struct err *xapi_vm_assert_operation_valid(
	struct call *c, const struct xenapi_vm_assert_operation_valid_in *in)
{
	const struct xenapi_vm *vm;

	TRY(db_get(vm, in->self, &vm));
	return vm_rules.check(in->self, (int)in->op, true);
}

MAY_WAIT struct err *xapi_vm_update_allowed_operations(
	struct call *c, const struct xenapi_vm_update_allowed_operations_in *in)
{
	const struct xenapi_vm *vm;

	TRY(db_get(vm, in->self, &vm));
	rules_vm_changed(in->self);
	return NULL;
}

MAY_WAIT struct err *xapi_vm_get_possible_hosts(
	struct call *c, const struct xenapi_vm_get_possible_hosts_in *in, struct string_list *out)
{
	const struct xenapi_vm *vm;

	TRY(db_get(vm, in->vm, &vm));
	*out = (struct string_list){arena_calloc(c->arena, db_count(host), sizeof(*out->v)), 0};
	db_for_each (host, row) {
		auto_err e = place_check(db_ref(row), in->vm);

		if (!e)
			out->v[out->n++] = arena_strdup(c->arena, db_ref(row));
	}
	return NULL;
}

MAY_WAIT struct err *xapi_vm_assert_can_boot_here(
	struct call *c, const struct xenapi_vm_assert_can_boot_here_in *in)
{
	return place_check(in->host, in->self);
}

/* The numbers below END that no device of DEVICES has. */
static struct string_list free_numbers(struct call *c, const struct string_list *used, unsigned end)
{
	struct string_list out = {arena_calloc(c->arena, end, sizeof(*out.v)), 0};

	for (unsigned i = 0; i < end; i++) {
		const char *number = arena_printf(c->arena, "%u", i);
		size_t j = 0;

		while (j < used->n && strcmp(used->v[j], number) != 0)
			j++;
		if (j == used->n)
			out.v[out.n++] = number;
	}
	return out;
}

MAY_WAIT struct err *xapi_vm_get_allowed_vbd_devices(struct call *c,
	const struct xenapi_vm_get_allowed_vbd_devices_in *in, struct string_list *out)
{
	const struct xenapi_vm *vm;
	struct string_list used = {0};

	TRY(db_get(vm, in->vm, &vm));
	used.v = arena_calloc(c->arena, vm->VBDs.n, sizeof(*used.v));
	for (; used.n < vm->VBDs.n; used.n++) {
		const struct xenapi_vbd *vbd = db_find(vbd, vm->VBDs.v[used.n]);

		used.v[used.n] = vbd->userdevice;
	}
	*out = free_numbers(c, &used, MAX_VBDS);
	return NULL;
}

MAY_WAIT struct err *xapi_vm_get_allowed_vif_devices(struct call *c,
	const struct xenapi_vm_get_allowed_vif_devices_in *in, struct string_list *out)
{
	const struct xenapi_vm *vm;
	struct string_list used = {0};

	TRY(db_get(vm, in->vm, &vm));
	used.v = arena_calloc(c->arena, vm->VIFs.n, sizeof(*used.v));
	for (; used.n < vm->VIFs.n; used.n++) {
		const struct xenapi_vif *vif = db_find(vif, vm->VIFs.v[used.n]);

		used.v[used.n] = vif->device;
	}
	*out = free_numbers(c, &used, MAX_VIFS);
	return NULL;
}
