/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of class VM that change what it does: each waits for the VM's turn and carries out its
 * plan (plans.h).
 */
#include "common/rpc.h"
#include "core.gen.h"
#include "xenopsd/atoms.h"
#include "xenopsd/metadata.h"
#include "xenopsd/plans.h"
#include "xenopsd/queue.h"
#include "xenopsd/xenopsd.h"

#include <string.h>

MAY_WAIT struct err *api_vm_start(struct call *c, const struct xenops_vm_start_in *in)
{
	AUTO(turn_end) struct turn turn = {0};
	bool is_new = in->metadata && !vm_find(in->vm);

	if (in->metadata)
		TRY(metadata_check(in->metadata));
	if (in->metadata && strcmp(in->metadata->vm.vm, in->vm) != 0)
		return err(INVALID_VALUE, "metadata", "of another VM");
	if (is_new)
		TRY(metadata_add(in->metadata));
	TRY(turn_begin(&turn, in->vm, "VM.start", TURN_WORK));
	if (in->metadata && !is_new)
		TRY(metadata_apply(turn.vm, in->metadata));
	return vm_start(turn.vm, in->runs, c->task);
}

MAY_WAIT struct err *api_vm_unpause(struct call *c, const struct xenops_vm_unpause_in *in)
{
	AUTO(turn_end) struct turn turn = {0};
	enum xenops_power_state found;

	TRY(turn_begin(&turn, in->vm, "VM.unpause", TURN_WORK));
	TRY(vm_power_state(turn.vm, &found));
	if (found == XENOPS_POWER_STATE_RUNNING)
		return NULL;
	if (found != XENOPS_POWER_STATE_PAUSED)
		return bad_power_state(found, XENOPS_POWER_STATE_PAUSED);
	return vm_do(turn.vm, &atom_vm_unpause, c->task);
}

MAY_WAIT struct err *api_vm_pause(struct call *c, const struct xenops_vm_pause_in *in)
{
	AUTO(turn_end) struct turn turn = {0};
	enum xenops_power_state found;

	TRY(turn_begin(&turn, in->vm, "VM.pause", TURN_WORK));
	TRY(vm_power_state(turn.vm, &found));
	if (found == XENOPS_POWER_STATE_PAUSED)
		return NULL;
	if (found != XENOPS_POWER_STATE_RUNNING)
		return bad_power_state(found, XENOPS_POWER_STATE_RUNNING);
	return vm_do(turn.vm, &atom_vm_pause, c->task);
}

MAY_WAIT struct err *api_vm_suspend(struct call *c, const struct xenops_vm_suspend_in *in)
{
	AUTO(turn_end) struct turn turn = {0};

	TRY(turn_begin(&turn, in->vm, "VM.suspend", TURN_WORK));
	return vm_suspend(turn.vm, &in->image, in->keep_domain, c->task);
}

MAY_WAIT struct err *api_vm_resume(struct call *c, const struct xenops_vm_resume_in *in)
{
	AUTO(turn_end) struct turn turn = {0};

	TRY(turn_begin(&turn, in->vm, "VM.resume", TURN_WORK));
	return vm_resume(turn.vm, &in->image, c->task);
}

/* Of a time-out from outside. */
static struct err *check_timeout(const double *timeout_s)
{
	if (timeout_s && !(*timeout_s >= 0 && *timeout_s <= 1e6))
		return err(INVALID_VALUE, "timeout_s", "not between 0 and 1e6");
	return NULL;
}

MAY_WAIT struct err *api_vm_shutdown(struct call *c, const struct xenops_vm_shutdown_in *in)
{
	AUTO(turn_end) struct turn turn = {0};
	enum xenopsd_hook_reason reason = in->timeout_s ? XENOPSD_HOOK_REASON_CLEAN_SHUTDOWN
							: XENOPSD_HOOK_REASON_HARD_SHUTDOWN;
	enum xenops_power_state found;

	TRY(check_timeout(in->timeout_s));
	TRY(turn_begin(&turn, in->vm, "VM.shutdown", TURN_WORK));
	TRY(vm_power_state(turn.vm, &found));
	if (found == XENOPS_POWER_STATE_HALTED || found == XENOPS_POWER_STATE_SUSPENDED)
		return vm_stop(turn.vm, XENOPSD_HOOK_REASON_NONE, c->task);
	TRY(vm_ask_hook(turn.vm, reason));
	if (in->timeout_s)
		TRY(vm_end_guest(turn.vm, GUEST_HALTED, *in->timeout_s));
	return vm_stop(turn.vm, reason, c->task);
}

MAY_WAIT struct err *api_vm_reboot(struct call *c, const struct xenops_vm_reboot_in *in)
{
	AUTO(turn_end) struct turn turn = {0};
	enum xenopsd_hook_reason reason =
		in->timeout_s ? XENOPSD_HOOK_REASON_CLEAN_REBOOT : XENOPSD_HOOK_REASON_HARD_REBOOT;

	TRY(check_timeout(in->timeout_s));
	TRY(turn_begin(&turn, in->vm, "VM.reboot", TURN_WORK));
	TRY(vm_need_up(turn.vm));
	TRY(vm_ask_hook(turn.vm, reason));
	if (in->timeout_s)
		TRY(vm_end_guest(turn.vm, GUEST_REBOOTED, *in->timeout_s));
	return vm_reboot(turn.vm, reason, c->task);
}

MAY_WAIT struct err *api_vm_fast_resume(struct call *c, const struct xenops_vm_fast_resume_in *in)
{
	AUTO(turn_end) struct turn turn = {0};

	TRY(turn_begin(&turn, in->vm, "VM.fast_resume", TURN_WORK));
	return vm_fast_resume(turn.vm, c->task);
}

static MAY_WAIT struct err *need_running(struct vm *vm)
{
	enum xenops_power_state found;

	TRY(vm_power_state(vm, &found));
	if (found != XENOPS_POWER_STATE_RUNNING)
		return bad_power_state(found, XENOPS_POWER_STATE_RUNNING);
	return NULL;
}

MAY_WAIT struct err *api_vm_s3suspend(struct call *c, const struct xenops_vm_s3suspend_in *in)
{
	AUTO(turn_end) struct turn turn = {0};

	TRY(turn_begin(&turn, in->vm, "VM.s3suspend", TURN_WORK));
	TRY(need_running(turn.vm));
	return vm_do(turn.vm, &atom_guest_s3suspend, c->task);
}

MAY_WAIT struct err *api_vm_s3resume(struct call *c, const struct xenops_vm_s3resume_in *in)
{
	AUTO(turn_end) struct turn turn = {0};

	TRY(turn_begin(&turn, in->vm, "VM.s3resume", TURN_WORK));
	TRY(need_running(turn.vm));
	return vm_do(turn.vm, &atom_guest_s3resume, c->task);
}

MAY_WAIT struct err *api_vm_softreboot(struct call *c, const struct xenops_vm_softreboot_in *in)
{
	AUTO(turn_end) struct turn turn = {0};

	TRY(turn_begin(&turn, in->vm, "VM.softreboot", TURN_WORK));
	TRY(need_running(turn.vm));
	return vm_soft_reboot(turn.vm, c->task);
}
