/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The backend (backend.h) whose hypervisor is a process that plays one: each function is a call of
 * it (idl/simulator.idl).
 */
#include "xenopsd/backend_simulator.h"

#include "common/codec.h"
#include "common/file.h"
#include "common/version.h"
#include "core.gen.h"
#include "simulator.gen.h"
#include "xenopsd/backend.h"

#include <string.h>

/* CALL(name, .param = …): a call without an answer. */
#define CALL(name, ...) \
	({ \
		auto_arena call_ = {0}; \
		struct simulator_##name##_in in_ = {__VA_ARGS__}; \
		simulator_##name(simulator_client(), &in_, &call_, NEVER); \
	})

static MAY_WAIT struct err *before_atom(const char *atom, const struct vm *vm)
{
	return simulator_fault(atom, vm->id);
}

/* ---- the host ---- */

static MAY_WAIT struct err *host_stat(struct arena *a, struct xenops_host_stat *out)
{
	*out = (struct xenops_host_stat){
		.cpu_info = {.cpu_count = 16,
			.socket_count = 1,
			.threads_per_core = 2,
			.numa_nodes = 1,
			.vendor = "GenuineIntel",
			.speed_mhz = "2400.000",
			.modelname = "Simulated CPU",
			.family = "6",
			.model = "85",
			.stepping = "7",
			.flags = "fpu de tsc msr pae mce cx8 apic sep mtrr mca cmov pat clflush",
			.features_hvm = "1fcbfbff-f7fa3223-2d93fbff-00000423",
			.features_pv = "1fc9cbf5-f6f83203-2991cbf5-00000023",
			.features_hvm_host = "1fcbfbff-f7fa3223-2d93fbff-00000423",
			.features_pv_host = "1fc9cbf5-f6f83203-2991cbf5-00000023"},
		.hypervisor = "simulator",
		.hypervisor_version = XENITH_VERSION,
		.hypervisor_capabilities = "hvm-3.0-x86_64 xen-3.0-x86_64",
		.iommu = false,
		.hvm = true,
	};
	return NULL;
}

static MAY_WAIT struct err *host_memory(struct xenops_host_memory *out)
{
	auto_arena a = {0};
	struct simulator_memory memory;

	TRY(simulator_machine_memory(simulator_client(), &a, &memory, NEVER));
	*out = (struct xenops_host_memory){.total_bytes = memory.total_bytes,
		.free_bytes = memory.free_bytes,
		.initial_free_bytes = memory.total_bytes};
	return NULL;
}

static MAY_WAIT struct err *memory_now(struct arena *a, struct memory_now *out)
{
	struct simulator_balloons balloons;

	TRY(simulator_machine_balloons(simulator_client(), a, &balloons, NEVER));
	out->free_bytes = balloons.free_bytes;
	out->n = balloons.domains.n;
	out->vms = arena_calloc(a, out->n, sizeof(*out->vms));
	for (size_t i = 0; i < out->n; i++) {
		const struct simulator_balloon *b = &balloons.domains.v[i];

		out->vms[i] = (struct vm_memory){
			b->vm, b->memory_bytes, b->memory_target_bytes, b->moves};
	}
	return NULL;
}

static MAY_WAIT struct err *host_dmesg(bool clear, struct arena *a, const char **out)
{
	*out = "A simulated host: nothing was booted.\n";
	return NULL;
}

static MAY_WAIT struct err *host_set_numa_policy(const enum xenops_numa_policy *policy)
{
	return CALL(machine_set_numa_policy, .policy = policy ? *policy : XENOPS_NUMA_POLICY_ANY);
}

static MAY_WAIT struct err *figures(struct arena *a, struct xenops_figures *out)
{
	return simulator_machine_figures(simulator_client(), a, out, NEVER);
}

/* ---- looking ---- */

/* NULL: there is none. */
static MAY_WAIT struct err *domain_of(
	const struct vm *vm, struct arena *a, struct simulator_domain **out)
{
	struct simulator_domain_stat_in in = {.vm = vm->id};

	return simulator_domain_stat(simulator_client(), &in, a, out, NEVER);
}

