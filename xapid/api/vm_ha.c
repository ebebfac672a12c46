/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VM: what is to become of it when its host fails, and when that is short of memory. The first is
 * noted here, for the pool that protects its VMs; a pool that does not leaves them as they are.
 */
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/link/xenopsd.h"
#include "xapid/plan/plan.h"

#include <string.h>

static bool is_priority(const char *value)
{
	return !*value || !strcmp(value, "restart") || !strcmp(value, "best-effort");
}

MAY_WAIT struct err *xapi_vm_set_ha_restart_priority(
	struct call *c, const struct xenapi_vm_set_ha_restart_priority_in *in)
{
	if (!is_priority(in->value))
		return err(INVALID_VALUE, "ha_restart_priority", in->value);
	return db_write(vm, in->self, ha_restart_priority, in->value);
}

MAY_WAIT struct err *xapi_vm_set_ha_always_run(
	struct call *c, const struct xenapi_vm_set_ha_always_run_in *in)
{
	return db_write(vm, in->self, ha_always_run, in->value);
}

/* Whether its balloon does as xenopsd tells it; one that does not run does. */
MAY_WAIT struct err *xapi_vm_get_cooperative(
	struct call *c, const struct xenapi_vm_get_cooperative_in *in, bool *out)
{
	const struct xenapi_vm *vm;
	struct xenops_vm_stat stat;

	*out = true;
	TRY(db_get(vm, in->self, &vm));
	if (vm->power_state != XENAPI_VM_POWER_STATE_RUNNING)
		return NULL;
	const struct xenops_vm_stat_in ask = {arena_strdup(c->arena, vm->uuid)};
	struct err *e = xenops_vm_stat(link_xenopsd.client, &ask, c->arena, &stat, plan_soon());
	if (!err_is(e, &ERR_Does_not_exist)) {
		*out = e || !stat.state.uncooperative;
		return link_error(e, NULL);
	}
	err_free(e);
	return NULL;
}
