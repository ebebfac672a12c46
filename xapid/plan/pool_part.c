/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hosts leave a pool, and the master's part goes from one to another (pool.h).
 */
#define LOG_MODULE "pool"

#include "common/clock.h"
#include "common/json_value.h"
#include "common/log.h"
#include "core.gen.h"
#include "xapid/db/db.h"
#include "xapid/forward/forward.h"
#include "xapid/gate/call.h"
#include "xapid/host/certificate.h"
#include "xapid/host/role.h"
#include "xapid/plan/plan.h"
#include "xapid/plan/pool.h"
#include "xapid/rules/rules.h"

#include <string.h>

#define TELL_NS (30 * NS_PER_S)
/* A key of other_config of a host that is on its way out: should the master end meanwhile, the
 * same message brings it to its end, whether the host is still there or not. */
#define LEAVING "xenith:leaving"

/* ---- a host leaves ---- */

static struct err *check_empty(const char *ref)
{
	const struct xenapi_host *host;

	TRY(db_get(host, ref, &host));
	for (size_t i = 0; i < host->resident_VMs.n; i++) {
		const struct xenapi_vm *vm = db_find(vm, host->resident_VMs.v[i]);

		if (vm && !vm->is_control_domain)
			return err(HOST_HAS_RESIDENT_VMS, ref);
	}
	return NULL;
}

static bool is_leaving(const char *ref)
{
	const struct xenapi_host *host = db_find(host, ref);

	return host && string_map_get(&host->other_config, LEAVING);
}

/* Its storage is let go of there. */
static MAY_WAIT struct err *unplug_storage(struct call *c, const char *host)
{
	const struct xenapi_host *row = db_find(host, host);
	struct string_list pbds = {arena_calloc(c->arena, row->PBDs.n + 1, sizeof(*pbds.v)), 0};

	for (size_t i = 0; i < row->PBDs.n; i++)
		pbds.v[pbds.n++] = arena_strdup(c->arena, row->PBDs.v[i]);
	for (size_t i = 0; i < pbds.n; i++) {
		const char *in = arena_printf(c->arena, "{\"self\":\"%s\"}", pbds.v[i]);
		struct json_text out;

		TRY(run_message(xapi_call(c), host, "PBD.unplug",
			(struct json_text){in, strlen(in)}, &out));
	}
	return NULL;
}

static MAY_WAIT struct err *send_away(struct call *c, const char *host)
{
	struct rpc_conn *conn;

	if (!master_member(host))
		return is_leaving(host) ? NULL : err(HOST_OFFLINE, host);
	TRY(unplug_storage(c, host));
	TRY(db_map_put(host, host, other_config, LEAVING, "true"));
	TRY(plan_commit());
	conn = master_member(host);
	return conn ? peer_call(conn, PEER_METHOD_MEMBER_LEAVE, NULL, c->arena, NULL,
			      deadline_in(TELL_NS))
		    : NULL;
}

static MAY_WAIT struct err *begin(
	struct plan_ops *ops, enum xenapi_pool_allowed_operations what, struct call *c)
{
	const char *pool = arena_strdup(c->arena, db_first_ref(pool));

	return plan_op(ops, &pool_rules, pool, (int)what, c);
}

MAY_WAIT struct err *plan_pool_eject(struct call *c, const char *host)
{
	AUTO(plan_ops_end) struct plan_ops ops = {0};

	TRY(begin(&ops, XENAPI_POOL_ALLOWED_OPERATIONS_EJECT, c));
	TRY(check_empty(host));
	if (!strcmp(host, host_here()))
		return err(OPERATION_NOT_ALLOWED, "the master cannot be ejected");
	auto_err e = send_away(c, host);
	if (e && !err_is(e, &ERR_CONNECTION_LOST))
		return take(e);
	TRY(merge_remove(host));
	rules_list();
	return plan_commit();
}