static enum guest_end end_of(const enum simulator_guest_end *end)
{
	if (!end)
		return GUEST_RUNS;
	switch (*end) {
	case SIMULATOR_GUEST_END_HALTED:
		return GUEST_HALTED;
	case SIMULATOR_GUEST_END_REBOOTED:
		return GUEST_REBOOTED;
	case SIMULATOR_GUEST_END_CRASHED:
		return GUEST_CRASHED;
	case SIMULATOR_GUEST_END_SUSPENDED:
		return GUEST_SUSPENDED;
	case SIMULATOR_GUEST_END_SOFT_REBOOTED:
		return GUEST_SOFT_REBOOTED;
	}
	return GUEST_CRASHED;
}

static struct domain_look look_of(const struct simulator_domain *d)
{
	if (!d)
		return (struct domain_look){.is_there = false};
	return (struct domain_look){
		.is_there = true,
		.domid = (int)d->domid,
		.is_paused = d->power == SIMULATOR_DOMAIN_POWER_PAUSED || d->held,
		.end = end_of(d->end),
	};
}

static MAY_WAIT struct err *vm_look(struct vm *vm, struct domain_look *out)
{
	auto_arena a = {0};
	struct simulator_domain *d;

	TRY(domain_of(vm, &a, &d));
	*out = look_of(d);
	return NULL;
}

/* What a guest without an agent can be asked for: on a machine with ACPI its power button is
 * pressed. */
static struct string_map buttons(const struct vm *vm, const struct simulator_domain *d)
{
	static struct string_map_entry acpi[] = {{"control/feature-poweroff", "1"},
		{"control/feature-reboot", "1"}, {"control/feature-suspend", "1"}};
	const struct xenops_guest *guest = &vm->config.guest;

	if (!d->power_button || guest->kind != XENOPS_GUEST_HVM || !guest->hvm.acpi)
		return (struct string_map){0};
	return (struct string_map){acpi, ARRAY_LEN(acpi)};
}

static void fill_state(struct vm *vm, const struct simulator_domain *d, struct arena *a,
	struct xenops_vm_state *out)
{
	out->domain_type = d->spec.type;
	out->vcpus = d->vcpus;
	out->memory_actual_bytes = d->memory_bytes;
	out->memory_target_bytes = d->memory_target_bytes;
	out->memory_limit_bytes = d->memory_target_bytes;
	out->shadow_multiplier = d->shadow_multiplier;
	out->guest_agent = d->guest_agent.n ? d->guest_agent : buttons(vm, d);
	out->xenstore_data = d->xenstore_data;
	if (d->numa_policy != XENOPS_NUMA_POLICY_ANY) {
		out->numa_optimised = true;
		out->numa_nodes = 1;
		out->numa_node_memory_bytes.n = 1;
		out->numa_node_memory_bytes.v = arena_new(a, int64_t);
		*out->numa_node_memory_bytes.v = d->memory_bytes;
	}
	out->pv_drivers_detected = d->guest_agent.n > 0;
	if (*d->console) {
		out->consoles.n = 1;
		out->consoles.v = arena_new(a, struct xenops_console);
		*out->consoles.v = (struct xenops_console){
			.protocol = XENOPS_CONSOLE_PROTOCOL_VT100, .path = d->console};
	}
}

static MAY_WAIT struct err *vm_stat(struct vm *vm, struct arena *a, struct xenops_vm_state *out)
{
	struct simulator_domain *d;

	TRY(domain_of(vm, a, &d));
	if (!d)
		return err(Domain_not_built);
	fill_state(vm, d, a, out);
	return NULL;
}

static MAY_WAIT struct err *vm_look_and_stat(
	struct vm *vm, struct domain_look *look, struct arena *a, struct xenops_vm_state *out)
{
	struct simulator_domain *d;

	TRY(domain_of(vm, a, &d));
	*look = look_of(d);
	if (d)
		fill_state(vm, d, a, out);
	return NULL;
}

static MAY_WAIT struct err *has_device(
	const struct device *device, enum simulator_device_kind kind, bool *out)
{
	auto_arena a = {0};
	auto_arena names = {0};
	const char *name = arena_strdup(&names, device->name);
	struct simulator_domain *d;

	TRY(domain_of(device->vm, &a, &d));
	*out = false;
	for (size_t i = 0; d && i < d->devices.n; i++)
		if (d->devices.v[i].kind == kind && !strcmp(d->devices.v[i].name, name))
			*out = true;
	return NULL;
}

/* ---- domains ---- */

static double shadow_multiplier(const struct vm *vm)
{
	const struct xenops_guest *guest = &vm->config.guest;

	return guest->kind == XENOPS_GUEST_HVM ? guest->hvm.shadow_multiplier : 1;
}

