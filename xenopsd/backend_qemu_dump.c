/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memory of a guest that has crashed, written by QEMU as an ELF core that crash(8) and gdb
 * read. The file has its name when it is whole.
 */
#include "common/clock.h"
#include "common/mem.h"
#include "core.gen.h"
#include "xenopsd/backend_qemu.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOOK_NS (50 * NS_PER_MS)

static MAY_WAIT struct err *await_dump(struct machine *m)
{
	for (;;) {
		json_auto_t *result = NULL;

		TRY(machine_call(m, "query-dump", NULL, &result));
		const char *status = json_string_value(json_object_get(result, "status"));
		if (status && !strcmp(status, "completed"))
			return NULL;
		if (!status || strcmp(status, "active") != 0)
			return err(INTERNAL_ERROR, "QEMU did not write the guest's memory");
		TRY(fiber_sleep(LOOK_NS));
	}
}

static MAY_WAIT struct err *dump(struct machine *m, const char *path)
{
	auto_str url = xasprintf("file:%s", path);
	json_auto_t *arguments =
		json_pack("{s:b, s:b, s:s}", "paging", 0, "detach", 1, "protocol", url);
	auto_str text = json_dumps(arguments, JSON_COMPACT);

	TRY(machine_call(m, "dump-guest-memory", text, NULL));
	return await_dump(m);
}

MAY_WAIT struct err *qemu_vm_coredump(struct vm *vm, const char *path)
{
	auto_str part = xasprintf("%s.part", path);
	struct err *e = dump(machine_of(vm), part);

	if (e) {
		unlink(part);
		return e;
	}
	return rename(part, path) ? err_errno(errno, "renaming %s", part) : NULL;
}
