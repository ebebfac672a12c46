/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pool: what is asked of the pool as a whole, beside what follows from its fields.
 */
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/plan/plan.h"

/* There is nothing to pay for, and nothing that ends. */
MAY_WAIT struct err *xapi_pool_get_license_state(
	struct call *c, const struct xenapi_pool_get_license_state_in *in, struct string_map *out)
{
	static struct string_map_entry state[] = {{"edition", "free"}, {"expiry", "never"}};
	const struct xenapi_pool *pool;

	TRY(db_get(pool, in->self, &pool));
	*out = (struct string_map){state, ARRAY_LEN(state)};
	return NULL;
}

MAY_WAIT struct err *xapi_pool_sync_database(struct call *c)
{
	return plan_commit();
}