/* As the simulator reckons it (Domain.set_shadow_multiplier). */
static int64_t vm_memory_bytes(const struct vm *vm, int64_t bytes)
{
	int64_t part = vm->config.memory_static_max_bytes / 128;

	return bytes + (int64_t)((shadow_multiplier(vm) - 1) * (double)part);
}

static MAY_WAIT struct err *vm_create(struct vm *vm, int *domid)
{
	auto_arena a = {0};
	struct simulator_domain_create_in in = {
		.spec = {.vm = vm->id,
			.name = vm->config.name,
			.type = vm_domain_type(vm),
			.vcpus = vm->config.vcpus,
			.memory_bytes = vm->build_bytes,
			.memory_max_bytes = vm->config.memory_static_max_bytes,
			.shadow_multiplier = shadow_multiplier(vm)}};
	int64_t out;

	TRY(simulator_domain_create(simulator_client(), &in, &a, &out, NEVER));
	*domid = (int)out;
	return NULL;
}

static MAY_WAIT struct err *vm_build(struct vm *vm, struct task *task)
{
	if (vm->config.xenstore_data.n)
		TRY(CALL(domain_set_xenstore_data, .vm = vm->id,
			.xenstore_data = vm->config.xenstore_data));
	return CALL(domain_build, .vm = vm->id);
}

static MAY_WAIT struct err *vm_fast_resume(struct vm *vm)
{
	return CALL(domain_go_on, .vm = vm->id);
}

static MAY_WAIT struct err *vm_start_device_model(struct vm *vm)
{
	return CALL(domain_set_device_model, .vm = vm->id, .runs = true);
}

static MAY_WAIT struct err *vm_stop_device_model(struct vm *vm)
{
	return CALL(domain_set_device_model, .vm = vm->id, .runs = false);
}

static MAY_WAIT struct err *vm_destroy(struct vm *vm)
{
	return CALL(domain_destroy, .vm = vm->id);
}

static MAY_WAIT struct err *vm_pause(struct vm *vm)
{
	return CALL(domain_set_paused, .vm = vm->id, .paused = true);
}

static MAY_WAIT struct err *vm_unpause(struct vm *vm)
{
	return CALL(domain_set_paused, .vm = vm->id, .paused = false);
}

static enum simulator_guest_end wish_of(enum guest_end how)
{
	switch (how) {
	case GUEST_RUNS:
	case GUEST_HALTED:
		break;
	case GUEST_REBOOTED:
		return SIMULATOR_GUEST_END_REBOOTED;
	case GUEST_CRASHED:
		return SIMULATOR_GUEST_END_CRASHED;
	case GUEST_SUSPENDED:
		return SIMULATOR_GUEST_END_SUSPENDED;
	case GUEST_SOFT_REBOOTED:
		return SIMULATOR_GUEST_END_SOFT_REBOOTED;
	}
	return SIMULATOR_GUEST_END_HALTED;
}

static MAY_WAIT struct err *vm_request_end(struct vm *vm, enum guest_end how, int64_t deadline)
{
	auto_arena a = {0};
	struct simulator_domain_request_end_in in = {.vm = vm->id, .how = wish_of(how)};
	struct err *e = simulator_domain_request_end(simulator_client(), &in, &a, deadline);

	if (!err_is(e, &ERR_TIMEOUT))
		return e;
	err_free(e);
	return how == GUEST_SUSPENDED ? err(Failed_to_acknowledge_suspend_request)
				      : err(Failed_to_acknowledge_shutdown_request);
}

static MAY_WAIT struct err *vm_set_vcpus(struct vm *vm, int64_t vcpus)
{
	return CALL(domain_set_vcpus, .vm = vm->id, .vcpus = vcpus);
}

static MAY_WAIT struct err *vm_set_memory_target(struct vm *vm, int64_t bytes)
{
	return CALL(domain_set_memory_target, .vm = vm->id, .bytes = bytes);
}

static MAY_WAIT struct err *vm_set_shadow_multiplier(struct vm *vm, double multiplier)
{
	return CALL(domain_set_shadow_multiplier, .vm = vm->id, .multiplier = multiplier);
}

static MAY_WAIT struct err *vm_set_xenstore_data(struct vm *vm)
{
	return CALL(
		domain_set_xenstore_data, .vm = vm->id, .xenstore_data = vm->config.xenstore_data);
}

/* ---- a guest that stays ---- */

