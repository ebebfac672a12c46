/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * network: what VIFs and PIFs meet on. A bridge's name is chosen with the network; the bridge
 * itself comes when somebody needs it.
 */
#include "xapid/api/hooks.h"
#include "xapid/db/db.h"
#include "xapid/host/role.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

#include <string.h>

static bool has_bridge(const char *bridge)
{
	db_for_each (network, row) {
		if (!strcmp(((const struct xenapi_network *)db_record(row))->bridge, bridge))
			return true;
	}
	return false;
}

/* "xapi" and the first number that is free. */
static const char *new_bridge(struct arena *a)
{
	for (unsigned i = 0;; i++) {
		const char *bridge = arena_printf(a, "xapi%u", i);

		if (!has_bridge(bridge))
			return bridge;
	}
}

MAY_WAIT struct err *hook_network_create(struct xapi_call *c, const void *const *args, void *out)
{
	struct xenapi_network network = *(const struct xenapi_network *)args[0];
	const char *ref;

	if (*network.bridge && has_bridge(network.bridge))
		return err(BRIDGE_NAME_EXISTS, network.bridge);
	if (!*network.bridge)
		network.bridge = new_bridge(c->call.arena);
	if (network.MTU <= 0)
		network.MTU = 1500;
	TRY(db_create(network, &network, &ref));
	*(const char **)out = arena_strdup(c->call.arena, ref);
	return NULL;
}

MAY_WAIT struct err *hook_network_destroy(struct xapi_call *c, const void *const *args, void *out)
{
	const char *ref = *(const char *const *)args[0];
	const struct xenapi_network *network;

	TRY(db_get(network, ref, &network));
	if (network->PIFs.n)
		return err(NETWORK_CONTAINS_PIF, network->PIFs.v[0]);
	for (size_t i = 0; i < network->VIFs.n; i++) {
		const struct xenapi_vif *vif = db_find(vif, network->VIFs.v[i]);

		if (vif->currently_attached)
			return err(NETWORK_CONTAINS_VIF, network->VIFs.v[i]);
	}
	if (string_map_get(&network->other_config, "is_host_internal_management_network"))
		return err(CANNOT_DESTROY_SYSTEM_NETWORK, ref);
	TRY(plan_network_detach(ref));
	TRY(db_get(network, ref, &network));
	for (size_t n = network->VIFs.n; n; n--)
		TRY(db_delete(vif, network->VIFs.v[n - 1]));
	return db_delete(network, ref);
}

MAY_WAIT struct err *xapi_network_attach(struct call *c, const struct xenapi_network_attach_in *in)
{
	return plan_network_attach(in->network);
}

MAY_WAIT struct err *xapi_network_set_default_locking_mode(
	struct call *c, const struct xenapi_network_set_default_locking_mode_in *in)
{
	const struct xenapi_network *network;

	TRY(db_get(network, in->network, &network));
	for (size_t i = 0; i < network->VIFs.n; i++) {
		const struct xenapi_vif *vif = db_find(vif, network->VIFs.v[i]);

		if (vif->currently_attached &&
			vif->locking_mode == XENAPI_VIF_LOCKING_MODE_NETWORK_DEFAULT)
			return err(VIF_IN_USE, in->network, network->VIFs.v[i]);
	}
	return db_write(network, in->network, default_locking_mode, in->value);
}

/* The bridges of all that a VM is plugged into, on this host. */
MAY_WAIT struct err *xapi_network_attach_for_vm(
	struct call *c, const struct xenapi_network_attach_for_vm_in *in)
{
	const struct xenapi_vm *vm;

	TRY(db_get(vm, in->vm, &vm));
	if (strcmp(in->host, host_here()) != 0)
		return err(OPERATION_NOT_ALLOWED, "the VM goes to another host");
	struct string_list vifs = {arena_calloc(c->arena, vm->VIFs.n + 1, sizeof(*vifs.v)), 0};
	for (size_t i = 0; i < vm->VIFs.n; i++)
		vifs.v[vifs.n++] = arena_strdup(c->arena, vm->VIFs.v[i]);
	for (size_t i = 0; i < vifs.n; i++) {
		const struct xenapi_vif *vif;

		TRY(db_get(vif, vifs.v[i], &vif));
		TRY(plan_network_attach(arena_strdup(c->arena, vif->network)));
	}
	return NULL;
}
