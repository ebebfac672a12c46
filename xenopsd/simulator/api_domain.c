/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of class Domain: what a hypervisor does for xenopsd.
 */
#include "common/codec.h"
#include "common/mem.h"
#include "common/rpc.h"
#include "common/updates.h"
#include "core.gen.h"
#include "xenopsd/simulator/simulator.h"

/* Each change takes its time, as Machine.set says. */
static MAY_WAIT struct err *take_time(void)
{
	return simulator.operation_ns ? fiber_sleep(simulator.operation_ns) : NULL;
}

MAY_WAIT struct err *api_domain_create(
	struct call *c, const struct simulator_domain_create_in *in, int64_t *out)
{
	TRY(take_time());
	if (domain_find(in->spec.vm))
		return err(Already_exists, "domain", in->spec.vm);
	struct domain *d = xnew(struct domain);
	codec_keep(&simulator_type_domain_spec, &in->spec, &d->arena, &d->spec);
	d->domid = ++simulator.last_domid;
	d->power = SIMULATOR_DOMAIN_POWER_PAUSED;
	d->acknowledges = d->ends = d->lets_go = true;
	domain_balloon_init(d);
	d->vcpus = in->spec.vcpus;
	d->numa_policy = simulator.numa_policy;
	map_put(&simulator.domains, d->spec.vm, d);
	*out = d->domid;
	return NULL;
}

static struct err *build(struct domain *d, int64_t memory_bytes)
{
	if (d->is_built)
		return NULL;
	auto_str path = xasprintf("%s/%s", simulator.console_dir, d->spec.vm);
	auto_str greeting = xasprintf("%s: a simulated guest\r\n", d->spec.name);
	if (!d->console)
		TRY(console_new(&d->console, path, greeting));
	TRY(domain_populate(d, memory_bytes));
	d->is_built = true;
	return NULL;
}

MAY_WAIT struct err *api_domain_build(struct call *c, const struct simulator_domain_build_in *in)
{
	struct domain *d;

	TRY(take_time());
	TRY(domain_get(in->vm, &d));
	return build(d, d->spec.memory_bytes);
}

/* ---- suspended domains ---- */

#define PAGE_BYTES 4096
#define CALMER     8 /* there is less to copy each time, as it is copied sooner */

MAY_WAIT struct err *api_domain_copy_round(
	struct call *c, const struct simulator_domain_copy_round_in *in, int64_t *out)
{
	struct domain *d;

	TRY(take_time());
	TRY(domain_get(in->vm, &d));
	if (!d->is_built)
		return err(Domain_not_built);
	*out = in->first ? d->memory_bytes / PAGE_BYTES : d->changed_pages;
	d->changed_pages = *out / CALMER;
	return NULL;
}

MAY_WAIT struct err *api_domain_save(struct call *c, const struct simulator_domain_save_in *in,
	struct simulator_saved_domain *out)
{
	struct domain *d;

	TRY(take_time());
	TRY(domain_get(in->vm, &d));
	if (d->power != SIMULATOR_DOMAIN_POWER_ENDED || d->end != SIMULATOR_GUEST_END_SUSPENDED)
		return err(Domain_not_built);
	*out = (struct simulator_saved_domain){.vcpus = d->vcpus,
		.memory_bytes = domain_memory(d),
		.memory_target_bytes = d->memory_target_bytes,
		.ran_ns = domain_ran_ns(d)};
	codec_copy(&type_map_string, &d->agent, c->arena, &out->guest_agent);
	codec_copy(&type_map_string, &d->xenstore_data, c->arena, &out->xenstore_data);
	return NULL;
}

MAY_WAIT struct err *api_domain_restore(
	struct call *c, const struct simulator_domain_restore_in *in)
{
	const struct simulator_saved_domain *saved = &in->saved;
	struct domain *d;

	TRY(take_time());
	TRY(domain_get(in->vm, &d));
	TRY(build(d, saved->memory_bytes));
	d->vcpus = saved->vcpus;
	d->memory_target_bytes = saved->memory_target_bytes;
	d->ran_ns = saved->ran_ns;
	codec_copy(&type_map_string, &saved->guest_agent, &d->arena, &d->agent);
	codec_copy(&type_map_string, &saved->xenstore_data, &d->arena, &d->xenstore_data);
	return NULL;
}

MAY_WAIT struct err *api_domain_go_on(struct call *c, const struct simulator_domain_go_on_in *in)
{
	struct domain *d;

	TRY(take_time());
	TRY(domain_get(in->vm, &d));
	if (d->power == SIMULATOR_DOMAIN_POWER_ENDED && d->end == SIMULATOR_GUEST_END_SUSPENDED)
		domain_set_power(d, SIMULATOR_DOMAIN_POWER_RUNNING);
	d->changed_pages = 0;
	return NULL;
}

MAY_WAIT struct err *api_domain_set_device_model(
	struct call *c, const struct simulator_domain_set_device_model_in *in)
{
	struct domain *d = domain_find(in->vm);

	if (!d && !in->runs)
		return NULL;
	TRY(take_time());
	TRY(domain_get(in->vm, &d));
	d->has_device_model = in->runs;
	return NULL;
}

MAY_WAIT struct err *api_domain_destroy(
	struct call *c, const struct simulator_domain_destroy_in *in)
{
	TRY(take_time());
	struct domain *d = domain_find(in->vm);
	if (d)
		domain_free(d);
	return NULL;
}

