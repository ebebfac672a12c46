/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VM: what its memory costs beside itself, and whether it has as much as it was told to.
 */
#include "common/clock.h"
#include "common/fiber.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/link/xenopsd.h"
#include "xapid/plan/metadata.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

#include <stdlib.h>

#define KIB           INT64_C(1024)
#define MIB           (INT64_C(1) << 20)
#define ROUGH_VCPUS   64 /* of an estimate that is to hold for any VM */
#define SLACK         MIB /* a balloon that is so near has arrived */
#define ARRIVE_NS     (256 * NS_PER_S)
#define LOOK_AGAIN_NS (250 * NS_PER_MS)

/* ---- what it costs ---- */

/* A VM as the reckoning sees it. */
struct machine {
	bool is_hvm, is_pv;
	int64_t vcpus;
	double shadow_multiplier;
	int64_t video_mib;
};

static struct machine machine_of(const struct xenapi_vm *vm)
{
	enum xenapi_domain_type type = vm_domain_type(vm);

	return (struct machine){
		.is_hvm = type == XENAPI_DOMAIN_TYPE_HVM,
		.is_pv = type == XENAPI_DOMAIN_TYPE_PV,
		.vcpus = vm->VCPUs_max,
		.shadow_multiplier = vm->HVM_shadow_multiplier > 1 ? vm->HVM_shadow_multiplier : 1,
		.video_mib = metadata_number(&vm->platform, "videoram", 8),
	};
}

/* As Xen's own tools reckon: a mebibyte a processor and two pages a mebibyte of memory for page
 * tables, the screen's memory, and something for the domain itself. */
static int64_t overhead(const struct machine *m, int64_t memory)
{
	int64_t shadow = m->vcpus * MIB + memory / MIB * 8 * KIB;

	if (m->is_pv)
		return MIB;
	return (int64_t)((double)shadow * m->shadow_multiplier) +
		(m->is_hvm ? m->video_mib * MIB : 0) + 2 * MIB;
}

MAY_WAIT struct err *xapi_vm_compute_memory_overhead(
	struct call *c, const struct xenapi_vm_compute_memory_overhead_in *in, int64_t *out)
{
	const struct xenapi_vm *vm;

	TRY(db_get(vm, in->vm, &vm));
	const struct machine m = machine_of(vm);
	*out = overhead(&m, vm->memory_static_max);
	return NULL;
}

/* The most memory, in whole mebibytes, that fits into TOTAL with what it costs. */
MAY_WAIT struct err *xapi_vm_maximise_memory(
	struct call *c, const struct xenapi_vm_maximise_memory_in *in, int64_t *out)
{
	const struct xenapi_vm *vm;
	int64_t fits = 0, too_much = in->total / MIB + 1;

	TRY(db_get(vm, in->self, &vm));
	struct machine m = machine_of(vm);
	if (in->approximate && m.vcpus < ROUGH_VCPUS)
		m.vcpus = ROUGH_VCPUS;
	while (too_much - fits > 1) {
		int64_t half = fits + (too_much - fits) / 2;

		if (half * MIB + overhead(&m, half * MIB) <= in->total)
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
