/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What may be done with a VM: a row for each operation, checked in the order in which the original
 * does, since clients see the first thing that speaks against it.
 */
#include "xapid/db/db.h"
#include "xapid/rules/rules.h"

#include "common/sbuf.h"

#include <string.h>

#define OP(name)  XENAPI_VM_OPERATIONS_##name
#define BIT(name) OP_BIT(OP(name))

enum {
	H = OP_BIT(XENAPI_VM_POWER_STATE_HALTED),
	P = OP_BIT(XENAPI_VM_POWER_STATE_PAUSED),
	S = OP_BIT(XENAPI_VM_POWER_STATE_SUSPENDED),
	R = OP_BIT(XENAPI_VM_POWER_STATE_RUNNING),
	ANY = H | P | S | R,
};

enum {
	TEMPLATE = 1, /* a template may do it */
	DEFAULT = 2, /* a default template too */
	SNAPSHOT = 4, /* a snapshot may do it */
	DOM0 = 8, /* a control domain may do it */
	RUNNING_DOM0 = 16, /* a control domain while it runs, too */
	HIDDEN = 32, /* is never listed */
};

/* What a guest must be able to do while it runs; any of the two. */
struct wants {
	const char *feature, *other;
};

static const struct wants no_wants, shutdown_wants = {"feature-shutdown", "feature-poweroff"},
				    reboot_wants = {"feature-reboot", "feature-shutdown"},
				    suspend_wants = {"feature-suspend", NULL},
				    hotplug_wants = {"feature-vcpu-hotplug", NULL};

