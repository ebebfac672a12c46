/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pool: what is asked of the pool as a whole, beside what follows from its fields.
 */
#include "core.gen.h"
#include "xapid/db/db.h"
#include "xapid/gate/auth.h"
#include "xapid/gate/call.h"
#include "xapid/host/role.h"
#include "xapid/plan/plan.h"
#include "xapid/plan/pool.h"

#include <arpa/inet.h>
#include <string.h>

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

/* ---- hosts come and go ---- */

MAY_WAIT struct err *xapi_pool_join(struct call *c, const struct xenapi_pool_join_in *in)
{
	const struct plan_join how = {
		in->master_address, in->master_username, in->master_password, false};

	return plan_pool_join(c, &how);
}

MAY_WAIT struct err *xapi_pool_join_force(
	struct call *c, const struct xenapi_pool_join_force_in *in)
{
	const struct plan_join how = {
		in->master_address, in->master_username, in->master_password, true};

	return plan_pool_join(c, &how);
}

/* For a host that is about to join. */
MAY_WAIT struct err *xapi_pool_initial_auth(struct call *c, struct secret *out)
{
	*out = (struct secret){auth_pool_secret()};
	return NULL;
}

MAY_WAIT struct err *xapi_pool_eject(struct call *c, const struct xenapi_pool_eject_in *in)
{
	return plan_pool_eject(c, in->host);
}

/* ---- who is the master ---- */

MAY_WAIT struct err *xapi_pool_is_slave(
	struct call *c, const struct xenapi_pool_is_slave_in *in, bool *out)
{
	*out = own_role.is_member;
	return NULL;
}

MAY_WAIT struct err *xapi_pool_designate_new_master(
	struct call *c, const struct xenapi_pool_designate_new_master_in *in)
{
	return plan_pool_designate(c, in->host);
}

MAY_WAIT struct err *xapi_pool_emergency_transition_to_master(struct call *c)
{
	return own_role.is_member ? plan_pool_lead() : NULL;
}

MAY_WAIT struct err *xapi_pool_emergency_reset_master(
	struct call *c, const struct xenapi_pool_emergency_reset_master_in *in)
{
	unsigned char address[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, in->master_address, address) <= 0 &&
		inet_pton(AF_INET6, in->master_address, address) <= 0)
		return err(INVALID_VALUE, "master_address", in->master_address);
	if (own_role.is_member && !strcmp(own_role.master, in->master_address))
		return NULL;
	return plan_pool_follow(in->master_address);
}

MAY_WAIT struct err *xapi_pool_recover_slaves(struct call *c, struct string_list *out)
{
	return plan_pool_recover(c, out);
}
