/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A VM as xenopsd wants to know it. What the XenAPI keeps as text for whoever understands it
 * (platform, VCPUs_params, boot parameters) gets its meaning here, and nowhere else.
 */
#include "xapid/plan/metadata.h"

#include "common/codec.h"
#include "xapid/db/db.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

#include <string.h>

#define MAX_CPU 4095

int64_t metadata_number(const struct string_map *m, const char *key, int64_t fallback)
{
	const char *text = string_map_get(m, key);
	char *end;

	if (!text || !*text)
		return fallback;
	long long n = strtoll(text, &end, 10);
	return *end ? fallback : n;
}

struct string_map metadata_map(const struct string_map *m, struct arena *a)
{
	struct string_map out = {arena_calloc(a, m->n, sizeof(*out.v)), m->n};

	for (size_t i = 0; i < m->n; i++)
		out.v[i] = (struct string_map_entry){
			arena_strdup(a, m->v[i].key), arena_strdup(a, m->v[i].value)};
	return out;
}

struct string_list metadata_list(const struct string_list *l, struct arena *a)
{
	struct string_list out = {arena_calloc(a, l->n, sizeof(*out.v)), l->n};

	for (size_t i = 0; i < l->n; i++)
		out.v[i] = arena_strdup(a, l->v[i]);
	return out;
}

static bool is_true(const struct string_map *m, const char *key, bool fallback)
{
	const char *text = string_map_get(m, key);

	return text ? !strcmp(text, "true") || !strcmp(text, "1") : fallback;
}

/* NULL, or a copy. */
static const char *text_of(const struct string_map *m, const char *key, struct arena *a)
{
	const char *text = string_map_get(m, key);

	return text ? arena_strdup(a, text) : NULL;
}

/* ---- the guest ---- */

static enum xenops_video_card video_card(const struct xenapi_vm *vm)
{
	const char *vga = string_map_get(&vm->platform, "vga");

	return vga && !strcmp(vga, "std") ? XENOPS_VIDEO_CARD_STD : XENOPS_VIDEO_CARD_CIRRUS;
}

static struct xenops_hvm_guest hvm_guest(const struct xenapi_vm *vm, struct arena *a)
{
	struct xenops_hvm_guest out = XENOPS_HVM_GUEST_INIT;
	const char *order = text_of(&vm->HVM_boot_params, "order", a);
	const char *firmware = string_map_get(&vm->HVM_boot_params, "firmware");
	const char *serial = text_of(&vm->platform, "hvm_serial", a);

	out.shadow_multiplier = vm->HVM_shadow_multiplier;
	out.timeoffset_s = metadata_number(&vm->platform, "timeoffset", 0);
	out.video = video_card(vm);
	out.video_mib = metadata_number(&vm->platform, "videoram", out.video_mib);
	out.acpi = is_true(&vm->platform, "acpi", true);
	out.serial = serial ? serial : "pty";
	out.keymap = text_of(&vm->platform, "keymap", a);
	if (order && *order)
		out.boot_order = order;
	if (firmware && !strcmp(firmware, "uefi"))
		out.firmware = (struct xenops_firmware){.kind = XENOPS_FIRMWARE_UEFI,
			.uefi = {.on_boot = XENOPS_NVRAM_ON_BOOT_PERSIST}};
	return out;
}

/* The disks that a boot loader looks on. */
static struct xenops_disk_list boot_disks(const struct xenapi_vm *vm, struct arena *a)
{
	struct xenops_disk_list out = {arena_calloc(a, vm->VBDs.n, sizeof(*out.v)), 0};

	for (size_t i = 0; i < vm->VBDs.n; i++) {
		const struct xenapi_vbd *vbd = db_find(vbd, vm->VBDs.v[i]);
		const struct xenops_disk *disk =
			vbd->bootable && !vbd->empty ? metadata_disk(vbd->VDI, a) : NULL;

		if (disk)
			out.v[out.n++] = *disk;
	}
	return out;
}

static struct xenops_pv_guest pv_guest(const struct xenapi_vm *vm, struct arena *a)
{
	struct xenops_pv_guest out = XENOPS_PV_GUEST_INIT;

