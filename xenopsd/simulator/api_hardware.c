/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is set of devices and of the machine's nodes, and PCI devices that a guest had: the host may
 * not use them before it has said that it wants to.
 */
#include "common/codec.h"
#include "common/mem.h"
#include "common/rpc.h"
#include "core.gen.h"
#include "xenopsd/simulator/simulator.h"

#include <stdlib.h>
#include <string.h>

static size_t place_of(const char *address)
{
	size_t i = 0;

	while (i < simulator.quarantine.n && strcmp(simulator.quarantine.v[i], address))
		i++;
	return i;
}

static void release(const char *address)
{
	size_t i = place_of(address);

	if (i == simulator.quarantine.n)
		return;
	free(simulator.quarantine.v[i]);
	vec_remove(&simulator.quarantine, i);
}

void device_taken(const struct sim_device *device)
{
	if (device->kind == SIMULATOR_DEVICE_KIND_PCI &&
		place_of(device->backend) == simulator.quarantine.n)
		vec_push(&simulator.quarantine, xstrdup(device->backend));
}

void device_given(const struct sim_device *device)
{
	if (device->kind == SIMULATOR_DEVICE_KIND_PCI)
		release(device->backend);
}

MAY_WAIT struct err *api_machine_quarantine(struct call *c, struct string_list *out)
{
	out->n = simulator.quarantine.n;
	out->v = arena_calloc(c->arena, out->n, sizeof(*out->v));
	vec_for_each (i, &simulator.quarantine)
		out->v[i] = arena_strdup(c->arena, simulator.quarantine.v[i]);
	return NULL;
}

MAY_WAIT struct err *api_machine_dequarantine(
	struct call *c, const struct simulator_machine_dequarantine_in *in)
{
	release(in->address);
	return NULL;
}

MAY_WAIT struct err *api_device_set(struct call *c, const struct simulator_device_set_in *in)
{
	struct domain *d = domain_find(in->vm);
	size_t i = d ? device_find(d, in->kind, in->name) : 0;

	if (!d || i == d->devices.n)
		return err(Does_not_exist,
			type_case_name(&simulator_type_device_kind, (int)in->kind), in->name);
	codec_copy(&type_map_string, &in->settings, &d->arena, &d->devices.v[i].settings);
	return NULL;
}

MAY_WAIT struct err *api_machine_set_numa_policy(
	struct call *c, const struct simulator_machine_set_numa_policy_in *in)
{
	simulator.numa_policy = in->policy;
	return NULL;
}
