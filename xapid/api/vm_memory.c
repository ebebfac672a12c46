/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VM: what its memory costs beside itself, and whether it has as much as it was told to.
 */
#include "common/clock.h"
#include "common/fiber.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/link/xenopsd.h"
#include "xapid/plan/overhead.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

#include <stdlib.h>

#define MIB           (INT64_C(1) << 20)
#define ROUGH_VCPUS   64 /* of an estimate that is to hold for any VM */
#define SLACK         MIB /* a balloon that is so near has arrived */
#define ARRIVE_NS     (256 * NS_PER_S)
#define LOOK_AGAIN_NS (250 * NS_PER_MS)

/* ---- what it costs ---- */

MAY_WAIT struct err *xapi_vm_compute_memory_overhead(
	struct call *c, const struct xenapi_vm_compute_memory_overhead_in *in, int64_t *out)
{
	const struct xenapi_vm *vm;

	TRY(db_get(vm, in->vm, &vm));
	*out = overhead_of(vm);
	return NULL;
}

/* The most memory, in whole mebibytes, that fits into TOTAL with what it costs. */
MAY_WAIT struct err *xapi_vm_maximise_memory(
	struct call *c, const struct xenapi_vm_maximise_memory_in *in, int64_t *out)
{
	const struct xenapi_vm *vm;
	int64_t fits = 0, too_much = in->total / MIB + 1;

	TRY(db_get(vm, in->self, &vm));
	int64_t vcpus = vm->VCPUs_max;
	if (in->approximate && vcpus < ROUGH_VCPUS)
		vcpus = ROUGH_VCPUS;
	while (too_much - fits > 1) {
		int64_t half = fits + (too_much - fits) / 2;

		if (half * MIB + overhead_with(vm, half * MIB, vcpus) <= in->total)
			fits = half;
		else
			too_much = half;
	}
	*out = fits * MIB;
	return NULL;
}

/* ---- what it has ---- */

static bool has_arrived(const char *ref)
{
	const struct xenapi_vm *vm = db_find(vm, ref);
	const struct xenapi_vm_metrics *metrics = vm ? db_find(vm_metrics, vm->metrics) : NULL;

	return metrics && llabs(metrics->memory_actual - vm->memory_target) <= SLACK;
}

MAY_WAIT struct err *xapi_vm_wait_memory_target_live(
	struct call *c, const struct xenapi_vm_wait_memory_target_live_in *in)
{
	AUTO(plan_ops_end) struct plan_ops ops = {0};
	int64_t deadline = deadline_in(ARRIVE_NS);

	TRY(plan_op(&ops, &vm_rules, in->self, XENAPI_VM_OPERATIONS_AWAITING_MEMORY_LIVE, c));
	for (;;) {
		TRY(link_error(xenopsd_compare(in->self), in->self));
		TRY(vm_check_power_state(in->self, OP_BIT(XENAPI_VM_POWER_STATE_RUNNING)));
		if (has_arrived(in->self))
			return NULL;
		if (clock_mono_ns() >= deadline)
			return err_new(
				__FILE__, __LINE__, "VM_MEMORY_TARGET_WAIT_TIMEOUT", 1, &in->self);
		TRY(fiber_sleep(LOOK_AGAIN_NS));
	}
}
