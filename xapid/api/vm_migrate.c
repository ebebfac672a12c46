/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VM.migrate_send to a host of the same pool, where the VM's disks and networks stay what they are.
 * What would move them is not built, and says so.
 */
#include "core.gen.h"
#include "xapid/db/db.h"
#include "xapid/forward/forward.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

#include <string.h>

/* What a client asks for; in both messages of the same types. */
struct wish {
	const char *vm;
	const struct string_map *dest, *vdis, *vifs, *vgpus, *options;
};

static struct err *check_disks(const struct string_map *map)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct xenapi_vdi *vdi;

		TRY(db_get(vdi, map->v[i].key, &vdi));
		if (strcmp(vdi->SR, map->v[i].value) != 0)
			return err(NOT_IMPLEMENTED,
				"storage migration: a disk that moves to another SR");
	}
	return NULL;
}

static struct err *check_networks(const struct string_map *map)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct xenapi_vif *vif;

		TRY(db_get(vif, map->v[i].key, &vif));
		if (strcmp(vif->network, map->v[i].value) != 0)
			return err(NOT_IMPLEMENTED, "VM.migrate_send to another network");
	}
	return NULL;
}

/* *HOST: where it goes; also whether nothing but the VM moves. */
static struct err *check(const struct wish *w, const char **host)
{
	const char *copy = string_map_get(w->options, "copy");
	const struct xenapi_vm *vm;

	TRY(db_get(vm, w->vm, &vm));
	*host = string_map_get(w->dest, "host");
	if (!*host)
		return err(INVALID_VALUE, "dest", "it does not say which host");
	if (!db_find(host, *host))
		return err(NOT_IMPLEMENTED, "VM.migrate_send to another pool");
	if (copy && !strcmp(copy, "true"))
		return err(NOT_IMPLEMENTED, "VM.migrate_send of a copy");
	if (w->vgpus->n)
		return err(NOT_IMPLEMENTED, "VM.migrate_send with a VGPU");
	TRY(check_disks(w->vdis));
	return check_networks(w->vifs);
}

MAY_WAIT struct err *xapi_vm_migrate_send(
	struct call *c, const struct xenapi_vm_migrate_send_in *in, const char **out)
{
	const struct wish w = {
		in->vm, &in->dest, &in->vdi_map, &in->vif_map, &in->vgpu_map, &in->options};
	const char *host;

	TRY(check(&w, &host));
	*out = in->vm;
	const struct xenapi_vm *vm = db_find(vm, in->vm);
	if (vm->power_state == XENAPI_VM_POWER_STATE_HALTED ||
		vm->power_state == XENAPI_VM_POWER_STATE_SUSPENDED)
		return vm_rules.check(in->vm, XENAPI_VM_OPERATIONS_MIGRATE_SEND, true);
	return plan_vm_migrate(c, in->vm, arena_strdup(c->arena, host));
}

MAY_WAIT struct err *xapi_vm_assert_can_migrate(
	struct call *c, const struct xenapi_vm_assert_can_migrate_in *in)
{
	const struct wish w = {
		in->vm, &in->dest, &in->vdi_map, &in->vif_map, &in->vgpu_map, &in->options};
	const char *host;

	TRY(check(&w, &host));
	TRY(vm_rules.check(in->vm, XENAPI_VM_OPERATIONS_MIGRATE_SEND, true));
	const struct xenapi_vm *vm = db_find(vm, in->vm);
	if (!strcmp(vm->resident_on, host))
		return err(OPERATION_NOT_ALLOWED, "the VM is on this host already");
	return place_check(host, in->vm);
}
