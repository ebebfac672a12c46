/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a running guest is asked to do: to sleep and to wake, to take another number of VCPUs or
 * other addresses, and what its agent can. One task of xenopsd each.
 */
#include "common/codec.h"
#include "common/sbuf.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/link/xenopsd.h"
#include "xapid/plan/metadata.h"
#include "xapid/plan/overhead.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

/* The VM runs, and xenopsd is there to be asked. */
static MAY_WAIT struct err *get_uuid(struct call *c, const char *vm, const char **out)
{
	const struct xenapi_vm *row;

	TRY(db_get(vm, vm, &row));
	TRY(link_error(link_wait_up(&link_xenopsd), vm));
	TRY(db_get(vm, vm, &row));
	TRY(vm_check_power_state(vm, OP_BIT(XENAPI_VM_POWER_STATE_RUNNING)));
	*out = arena_strdup(c->arena, row->uuid);
	return NULL;
}

/* The end of each: E is what the call gave, the task is awaited. */
static MAY_WAIT struct err *await(struct call *c, const char *vm, struct err *e, const char **task)
{
	const struct link_work whole = {.call = c};

	TRY(link_error(e, vm));
	return plan_await_vm(&whole, *task, vm);
}

/* ---- sleeping ---- */

MAY_WAIT struct err *plan_vm_s3suspend(struct call *c, const char *vm)
{
	struct xenops_vm_s3suspend_in in;
	const char *task;

	TRY(get_uuid(c, vm, &in.vm));
	return await(c, vm,
		xenops_vm_s3suspend(link_xenopsd.client, &in, c->arena, &task, plan_soon()), &task);
}

MAY_WAIT struct err *plan_vm_s3resume(struct call *c, const char *vm)
{
	struct xenops_vm_s3resume_in in;
	const char *task;

	TRY(get_uuid(c, vm, &in.vm));
	return await(c, vm,
		xenops_vm_s3resume(link_xenopsd.client, &in, c->arena, &task, plan_soon()), &task);
}

/* ---- memory ---- */

MAY_WAIT struct err *plan_vm_set_shadow(struct call *c, const char *vm, double multiplier)
{
	AUTO(op_end) struct op doing = {0};
	struct xenops_vm_set_shadow_multiplier_in in = {.multiplier = multiplier};
	const char *task;

	TRY(op_begin(&doing, &vm_rules, vm, XENAPI_VM_OPERATIONS_CHANGING_SHADOW_MEMORY_LIVE,
		call_task(c)));
	TRY(get_uuid(c, vm, &in.vm));
	struct err *e = xenops_vm_set_shadow_multiplier(
		link_xenopsd.client, &in, c->arena, &task, plan_soon());
	TRY(await(c, vm, e, &task));
	TRY(db_write(vm, vm, HVM_shadow_multiplier, multiplier));
	return overhead_note(vm);
}

/* ---- processors ---- */

MAY_WAIT struct err *plan_vm_set_vcpus(struct call *c, const char *vm, int64_t vcpus)
{
	AUTO(op_end) struct op doing = {0};
	struct xenops_vm_set_vcpus_in in = {.vcpus = vcpus};
	const char *task;

	TRY(op_begin(
		&doing, &vm_rules, vm, XENAPI_VM_OPERATIONS_CHANGING_VCPUS_LIVE, call_task(c)));
	TRY(get_uuid(c, vm, &in.vm));
	struct err *e = xenops_vm_set_vcpus(link_xenopsd.client, &in, c->arena, &task, plan_soon());
	TRY(plan_with_state(await(c, vm, e, &task), vm));
	return db_write(vm, vm, VCPUs_at_startup, vcpus);
}

/* ---- the agent ---- */

MAY_WAIT struct err *plan_vm_request_rdp(struct call *c, const char *vm, bool enabled)
{
	AUTO(op_end) struct op doing = {0};
	struct xenops_vm_request_rdp_in in = {.enabled = enabled};
	const char *task;

	TRY(op_begin(&doing, &vm_rules, vm, XENAPI_VM_OPERATIONS_CALL_PLUGIN, call_task(c)));
	TRY(get_uuid(c, vm, &in.vm));
	return await(c, vm,
		xenops_vm_request_rdp(link_xenopsd.client, &in, c->arena, &task, plan_soon()),
		&task);
}

MAY_WAIT struct err *plan_vm_run_script(
	struct call *c, const char *vm, const char *script, const char **out)
{
	AUTO(op_end) struct op doing = {0};
	AUTO(sbuf_fini) struct sbuf text = {0};
	const struct link_work whole = {.call = c};
	struct xenops_vm_run_script_in in = {.script = script};
	struct xenops_script_result result;
	const char *task;

	TRY(op_begin(&doing, &vm_rules, vm, XENAPI_VM_OPERATIONS_CALL_PLUGIN, call_task(c)));
	TRY(get_uuid(c, vm, &in.vm));
	TRY(link_error(
		xenops_vm_run_script(link_xenopsd.client, &in, c->arena, &task, plan_soon()), vm));
	TRY(link_error(link_await(&link_xenopsd, &whole, task, &xenops_type_script_result, c->arena,
			       &result),
		vm));
	codec_encode(&xenops_type_script_result, &result, &text);
	*out = arena_strdup(c->arena, sbuf_str(&text));
	return NULL;
}

/* ---- addresses ---- */

static struct xenops_static_addresses *addresses(const struct plan_addresses *how, struct arena *a)
{
	struct xenops_static_addresses *out;

	if (!*how->address)
		return NULL;
	out = arena_new(a, struct xenops_static_addresses);
	out->addresses.v = arena_new(a, const char *);
	out->addresses.v[0] = how->address;
	out->addresses.n = 1;
	out->gateway = *how->gateway ? how->gateway : NULL;
	return out;
}

MAY_WAIT struct err *plan_vif_configure(
	struct call *c, const char *vif, const struct plan_addresses *how)
{
	const struct xenapi_vif *row;
	struct xenops_vif told;
	const char *task;

	TRY(db_get(vif, vif, &row));
	if (!row->currently_attached)
		return NULL;
	TRY(link_error(link_wait_up(&link_xenopsd), NULL));
	TRY(db_get(vif, vif, &row));
	const char *vm = arena_strdup(c->arena, row->VM);
	TRY(plan_metadata_vif(vif, c->arena, &told));
	const struct xenops_vif_set_ipv4_configuration_in v4 = {told.vif, addresses(how, c->arena)};
	const struct xenops_vif_set_ipv6_configuration_in v6 = {told.vif, addresses(how, c->arena)};
	struct err *e = how->is_v6 ? xenops_vif_set_ipv6_configuration(
					     link_xenopsd.client, &v6, c->arena, &task, plan_soon())
				   : xenops_vif_set_ipv4_configuration(link_xenopsd.client, &v4,
					     c->arena, &task, plan_soon());
	return await(c, vm, e, &task);
}
