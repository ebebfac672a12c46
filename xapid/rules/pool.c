/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What may be done with the pool: one thing at a time.
 */
#include "xapid/db/db.h"
#include "xapid/rules/rules.h"

#define BIT(name) OP_BIT(XENAPI_POOL_ALLOWED_OPERATIONS_##name)

static struct err *check(const char *ref, int op, bool really)
{
	return op_check_others(&pool_rules, ref, ~UINT64_C(0));
}

static uint64_t candidates(const char *ref)
{
	return BIT(DESIGNATE_NEW_MASTER) | BIT(EJECT) | BIT(TLS_VERIFICATION_ENABLE) |
		BIT(CERT_REFRESH);
}

const struct op_rules pool_rules = {
	.class = &xenapi_class_pool,
	.operations = &xenapi_type_pool_allowed_operations,
	.allowed = offsetof(struct xenapi_pool, allowed_operations),
	.current = offsetof(struct xenapi_pool, current_operations),
	.check = check,
	.candidates = candidates,
};
