/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * host: whether VMs may start on it, what its clock, memory and hypervisor say. What a host is was
 * noted by xapid/host and xapid/link/host_state.c.
 */
#include "common/clock.h"
#include "common/vec.h"
#include "xapid/db/db.h"
#include "xapid/forward/forward.h"
#include "xapid/gate/call.h"
#include "xapid/host/host.h"
#include "xapid/host/memory.h"
#include "xapid/host/role.h"
#include "xapid/link/host_state.h"
#include "xapid/link/xenopsd.h"
#include "xapid/plan/plan.h"
#include "xapid/plan/pool.h"
#include "xapid/rules/rules.h"

#include <string.h>
#include <time.h>

static struct err *check_host(const char *ref)
{
	const struct xenapi_host *host;

	return db_get(host, ref, &host);
}

/* ---- whether VMs may start on it ---- */

/* What is allowed depends on it. */
static struct err *set_enabled(const char *ref, bool value)
{
	TRY(db_write(host, ref, enabled, value));
	op_list(&host_rules, ref);
	return NULL;
}

MAY_WAIT struct err *xapi_host_disable(struct call *c, const struct xenapi_host_disable_in *in)
{
	TRY(check_host(in->host));
	if (in->auto_enable)
		TRY(db_map_remove(host, in->host, other_config, HOST_AUTO_ENABLE));
	else
		TRY(db_map_put(host, in->host, other_config, HOST_AUTO_ENABLE, "false"));
	return set_enabled(in->host, false);
}

MAY_WAIT struct err *xapi_host_enable(struct call *c, const struct xenapi_host_enable_in *in)
{
	AUTO(plan_ops_end) struct plan_ops ops = {0};

	TRY(check_host(in->host));
	TRY(plan_op(&ops, &host_rules, in->host, XENAPI_HOST_ALLOWED_OPERATIONS_ENABLE, c));
	TRY(db_map_remove(host, in->host, other_config, HOST_AUTO_ENABLE));
	return set_enabled(in->host, true);
}

/* ---- whether it can be emptied ---- */

/* The VMs that run on it, but for the control domain. */
static struct err *guests_of(const char *ref, struct arena *a, struct string_list *out)
{
	const struct xenapi_host *host;

	TRY(db_get(host, ref, &host));
	*out = (struct string_list){arena_calloc(a, host->resident_VMs.n + 1, sizeof(*out->v)), 0};
	for (size_t i = 0; i < host->resident_VMs.n; i++) {
		const struct xenapi_vm *vm = db_find(vm, host->resident_VMs.v[i]);

		if (vm && !vm->is_control_domain)
			out->v[out->n++] = arena_strdup(a, host->resident_VMs.v[i]);
	}
	return NULL;
}

/* Why the VM cannot leave its host. */
static struct err *check_can_leave(const char *vm)
{
	const char *host;

	TRY(place_move(vm, &host));
	return vm_rules.check(vm, XENAPI_VM_OPERATIONS_POOL_MIGRATE, true);
}

/* "CODE,param,param", as evacuation tells of one VM among several. */
static void add_reason(struct sbuf *out, const struct err *e, const char *vm)
{
	sbuf_printf(out, "%s%s", sbuf_len(out) ? "|" : "", e->code);
	for (size_t i = 0; i < e->n_params; i++)
		sbuf_printf(out, ",%s", e->params[i]);
	if (!e->n_params)
		sbuf_printf(out, ",%s", vm);
}

MAY_WAIT struct err *xapi_host_assert_can_evacuate(
	struct call *c, const struct xenapi_host_assert_can_evacuate_in *in)
{
	struct string_list vms;
	auto_sbuf why = {0};

	TRY(guests_of(in->host, c->arena, &vms));
	for (size_t i = 0; i < vms.n; i++) {
		auto_err e = check_can_leave(vms.v[i]);

		if (e)
			add_reason(&why, e, vms.v[i]);
	}
	return sbuf_len(&why) ? err(CANNOT_EVACUATE_HOST, sbuf_str(&why)) : NULL;
}

