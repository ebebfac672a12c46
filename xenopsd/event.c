/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the backend tells of (backend_changed): watchers hear of it, who waits for the guest wakes
 * up, and in the VM's turn it is looked at whether the guest has ended, and done what the VM's
 * config wants then. Nobody else is needed for that.
 */
#define LOG_MODULE "event"
#include "common/log.h"
#include "common/mem.h"
#include "common/updates.h"
#include "core.gen.h"
#include "xenopsd/backend.h"
#include "xenopsd/memory.h"
#include "xenopsd/plans.h"
#include "xenopsd/queue.h"
#include "xenopsd/repair.h"
#include "xenopsd/xenopsd.h"

/* A guest that crashes so soon would only crash again. */
#define CRASH_LOOP_S 120

static bool crashed_early(const struct vm *vm)
{
	return clock_real_ns() / NS_PER_S - vm->last_start_s < CRASH_LOOP_S;
}

static enum xenops_end_action action_for(const struct vm *vm, enum guest_end end)
{
	switch (end) {
	case GUEST_REBOOTED:
		return vm->config.on_reboot;
	case GUEST_SOFT_REBOOTED:
		return vm->config.on_softreboot;
	case GUEST_CRASHED:
		if (vm->config.on_crash == XENOPS_END_ACTION_PRESERVE || !crashed_early(vm))
			return vm->config.on_crash;
		return XENOPS_END_ACTION_DESTROY;
	case GUEST_SUSPENDED:
		return XENOPS_END_ACTION_PRESERVE;
	case GUEST_RUNS:
	case GUEST_HALTED:
		break;
	}
	return vm->config.on_shutdown;
}

/* The guest has ended already: nobody can forbid it any more. */
static MAY_WAIT void tell_hook(struct vm *vm, enum xenopsd_hook_reason reason)
{
	auto_err e = vm_ask_hook(vm, reason);

	if (e)
		log_err(LOG_WARN_, e, "vm=%s a hook forbids what the guest has done", vm->id);
}

static MAY_WAIT struct err *act(struct vm *vm, enum guest_end end)
{
	enum xenops_end_action action = action_for(vm, end);

	log_info("vm=%s its guest has ended (%d): %s", vm->id, (int)end,
		type_case_name(&xenops_type_end_action, (int)action));
	switch (action) {
	case XENOPS_END_ACTION_DESTROY:
		tell_hook(vm, XENOPSD_HOOK_REASON_HARD_SHUTDOWN);
		return vm_stop(vm, XENOPSD_HOOK_REASON_HARD_SHUTDOWN, NULL);
	case XENOPS_END_ACTION_RESTART:
	case XENOPS_END_ACTION_SOFT_REBOOT: /* FIXME: kexec in the same domain (vm_soft_reset) */
		tell_hook(vm, XENOPSD_HOOK_REASON_HARD_REBOOT);
		return vm_reboot(vm, XENOPSD_HOOK_REASON_HARD_REBOOT, NULL);
	case XENOPS_END_ACTION_PRESERVE:
		return NULL;
	}
	return NULL;
}

static MAY_WAIT struct err *check(const char *id)
{
	AUTO(turn_end) struct turn turn = {0};
	struct domain_look look;

	TRY(turn_begin(&turn, id, "check", TURN_WORK));
	turn.vm->is_check_pending = false;
	if (turn.vm->phase != XENOPSD_PHASE_UP)
		return NULL;
	TRY(xenopsd.backend->vm_look(turn.vm, &look));
	if (!look.is_there) {
		log_warn("vm=%s its domain has vanished", id);
		return vm_stop(turn.vm, XENOPSD_HOOK_REASON_HARD_SHUTDOWN, NULL);
	}
	/* Its balloon may have begun to move. */
	if (turn.vm->balloon.is_stuck)
		memory_changed();
	return look.end == GUEST_RUNS ? NULL : act(turn.vm, look.end);
}

static MAY_WAIT void check_main(void *arg)
{
	auto_str id = arg;
	auto_err e = check(id);

	if (e && !err_is(e, &ERR_SHUTTING_DOWN) && !err_is(e, &ERR_Does_not_exist))
		log_err(LOG_ERROR_, e, "vm=%s could not be served after a change", id);
}

/* Repeats are folded: one check looks at all that was told of before its turn. */
static void check_soon(struct vm *vm)
{
	if (vm->is_check_pending || vm->phase == XENOPSD_PHASE_HALTED ||
		vm->phase == XENOPSD_PHASE_SUSPENDED)
		return;
	char *id = xstrdup(vm->id);
	struct err *e = fiber_spawn(NULL, check_main, id, "check of vm %s", id);
	vm->is_check_pending = !e;
	if (!e)
		return;
	log_err(LOG_ERROR_, e, "vm=%s cannot be looked at", vm->id);
	err_free(e);
	free(id);
}

void backend_changed(const char *vm_id)
{
	struct vm *vm = vm_find(vm_id);

	if (!vm)
		return;
	vm->n_changes++;
	cond_broadcast(&vm->changed);
	updates_add("vm", vm->id);
	check_soon(vm);
}
