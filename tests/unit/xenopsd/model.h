/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VMs for the unit tests of xenopsd: no files, no backend but what the test sets. The test's own
 * program has the one struct xenopsd that the daemon's main would have.
 */
#ifndef XENITH_TESTS_UNIT_XENOPSD_MODEL_H
#define XENITH_TESTS_UNIT_XENOPSD_MODEL_H

#include "xenopsd/backend.h"
#include "xenopsd/vm.h"
#include "xenopsd/xenopsd.h"

struct xenopsd xenopsd;

static struct backend_ops model_backend = {.name = "model"};

/* DIR: where the VMs' folders are. */
static maybe_unused void model_begin(const char *dir)
{
	xenopsd.dir = (char *)dir;
	xenopsd.backend = &model_backend;
}

static maybe_unused struct vm *model_vm(const char *id)
{
	struct xenops_vm config = {.vm = id,
		.name = "a name",
		.guest = {.kind = XENOPS_GUEST_HVM,
			.hvm = {.boot_order = "cd", .shadow_multiplier = 1}},
		.memory_dynamic_min_bytes = 100,
		.memory_dynamic_max_bytes = 100,
		.memory_static_max_bytes = 100,
		.vcpus = 1,
		.vcpus_max = 1};

	return vm_new(&config);
}

static maybe_unused struct device *model_vbd(struct vm *vm, const char *id, const char *position)
{
	struct xenops_vbd config = {.vbd = id, .position = position};

	return device_new(vm, DEVICE_VBD, &config);
}

static maybe_unused struct device *model_vif(struct vm *vm, const char *id, int64_t position)
{
	struct xenops_vif config = {.vif = id,
		.position = position,
		.mac = "02:00:00:00:00:01",
		.backend = {.kind = XENOPS_VIF_BACKEND_BRIDGE, .bridge = "xapi0"}};

	return device_new(vm, DEVICE_VIF, &config);
}

#endif