MAY_WAIT struct err *xapi_host_evacuate(struct call *c, const struct xenapi_host_evacuate_in *in)
{
	struct string_list vms;

	TRY(guests_of(in->host, c->arena, &vms));
	for (size_t i = 0; i < vms.n; i++)
		TRY(check_can_leave(vms.v[i]));
	return plan_host_evacuate(c, in->host, &vms, in->evacuate_batch_size);
}

static struct string_list words_of(const struct err *e, struct arena *a)
{
	struct string_list out = {arena_calloc(a, e->n_params + 1, sizeof(*out.v)), 0};

	out.v[out.n++] = arena_strdup(a, e->code);
	if (err_is(e, &ERR_NO_HOSTS_AVAILABLE))
		return out;
	for (size_t i = 0; i < e->n_params; i++)
		out.v[out.n++] = arena_strdup(a, e->params[i]);
	return out;
}

MAY_WAIT struct err *xapi_host_get_vms_which_prevent_evacuation(struct call *c,
	const struct xenapi_host_get_vms_which_prevent_evacuation_in *in,
	struct xenapi_string_list_map *out)
{
	struct string_list vms;

	TRY(guests_of(in->self, c->arena, &vms));
	*out = (struct xenapi_string_list_map){
		arena_calloc(c->arena, vms.n + 1, sizeof(*out->v)), 0};
	for (size_t i = 0; i < vms.n; i++) {
		auto_err e = check_can_leave(vms.v[i]);

		if (e)
			out->v[out->n++] = (struct xenapi_string_list_map_entry){
				.key = vms.v[i], .value = words_of(e, c->arena)};
	}
	return NULL;
}

/* Those whose balloons do not do as xenopsd tells them. */
MAY_WAIT struct err *xapi_host_get_uncooperative_resident_vms(struct call *c,
	const struct xenapi_host_get_uncooperative_resident_vms_in *in, struct string_list *out)
{
	struct xenops_vm_stat_list all;

	TRY(check_host(in->self));
	TRY(link_error(xenops_vm_list(link_xenopsd.client, c->arena, &all, plan_soon()), NULL));
	*out = (struct string_list){arena_calloc(c->arena, all.n + 1, sizeof(*out->v)), 0};
	for (size_t i = 0; i < all.n; i++) {
		const char *vm = db_find_uuid(vm, all.v[i].vm.vm);

		if (vm && all.v[i].state.uncooperative)
			out->v[out->n++] = arena_strdup(c->arena, vm);
	}
	return NULL;
}

/* ---- its clock ---- */

MAY_WAIT struct err *xapi_host_get_servertime(
	struct call *c, const struct xenapi_host_get_servertime_in *in, int64_t *out)
{
	*out = clock_real_ns() / NS_PER_S;
	return check_host(in->host);
}

/* The clock on its wall, told as if that were UTC. */
MAY_WAIT struct err *xapi_host_get_server_localtime(
	struct call *c, const struct xenapi_host_get_server_localtime_in *in, int64_t *out)
{
	time_t now = (time_t)(clock_real_ns() / NS_PER_S);
	struct tm local;

	localtime_r(&now, &local);
	*out = (int64_t)now + local.tm_gmtoff;
	return check_host(in->host);
}

/* ---- its memory ---- */

static MAY_WAIT struct err *ask_memory(
	struct call *c, const char *host, struct xenops_host_memory *out)
{
	TRY(check_host(host));
	return link_error(
		xenops_host_memory(link_xenopsd.client, c->arena, out, plan_soon()), NULL);
}

/* What a VM could have that starts now. */
MAY_WAIT struct err *xapi_host_compute_free_memory(
	struct call *c, const struct xenapi_host_compute_free_memory_in *in, int64_t *out)
{
	struct xenops_host_memory memory;

	TRY(ask_memory(c, in->host, &memory));
	*out = memory.free_bytes + host_balloon_bytes(in->host);
	return NULL;
}

MAY_WAIT struct err *xapi_host_compute_memory_overhead(
	struct call *c, const struct xenapi_host_compute_memory_overhead_in *in, int64_t *out)
{
	struct xenops_host_memory memory;

	TRY(ask_memory(c, in->host, &memory));
	*out = host_state_overhead(in->host, &memory);
	return NULL;
}

/* ---- its hypervisor ---- */