static MAY_WAIT struct err *vm_s3suspend(struct vm *vm, int64_t deadline)
{
	auto_arena a = {0};
	struct simulator_domain_set_asleep_in in = {.vm = vm->id, .asleep = true};
	struct err *e = simulator_domain_set_asleep(simulator_client(), &in, &a, deadline);

	if (!err_is(e, &ERR_TIMEOUT))
		return e;
	err_free(e);
	return err(Failed_to_acknowledge_suspend_request);
}

static MAY_WAIT struct err *vm_s3resume(struct vm *vm)
{
	return CALL(domain_set_asleep, .vm = vm->id, .asleep = false);
}

static MAY_WAIT struct err *vm_soft_reset(struct vm *vm)
{
	return CALL(domain_soft_reset, .vm = vm->id);
}

/* The domain as JSON, as in vm_save. */
static MAY_WAIT struct err *vm_coredump(struct vm *vm, const char *path)
{
	auto_arena a = {0};
	auto_sbuf text = {0};
	struct simulator_domain *d;

	TRY(domain_of(vm, &a, &d));
	if (!d)
		return err(Domain_not_built);
	codec_encode(&simulator_type_domain, d, &text);
	return file_store(path, sbuf_data(&text), sbuf_len(&text), 0600, 0);
}

static MAY_WAIT struct err *vm_set_agent_features(struct vm *vm, const struct string_map *keys)
{
	return CALL(domain_set_agent_features, .vm = vm->id, .features = *keys);
}

static MAY_WAIT struct err *vm_request_rdp(struct vm *vm, bool enabled)
{
	return CALL(domain_request_rdp, .vm = vm->id, .enabled = enabled);
}

static MAY_WAIT struct err *vm_run_script(
	struct vm *vm, const char *script, struct arena *a, struct xenops_script_result *out)
{
	struct simulator_domain_run_script_in in = {.vm = vm->id, .script = script};

	return simulator_domain_run_script(simulator_client(), &in, a, out, NEVER);
}

/* ---- devices ---- */

struct settings {
	struct string_map_entry v[5];
	size_t n;
};

static void set(struct settings *s, const char *key, const char *value)
{
	s->v[s->n++] = (struct string_map_entry){key, value};
}

static const char *addresses_text(const struct xenops_static_addresses *addresses, struct arena *a)
{
	const char *text = "";

	for (size_t i = 0; i < addresses->addresses.n; i++)
		text = arena_printf(a, "%s%s ", text, addresses->addresses.v[i]);
	return arena_printf(a, "%s%s", text, addresses->gateway ?: "-");
}

static void set_vif(const struct xenops_vif *vif, struct arena *a, struct settings *out)
{
	set(out, "carrier", vif->carrier ? "true" : "false");
	if (vif->ipv4_configuration)
		set(out, "ipv4", addresses_text(vif->ipv4_configuration, a));
	if (vif->ipv6_configuration)
		set(out, "ipv6", addresses_text(vif->ipv6_configuration, a));
	if (vif->pvs_proxy)
		set(out, "pvs_site", vif->pvs_proxy->site);
}

static void set_vbd(const struct xenops_vbd *vbd, struct arena *a, struct settings *out)
{
	if (vbd->qos)
		set(out, "qos",
			arena_printf(a, "%s %d",
				type_case_name(&xenops_type_io_scheduler, (int)vbd->qos->scheduler),
				(int)vbd->qos->level));
}

/* As the device's config says now. */
static struct settings settings_of(const struct device *device, struct arena *a)
{
	struct settings out = {.n = 0};

	if (device->class == DEVICE_VIF)
		set_vif(&device->vif, a, &out);
	if (device->class == DEVICE_VBD)
		set_vbd(&device->vbd, a, &out);
	return out;
}

static MAY_WAIT struct err *plug(
	const struct device *device, enum simulator_device_kind kind, const char *backend)
{
	auto_arena a = {0};
	struct settings settings = settings_of(device, &a);

	return CALL(device_plug, .vm = device->vm->id,
		.device = {.kind = kind,
			.name = device->name,
			.backend = backend,
			.settings = {settings.v, settings.n}});
}

static MAY_WAIT struct err *tell(const struct device *device, enum simulator_device_kind kind)
{
	auto_arena a = {0};
	struct settings settings = settings_of(device, &a);

	return CALL(device_set, .vm = device->vm->id, .kind = kind, .name = device->name,
		.settings = {settings.v, settings.n});
}

