/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What may be done with a host. VMs come, or everything goes: the two exclude each other.
 */
#include "xapid/db/db.h"
#include "xapid/rules/rules.h"

#define OP(name)  XENAPI_HOST_ALLOWED_OPERATIONS_##name
#define BIT(name) OP_BIT(OP(name))

static const uint64_t brings = BIT(PROVISION) | BIT(VM_RESUME) | BIT(VM_MIGRATE);
static const uint64_t empties = BIT(EVACUATE) | BIT(REBOOT) | BIT(SHUTDOWN);

static uint64_t excluded_by(int op)
{
	uint64_t set = 0;

	if (brings & OP_BIT(op))
		set |= empties;
	if (empties & OP_BIT(op))
		set |= brings;
	if (op == OP(PROVISION))
		set |= BIT(PROVISION);
	if (op == OP(REBOOT) || op == OP(SHUTDOWN))
		set |= BIT(REBOOT) | BIT(SHUTDOWN) | BIT(APPLY_UPDATES);
	if (op == OP(APPLY_UPDATES))
		set |= BIT(REBOOT) | BIT(SHUTDOWN) | BIT(ENABLE) | BIT(APPLY_UPDATES);
	return set;
}

static bool is_live(const struct xenapi_host *host)
{
	const struct xenapi_host_metrics *metrics = db_find(host_metrics, host->metrics);

	return metrics && metrics->live;
}

static struct err *check(const char *ref, int op, bool really)
{
	const struct xenapi_host *host = db_find(host, ref);
	const uint64_t when_disabled = BIT(REBOOT) | BIT(SHUTDOWN) | BIT(APPLY_UPDATES);

	TRY(op_check_others(&host_rules, ref, excluded_by(op)));
	if (host->enabled && (when_disabled & OP_BIT(op)))
		return err(HOST_NOT_DISABLED);
	if (op == OP(POWER_ON) && is_live(host))
		return err(HOST_IS_LIVE, ref);
	if (op == OP(POWER_ON) && !*host->power_on_mode)
		return err(HOST_POWER_ON_MODE_DISABLED);
	return NULL;
}

static uint64_t candidates(const char *ref)
{
	return BIT(PROVISION) | BIT(EVACUATE) | BIT(SHUTDOWN) | BIT(REBOOT) | BIT(POWER_ON) |
		BIT(VM_START) | BIT(VM_RESUME) | BIT(VM_MIGRATE) | BIT(APPLY_UPDATES) | BIT(ENABLE);
}

const struct op_rules host_rules = {
	.class = &xenapi_class_host,
	.operations = &xenapi_type_host_allowed_operations,
	.allowed = offsetof(struct xenapi_host, allowed_operations),
	.current = offsetof(struct xenapi_host, current_operations),
	.check = check,
	.candidates = candidates,
};
