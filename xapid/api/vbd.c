/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VBD: drives of VMs. Where one goes is chosen here; what it does while its VM runs are plans.
 * Fibers of calls.
 */
#include "xapid/api/hooks.h"
#include "xapid/db/db.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

#include <stdlib.h>
#include <string.h>

#define MAX_VBDS 255

/* The number of a place: "3", or what a guest calls it: "xvdd", "hdd", "sdd". -1: none. */
static long place_of(const char *userdevice)
{
	static const char *const prefixes[] = {"xvd", "hd", "sd"};
	char *end;
	long n = strtol(userdevice, &end, 10);

	if (*userdevice >= '0' && *userdevice <= '9')
		return !*end && n < MAX_VBDS ? n : -1;
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		size_t len = strlen(prefixes[i]);
		const char *letter = userdevice + len;

		if (!strncmp(userdevice, prefixes[i], len) && *letter >= 'a' && *letter <= 'z' &&
			!letter[1])
			return *letter - 'a';
	}
	return -1;
}

static bool is_taken(const struct xenapi_vm *vm, long place)
{
	for (size_t i = 0; i < vm->VBDs.n; i++) {
		const struct xenapi_vbd *vbd = db_find(vbd, vm->VBDs.v[i]);

		if (place_of(vbd->userdevice) == place)
			return true;
	}
	return false;
}

/* Where it is to be; "autodetect" is the first place that is free. */
static struct err *choose_place(
	struct call *c, const struct xenapi_vm *vm, const char *asked, const char **out)
{
	long place = place_of(asked);

	if (!strcmp(asked, "autodetect")) {
		for (place = 0; is_taken(vm, place); place++)
			continue;
		if (place >= MAX_VBDS)
			return err(INVALID_DEVICE, asked);
		*out = arena_printf(c->arena, "%ld", place);
		return NULL;
	}
	if (place < 0)
		return err(INVALID_DEVICE, asked);
	if (is_taken(vm, place))
		return err(DEVICE_ALREADY_EXISTS, asked);
	*out = asked;
	return NULL;
}

static struct err *check_medium(const struct xenapi_vbd *vbd)
{
	const struct xenapi_vdi *vdi;

	if (vbd->empty && vbd->type != XENAPI_VBD_TYPE_CD)
		return err(VBD_NOT_REMOVABLE_MEDIA, "in constructor");
	if (vbd->type == XENAPI_VBD_TYPE_CD && vbd->mode != XENAPI_VBD_MODE_RO)
		return err(VBD_CDS_MUST_BE_READONLY);
	if (vbd->empty)
		return NULL;
	TRY(db_get(vdi, vbd->VDI, &vdi));
	if (!vdi->managed)
		return err(VDI_NOT_MANAGED, vbd->VDI);
	if (vbd->mode == XENAPI_VBD_MODE_RW && vdi->read_only)
		return err(VDI_READONLY, vbd->VDI);
	return NULL;
}

MAY_WAIT struct err *hook_vbd_create(struct xapi_call *c, const void *const *args, void *out)
{
	struct xenapi_vbd vbd = *(const struct xenapi_vbd *)args[0];
	const struct xenapi_vm *vm;
	const char *ref;

	TRY(db_get(vm, vbd.VM, &vm));
	TRY(check_medium(&vbd));
	if (vbd.empty)
		vbd.VDI = REF_NULL;
	TRY(choose_place(&c->call, vm, vbd.userdevice, &vbd.userdevice));
	vbd.currently_attached = false;
	TRY(db_create(vbd, &vbd, &ref));
	op_list(&vbd_rules, ref);
	*(const char **)out = arena_strdup(c->call.arena, ref);
	return NULL;
}

MAY_WAIT struct err *hook_vbd_destroy(struct xapi_call *c, const void *const *args, void *out)
{
	const char *ref = *(const char *const *)args[0];
	const struct xenapi_vbd *vbd;

	TRY(db_get(vbd, ref, &vbd));
	if (vbd->currently_attached)
		return err(OPERATION_NOT_ALLOWED,
			arena_printf(c->call.arena, "VBD '%s' still attached to '%s'", vbd->uuid,
				vbd->VM));
	TRY(op_check_others(&vbd_rules, ref, ~UINT64_C(0)));
	const char *vdi = arena_strdup(c->call.arena, vbd->VDI);
	TRY(db_delete(vbd, ref));
	op_list_one(&vdi_rules, vdi);
	return NULL;
}

MAY_WAIT struct err *xapi_vbd_plug(struct call *c, const struct xenapi_vbd_plug_in *in)
{
	return plan_vbd_plug(c, in->self);
}

MAY_WAIT struct err *xapi_vbd_unplug(struct call *c, const struct xenapi_vbd_unplug_in *in)
{
	return plan_vbd_unplug(c, in->self, false);
}

MAY_WAIT struct err *xapi_vbd_unplug_force(
	struct call *c, const struct xenapi_vbd_unplug_force_in *in)
{
	return plan_vbd_unplug(c, in->self, true);
}

MAY_WAIT struct err *xapi_vbd_insert(struct call *c, const struct xenapi_vbd_insert_in *in)
{
	return plan_vbd_insert(c, in->vbd, in->vdi);
}

MAY_WAIT struct err *xapi_vbd_eject(struct call *c, const struct xenapi_vbd_eject_in *in)
{
	return plan_vbd_eject(c, in->vbd);
}

MAY_WAIT struct err *xapi_vbd_assert_attachable(
	struct call *c, const struct xenapi_vbd_assert_attachable_in *in)
{
	const struct xenapi_vbd *vbd;

	TRY(db_get(vbd, in->self, &vbd));
	return vbd_rules.check(in->self, XENAPI_VBD_OPERATIONS_ATTACH, true);
}

MAY_WAIT struct err *xapi_vbd_set_mode(struct call *c, const struct xenapi_vbd_set_mode_in *in)
{
	const struct xenapi_vbd *vbd;

	TRY(db_get(vbd, in->self, &vbd));
	if (vbd->type == XENAPI_VBD_TYPE_CD && in->value != XENAPI_VBD_MODE_RO)
		return err(VBD_CDS_MUST_BE_READONLY);
	if (vbd->currently_attached)
		return err(DEVICE_ALREADY_ATTACHED, in->self);
	TRY(db_write(vbd, in->self, mode, in->value));
	op_list(&vbd_rules, in->self);
	return NULL;
}

/* It is looked for nowhere whether the guest still uses it: that is what forcing means here. */
MAY_WAIT struct err *xapi_vbd_unplug_force_no_safety_check(
	struct call *c, const struct xenapi_vbd_unplug_force_no_safety_check_in *in)
{
	return plan_vbd_unplug(c, in->self, true);
}