static const struct rule {
	uint64_t states;
	unsigned flags;
	const struct wants *wants;
} rules[] = {
	[OP(SNAPSHOT)] = {ANY, 0, &no_wants},
	[OP(CLONE)] = {H, TEMPLATE | DEFAULT | SNAPSHOT, &no_wants},
	[OP(COPY)] = {H, TEMPLATE | DEFAULT | SNAPSHOT, &no_wants},
	[OP(CREATE_TEMPLATE)] = {H | S, HIDDEN, &no_wants},
	[OP(REVERT)] = {ANY, SNAPSHOT, &no_wants},
	[OP(CHECKPOINT)] = {P | S | R, 0, &suspend_wants},
	[OP(SNAPSHOT_WITH_QUIESCE)] = {0, HIDDEN, &no_wants},
	[OP(PROVISION)] = {H, TEMPLATE | DEFAULT, &no_wants},
	[OP(START)] = {H, DOM0, &no_wants},
	[OP(START_ON)] = {H, DOM0, &no_wants},
	[OP(PAUSE)] = {R, 0, &no_wants},
	[OP(UNPAUSE)] = {P, 0, &no_wants},
	[OP(CLEAN_SHUTDOWN)] = {R, 0, &shutdown_wants},
	[OP(CLEAN_REBOOT)] = {R, 0, &reboot_wants},
	[OP(HARD_SHUTDOWN)] = {P | S | R, SNAPSHOT, &no_wants},
	[OP(POWER_STATE_RESET)] = {ANY, HIDDEN, &no_wants},
	[OP(HARD_REBOOT)] = {P | R, 0, &no_wants},
	[OP(SUSPEND)] = {R, 0, &suspend_wants},
	[OP(CSVM)] = {S, HIDDEN, &no_wants},
	[OP(RESUME)] = {S, 0, &no_wants},
	[OP(RESUME_ON)] = {S, 0, &no_wants},
	[OP(POOL_MIGRATE)] = {R, 0, &suspend_wants},
	[OP(MIGRATE_SEND)] = {H | S | R, TEMPLATE, &suspend_wants},
	[OP(GET_BOOT_RECORD)] = {P | S | R, HIDDEN, &no_wants},
	[OP(SEND_SYSRQ)] = {R, HIDDEN, &no_wants},
	[OP(SEND_TRIGGER)] = {R, HIDDEN, &no_wants},
	[OP(QUERY_SERVICES)] = {ANY, HIDDEN, &no_wants},
	[OP(SHUTDOWN)] = {P | S | R, HIDDEN, &no_wants},
	[OP(CALL_PLUGIN)] = {R, HIDDEN, &no_wants},
	[OP(CHANGING_MEMORY_LIVE)] = {R, DOM0 | HIDDEN, &no_wants},
	[OP(AWAITING_MEMORY_LIVE)] = {R, DOM0 | HIDDEN, &no_wants},
	[OP(CHANGING_DYNAMIC_RANGE)] = {H | R, TEMPLATE | DEFAULT | DOM0, &no_wants},
	[OP(CHANGING_STATIC_RANGE)] = {H, TEMPLATE | DEFAULT | DOM0 | RUNNING_DOM0, &no_wants},
	[OP(CHANGING_MEMORY_LIMITS)] = {H, TEMPLATE | DEFAULT | DOM0 | RUNNING_DOM0 | HIDDEN,
		&no_wants},
	[OP(CHANGING_SHADOW_MEMORY)] = {H, TEMPLATE | DEFAULT, &no_wants},
	[OP(CHANGING_SHADOW_MEMORY_LIVE)] = {R, HIDDEN, &no_wants},
	[OP(CHANGING_VCPUS)] = {H, TEMPLATE | DEFAULT | DOM0 | RUNNING_DOM0 | HIDDEN, &no_wants},
	[OP(CHANGING_VCPUS_LIVE)] = {R, 0, &hotplug_wants},
	[OP(CHANGING_NVRAM)] = {H, TEMPLATE | DEFAULT, &no_wants},
	[OP(ASSERT_OPERATION_VALID)] = {ANY, HIDDEN, &no_wants},
	[OP(DATA_SOURCE_OP)] = {R, DOM0 | HIDDEN, &no_wants},
	[OP(UPDATE_ALLOWED_OPERATIONS)] = {ANY, HIDDEN, &no_wants},
	[OP(MAKE_INTO_TEMPLATE)] = {H, 0, &no_wants},
	[OP(IMPORT)] = {0, HIDDEN, &no_wants},
	[OP(EXPORT)] = {H | S, TEMPLATE | DEFAULT | SNAPSHOT, &no_wants},
	[OP(METADATA_EXPORT)] = {ANY, TEMPLATE | DEFAULT | SNAPSHOT | DOM0, &no_wants},
	[OP(REVERTING)] = {ANY, HIDDEN, &no_wants},
	[OP(DESTROY)] = {H | S, TEMPLATE | SNAPSHOT | DOM0, &no_wants},
	[OP(CREATE_VTPM)] = {H, 0, &no_wants},
	[OP(SYSPREP)] = {R, 0, &no_wants},
};

_Static_assert(ARRAY_LEN(rules) <= OP_MAX, "a set of operations fits 64 bits");

/* Operations that may run beside each other; all else excludes all else. */
static const struct beside {
	uint64_t what, others;
} besides[] = {
	{BIT(CLONE) | BIT(COPY) | BIT(EXPORT), BIT(CLONE) | BIT(COPY) | BIT(EXPORT)},
	{BIT(SNAPSHOT) | BIT(CHECKPOINT), BIT(SNAPSHOT) | BIT(CHECKPOINT)},
	{BIT(SNAPSHOT), BIT(SNAPSHOT_WITH_QUIESCE)},
	{BIT(GET_BOOT_RECORD), BIT(GET_BOOT_RECORD)},
	{BIT(METADATA_EXPORT) | BIT(CLEAN_SHUTDOWN) | BIT(CLEAN_REBOOT), BIT(MIGRATE_SEND)},
	{BIT(HARD_SHUTDOWN), ~BIT(HARD_SHUTDOWN)},
	{BIT(HARD_REBOOT), ~(BIT(HARD_SHUTDOWN) | BIT(HARD_REBOOT))},
};

