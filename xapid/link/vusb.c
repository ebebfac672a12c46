/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * USB devices of VMs in the database, as xenopsd says that they are (xenopsd.h). In xenopsd one is
 * called by its VM and by the VUSB's uuid.
 */
#include "common/clock.h"
#include "common/uuid.h"
#include "xapid/db/db.h"
#include "xapid/link/xenopsd.h"

#include <string.h>

const char *xenopsd_vusb_id(
	struct arena *a, const struct xenapi_vm *vm, const struct xenapi_vusb *vusb)
{
	return arena_printf(a, "%s/%s", vm->uuid, vusb->uuid);
}

struct err *vusb_state_note(const char *ref, bool is_attached)
{
	enum xenapi_vusb_operations unplug = XENAPI_VUSB_OPERATIONS_UNPLUG;
	const struct xenapi_vusb_operations_list allowed = {&unplug, is_attached};

	if (!db_find(vusb, ref))
		return NULL;
	TRY(db_write(vusb, ref, currently_attached, is_attached));
	return db_write(vusb, ref, allowed_operations, allowed);
}

/* Whether the list has it, plugged. */
static bool is_plugged(const struct xenops_vusb_stat_list *list, const char *id)
{
	for (size_t i = 0; i < list->n; i++)
		if (!strcmp(list->v[i].vusb.vusb, id))
			return list->v[i].state.plugged;
	return false;
}

MAY_WAIT struct err *vusbs_compare(const char *uuid)
{
	auto_arena a = {0};
	const struct xenops_vusb_list_in in = {uuid};
	struct xenops_vusb_stat_list list;
	const struct xenapi_vm *vm = db_find(vm, db_find_uuid(vm, uuid));

	if (!vm || !vm->VUSBs.n)
		return NULL;
	TRY(xenops_vusb_list(link_xenopsd.client, &in, &a, &list, deadline_in(LINK_CALL_NS)));
	vm = db_find(vm, db_find_uuid(vm, uuid));
	for (size_t i = 0; vm && i < vm->VUSBs.n; i++) {
		const char *id = xenopsd_vusb_id(&a, vm, db_find(vusb, vm->VUSBs.v[i]));

		TRY(vusb_state_note(vm->VUSBs.v[i], is_plugged(&list, id)));
	}
	return NULL;
}

/* Its VM's are compared: there are few, and this is rare. */
MAY_WAIT struct err *vusb_update(const char *id)
{
	auto_arena a = {0};
	const char *slash = strchr(id, '/');
	struct err *e = NULL;

	if (slash)
		e = vusbs_compare(arena_strndup(&a, id, (size_t)(slash - id)));
	if (!err_is(e, &ERR_Does_not_exist))
		return e;
	err_free(e);
	return NULL;
}
