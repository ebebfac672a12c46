/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VM: its settings, where setting one does more than to write it, or is checked against others.
 * What changes while the VM runs counts from its next boot on, but for its dynamic range of memory
 * and the keys that its guest reads.
 */
#include "xapid/api/hooks.h"
#include "xapid/db/db.h"
#include "xapid/plan/overhead.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

#include <stdio.h>
#include <string.h>

#define OP(name) XENAPI_VM_OPERATIONS_##name

/* Waits until the VM is free for it, and keeps it so: what is set is set beside nothing else. */
static MAY_WAIT struct err *begin(struct op *doing, struct call *c, const char *ref, int what)
{
	return op_begin(doing, &vm_rules, ref, what, call_task(c));
}

static struct err *check_vm(const char *ref)
{
	const struct xenapi_vm *vm;

	return db_get(vm, ref, &vm);
}

/* ---- what it is ---- */

MAY_WAIT struct err *hook_vm_set_is_a_template(
	struct xapi_call *c, const void *const *args, void *out)
{
	const char *ref = *(const char *const *)args[0];
	bool value = *(const bool *)args[1];
	AUTO(op_end) struct op doing = {0};

	TRY(check_vm(ref));
	if (value)
		TRY(begin(&doing, &c->call, ref, OP(MAKE_INTO_TEMPLATE)));
	TRY(db_write(vm, ref, is_a_template, value));
	if (!value)
		TRY(db_write(vm, ref, is_default_template, false));
	rules_vm_changed(ref);
	return NULL;
}

MAY_WAIT struct err *xapi_vm_set_is_default_template(
	struct call *c, const struct xenapi_vm_set_is_default_template_in *in)
{
	AUTO(op_end) struct op doing = {0};

	TRY(begin(&doing, c, in->vm, OP(MAKE_INTO_TEMPLATE)));
	if (in->value)
		TRY(db_write(vm, in->vm, is_a_template, true));
	TRY(db_write(vm, in->vm, is_default_template, in->value));
	rules_vm_changed(in->vm);
	return NULL;
}

/* The two ways to say it are kept alike. */
MAY_WAIT struct err *xapi_vm_set_domain_type(
	struct call *c, const struct xenapi_vm_set_domain_type_in *in)
{
	bool is_hvm = in->value == XENAPI_DOMAIN_TYPE_HVM;

	TRY(check_vm(in->self));
	TRY(db_write(vm, in->self, domain_type, in->value));
	TRY(db_write(vm, in->self, HVM_boot_policy, is_hvm ? "BIOS order" : ""));
	rules_vm_changed(in->self);
	return NULL;
}

MAY_WAIT struct err *xapi_vm_set_hvm_boot_policy(
	struct call *c, const struct xenapi_vm_set_hvm_boot_policy_in *in)
{
	TRY(check_vm(in->self));
	TRY(db_write(vm, in->self, domain_type,
		*in->value ? XENAPI_DOMAIN_TYPE_HVM : XENAPI_DOMAIN_TYPE_PV));
	TRY(db_write(vm, in->self, HVM_boot_policy, in->value));
	rules_vm_changed(in->self);
	return NULL;
}

/* ---- what it may not do ---- */

MAY_WAIT struct err *xapi_vm_set_blocked_operations(
	struct call *c, const struct xenapi_vm_set_blocked_operations_in *in)
{
	TRY(db_write(vm, in->self, blocked_operations, in->value));
	rules_vm_changed(in->self);
	return NULL;
}

MAY_WAIT struct err *xapi_vm_add_to_blocked_operations(
	struct call *c, const struct xenapi_vm_add_to_blocked_operations_in *in)
{
	TRY(db_map_put(
		vm, in->self, blocked_operations, op_name(&vm_rules, (int)in->key), in->value));
	rules_vm_changed(in->self);
	return NULL;
}

MAY_WAIT struct err *xapi_vm_remove_from_blocked_operations(
	struct call *c, const struct xenapi_vm_remove_from_blocked_operations_in *in)
{
	TRY(db_map_remove(vm, in->self, blocked_operations, op_name(&vm_rules, (int)in->key)));
	rules_vm_changed(in->self);
	return NULL;
}

/* ---- processors ---- */

static struct err *bad_vcpus(int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	return err(
		INVALID_VALUE, "VCPU values must satisfy: 0 < VCPUs_at_startup ≤ VCPUs_max", text);
}

MAY_WAIT struct err *xapi_vm_set_vcpus_max(
	struct call *c, const struct xenapi_vm_set_vcpus_max_in *in)
{
	const struct xenapi_vm *vm;
	AUTO(op_end) struct op doing = {0};

