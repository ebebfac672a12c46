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
#include "xenopsd/atoms.h"
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

/* What can be kept of a guest that has crashed. */
static MAY_WAIT void keep_core(struct vm *vm)
{
	AUTO(plan_fini) struct plan plan = {0};

	if (vm->has_core)
		return;
	vm->has_core = true;
	plan_init(&plan, vm, NULL);
	plan_add(&plan, &atom_vm_coredump, NULL);
	auto_err e = plan_run(&plan);
	if (e)
		log_err(LOG_WARN_, e, "vm=%s the memory of its guest is not kept", vm->id);
}

/* Its domain stays, and is seen to stand still. */
static MAY_WAIT struct err *preserve(struct vm *vm, const struct domain_look *look)
{
	if (look->is_paused)
		return NULL;
	TRY(xenopsd.backend->vm_pause(vm));
	vm_tell(vm);
	return NULL;
}

/* Where it cannot start a kernel of its own, it is booted. */
static MAY_WAIT struct err *soft_reboot(struct vm *vm)
{
	if (xenopsd.backend->vm_soft_reset)
		return vm_soft_reboot(vm, NULL);
	tell_hook(vm, XENOPSD_HOOK_REASON_HARD_REBOOT);
	return vm_reboot(vm, XENOPSD_HOOK_REASON_HARD_REBOOT, NULL);
}

static MAY_WAIT struct err *act(
	struct vm *vm, const struct domain_look *look, enum xenops_end_action action)
{
	log_info("vm=%s its guest has ended (%d): %s", vm->id, (int)look->end,
		type_case_name(&xenops_type_end_action, (int)action));
	if (look->end == GUEST_CRASHED && vm->config.coredump_on_crash)
		keep_core(vm);
	switch (action) {
	case XENOPS_END_ACTION_DESTROY:
		tell_hook(vm, XENOPSD_HOOK_REASON_HARD_SHUTDOWN);
		return vm_stop(vm, XENOPSD_HOOK_REASON_HARD_SHUTDOWN, NULL);
	case XENOPS_END_ACTION_RESTART:
		tell_hook(vm, XENOPSD_HOOK_REASON_HARD_REBOOT);
		return vm_reboot(vm, XENOPSD_HOOK_REASON_HARD_REBOOT, NULL);
	case XENOPS_END_ACTION_SOFT_REBOOT:
		return soft_reboot(vm);
	case XENOPS_END_ACTION_PRESERVE:
		return preserve(vm, look);
	}
	return NULL;
}

/* Nobody has asked it to suspend, or no longer waits for it. */
static MAY_WAIT struct err *wake_up(struct vm *vm)
{
	log_warn("vm=%s its guest has suspended by itself, and goes on", vm->id);
	TRY(xenopsd.backend->vm_fast_resume(vm));
	vm_tell(vm);
	return NULL;
}

static bool comes_too_soon(const struct vm *vm)
{
	int64_t short_run_ns = xenopsd_conf.short_run_ns ?: xenopsd.backend->short_run_ns;

	return xenopsd_conf.reboot_delay_ns &&
		clock_real_ns() - vm->last_start_s * NS_PER_S < short_run_ns;
}

/* OUT: how long to wait before it is looked at again; 0: not at all. */
static MAY_WAIT struct err *serve(struct vm *vm, bool has_waited, int64_t *out)
{
	struct domain_look look;

	if (has_waited)
		vm->is_reboot_pending = false;
	if (vm->phase != XENOPSD_PHASE_UP)
		return NULL;
	TRY(xenopsd.backend->vm_look(vm, &look));
	if (!look.is_there) {
		log_warn("vm=%s its domain has vanished", vm->id);
		return vm_stop(vm, XENOPSD_HOOK_REASON_HARD_SHUTDOWN, NULL);
	}
	/* Its balloon may have begun to move. */
	if (vm->balloon.is_stuck)
		memory_changed();
	if (look.end == GUEST_RUNS)
		return NULL;
	if (look.end == GUEST_SUSPENDED && xenopsd.backend->vm_fast_resume)
		return wake_up(vm);
	enum xenops_end_action action = action_for(vm, look.end);
	if (action != XENOPS_END_ACTION_RESTART || has_waited || !comes_too_soon(vm))
		return act(vm, &look, action);
	if (!vm->is_reboot_pending)
		*out = xenopsd_conf.reboot_delay_ns;
	vm->is_reboot_pending = true;
	return NULL;
}

static MAY_WAIT struct err *check(const char *id, bool has_waited, int64_t *out)
{
	AUTO(turn_end) struct turn turn = {0};

	*out = 0;
	TRY(turn_begin(&turn, id, "check", TURN_WORK));
	if (!has_waited)
		turn.vm->is_check_pending = false;
	return serve(turn.vm, has_waited, out);
}

static MAY_WAIT struct err *check_all(const char *id)
{
	int64_t wait_ns;

	TRY(check(id, false, &wait_ns));
	if (!wait_ns)
		return NULL;
	log_info("vm=%s its guest reboots too soon, and waits", id);
	TRY(fiber_sleep(wait_ns));
	return check(id, true, &wait_ns);
}

static MAY_WAIT void check_main(void *arg)
{
	auto_str id = arg;
	auto_err e = check_all(id);

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