static MAY_WAIT struct err *unplug(
	const struct device *device, enum simulator_device_kind kind, bool force)
{
	return CALL(device_unplug, .vm = device->vm->id, .kind = kind, .name = device->name,
		.force = force);
}

/* How the best way is written; for the one who looks into the simulator. */
static const char *way_text(const struct storage_implementation_list *ways)
{
	if (!ways->n)
		return "";
	const struct storage_implementation *way = &ways->v[0];
	switch (way->kind) {
	case STORAGE_IMPLEMENTATION_XEN_DISK:
		return way->xen_disk.params;
	case STORAGE_IMPLEMENTATION_BLOCK_DEVICE:
		return way->block_device;
	case STORAGE_IMPLEMENTATION_FILE:
		return way->file.path;
	case STORAGE_IMPLEMENTATION_NBD:
		return way->nbd;
	}
	return "";
}

static MAY_WAIT struct err *vbd_plug(
	struct vm *vm, const struct device *vbd, const struct storage_implementation_list *ways)
{
	return plug(vbd, SIMULATOR_DEVICE_KIND_VBD, way_text(ways));
}

static MAY_WAIT struct err *vbd_unplug(struct vm *vm, const struct device *vbd, bool force)
{
	return unplug(vbd, SIMULATOR_DEVICE_KIND_VBD, force);
}

static MAY_WAIT struct err *vbd_insert(
	struct vm *vm, const struct device *vbd, const struct storage_implementation_list *ways)
{
	return CALL(device_set_backend, .vm = vm->id, .name = vbd->name, .backend = way_text(ways));
}

static MAY_WAIT struct err *vbd_eject(struct vm *vm, const struct device *vbd)
{
	return CALL(device_set_backend, .vm = vm->id, .name = vbd->name, .backend = "");
}

static MAY_WAIT struct err *vbd_is_plugged(struct vm *vm, const struct device *vbd, bool *out)
{
	return has_device(vbd, SIMULATOR_DEVICE_KIND_VBD, out);
}

static MAY_WAIT struct err *vbd_file(
	struct vm *vm, const struct device *vbd, struct arena *a, const char **out)
{
	struct simulator_domain *d;

	TRY(domain_of(vm, a, &d));
	for (size_t i = 0; d && i < d->devices.n; i++) {
		const struct simulator_device *one = &d->devices.v[i];

		*out = one->backend;
		if (one->kind == SIMULATOR_DEVICE_KIND_VBD && !strcmp(one->name, vbd->name))
			return NULL;
	}
	return err(Device_not_connected);
}

static MAY_WAIT struct err *vbds_move(struct vm *vm, struct device *const *vbds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		TRY(vbd_insert(vm, vbds[i], &vbds[i]->ways));
	return NULL;
}

static MAY_WAIT struct err *vif_plug(struct vm *vm, const struct device *vif)
{
	return plug(vif, SIMULATOR_DEVICE_KIND_VIF, vif->vif.mac);
}

static MAY_WAIT struct err *vif_unplug(struct vm *vm, const struct device *vif, bool force)
{
	return unplug(vif, SIMULATOR_DEVICE_KIND_VIF, force);
}

static MAY_WAIT struct err *vif_interfaces(
	struct vm *vm, const struct device *vif, struct arena *a, struct vif_interfaces *out)
{
	char *name = arena_printf(a, "vif%d.%s", vm->domid, vif->name);
	bool is_plugged;

	TRY(has_device(vif, SIMULATOR_DEVICE_KIND_VIF, &is_plugged));
	*out = (struct vif_interfaces){.names = {name}, .n = is_plugged};
	return NULL;
}

static MAY_WAIT struct err *vif_tell(struct vm *vm, const struct device *vif)
{
	return tell(vif, SIMULATOR_DEVICE_KIND_VIF);
}

static MAY_WAIT struct err *vbd_tell(struct vm *vm, const struct device *vbd)
{
	return tell(vbd, SIMULATOR_DEVICE_KIND_VBD);
}

static MAY_WAIT struct err *pci_plug(struct vm *vm, const struct device *pci)
{
	return plug(pci, SIMULATOR_DEVICE_KIND_PCI, pci->pci.address);
}

static MAY_WAIT struct err *pci_unplug(struct vm *vm, const struct device *pci)
{
	return unplug(pci, SIMULATOR_DEVICE_KIND_PCI, true);
}

static MAY_WAIT struct err *pci_is_plugged(struct vm *vm, const struct device *pci, bool *out)
{
	return has_device(pci, SIMULATOR_DEVICE_KIND_PCI, out);
}

