/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of class VM that change a VM while it runs. What is changed stays so at the next start.
 */
#include "common/codec.h"
#include "common/mem.h"
#include "common/rpc.h"
#include "core.gen.h"
#include "xenopsd/add.h"
#include "xenopsd/atoms.h"
#include "xenopsd/backend.h"
#include "xenopsd/memory.h"
#include "xenopsd/plans.h"
#include "xenopsd/queue.h"
#include "xenopsd/xenopsd.h"

#include <inttypes.h>

static MAY_WAIT struct err *is_up(struct vm *vm, bool *out)
{
	enum xenops_power_state found;

	TRY(vm_power_state(vm, &found));
	*out = found == XENOPS_POWER_STATE_RUNNING || found == XENOPS_POWER_STATE_PAUSED;
	return NULL;
}

/* CONFIG is a shallow copy of the VM's, with the change; TELL lets a domain know of it. */
static MAY_WAIT struct err *change(
	struct vm *vm, const struct xenops_vm *config, const struct atom *tell, struct task *task)
{
	AUTO(plan_fini) struct plan plan = {0};
	auto_arena a = {0};
	struct xenops_vm before;
	bool up;

	TRY(is_up(vm, &up));
	codec_copy(&xenops_type_vm, &vm->config, &a, &before);
	plan_init(&plan, vm, task);
	plan.config = config;
	plan.config_before = &before;
	plan.tells = up ? tell : NULL;
	plan_add(&plan, &atom_vm_change, NULL);
	if (up)
		plan_add(&plan, tell, NULL);
	struct err *e = plan_run(&plan);
	vm_tell(vm);
	return e;
}

MAY_WAIT struct err *api_vm_set_vcpus(struct call *c, const struct xenops_vm_set_vcpus_in *in)
{
	AUTO(turn_end) struct turn turn = {0};

	TRY(turn_begin(&turn, in->vm, "VM.set_vcpus", TURN_WORK));
	struct xenops_vm config = turn.vm->config;
	if (in->vcpus < 1 || in->vcpus > config.vcpus_max) {
		auto_str max = xasprintf("%" PRId64, config.vcpus_max);

		return err(Invalid_vcpus, max);
	}
	config.vcpus = in->vcpus;
	return change(turn.vm, &config, &atom_vm_set_vcpus, c->task);
}

MAY_WAIT struct err *api_vm_set_memory_dynamic_range(
	struct call *c, const struct xenops_vm_set_memory_dynamic_range_in *in)
{
	AUTO(turn_end) struct turn turn = {0};
	bool up;

	TRY(turn_begin(&turn, in->vm, "VM.set_memory_dynamic_range", TURN_WORK));
	struct xenops_vm config = turn.vm->config;
	config.memory_dynamic_min_bytes = in->min_bytes;
	config.memory_dynamic_max_bytes = in->max_bytes;
	if (in->min_bytes < 0 || in->min_bytes > in->max_bytes ||
		in->max_bytes > config.memory_static_max_bytes)
		return err(INVALID_VALUE, "max_bytes", "not between min_bytes and the static max");
	TRY(is_up(turn.vm, &up));
	if (up && (!xenopsd.backend->vm_set_memory_target || !xenopsd.backend->memory_now))
		return err(Unimplemented, "vm_set_memory_target");
	TRY(change_vm(turn.vm, &config));
	return up ? memory_balance_now() : NULL;
}

MAY_WAIT struct err *api_vm_set_shadow_multiplier(
	struct call *c, const struct xenops_vm_set_shadow_multiplier_in *in)
{
	AUTO(turn_end) struct turn turn = {0};

	TRY(turn_begin(&turn, in->vm, "VM.set_shadow_multiplier", TURN_WORK));
	struct xenops_vm config = turn.vm->config;
	if (config.guest.kind != XENOPS_GUEST_HVM)
		return err(Unimplemented, "a shadow multiplier of a guest that has no shadow");
	if (in->multiplier < 1 || in->multiplier > 1000)
		return err(INVALID_VALUE, "multiplier", "not between 1 and 1000");
	config.guest.hvm.shadow_multiplier = in->multiplier;
	return change(turn.vm, &config, &atom_vm_set_shadow_multiplier, c->task);
}

MAY_WAIT struct err *api_vm_set_xenstore_data(
	struct call *c, const struct xenops_vm_set_xenstore_data_in *in)
{
	AUTO(turn_end) struct turn turn = {0};

	TRY(turn_begin(&turn, in->vm, "VM.set_xenstore_data", TURN_WORK));
	struct xenops_vm config = turn.vm->config;
	config.xenstore_data = in->xenstore_data;
	return change(turn.vm, &config, &atom_vm_set_xenstore_data, c->task);
}

MAY_WAIT struct err *api_vm_freeze_disks(
	struct call *c, const struct xenops_vm_freeze_disks_in *in, struct string_map *out)
{
	AUTO(turn_end) struct turn turn = {0};

	TRY(turn_begin(&turn, in->vm, "VM.freeze_disks", TURN_WORK));
	return vm_freeze_disks(turn.vm, &in->vbds, c->task, c->arena, out);
}

MAY_WAIT struct err *api_vm_request_rdp(struct call *c, const struct xenops_vm_request_rdp_in *in)
{
	AUTO(turn_end) struct turn turn = {0};

	TRY(turn_begin(&turn, in->vm, "VM.request_rdp", TURN_WORK));
	TRY(vm_need_up(turn.vm));
	if (!xenopsd.backend->vm_request_rdp)
		return err(Unimplemented, "vm_request_rdp");
	return xenopsd.backend->vm_request_rdp(turn.vm, in->enabled);
}

/* The guest may take long: its VM's other turns are served meanwhile. */
MAY_WAIT struct err *api_vm_run_script(
	struct call *c, const struct xenops_vm_run_script_in *in, struct xenops_script_result *out)
{
	AUTO(turn_end) struct turn turn = {0};

	TRY(turn_begin(&turn, in->vm, "VM.run_script", TURN_WORK));
	TRY(vm_need_up(turn.vm));
	if (!xenopsd.backend->vm_run_script)
		return err(Unimplemented, "vm_run_script");
	auto_hold held = vm_hold(turn.vm);
	turn_end(&turn);
	return xenopsd.backend->vm_run_script(held, in->script, c->arena, out);
}
