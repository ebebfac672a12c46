/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VM: what is to become of it when its host fails. It is noted here, for the pool that protects its
 * VMs; a pool that does not leaves them as they are.
 */
#include "xapid/db/db.h"
#include "xapid/gate/call.h"

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

/* Balloons are not waited for, so no guest is known that does not give back memory. */
MAY_WAIT struct err *xapi_vm_get_cooperative(
	struct call *c, const struct xenapi_vm_get_cooperative_in *in, bool *out)
{
	const struct xenapi_vm *vm;

	*out = true;
	return db_get(vm, in->self, &vm);
}