MAY_WAIT struct err *api_domain_set_paused(
	struct call *c, const struct simulator_domain_set_paused_in *in)
{
	struct domain *d;

	TRY(take_time());
	TRY(domain_get(in->vm, &d));
	if (!d->is_built)
		return err(Domain_not_built);
	if (d->power != SIMULATOR_DOMAIN_POWER_ENDED)
		domain_set_power(d,
			in->paused ? SIMULATOR_DOMAIN_POWER_PAUSED
				   : SIMULATOR_DOMAIN_POWER_RUNNING);
	else
		d->is_held = in->paused;
	return NULL;
}

MAY_WAIT struct err *api_domain_request_end(
	struct call *c, const struct simulator_domain_request_end_in *in)
{
	struct domain *d;

	TRY(take_time());
	TRY(domain_get(in->vm, &d));
	if (!d->acknowledges || d->power == SIMULATOR_DOMAIN_POWER_PAUSED)
		return fiber_sleep(NEVER / 2);
	if (d->ends && d->power == SIMULATOR_DOMAIN_POWER_RUNNING)
		domain_end(d, in->how);
	return NULL;
}

MAY_WAIT struct err *api_domain_set_vcpus(
	struct call *c, const struct simulator_domain_set_vcpus_in *in)
{
	struct domain *d;

	TRY(take_time());
	TRY(domain_get(in->vm, &d));
	d->vcpus = in->vcpus;
	return NULL;
}

MAY_WAIT struct err *api_domain_set_memory_target(
	struct call *c, const struct simulator_domain_set_memory_target_in *in)
{
	struct domain *d;

	TRY(take_time());
	TRY(domain_get(in->vm, &d));
	if (!d->is_built)
		return err(Domain_not_built);
	domain_memory(d);
	d->memory_target_bytes = in->bytes;
	domain_balloon(d);
	return NULL;
}

MAY_WAIT struct err *api_domain_set_shadow_multiplier(
	struct call *c, const struct simulator_domain_set_shadow_multiplier_in *in)
{
	struct domain *d;

	TRY(take_time());
	TRY(domain_get(in->vm, &d));
	return d->is_built ? domain_set_shadow(d, in->multiplier) : err(Domain_not_built);
}

MAY_WAIT struct err *api_domain_set_xenstore_data(
	struct call *c, const struct simulator_domain_set_xenstore_data_in *in)
{
	struct domain *d;

	TRY(take_time());
	TRY(domain_get(in->vm, &d));
	codec_copy(&type_map_string, &in->xenstore_data, &d->arena, &d->xenstore_data);
	return NULL;
}

MAY_WAIT struct err *api_domain_stat(
	struct call *c, const struct simulator_domain_stat_in *in, struct simulator_domain **out)
{
	struct domain *d = domain_find(in->vm);

	*out = NULL;
	if (!d)
		return NULL;
	*out = arena_new(c->arena, struct simulator_domain);
	domain_describe(d, c->arena, *out);
	return NULL;
}

MAY_WAIT struct err *api_domain_list(struct call *c, struct simulator_domain_list *out)
{
	out->n = 0;
	out->v = arena_calloc(c->arena, simulator.domains.n, sizeof(*out->v));
	map_for_each (slot, &simulator.domains)
		domain_describe(slot->value, c->arena, &out->v[out->n++]);
	return NULL;
}

/* ---- devices ---- */

MAY_WAIT struct err *api_device_plug(struct call *c, const struct simulator_device_plug_in *in)
{
	const struct simulator_device *new = &in->device;
	struct domain *d;

	TRY(take_time());
	TRY(domain_get(in->vm, &d));
	if (device_find(d, new->kind, new->name) < d->devices.n)
		return err(Already_exists,
			type_case_name(&simulator_type_device_kind, (int)new->kind), new->name);
	struct sim_device device = {
		.kind = new->kind, .name = xstrdup(new->name), .backend = xstrdup(new->backend)};
	device.is_connected = d->power == SIMULATOR_DOMAIN_POWER_RUNNING;
	codec_copy(&type_map_string, &new->settings, &d->arena, &device.settings);
	vec_push(&d->devices, device);
	device_given(&device);
	return NULL;
}

MAY_WAIT struct err *api_device_unplug(struct call *c, const struct simulator_device_unplug_in *in)
{
	TRY(take_time());
	struct domain *d = domain_find(in->vm);
	size_t i = d ? device_find(d, in->kind, in->name) : 0;

	if (!d || i == d->devices.n)
		return NULL;
	d->devices.v[i].is_closing = !d->lets_go;
	if (!in->force && !d->lets_go)
		return err(Device_detach_rejected,
			type_case_name(&simulator_type_device_kind, (int)in->kind), in->name,
			"the guest uses it");
	device_taken(&d->devices.v[i]);
	free(d->devices.v[i].name);
	free(d->devices.v[i].backend);
	vec_remove(&d->devices, i);
	return NULL;
}

MAY_WAIT struct err *api_device_set_backend(
	struct call *c, const struct simulator_device_set_backend_in *in)
{
	TRY(take_time());
	struct domain *d = domain_find(in->vm);
	size_t i = d ? device_find(d, SIMULATOR_DEVICE_KIND_VBD, in->name) : 0;

	if (!d || i == d->devices.n)
		return err(Does_not_exist, "vbd", in->name);
	free(d->devices.v[i].backend);
	d->devices.v[i].backend = xstrdup(in->backend);
	return NULL;
}