static const char *const state_texts[] = {
	[XENAPI_VM_POWER_STATE_HALTED] = "halted",
	[XENAPI_VM_POWER_STATE_PAUSED] = "paused",
	[XENAPI_VM_POWER_STATE_RUNNING] = "running",
	[XENAPI_VM_POWER_STATE_SUSPENDED] = "suspended",
};

const char *vm_power_state_text(enum xenapi_vm_power_state state)
{
	return state_texts[state];
}

struct err *vm_check_power_state(const char *ref, uint64_t set)
{
	static const enum xenapi_vm_power_state order[] = {XENAPI_VM_POWER_STATE_HALTED,
		XENAPI_VM_POWER_STATE_PAUSED, XENAPI_VM_POWER_STATE_SUSPENDED,
		XENAPI_VM_POWER_STATE_RUNNING};
	AUTO(sbuf_fini) struct sbuf expected = {0};
	const struct xenapi_vm *vm;

	TRY(db_get(vm, ref, &vm));
	if (set & OP_BIT(vm->power_state))
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		if (!(set & OP_BIT(order[i])))
			continue;
		sbuf_adds(&expected, sbuf_len(&expected) ? ", " : "");
		sbuf_adds(&expected, state_texts[order[i]]);
	}
	return err(VM_BAD_POWER_STATE, ref, sbuf_str(&expected), state_texts[vm->power_state]);
}

static struct err *check_concurrency(const char *ref, int op)
{
	uint64_t allowed = 0;

	for (size_t i = 0; i < ARRAY_LEN(besides); i++) {
		if (besides[i].what & OP_BIT(op))
			allowed |= besides[i].others;
	}
	return op_check_others(&vm_rules, ref, ~allowed);
}

/* These errors tell the operation too, which the model does not say. */
static struct err *refuse(const char *code, const char *ref, int op)
{
	return err_new(
		__FILE__, __LINE__, code, 2, (const char *const[]){ref, op_name(&vm_rules, op)});
}

static struct err *check_kind(const char *ref, const struct xenapi_vm *vm, int op)
{
	unsigned flags = rules[op].flags;

	if (vm->is_a_snapshot && !(flags & SNAPSHOT) && !(flags & HIDDEN))
		return refuse("VM_IS_SNAPSHOT", ref, op);
	if (vm->is_a_template && !vm->is_a_snapshot && !(flags & (TEMPLATE | HIDDEN)))
		return refuse("VM_IS_TEMPLATE", ref, op);
	if (vm->is_default_template && (flags & TEMPLATE) && !(flags & DEFAULT))
		return refuse("VM_IS_TEMPLATE", ref, op);
	if (op == OP(PROVISION) && !vm->is_a_template)
		return err(PROVISION_ONLY_ALLOWED_ON_TEMPLATE);
	if (op == OP(REVERT) && !vm->is_a_snapshot)
		return refuse("ONLY_REVERT_SNAPSHOT", ref, op);
	if (vm->is_control_domain && !(flags & DOM0))
		return err(OPERATION_NOT_ALLOWED, "This operation is not allowed on dom0");
	return NULL;
}

enum xenapi_domain_type vm_domain_type(const struct xenapi_vm *vm)
{
	if (vm->domain_type != XENAPI_DOMAIN_TYPE_UNSPECIFIED)
		return vm->domain_type;
	return *vm->HVM_boot_policy ? XENAPI_DOMAIN_TYPE_HVM : XENAPI_DOMAIN_TYPE_PV;
}

bool vm_has_drivers(const struct xenapi_vm *vm)
{
	const struct xenapi_vm_metrics *metrics = db_find(vm_metrics, vm->metrics);
	const struct xenapi_vm_guest_metrics *guest = db_find(vm_guest_metrics, vm->guest_metrics);
	enum xenapi_domain_type type = metrics ? metrics->current_domain_type : vm_domain_type(vm);

	if (type == XENAPI_DOMAIN_TYPE_PV || type == XENAPI_DOMAIN_TYPE_PVH ||
		type == XENAPI_DOMAIN_TYPE_PV_IN_PVH)
		return true;
	return guest && guest->PV_drivers_detected;
}

