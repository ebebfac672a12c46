/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A network has one operation, attaching, which is part of others: it is never listed.
 */
#include "xapid/db/db.h"
#include "xapid/rules/rules.h"

static struct err *check(const char *ref, int op, bool really)
{
	return NULL;
}

static uint64_t candidates(const char *ref)
{
	return 0;
}

const struct op_rules network_rules = {
	.class = &xenapi_class_network,
	.operations = &xenapi_type_network_operations,
	.allowed = offsetof(struct xenapi_network, allowed_operations),
	.current = offsetof(struct xenapi_network, current_operations),
	.check = check,
	.candidates = candidates,
};