static MAY_WAIT struct err *ask_dmesg(
	struct call *c, const char *host, bool clear, const char **out)
{
	const struct xenops_host_dmesg_in in = {clear};

	TRY(check_host(host));
	return link_error(
		xenops_host_dmesg(link_xenopsd.client, &in, c->arena, out, plan_soon()), NULL);
}

MAY_WAIT struct err *xapi_host_dmesg(
	struct call *c, const struct xenapi_host_dmesg_in *in, const char **out)
{
	return ask_dmesg(c, in->host, false, out);
}

MAY_WAIT struct err *xapi_host_dmesg_clear(
	struct call *c, const struct xenapi_host_dmesg_clear_in *in, const char **out)
{
	return ask_dmesg(c, in->host, true, out);
}

MAY_WAIT struct err *xapi_host_send_debug_keys(
	struct call *c, const struct xenapi_host_send_debug_keys_in *in)
{
	const struct xenops_host_send_debug_keys_in keys = {in->keys};

	TRY(check_host(in->host));
	return link_error(
		xenops_host_send_debug_keys(link_xenopsd.client, &keys, c->arena, plan_soon()),
		NULL);
}

/* ---- the rest ---- */

MAY_WAIT struct err *xapi_host_get_management_interface(
	struct call *c, const struct xenapi_host_get_management_interface_in *in, const char **out)
{
	const struct xenapi_host *host;

	TRY(db_get(host, in->host, &host));
	for (size_t i = 0; i < host->PIFs.n; i++) {
		const struct xenapi_pif *pif = db_find(pif, host->PIFs.v[i]);

		if (pif && pif->management) {
			*out = arena_strdup(c->arena, host->PIFs.v[i]);
			return NULL;
		}
	}
	return err(HOST_HAS_NO_MANAGEMENT_IP);
}

MAY_WAIT struct err *xapi_host_list_methods(struct call *c, struct string_list *out)
{
	message_list(c->arena, out);
	return NULL;
}

/* A host that is its own master does not lose him. */
MAY_WAIT struct err *xapi_host_is_in_emergency_mode(struct call *c, bool *out)
{
	*out = own_role.is_member && !member_is_in_touch();
	return NULL;
}

MAY_WAIT struct err *xapi_host_destroy(struct call *c, const struct xenapi_host_destroy_in *in)
{
	return plan_host_destroy(c, in->self);
}

/* Where VM.migrate_send finds the host. */
MAY_WAIT struct err *xapi_host_migrate_receive(
	struct call *c, const struct xenapi_host_migrate_receive_in *in, struct string_map *out)
{
	const struct xenapi_network *network;
	const struct xenapi_host *host, *here;

	TRY(db_get(host, in->host, &host));
	TRY(db_get(network, in->network, &network));
	TRY(db_get(host, host_here(), &here));
	if (!host->enabled)
		return err(HOST_DISABLED, in->host);
	const char *session = call_session(c);
	const char *there = web_door(host, c->arena);
	const struct string_map_entry v[] = {
		{"host", in->host},
		{"session_id", session},
		{"master", arena_printf(c->arena, "%s/", web_door(here, c->arena))},
		{"xenops",
			arena_printf(c->arena, "%s/services/xenops?session_id=%s", there, session)},
		{"SM", arena_printf(c->arena, "%s/services/SM?session_id=%s", there, session)},
	};
	*out = (struct string_map){
		arena_calloc(c->arena, ARRAY_LEN(v), sizeof(*out->v)), ARRAY_LEN(v)};
	memcpy(out->v, v, sizeof(v));
	return NULL;
}

MAY_WAIT struct err *xapi_host_set_power_on_mode(
	struct call *c, const struct xenapi_host_set_power_on_mode_in *in)
{
	TRY(db_write(host, in->self, power_on_mode, in->power_on_mode));
	TRY(db_write(host, in->self, power_on_config, in->power_on_config));
	op_list(&host_rules, in->self);
	return NULL;
}

/* What the call saw is durable when it is answered, as of every call. */
MAY_WAIT struct err *xapi_host_sync_data(struct call *c, const struct xenapi_host_sync_data_in *in)
{
	return check_host(in->host);
}
