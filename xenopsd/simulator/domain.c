/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Domains in memory (simulator.h): what the calls of the other files find, make and end. Nothing
 * here waits.
 */
#include "common/clock.h"
#include "common/codec.h"
#include "common/mem.h"
#include "common/updates.h"
#include "core.gen.h"
#include "xenopsd/simulator/simulator.h"

#include <string.h>

struct domain *domain_find(const char *vm)
{
	return map_get(&simulator.domains, vm);
}

struct err *domain_get(const char *vm, struct domain **out)
{
	struct domain *d = domain_find(vm);

	if (!d)
		return err(Domain_not_built);
	*out = d;
	return NULL;
}

int64_t domain_ran_ns(const struct domain *d)
{
	bool runs = d->power == SIMULATOR_DOMAIN_POWER_RUNNING;

	return d->ran_ns + (runs ? clock_mono_ns() - d->runs_since_ns : 0);
}

void domain_set_power(struct domain *d, enum simulator_domain_power power)
{
	d->ran_ns = domain_ran_ns(d);
	d->runs_since_ns = clock_mono_ns();
	domain_memory(d);
	d->power = power;
	for (size_t i = 0; power == SIMULATOR_DOMAIN_POWER_RUNNING && i < d->devices.n; i++)
		d->devices.v[i].is_connected = true;
	domain_balloon(d);
}

void domain_free(struct domain *d)
{
	map_remove(&simulator.domains, d->spec.vm);
	domain_depopulate(d);
	vec_for_each (i, &d->devices) {
		device_taken(&d->devices.v[i]);
		free(d->devices.v[i].name);
		free(d->devices.v[i].backend);
	}
	vec_fini(&d->devices);
	console_free(d->console);
	arena_fini(&d->arena);
	free(d);
}

static enum simulator_device_state state_of(const struct sim_device *device)
{
	if (device->is_closing)
		return SIMULATOR_DEVICE_STATE_CLOSING;
	return device->is_connected ? SIMULATOR_DEVICE_STATE_CONNECTED
				    : SIMULATOR_DEVICE_STATE_WAITING;
}

static void describe_devices(
	const struct domain *d, struct arena *a, struct simulator_device_list *out)
{
	out->n = d->devices.n;
	out->v = arena_calloc(a, out->n, sizeof(*out->v));
	vec_for_each (i, &d->devices) {
		out->v[i] = (struct simulator_device){.kind = d->devices.v[i].kind,
			.name = arena_strdup(a, d->devices.v[i].name),
			.backend = arena_strdup(a, d->devices.v[i].backend),
			.state = state_of(&d->devices.v[i])};
		codec_copy(&type_map_string, &d->devices.v[i].settings, a, &out->v[i].settings);
	}
}

void domain_describe(struct domain *d, struct arena *a, struct simulator_domain *out)
{
	codec_init_record(&simulator_type_domain, a, out);
	codec_copy(&simulator_type_domain_spec, &d->spec, a, &out->spec);
	out->domid = d->domid;
	out->power = d->power;
	if (d->power == SIMULATOR_DOMAIN_POWER_ENDED) {
		out->end = arena_new(a, enum simulator_guest_end);
		*out->end = d->end;
	}
	out->held = d->is_held;
	out->asleep = d->is_asleep;
	out->built = d->is_built;
	out->device_model = d->has_device_model;
	out->vcpus = d->vcpus;
	out->memory_bytes = domain_memory(d);
	out->memory_target_bytes = d->memory_target_bytes;
	out->shadow_multiplier = d->shadow_multiplier;
	describe_devices(d, a, &out->devices);
	if (d->console)
		out->console = arena_strdup(a, console_path(d->console));
	codec_copy(&type_map_string, &d->agent, a, &out->guest_agent);
	out->power_button = simulator.has_power_buttons;
	codec_copy(&type_map_string, &d->agent_features, a, &out->agent_features);
	out->numa_policy = d->numa_policy;
	codec_copy(&type_map_string, &d->xenstore_data, a, &out->xenstore_data);
}

void domain_changed(const struct domain *d)
{
	updates_add("domain", d->spec.vm);
}

void domain_end(struct domain *d, enum simulator_guest_end how)
{
	domain_set_power(d, SIMULATOR_DOMAIN_POWER_ENDED);
	d->end = how;
	d->is_held = d->is_asleep = false;
	if (d->console)
		console_print(d->console, "the guest has ended\r\n");
	domain_changed(d);
}

size_t device_find(const struct domain *d, enum simulator_device_kind kind, const char *name)
{
	size_t i = 0;

	while (i < d->devices.n &&
		(d->devices.v[i].kind != kind || strcmp(d->devices.v[i].name, name)))
		i++;
	return i;
}