static MAY_WAIT struct err *pci_dequarantine(const char *address)
{
	return CALL(machine_dequarantine, .address = address);
}

static MAY_WAIT struct err *vgpu_plug(struct vm *vm, const struct device *vgpu)
{
	return plug(vgpu, SIMULATOR_DEVICE_KIND_VGPU, vgpu->vgpu.physical_pci_address);
}

static MAY_WAIT struct err *vgpu_unplug(struct vm *vm, const struct device *vgpu)
{
	return unplug(vgpu, SIMULATOR_DEVICE_KIND_VGPU, true);
}

static MAY_WAIT struct err *vgpu_is_plugged(struct vm *vm, const struct device *vgpu, bool *out)
{
	return has_device(vgpu, SIMULATOR_DEVICE_KIND_VGPU, out);
}

static MAY_WAIT struct err *vusb_plug(struct vm *vm, const struct device *vusb)
{
	return plug(vusb, SIMULATOR_DEVICE_KIND_VUSB, vusb->vusb.path);
}

static MAY_WAIT struct err *vusb_unplug(struct vm *vm, const struct device *vusb)
{
	return unplug(vusb, SIMULATOR_DEVICE_KIND_VUSB, true);
}

static MAY_WAIT struct err *vusb_is_plugged(struct vm *vm, const struct device *vusb, bool *out)
{
	return has_device(vusb, SIMULATOR_DEVICE_KIND_VUSB, out);
}

const struct backend_ops xenopsd_backend = {
	.name = "simulator",
	.version = XENITH_VERSION,
	.begin = simulator_begin,
	.stop = simulator_stop,
	.end = simulator_end,
	.before_atom = before_atom,
	.host_stat = host_stat,
	.host_memory = host_memory,
	.memory_now = memory_now,
	.host_dmesg = host_dmesg,
	.host_set_numa_policy = host_set_numa_policy,
	.figures = figures,
	.vm_look = vm_look,
	.vm_stat = vm_stat,
	.vm_look_and_stat = vm_look_and_stat,
	.vm_memory_bytes = vm_memory_bytes,
	.vm_create = vm_create,
	.vm_build = vm_build,
	.vm_start_device_model = vm_start_device_model,
	.vm_stop_device_model = vm_stop_device_model,
	.vm_destroy = vm_destroy,
	.vm_pause = vm_pause,
	.vm_unpause = vm_unpause,
	.vm_request_end = vm_request_end,
	.vm_save_running = simulator_save_running,
	.vm_save = simulator_save,
	.vm_restore = simulator_restore,
	.vm_fast_resume = vm_fast_resume,
	.vm_s3suspend = vm_s3suspend,
	.vm_s3resume = vm_s3resume,
	.vm_soft_reset = vm_soft_reset,
	.vm_coredump = vm_coredump,
	.vm_set_agent_features = vm_set_agent_features,
	.vm_request_rdp = vm_request_rdp,
	.vm_run_script = vm_run_script,
	.vm_set_vcpus = vm_set_vcpus,
	.vm_set_memory_target = vm_set_memory_target,
	.vm_set_shadow_multiplier = vm_set_shadow_multiplier,
	.vm_set_xenstore_data = vm_set_xenstore_data,
	.vbd_plug = vbd_plug,
	.vbd_unplug = vbd_unplug,
	.vbd_insert = vbd_insert,
	.vbd_eject = vbd_eject,
	.vbd_is_plugged = vbd_is_plugged,
	.vbd_file = vbd_file,
	.vbds_move = vbds_move,
	.vbd_set_qos = vbd_tell,
	.vif_plug = vif_plug,
	.vif_unplug = vif_unplug,
	.vif_interfaces = vif_interfaces,
	.vif_set_carrier = vif_tell,
	.vif_set_addresses = vif_tell,
	.vif_set_pvs_proxy = vif_tell,
	.pci_plug = pci_plug,
	.pci_unplug = pci_unplug,
	.pci_is_plugged = pci_is_plugged,
	.pci_dequarantine = pci_dequarantine,
	.vgpu_plug = vgpu_plug,
	.vgpu_unplug = vgpu_unplug,
	.vgpu_is_plugged = vgpu_is_plugged,
	.vusb_plug = vusb_plug,
	.vusb_unplug = vusb_unplug,
	.vusb_is_plugged = vusb_is_plugged,
};
