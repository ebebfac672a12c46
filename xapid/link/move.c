/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VMs that move to another host (xenopsd.h): until that is settled, a VM is resident on one host
 * and scheduled to be on the other. The host that it leaves settles it: when its xenopsd does not
 * have the VM any more, the other host is told to take it from there.
 */
#define LOG_MODULE "link"

#include "common/clock.h"
#include "common/fiber.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/map.h"
#include "common/mem.h"
#include "xapid/db/db.h"
#include "xapid/link/xenopsd.h"
#include "xapid/rules/rules.h"

#include "core.gen.h"

#include <string.h>

#define RETRY_NS (1 * NS_PER_S)

static move_tell_fn tell;
static struct map settling; /* VMs that a fiber here looks after, by reference */

void move_set_tell(move_tell_fn fn)
{
	tell = fn;
}

bool move_is_under_way(const struct xenapi_vm *vm)
{
	return !ref_is_null(vm->resident_on) && !ref_is_null(vm->scheduled_to_be_resident_on) &&
		strcmp(vm->resident_on, vm->scheduled_to_be_resident_on) != 0;
}

bool move_is_elsewhere(const struct xenapi_vm *vm)
{
	return move_is_under_way(vm) ||
		(!ref_is_null(vm->resident_on) && strcmp(vm->resident_on, host_here()) != 0);
}

/* It gets its turn when the migration has ended, however that is, and does nothing to a VM that
 * runs. */
static MAY_WAIT void await_turn(const char *uuid)
{
	auto_arena arena = {0};
	const struct xenops_vm_unpause_in in = {uuid};
	const struct link_work work = {.part = "VM.unpause"};
	const char *task;
	auto_err e = xenops_vm_unpause(
		link_xenopsd.client, &in, &arena, &task, deadline_in(LINK_CALL_NS));

	if (!e)
		err_free(link_await(&link_xenopsd, &work, task, NULL, &arena, NULL));
}

/* A guest that stands was handed over, and its xenopsd has not heard yet whether it arrived. */
static MAY_WAIT struct err *is_still_here(const char *uuid, bool *out)
{
	auto_arena arena = {0};
	const struct xenops_vm_stat_in in = {uuid};
	struct xenops_vm_stat stat;
	auto_err e =
		xenops_vm_stat(link_xenopsd.client, &in, &arena, &stat, deadline_in(LINK_CALL_NS));

	*out = !e;
	if (!e && stat.state.power_state == XENOPS_POWER_STATE_SUSPENDED)
		return err(TIMEOUT, "the other host's word on where the VM is");
	return err_is(e, &ERR_Does_not_exist) ? NULL : take(e);
}

MAY_WAIT struct err *move_settle(const char *ref)
{
	auto_str vm = xstrdup(ref);
	const struct xenapi_vm *row = db_find(vm, vm);
	bool is_here;

	if (!row || !move_is_under_way(row))
		return NULL;
	auto_str uuid = xstrdup(row->uuid);
	auto_str host = xstrdup(row->scheduled_to_be_resident_on);
	await_turn(uuid);
	TRY(link_wait_up(&link_xenopsd));
	TRY(is_still_here(uuid, &is_here));
	if (!is_here)
		return tell(vm, host);
	if (db_find(vm, vm))
		TRY(db_write(vm, vm, scheduled_to_be_resident_on, REF_NULL));
	return xenopsd_compare(vm);
}

static MAY_WAIT void settle_fiber(void *arg)
{
	auto_str vm = arg;

	for (;;) {
		auto_err e = move_settle(vm);

		if (!e || loop_is_stopping())
			break;
		log_err(LOG_INFO_, e, "where %s is", vm);
		err_free(fiber_sleep(RETRY_NS));
	}
	map_remove(&settling, vm);
}

struct err *move_settle_later(const char *vm)
{
	if (map_has(&settling, vm))
		return NULL;
	map_put(&settling, vm, &settling);
	return fiber_spawn(NULL, settle_fiber, xstrdup(vm), "move of %s", vm);
}

struct err *move_settle_all(void)
{
	db_for_each (vm, row) {
		const struct xenapi_vm *vm = db_record(row);
		const char *ref = db_ref(row);

		if (!move_is_under_way(vm) || strcmp(vm->resident_on, host_here()) != 0 ||
			op_is_under_way(&vm_rules, ref, OP_BIT(XENAPI_VM_OPERATIONS_POOL_MIGRATE)))
			continue;
		TRY(move_settle_later(ref));
	}
	return NULL;
}

void move_stop(void)
{
	map_fini(&settling);
}