	TRY(begin(&doing, c, in->self, OP(CHANGING_VCPUS)));
	TRY(db_get(vm, in->self, &vm));
	if (in->value < 1 || in->value < vm->VCPUs_at_startup)
		return bad_vcpus(in->value);
	TRY(db_write(vm, in->self, VCPUs_max, in->value));
	return overhead_note(in->self);
}

MAY_WAIT struct err *xapi_vm_set_vcpus_at_startup(
	struct call *c, const struct xenapi_vm_set_vcpus_at_startup_in *in)
{
	const struct xenapi_vm *vm;
	AUTO(op_end) struct op doing = {0};

	TRY(begin(&doing, c, in->self, OP(CHANGING_VCPUS)));
	TRY(db_get(vm, in->self, &vm));
	if (in->value < 1 || in->value > vm->VCPUs_max)
		return bad_vcpus(in->value);
	return db_write(vm, in->self, VCPUs_at_startup, in->value);
}

/* ---- memory ---- */

/* The four bounds, of which each setter changes some. */
struct bounds {
	int64_t static_min, dynamic_min, dynamic_max, static_max;
};

static MAY_WAIT struct err *bounds_of(
	struct op *doing, struct call *c, const char *ref, int what, struct bounds *out)
{
	const struct xenapi_vm *vm;

	TRY(begin(doing, c, ref, what));
	TRY(db_get(vm, ref, &vm));
	*out = (struct bounds){vm->memory_static_min, vm->memory_dynamic_min,
		vm->memory_dynamic_max, vm->memory_static_max};
	return NULL;
}

static struct err *check_bounds(const struct bounds *b)
{
	if (b->static_min < 0 || b->static_min > b->dynamic_min ||
		b->dynamic_min > b->dynamic_max || b->dynamic_max > b->static_max)
		return err(MEMORY_CONSTRAINT_VIOLATION,
			"Memory limits must satisfy: static_min <= dynamic_min <= dynamic_max <= "
			"static_max");
	return NULL;
}

static struct err *set_bounds(const char *ref, const struct bounds *b)
{
	const struct xenapi_vm *vm = db_find(vm, ref);

	TRY(check_bounds(b));
	if (vm->power_state != XENAPI_VM_POWER_STATE_HALTED && !vm->is_control_domain)
		return err(NOT_IMPLEMENTED, "changing the memory of a running VM");
	TRY(db_write(vm, ref, memory_static_min, b->static_min));
	TRY(db_write(vm, ref, memory_dynamic_min, b->dynamic_min));
	TRY(db_write(vm, ref, memory_dynamic_max, b->dynamic_max));
	TRY(db_write(vm, ref, memory_static_max, b->static_max));
	return overhead_note(ref);
}

/* The host balances its memory by it from now on. */
static MAY_WAIT struct err *balance(
	struct call *c, const struct xenapi_vm *vm, const char *ref, const struct bounds *b)
{
	const struct link_work work = {.part = "VM.set_memory_dynamic_range"};
	const struct xenops_vm_set_memory_dynamic_range_in in = {
		arena_strdup(c->arena, vm->uuid), b->dynamic_min, b->dynamic_max};
	const char *task;

	TRY(link_error(xenops_vm_set_memory_dynamic_range(
			       link_xenopsd.client, &in, c->arena, &task, plan_soon()),
		ref));
	return plan_await_vm(&work, task, ref);
}

/* Of a VM that runs it changes at once; of one that does not, for its next boot. */
static MAY_WAIT struct err *set_dynamic(struct call *c, const char *ref, const struct bounds *b)
{
	const struct xenapi_vm *vm = db_find(vm, ref);

	TRY(check_bounds(b));
	if (vm->power_state != XENAPI_VM_POWER_STATE_RUNNING || vm->is_control_domain)
		return set_bounds(ref, b);
	TRY(balance(c, vm, ref, b));
	TRY(db_write(vm, ref, memory_dynamic_min, b->dynamic_min));
	return db_write(vm, ref, memory_dynamic_max, b->dynamic_max);
}

/* Of old: exactly so much. */
MAY_WAIT struct err *xapi_vm_set_memory_target_live(
	struct call *c, const struct xenapi_vm_set_memory_target_live_in *in)
{
	AUTO(op_end) struct op doing = {0};
	struct bounds b;

	TRY(bounds_of(&doing, c, in->self, OP(CHANGING_MEMORY_LIVE), &b));
	b.dynamic_min = b.dynamic_max = in->target;
	return set_dynamic(c, in->self, &b);
}

MAY_WAIT struct err *xapi_vm_set_memory_limits(
	struct call *c, const struct xenapi_vm_set_memory_limits_in *in)
{
	const struct bounds b = {in->static_min, in->dynamic_min, in->dynamic_max, in->static_max};
	AUTO(op_end) struct op doing = {0};

