/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starts that a former xapid began, and did not live to end: the VM is scheduled to be here, and
 * xenopsd brings it up and leaves it paused, or has never heard of it. Until it is known which, the
 * VM counts as starting (xenopsd.c).
 */
#define LOG_MODULE "link"
#include "common/clock.h"
#include "common/log.h"
#include "common/map.h"
#include "common/mem.h"
#include "xapid/db/db.h"
#include "xapid/link/xenopsd.h"
#include "xapid/rules/rules.h"

#include <string.h>

/* VMs that a fiber here looks after, by uuid. */
static struct map finishing;

/* It gets its turn when the start has ended, however that is. */
static MAY_WAIT struct err *unpause(const char *uuid)
{
	auto_arena arena = {0};
	const struct xenops_vm_unpause_in in = {uuid};
	const struct link_work work = {.part = "VM.unpause"};
	const char *task;

	TRY(xenops_vm_unpause(link_xenopsd.client, &in, &arena, &task, deadline_in(LINK_CALL_NS)));
	return link_await(&link_xenopsd, &work, task, NULL, &arena, NULL);
}

static MAY_WAIT struct err *finish(const char *uuid)
{
	int64_t deadline = deadline_in(LINK_CALL_NS);
	struct err *e = unpause(uuid);

	while (link_is_back(&link_xenopsd, e, deadline)) {
		err_free(e);
		e = unpause(uuid);
	}
	if (e)
		log_err(LOG_INFO_, e, "the start of VM %s came to nothing", uuid);
	err_free(e);
	const char *ref = db_find_uuid(vm, uuid);
	return ref ? xenopsd_compare(ref) : NULL;
}

static MAY_WAIT void run_finish(void *arg)
{
	auto_str uuid = arg;
	auto_err e = finish(uuid);

	if (e)
		log_err(LOG_WARN_, e, "what became of VM %s", uuid);
	map_remove(&finishing, uuid);
}

static bool is_unfinished(const char *ref, const struct xenapi_vm *vm)
{
	static const uint64_t starts =
		OP_BIT(XENAPI_VM_OPERATIONS_START) | OP_BIT(XENAPI_VM_OPERATIONS_START_ON);

	return !strcmp(vm->scheduled_to_be_resident_on, host_here()) && !move_is_under_way(vm) &&
		!op_is_under_way(&vm_rules, ref, starts) && !map_has(&finishing, vm->uuid);
}

struct err *xenopsd_finish_starts(void)
{
	db_for_each (vm, row) {
		const struct xenapi_vm *vm = db_record(row);

		if (!is_unfinished(db_ref(row), vm))
			continue;
		log_info("VM %s: its start was interrupted, and is finished", vm->uuid);
		map_put(&finishing, vm->uuid, &finishing);
		TRY(fiber_spawn(NULL, run_finish, xstrdup(vm->uuid), "start of %s", vm->uuid));
	}
	return NULL;
}