	if (!*vm->PV_bootloader) {
		out.boot = (struct xenops_boot){.kind = XENOPS_BOOT_DIRECT,
			.direct = {arena_strdup(a, vm->PV_kernel), arena_strdup(a, vm->PV_args),
				*vm->PV_ramdisk ? arena_strdup(a, vm->PV_ramdisk) : NULL}};
		return out;
	}
	out.boot = (struct xenops_boot){.kind = XENOPS_BOOT_INDIRECT,
		.indirect = {.bootloader = arena_strdup(a, vm->PV_bootloader),
			.bootloader_args = arena_strdup(a, vm->PV_bootloader_args),
			.extra_args = arena_strdup(a, vm->PV_args),
			.legacy_args = arena_strdup(a, vm->PV_legacy_args),
			.devices = boot_disks(vm, a)}};
	return out;
}

static struct xenops_guest guest_of(const struct xenapi_vm *vm, struct arena *a)
{
	switch (vm_domain_type(vm)) {
	case XENAPI_DOMAIN_TYPE_PVH:
		return (struct xenops_guest){.kind = XENOPS_GUEST_PVH, .pvh = pv_guest(vm, a)};
	case XENAPI_DOMAIN_TYPE_PV_IN_PVH:
		return (struct xenops_guest){
			.kind = XENOPS_GUEST_PV_IN_PVH, .pv_in_pvh = pv_guest(vm, a)};
	case XENAPI_DOMAIN_TYPE_HVM:
		return (struct xenops_guest){.kind = XENOPS_GUEST_HVM, .hvm = hvm_guest(vm, a)};
	case XENAPI_DOMAIN_TYPE_PV:
	case XENAPI_DOMAIN_TYPE_UNSPECIFIED:
		break;
	}
	return (struct xenops_guest){.kind = XENOPS_GUEST_PV, .pv = pv_guest(vm, a)};
}

/* ---- the VM ---- */

/* "0,1,4": the CPUs that every VCPU may run on. */
static struct int_list cpu_mask(const char *text, struct arena *a)
{
	struct int_list out = {arena_calloc(a, strlen(text) + 1, sizeof(*out.v)), 0};
	char *end;

	for (; *text; text = *end ? end + 1 : end) {
		long long cpu = strtoll(text, &end, 10);

		if (end == text || cpu < 0 || cpu > MAX_CPU)
			break;
		out.v[out.n++] = cpu;
	}
	return out;
}

static struct xenops_scheduler *scheduler(const struct xenapi_vm *vm, struct arena *a)
{
	const struct string_map *params = &vm->VCPUs_params;
	const char *mask = string_map_get(params, "mask");
	struct xenops_scheduler *out;

	if (!params->n)
		return NULL;
	out = arena_new(a, struct xenops_scheduler);
	if (string_map_get(params, "weight")) {
		out->weight = arena_new(a, int64_t);
		*out->weight = metadata_number(params, "weight", 256);
	}
	if (string_map_get(params, "cap")) {
		out->cap = arena_new(a, int64_t);
		*out->cap = metadata_number(params, "cap", 0);
	}
	if (mask && vm->VCPUs_max > 0) {
		size_t n = (size_t)vm->VCPUs_max;

		out->affinity.v = arena_calloc(a, n, sizeof(*out->affinity.v));
		for (; out->affinity.n < n; out->affinity.n++)
			out->affinity.v[out->affinity.n] = cpu_mask(mask, a);
	}
	return out;
}

static enum xenops_end_action normal_exit(enum xenapi_on_normal_exit action)
{
	return action == XENAPI_ON_NORMAL_EXIT_RESTART ? XENOPS_END_ACTION_RESTART
						       : XENOPS_END_ACTION_DESTROY;
}

static void crash_exit(enum xenapi_on_crash_behaviour action, struct xenops_vm *out)
{
	switch (action) {
	case XENAPI_ON_CRASH_BEHAVIOUR_COREDUMP_AND_DESTROY:
		out->coredump_on_crash = true;
		out->on_crash = XENOPS_END_ACTION_DESTROY;
		return;
	case XENAPI_ON_CRASH_BEHAVIOUR_DESTROY:
		out->on_crash = XENOPS_END_ACTION_DESTROY;
		return;
	case XENAPI_ON_CRASH_BEHAVIOUR_COREDUMP_AND_RESTART:
		out->coredump_on_crash = true;
		out->on_crash = XENOPS_END_ACTION_RESTART;
		return;
	case XENAPI_ON_CRASH_BEHAVIOUR_RESTART:
	case XENAPI_ON_CRASH_BEHAVIOUR_RENAME_RESTART:
		out->on_crash = XENOPS_END_ACTION_RESTART;
		return;
	case XENAPI_ON_CRASH_BEHAVIOUR_PRESERVE:
		out->on_crash = XENOPS_END_ACTION_PRESERVE;
		return;
	}
	__builtin_unreachable();
}