	TRY(begin(&doing, c, in->self, OP(CHANGING_MEMORY_LIMITS)));
	return set_bounds(in->self, &b);
}

MAY_WAIT struct err *xapi_vm_set_memory(struct call *c, const struct xenapi_vm_set_memory_in *in)
{
	AUTO(op_end) struct op doing = {0};
	struct bounds b;

	TRY(bounds_of(&doing, c, in->self, OP(CHANGING_MEMORY_LIMITS), &b));
	b.dynamic_min = b.dynamic_max = b.static_max = in->value;
	return set_bounds(in->self, &b);
}

MAY_WAIT struct err *xapi_vm_set_memory_dynamic_range(
	struct call *c, const struct xenapi_vm_set_memory_dynamic_range_in *in)
{
	AUTO(op_end) struct op doing = {0};
	struct bounds b;

	TRY(bounds_of(&doing, c, in->self, OP(CHANGING_DYNAMIC_RANGE), &b));
	b.dynamic_min = in->min;
	b.dynamic_max = in->max;
	return set_dynamic(c, in->self, &b);
}

MAY_WAIT struct err *xapi_vm_set_memory_static_range(
	struct call *c, const struct xenapi_vm_set_memory_static_range_in *in)
{
	AUTO(op_end) struct op doing = {0};
	struct bounds b;

	TRY(bounds_of(&doing, c, in->self, OP(CHANGING_STATIC_RANGE), &b));
	b.static_min = in->min;
	b.static_max = in->max;
	return set_bounds(in->self, &b);
}

MAY_WAIT struct err *xapi_vm_set_memory_static_max(
	struct call *c, const struct xenapi_vm_set_memory_static_max_in *in)
{
	AUTO(op_end) struct op doing = {0};
	struct bounds b;

	TRY(bounds_of(&doing, c, in->self, OP(CHANGING_STATIC_RANGE), &b));
	b.static_max = in->value;
	return set_bounds(in->self, &b);
}

MAY_WAIT struct err *xapi_vm_set_memory_static_min(
	struct call *c, const struct xenapi_vm_set_memory_static_min_in *in)
{
	AUTO(op_end) struct op doing = {0};
	struct bounds b;

	TRY(bounds_of(&doing, c, in->self, OP(CHANGING_STATIC_RANGE), &b));
	b.static_min = in->value;
	return set_bounds(in->self, &b);
}

MAY_WAIT struct err *xapi_vm_set_memory_dynamic_max(
	struct call *c, const struct xenapi_vm_set_memory_dynamic_max_in *in)
{
	AUTO(op_end) struct op doing = {0};
	struct bounds b;

	TRY(bounds_of(&doing, c, in->self, OP(CHANGING_DYNAMIC_RANGE), &b));
	b.dynamic_max = in->value;
	return set_dynamic(c, in->self, &b);
}

MAY_WAIT struct err *xapi_vm_set_memory_dynamic_min(
	struct call *c, const struct xenapi_vm_set_memory_dynamic_min_in *in)
{
	AUTO(op_end) struct op doing = {0};
	struct bounds b;

	TRY(bounds_of(&doing, c, in->self, OP(CHANGING_DYNAMIC_RANGE), &b));
	b.dynamic_min = in->value;
	return set_dynamic(c, in->self, &b);
}

/* ---- plain ones, with a message of their own ---- */

MAY_WAIT struct err *xapi_vm_set_hvm_shadow_multiplier(
	struct call *c, const struct xenapi_vm_set_hvm_shadow_multiplier_in *in)
{
	AUTO(op_end) struct op doing = {0};

	if (!(in->value >= 1))
		return err(INVALID_VALUE, "value", "not 1 or more");
	TRY(begin(&doing, c, in->self, OP(CHANGING_SHADOW_MEMORY)));
	TRY(db_write(vm, in->self, HVM_shadow_multiplier, in->value));
	return overhead_note(in->self);
}

MAY_WAIT struct err *xapi_vm_set_actions_after_crash(
	struct call *c, const struct xenapi_vm_set_actions_after_crash_in *in)
{
	return db_write(vm, in->self, actions_after_crash, in->value);
}

MAY_WAIT struct err *xapi_vm_set_platform(
	struct call *c, const struct xenapi_vm_set_platform_in *in)
{
	return db_write(vm, in->self, platform, in->value);
}

/* MAP_DUPLICATE_KEY when the map has the key. */
static struct err *check_new_key(
	const char *ref, const char *field, const struct string_map *m, const char *key)
{
	return string_map_get(m, key) ? err(MAP_DUPLICATE_KEY, "VM", field, ref, key) : NULL;
}