static bool has_feature(const struct xenapi_vm *vm, const char *feature)
{
	const struct xenapi_vm_guest_metrics *guest = db_find(vm_guest_metrics, vm->guest_metrics);
	const char *value = guest && feature ? string_map_get(&guest->other, feature) : NULL;

	return value && !strcmp(value, "1");
}

struct err *vm_check_guest(const char *ref, enum xenapi_vm_operations op)
{
	const struct wants *wants = rules[op].wants;
	const struct xenapi_vm *vm;

	TRY(db_get(vm, ref, &vm));

	if (!wants->feature || vm->power_state != XENAPI_VM_POWER_STATE_RUNNING ||
		vm_has_drivers(vm) || has_feature(vm, wants->feature) ||
		has_feature(vm, wants->other))
		return NULL;
	return err(VM_LACKS_FEATURE, ref);
}

/* A device of this host keeps the VM here, and awake. */
static struct err *check_usb(const char *ref, const struct xenapi_vm *vm, int op)
{
	const uint64_t leaving =
		BIT(SUSPEND) | BIT(CHECKPOINT) | BIT(POOL_MIGRATE) | BIT(MIGRATE_SEND);

	for (size_t i = 0; (leaving & OP_BIT(op)) && i < vm->VUSBs.n; i++) {
		const struct xenapi_vusb *vusb = db_find(vusb, vm->VUSBs.v[i]);

		if (vusb && vusb->currently_attached)
			return err(VM_HAS_VUSBS, ref);
	}
	return NULL;
}

static uint64_t states_of(const struct xenapi_vm *vm, size_t op)
{
	bool runs_too = vm->is_control_domain && (rules[op].flags & RUNNING_DOM0);

	return rules[op].states | (runs_too ? R : 0);
}

static struct err *check(const char *ref, int op, bool really)
{
	const struct xenapi_vm *vm = db_find(vm, ref);
	const char *blocked = string_map_get(&vm->blocked_operations, op_name(&vm_rules, op));

	if (blocked)
		return err(OPERATION_BLOCKED, ref, blocked);
	TRY(vm_check_power_state(ref, states_of(vm, op)));
	TRY(check_concurrency(ref, op));
	TRY(check_kind(ref, vm, op));
	TRY(check_usb(ref, vm, op));
	return vm_check_guest(ref, (enum xenapi_vm_operations)op);
}

static uint64_t candidates(const char *ref)
{
	const struct xenapi_vm *vm = db_find(vm, ref);
	uint64_t set = 0;

	for (size_t op = 0; op < ARRAY_LEN(rules); op++) {
		if (rules[op].flags & HIDDEN)
			continue;
		if (states_of(vm, op) & OP_BIT(vm->power_state))
			set |= OP_BIT(op);
	}
	return set;
}

static void others(const char *ref)
{
	const struct xenapi_vm *vm = db_find(vm, ref);

	for (size_t i = 0; i < vm->VBDs.n; i++)
		op_list(&vbd_rules, vm->VBDs.v[i]);
	for (size_t i = 0; i < vm->VIFs.n; i++)
		op_list(&vif_rules, vm->VIFs.v[i]);
	op_list(&appliance_rules, vm->appliance);
}

void rules_vm_changed(const char *ref)
{
	op_list(&vm_rules, ref);
}

const struct op_rules vm_rules = {
	.class = &xenapi_class_vm,
	.operations = &xenapi_type_vm_operations,
	.allowed = offsetof(struct xenapi_vm, allowed_operations),
	.current = offsetof(struct xenapi_vm, current_operations),
	.check = check,
	.candidates = candidates,
	.others = others,
};