/* Of the keys that clients set, the guest sees those under vm-data. */
static struct string_map guest_keys(const struct xenapi_vm *vm, struct arena *a)
{
	struct string_map out = {arena_calloc(a, vm->xenstore_data.n, sizeof(*out.v)), 0};

	for (size_t i = 0; i < vm->xenstore_data.n; i++) {
		const struct string_map_entry *entry = &vm->xenstore_data.v[i];

		if (strncmp(entry->key, "vm-data/", 8) != 0)
			continue;
		out.v[out.n++] = (struct string_map_entry){
			arena_strdup(a, entry->key + 8), arena_strdup(a, entry->value)};
	}
	return out;
}

static struct xenops_vm vm_of(const struct xenapi_vm *vm, struct arena *a)
{
	struct xenops_vm out = XENOPS_VM_INIT;

	out.vm = arena_strdup(a, vm->uuid);
	out.name = arena_strdup(a, vm->name_label);
	out.guest = guest_of(vm, a);
	out.memory_dynamic_min_bytes = vm->memory_dynamic_min;
	out.memory_dynamic_max_bytes = vm->memory_dynamic_max;
	out.memory_static_max_bytes = vm->memory_static_max;
	out.vcpus = vm->VCPUs_at_startup;
	out.vcpus_max = vm->VCPUs_max;
	out.scheduler = scheduler(vm, a);
	out.platform = metadata_map(&vm->platform, a);
	out.bios_strings = metadata_map(&vm->bios_strings, a);
	out.xenstore_data = guest_keys(vm, a);
	out.generation_id = *vm->generation_id ? arena_strdup(a, vm->generation_id) : NULL;
	out.has_vendor_device = vm->has_vendor_device;
	out.on_shutdown = normal_exit(vm->actions_after_shutdown);
	out.on_reboot = normal_exit(vm->actions_after_reboot);
	crash_exit(vm->actions_after_crash, &out);
	return out;
}

/* A suspended VM has what it had, and nothing that was made for it meanwhile. */
static bool has_vbd(const char *ref)
{
	const struct xenapi_vbd *vbd = db_find(vbd, ref);

	return vbd && vbd->currently_attached;
}

static bool has_vif(const char *ref)
{
	const struct xenapi_vif *vif = db_find(vif, ref);

	return vif && vif->currently_attached;
}

/* What xenopsd wanted to be told again (link/xenopsd.c); other texts that may stand there are not
 * for it. */
static struct json_text *domain_of(const char *text, struct arena *a)
{
	size_t len = strlen(text);
	struct json_text read;
	auto_err e = codec_decode(&type_any, "domain", text, len, a, &read);

	if (e)
		return NULL;
	struct json_text *out = arena_new(a, struct json_text);
	*out = read;
	return out;
}

struct err *plan_metadata(const char *ref, struct arena *a, struct xenops_metadata *out)
{
	const struct xenapi_vm *vm;

	TRY(db_get(vm, ref, &vm));
	bool is_suspended = vm->power_state == XENAPI_VM_POWER_STATE_SUSPENDED;
	*out = (struct xenops_metadata){.vm = vm_of(vm, a)};
	out->vbds.v = arena_calloc(a, vm->VBDs.n, sizeof(*out->vbds.v));
	for (size_t i = 0; i < vm->VBDs.n; i++)
		if (!is_suspended || has_vbd(vm->VBDs.v[i]))
			TRY(plan_metadata_vbd(vm->VBDs.v[i], a, &out->vbds.v[out->vbds.n++]));
	out->vifs.v = arena_calloc(a, vm->VIFs.n, sizeof(*out->vifs.v));
	for (size_t i = 0; i < vm->VIFs.n; i++)
		if (!is_suspended || has_vif(vm->VIFs.v[i]))
			TRY(plan_metadata_vif(vm->VIFs.v[i], a, &out->vifs.v[out->vifs.n++]));
	out->vusbs.v = arena_calloc(a, vm->VUSBs.n, sizeof(*out->vusbs.v));
	for (size_t i = 0; !is_suspended && i < vm->VUSBs.n; i++)
		TRY(plan_metadata_vusb(vm->VUSBs.v[i], a, &out->vusbs.v[out->vusbs.n++]));
	if (is_suspended && *vm->last_booted_record)
		out->domain = domain_of(vm->last_booted_record, a);
	return NULL;
}
