/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PUSB, USB_group and VUSB: a USB device of a host, and its place in a VM. The VM has it from its
 * start on; the device has to be allowed to leave the host for that.
 */
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/host/role.h"
#include "xapid/host/usb.h"
#include "xapid/plan/plan.h"
#include "xapid/xapid.h"

#include <string.h>

#define MAX_VUSBS 6 /* ports of the controller that a guest has for them */

/* ---- of the host ---- */

MAY_WAIT struct err *xapi_pusb_scan(struct call *c, const struct xenapi_pusb_scan_in *in)
{
	const struct xenapi_host *host;

	TRY(db_get(host, in->host, &host));
	return usb_scan(xapid_conf.sys);
}

/* The VM that has one of the group now; NULL: none. */
static const char *user_of(const struct xenapi_usb_group *group)
{
	for (size_t i = 0; group && i < group->VUSBs.n; i++) {
		const struct xenapi_vusb *vusb = db_find(vusb, group->VUSBs.v[i]);

		if (vusb && vusb->currently_attached)
			return vusb->VM;
	}
	return NULL;
}

MAY_WAIT struct err *xapi_pusb_set_passthrough_enabled(
	struct call *c, const struct xenapi_pusb_set_passthrough_enabled_in *in)
{
	const struct xenapi_pusb *pusb;

	TRY(db_get(pusb, in->self, &pusb));
	const char *user = user_of(db_find(usb_group, pusb->USB_group));
	if (!in->value && user)
		return err(USB_ALREADY_ATTACHED, in->self, user);
	return db_write(pusb, in->self, passthrough_enabled, in->value);
}

/* ---- groups ---- */

MAY_WAIT struct err *xapi_usb_group_create(
	struct call *c, const struct xenapi_usb_group_create_in *in, const char **out)
{
	struct xenapi_usb_group row = db_blank(usb_group);
	const char *ref;

	row.name_label = in->name_label;
	row.name_description = in->name_description;
	row.other_config = in->other_config;
	TRY(db_create(usb_group, &row, &ref));
	*out = arena_strdup(c->arena, ref);
	return NULL;
}

static const char *join(const struct string_list *refs, struct arena *a)
{
	const char *out = "";

	for (size_t i = 0; i < refs->n; i++)
		out = arena_printf(a, "%s%s%s", out, i ? "," : "", refs->v[i]);
	return out;
}

MAY_WAIT struct err *xapi_usb_group_destroy(
	struct call *c, const struct xenapi_usb_group_destroy_in *in)
{
	const struct xenapi_usb_group *group;

	TRY(db_get(usb_group, in->self, &group));
	if (group->VUSBs.n)
		return err(USB_GROUP_CONTAINS_VUSB, join(&group->VUSBs, c->arena));
	if (group->PUSBs.n)
		return err(USB_GROUP_CONTAINS_PUSB, join(&group->PUSBs, c->arena));
	return db_delete(usb_group, in->self);
}

/* ---- of a VM ---- */

static struct err *check_vm(struct call *c, const char *ref, const char *group)
{
	const struct xenapi_vm *vm;

	TRY(db_get(vm, ref, &vm));
	if (vm->VUSBs.n >= MAX_VUSBS)
		return err(TOO_MANY_VUSBS, arena_printf(c->arena, "%zu", vm->VUSBs.n));
	for (size_t i = 0; i < vm->VUSBs.n; i++) {
		const struct xenapi_vusb *vusb = db_find(vusb, vm->VUSBs.v[i]);

		if (vusb && !strcmp(vusb->USB_group, group))
			return err(USB_GROUP_CONFLICT, group);
	}
	return NULL;
}

MAY_WAIT struct err *xapi_vusb_create(
	struct call *c, const struct xenapi_vusb_create_in *in, const char **out)
{
	const struct xenapi_usb_group *group;
	struct xenapi_vusb row = db_blank(vusb);
	const char *ref;

	TRY(db_get(usb_group, in->USB_group, &group));
	if (!group->PUSBs.n)
		return err(USB_GROUP_CONTAINS_NO_PUSBS, in->USB_group);
	TRY(check_vm(c, in->VM, in->USB_group));
	row.VM = in->VM;
	row.USB_group = in->USB_group;
	row.other_config = in->other_config;
	TRY(db_create(vusb, &row, &ref));
	*out = arena_strdup(c->arena, ref);
	return NULL;
}

MAY_WAIT struct err *xapi_vusb_unplug(struct call *c, const struct xenapi_vusb_unplug_in *in)
{
	const struct xenapi_vusb *vusb;

	TRY(db_get(vusb, in->self, &vusb));
	if (!vusb->currently_attached)
		return err(DEVICE_ALREADY_DETACHED, in->self);
	return plan_vusb_unplug(c, in->self);
}

MAY_WAIT struct err *xapi_vusb_destroy(struct call *c, const struct xenapi_vusb_destroy_in *in)
{
	const struct xenapi_vusb *vusb;

	TRY(db_get(vusb, in->self, &vusb));
	if (vusb->currently_attached)
		return err(OPERATION_NOT_ALLOWED, "the VM has the device");
	return db_delete(vusb, in->self);
}
