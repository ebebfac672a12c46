/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * host and pool: settings that another daemon has to know, or that have one value only.
 */
#include "common/clock.h"
#include "common/fiber.h"
#include "xapid/api/hooks.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/link/host_state.h"
#include "xapid/plan/plan.h"

#include "rrd.gen.h"

#include <string.h>

#define MAX_DELAY_S 3600

/* ---- processors and memory ---- */

/* It counts for VMs that start from now on; xenopsd is told again when it begins anew. */
MAY_WAIT struct err *xapi_host_set_numa_affinity_policy(
	struct call *c, const struct xenapi_host_set_numa_affinity_policy_in *in)
{
	TRY(db_write(host, in->self, numa_affinity_policy, in->value));
	TRY(link_error(link_wait_up(&link_xenopsd), NULL));
	return link_error(host_state_tell_numa(), NULL);
}

/* ---- editions ---- */

/* There is one. */
static struct err *check_edition(const char *edition)
{
	return strcmp(edition, "free") ? err(INVALID_EDITION, edition) : NULL;
}

MAY_WAIT struct err *xapi_host_apply_edition(
	struct call *c, const struct xenapi_host_apply_edition_in *in)
{
	TRY(check_edition(in->edition));
	return db_write(host, in->host, edition, in->edition);
}

MAY_WAIT struct err *xapi_pool_apply_edition(
	struct call *c, const struct xenapi_pool_apply_edition_in *in)
{
	const struct xenapi_pool *pool;

	TRY(db_get(pool, in->self, &pool));
	TRY(check_edition(in->edition));
	db_for_each (host, row)
		TRY(db_write(host, db_ref(row), edition, in->edition));
	return NULL;
}

/* There is nobody who would balance. */
MAY_WAIT struct err *hook_pool_set_wlb_enabled(
	struct xapi_call *c, const void *const *args, void *out)
{
	const char *self = *(const char *const *)args[0];
	const struct xenapi_pool *pool;

	TRY(db_get(pool, self, &pool));
	if (*(const bool *)args[1] && !*pool->wlb_url)
		return err(WLB_NOT_INITIALIZED);
	return db_write(pool, self, wlb_enabled, *(const bool *)args[1]);
}

/* ---- archives ---- */

/* What was measured goes to the host's own disk. */
MAY_WAIT struct err *xapi_host_backup_rrds(
	struct call *c, const struct xenapi_host_backup_rrds_in *in)
{
	const struct link_work work = {.call = c};
	const struct rrd_rrd_backup_in backup = {0};
	const struct xenapi_host *host;
	const char *task;

	TRY(db_get(host, in->host, &host));
	if (!(in->delay >= 0 && in->delay <= MAX_DELAY_S))
		return err(INVALID_VALUE, "delay", "not up to an hour");
	TRY(fiber_sleep((int64_t)(in->delay * (double)NS_PER_S)));
	TRY(link_error(
		rrd_rrd_backup(link_rrdd.client, &backup, c->arena, &task, plan_soon()), NULL));
	return link_error(link_await(&link_rrdd, &work, task, NULL, c->arena, NULL), NULL);
}
