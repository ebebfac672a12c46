/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A host's memory as who wants to start a VM there sees it (memory.h).
 */
#include "xapid/host/memory.h"

#include "xapid/db/db.h"

#include <string.h>

int64_t host_balloon_bytes(const char *host)
{
	int64_t bytes = 0;

	db_for_each (vm, row) {
		const struct xenapi_vm *vm = db_record(row);
		int64_t gives = vm->memory_target - vm->memory_dynamic_min;

		if (!strcmp(vm->resident_on, host) && gives > 0 && !vm->is_control_domain &&
			vm->power_state == XENAPI_VM_POWER_STATE_RUNNING)
			bytes += gives;
	}
	return bytes;
}
