/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of class VM that change a VM while it runs. What is changed stays so at the next start.
 */
#include "common/mem.h"
#include "common/rpc.h"
#include "core.gen.h"
#include "xenopsd/add.h"
#include "xenopsd/backend.h"
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

MAY_WAIT struct err *api_vm_set_vcpus(struct call *c, const struct xenops_vm_set_vcpus_in *in)
{
	AUTO(turn_end) struct turn turn = {0};
	bool up;

	TRY(turn_begin(&turn, in->vm, "VM.set_vcpus", TURN_WORK));
	struct xenops_vm config = turn.vm->config;
	if (in->vcpus < 1 || in->vcpus > config.vcpus_max) {
		auto_str max = xasprintf("%" PRId64, config.vcpus_max);

		return err(Invalid_vcpus, max);
	}
	TRY(is_up(turn.vm, &up));
	if (up && !xenopsd.backend->vm_set_vcpus)
		return err(Unimplemented, "vm_set_vcpus");
	if (up)
		TRY(xenopsd.backend->vm_set_vcpus(turn.vm, in->vcpus));
	config.vcpus = in->vcpus;
	return change_vm(turn.vm, &config);
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
	if (up && !xenopsd.backend->vm_set_memory_target)
		return err(Unimplemented, "vm_set_memory_target");
	if (up)
		TRY(xenopsd.backend->vm_set_memory_target(turn.vm, in->max_bytes));
	return change_vm(turn.vm, &config);
}

MAY_WAIT struct err *api_vm_set_xenstore_data(
	struct call *c, const struct xenops_vm_set_xenstore_data_in *in)
{
	AUTO(turn_end) struct turn turn = {0};
	bool up;

	TRY(turn_begin(&turn, in->vm, "VM.set_xenstore_data", TURN_WORK));
	struct xenops_vm config = turn.vm->config;
	config.xenstore_data = in->xenstore_data;
	TRY(change_vm(turn.vm, &config));
	TRY(is_up(turn.vm, &up));
	if (!up)
		return NULL;
	if (!xenopsd.backend->vm_set_xenstore_data)
		return err(Unimplemented, "vm_set_xenstore_data");
	return xenopsd.backend->vm_set_xenstore_data(turn.vm);
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