MAY_WAIT struct err *plan_host_destroy(struct call *c, const char *host)
{
	TRY(check_empty(host));
	if (!strcmp(host, host_here()))
		return err(HOST_CANNOT_DESTROY_SELF, host);
	if (master_member(host))
		return err(HOST_IS_LIVE, host);
	TRY(merge_remove(host));
	rules_list();
	return plan_commit();
}

MAY_WAIT struct err *peer_api_member_leave(struct call *c)
{
	TRY(role_forget());
	log_info("this host is none of the pool's any more");
	role_begin_anew();
	return NULL;
}

/* ---- the master's part ---- */

struct err *plan_pool_lead(void)
{
	TRY(role_write(NULL, "", own_role.host));
	log_info("this host is the master from now on");
	role_begin_anew();
	return NULL;
}

struct err *plan_pool_follow(const char *address)
{
	TRY(role_write(address, certificate_at(address), own_role.host));
	log_info("the master is at %s from now on", address);
	role_begin_anew();
	return NULL;
}

MAY_WAIT struct err *peer_api_member_lead(struct call *c)
{
	return plan_pool_lead();
}

static MAY_WAIT struct err *tell_to_follow(struct call *c, const char *host, const char *address)
{
	const struct xenapi_host *row = db_find(host, host);
	const char *there = arena_strdup(c->arena, row ? row->address : "");

	return dial_call(c->arena, there, "pool.emergency_reset_master", json_pack("[s]", address));
}

static struct string_list other_hosts(struct arena *a)
{
	struct string_list list = {arena_calloc(a, db_count(host) + 1, sizeof(*list.v)), 0};

	db_for_each (host, row)
		if (strcmp(db_ref(row), host_here()) != 0)
			list.v[list.n++] = arena_strdup(a, db_ref(row));
	return list;
}

MAY_WAIT struct err *plan_pool_recover(struct call *c, struct string_list *out)
{
	const struct xenapi_host *here = db_find(host, host_here());
	struct string_list others = other_hosts(c->arena);
	const char *address = arena_strdup(c->arena, here ? here->address : "");

	*out = (struct string_list){arena_calloc(c->arena, others.n + 1, sizeof(*out->v)), 0};
	for (size_t i = 0; i < others.n; i++) {
		auto_err e =
			master_member(others.v[i]) ? NULL : tell_to_follow(c, others.v[i], address);

		if (e)
			log_err(LOG_WARN_, e, "telling %s who is the master", others.v[i]);
		else
			out->v[out->n++] = others.v[i];
	}
	return NULL;
}

/* The new master first: from when it has noted it there must not be two, so this one stops at
 * once; the others are told while it begins. */
MAY_WAIT struct err *plan_pool_designate(struct call *c, const char *host)
{
	AUTO(plan_ops_end) struct plan_ops ops = {0};
	const struct xenapi_host *row;

	TRY(begin(&ops, XENAPI_POOL_ALLOWED_OPERATIONS_DESIGNATE_NEW_MASTER, c));
	TRY(db_get(host, host, &row));
	if (!strcmp(host, host_here()))
		return NULL;
	const char *address = arena_strdup(c->arena, row->address);
	struct string_list others = other_hosts(c->arena);
	TRY(master_hand_over(host, address, deadline_in(TELL_NS)));
	struct err *kept = role_write(address, certificate_at(address), own_role.host);
	if (kept) {
		master_keep();
		return kept;
	}
	struct err *e = peer_call(master_member(host), PEER_METHOD_MEMBER_LEAD, NULL, c->arena,
		NULL, deadline_in(TELL_NS));
	if (e && !err_is(e, &ERR_CONNECTION_LOST)) {
		TRY(role_write(NULL, "", own_role.host));
		master_keep();
		return e;
	}
	err_free(e);
	for (size_t i = 0; i < others.n; i++) {
		auto_err not_told =
			strcmp(others.v[i], host) ? tell_to_follow(c, others.v[i], address) : NULL;
		if (not_told)
			log_err(LOG_WARN_, not_told, "telling %s who is the master", others.v[i]);
	}
	role_begin_anew();
	return NULL;
}
