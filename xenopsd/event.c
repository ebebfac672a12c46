/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the backend tells of (backend_changed): watchers hear of it, and who waits for the guest.
 */
#include "common/updates.h"
#include "xenopsd/backend.h"

void backend_changed(const char *vm_id)
{
	struct vm *vm = vm_find(vm_id);

	if (!vm)
		return;
	updates_add("vm", vm_id);
	cond_broadcast(&vm->changed);
}
