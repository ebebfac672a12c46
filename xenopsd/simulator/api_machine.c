/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of classes Machine and Guest: memory and counters, and being the guest.
 */
#include "common/codec.h"
#include "common/daemon.h"
#include "common/rpc.h"
#include "core.gen.h"
#include "xenopsd/simulator/simulator.h"

#include <stdlib.h>

MAY_WAIT struct err *api_machine_memory(struct call *c, struct simulator_memory *out)
{
	out->total_bytes = simulator.memory_bytes;
	out->free_bytes = memory_free_bytes();
	return NULL;
}

MAY_WAIT struct err *api_machine_balloons(struct call *c, struct simulator_balloons *out)
{
	out->domains.n = 0;
	out->domains.v = arena_calloc(c->arena, simulator.domains.n, sizeof(*out->domains.v));
	map_for_each (slot, &simulator.domains) {
		struct domain *d = slot->value;

		out->domains.v[out->domains.n++] = (struct simulator_balloon){
			.vm = d->spec.vm,
			.memory_bytes = domain_memory(d),
			.memory_target_bytes = d->memory_target_bytes,
			.moves = d->power == SIMULATOR_DOMAIN_POWER_RUNNING,
		};
	}
	out->free_bytes = memory_free_bytes();
	return NULL;
}

MAY_WAIT struct err *api_machine_set(struct call *c, const struct simulator_machine_set_in *in)
{
	if (in->operation_ms && (*in->operation_ms < 0 || *in->operation_ms > 600000))
		return err(INVALID_VALUE, "operation_ms", "not between 0 and 600000");
	if (in->memory_bytes && *in->memory_bytes < 0)
		return err(INVALID_VALUE, "memory_bytes", "negative");
	if (in->operation_ms)
		simulator.operation_ns = *in->operation_ms * NS_PER_MS;
	if (in->memory_bytes)
		simulator.memory_bytes = *in->memory_bytes;
	if (in->power_buttons)
		simulator.has_power_buttons = *in->power_buttons;
	return NULL;
}

MAY_WAIT struct err *api_machine_power_off(struct call *c)
{
	daemon_stop(DAEMON_EXIT_OK);
	return NULL;
}

/* ---- counters ---- */

/* Every simulated guest is as busy: a third of each VCPU, and some traffic. */
static void fill_vbd(
	const struct sim_device *device, int64_t ran_ns, struct xenops_vbd_figures *out)
{
	out->position = device->name;
	out->reads = ran_ns / NS_PER_S * 10;
	out->writes = out->reads / 2;
	out->read_bytes = out->reads * 4096;
	out->written_bytes = out->writes * 4096;
	out->read_us = out->reads * 150;
	out->write_us = out->writes * 400;
}

static void fill_vif(
	const struct sim_device *device, int64_t ran_ns, struct xenops_vif_figures *out)
{
	out->position = strtol(device->name, NULL, 10);
	out->rx_bytes = ran_ns / NS_PER_S * 15000;
	out->tx_bytes = ran_ns / NS_PER_S * 9000;
}

static void fill_vm(struct domain *d, struct arena *a, struct xenops_vm_figures *out)
{
	int64_t ran_ns = domain_ran_ns(d);

	codec_init_record(&xenops_type_vm_figures, a, out);
	out->vm = d->spec.vm;
	out->domid = d->domid;
	out->memory_bytes = domain_memory(d);
	out->memory_target_bytes = d->memory_target_bytes;
	out->vcpus_ns.n = (size_t)d->vcpus;
	out->vcpus_ns.v = arena_calloc(a, out->vcpus_ns.n, sizeof(int64_t));
	for (size_t i = 0; i < out->vcpus_ns.n; i++)
		out->vcpus_ns.v[i] = ran_ns / 3;
	out->vbds.v = arena_calloc(a, d->devices.n, sizeof(*out->vbds.v));
	out->vifs.v = arena_calloc(a, d->devices.n, sizeof(*out->vifs.v));
	vec_for_each (i, &d->devices) {
		if (d->devices.v[i].kind == SIMULATOR_DEVICE_KIND_VBD)
			fill_vbd(&d->devices.v[i], ran_ns, &out->vbds.v[out->vbds.n++]);
		else if (d->devices.v[i].kind == SIMULATOR_DEVICE_KIND_VIF)
			fill_vif(&d->devices.v[i], ran_ns, &out->vifs.v[out->vifs.n++]);
	}
}

MAY_WAIT struct err *api_machine_figures(struct call *c, struct xenops_figures *out)
{
	codec_init_record(&xenops_type_figures, c->arena, out);
	out->taken_ns = clock_mono_ns();
	out->vms.n = 0;
	out->vms.v = arena_calloc(c->arena, simulator.domains.n, sizeof(*out->vms.v));
	map_for_each (slot, &simulator.domains)
		fill_vm(slot->value, c->arena, &out->vms.v[out->vms.n++]);
	return NULL;
}

/* ---- being the guest ---- */

MAY_WAIT struct err *api_guest_end(struct call *c, const struct simulator_guest_end_in *in)
{
	struct domain *d;

	TRY(domain_get(in->vm, &d));
	if (d->power != SIMULATOR_DOMAIN_POWER_RUNNING)
		return err(Domain_not_built);
	domain_end(d, in->how);
	return NULL;
}

MAY_WAIT struct err *api_guest_set(struct call *c, const struct simulator_guest_set_in *in)
{
	struct domain *d;

	TRY(domain_get(in->vm, &d));
	if (in->balloon_bytes_per_s && *in->balloon_bytes_per_s < 0)
		return err(INVALID_VALUE, "balloon_bytes_per_s", "negative");
	domain_memory(d);
	if (in->acknowledges)
		d->acknowledges = *in->acknowledges;
	if (in->ends)
		d->ends = *in->ends;
	if (in->lets_go)
		d->lets_go = *in->lets_go;
	if (in->balloon_bytes_per_s)
		d->balloon_bytes_per_s = *in->balloon_bytes_per_s;
	if (in->balloons)
		d->balloons = *in->balloons;
	if (in->balloons || in->balloon_bytes_per_s) {
		domain_balloon(d);
		domain_changed(d);
	}
	if (in->script) {
		d->script = arena_new(&d->arena, struct xenops_script_result);
		codec_copy(&xenops_type_script_result, in->script, &d->arena, d->script);
	}
	if (in->agent) {
		codec_copy(&type_map_string, in->agent, &d->arena, &d->agent);
		domain_changed(d);
	}
	return NULL;
}

static struct err *console_of(const char *vm, struct console **out)
{
	struct domain *d;

	TRY(domain_get(vm, &d));
	if (!d->console)
		return err(Domain_not_built);
	*out = d->console;
	return NULL;
}

MAY_WAIT struct err *api_guest_print(struct call *c, const struct simulator_guest_print_in *in)
{
	struct console *console;

	TRY(console_of(in->vm, &console));
	console_print(console, in->text);
	return NULL;
}

MAY_WAIT struct err *api_guest_console(struct call *c, const struct simulator_guest_console_in *in,
	struct simulator_console_text *out)
{
	struct console *console;

	TRY(console_of(in->vm, &console));
	console_tell(console, c->arena, out);
	return NULL;
}