MAY_WAIT struct err *xapi_vm_add_to_platform(
	struct call *c, const struct xenapi_vm_add_to_platform_in *in)
{
	const struct xenapi_vm *vm;

	TRY(db_get(vm, in->self, &vm));
	TRY(check_new_key(in->self, "platform", &vm->platform, in->key));
	return db_map_put(vm, in->self, platform, in->key, in->value);
}

MAY_WAIT struct err *xapi_vm_remove_from_platform(
	struct call *c, const struct xenapi_vm_remove_from_platform_in *in)
{
	return db_map_remove(vm, in->self, platform, in->key);
}

MAY_WAIT struct err *xapi_vm_set_other_config(
	struct call *c, const struct xenapi_vm_set_other_config_in *in)
{
	return db_write(vm, in->self, other_config, in->value);
}

MAY_WAIT struct err *xapi_vm_add_to_other_config(
	struct call *c, const struct xenapi_vm_add_to_other_config_in *in)
{
	const struct xenapi_vm *vm;

	TRY(db_get(vm, in->self, &vm));
	TRY(check_new_key(in->self, "other_config", &vm->other_config, in->key));
	return db_map_put(vm, in->self, other_config, in->key, in->value);
}

MAY_WAIT struct err *xapi_vm_remove_from_other_config(
	struct call *c, const struct xenapi_vm_remove_from_other_config_in *in)
{
	return db_map_remove(vm, in->self, other_config, in->key);
}

MAY_WAIT struct err *xapi_vm_set_nvram(struct call *c, const struct xenapi_vm_set_nvram_in *in)
{
	AUTO(op_end) struct op doing = {0};

	TRY(begin(&doing, c, in->self, OP(CHANGING_NVRAM)));
	return db_write(vm, in->self, NVRAM, in->value);
}

MAY_WAIT struct err *xapi_vm_set_start_delay(
	struct call *c, const struct xenapi_vm_set_start_delay_in *in)
{
	return db_write(vm, in->self, start_delay, in->value);
}

MAY_WAIT struct err *xapi_vm_set_shutdown_delay(
	struct call *c, const struct xenapi_vm_set_shutdown_delay_in *in)
{
	return db_write(vm, in->self, shutdown_delay, in->value);
}

MAY_WAIT struct err *xapi_vm_set_order(struct call *c, const struct xenapi_vm_set_order_in *in)
{
	return db_write(vm, in->self, order, in->value);
}

MAY_WAIT struct err *xapi_vm_set_has_vendor_device(
	struct call *c, const struct xenapi_vm_set_has_vendor_device_in *in)
{
	TRY(check_vm(in->self));
	TRY(vm_check_power_state(in->self, OP_BIT(XENAPI_VM_POWER_STATE_HALTED)));
	return db_write(vm, in->self, has_vendor_device, in->value);
}

/* ---- keys that the guest reads ---- */

/* A running guest has them at once. */
static MAY_WAIT struct err *tell_guest(struct call *c, const char *ref)
{
	const struct xenapi_vm *vm = db_find(vm, ref);
	struct xenops_metadata metadata;
	const struct link_work work = {.part = "VM.set_xenstore_data"};
	const char *task;

	if (vm->power_state != XENAPI_VM_POWER_STATE_RUNNING || vm->is_control_domain)
		return NULL;
	TRY(plan_metadata(ref, c->arena, &metadata));
	const struct xenops_vm_set_xenstore_data_in in = {
		metadata.vm.vm, metadata.vm.xenstore_data};
	TRY(link_error(
		xenops_vm_set_xenstore_data(link_xenopsd.client, &in, c->arena, &task, plan_soon()),
		ref));
	return plan_await_vm(&work, task, ref);
}

MAY_WAIT struct err *hook_vm_xenstore_data(struct xapi_call *c, const void *const *args, void *out)
{
	const char *ref = *(const char *const *)args[0];
	const struct xenapi_vm *vm;

	TRY(db_get(vm, ref, &vm));
	if (c->message->kind == MESSAGE_SET) {
		TRY(db_write(vm, ref, xenstore_data, *(const struct string_map *)args[1]));
		return tell_guest(&c->call, ref);
	}
	const char *key = *(const char *const *)args[1];
	if (c->message->kind == MESSAGE_ADD_TO) {
		TRY(check_new_key(ref, "xenstore_data", &vm->xenstore_data, key));
		TRY(db_map_put(vm, ref, xenstore_data, key, *(const char *const *)args[2]));
	} else {
		TRY(db_map_remove(vm, ref, xenstore_data, key));
	}
	return tell_guest(&c->call, ref);
}
