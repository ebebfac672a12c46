/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The default templates (fresh.h): one for anything, and one each for common systems, which differ
 * in what they need. A template is a VM that never starts; clients clone it, and VM.provision makes
 * the disks that stand in its other_config.
 */
#include "xapid/host/fresh.h"

#include "common/mem.h"
#include "common/sbuf.h"
#include "xapid/db/db.h"

#include "xenapi.gen.h"

#define MIB INT64_C(1048576)
#define GIB (1024 * MIB)

enum template_flags { WINDOWS = 1, UEFI = 2, NO_DISK = 4 };

static const struct template
{
	const char *name, *label, *description;
	int64_t memory, disk; /* bytes */
	int64_t vcpus;
	unsigned flags;
}
templates[] = {
	{"Other install media", "other-install-media", "For any system that is installed from a CD",
		256 * MIB, 0, 1, NO_DISK},
	{"AlmaLinux 9", "almalinux-9", "", 2 * GIB, 10 * GIB, 1, UEFI},
	{"Debian Bookworm 12", "debian-12", "", 1 * GIB, 10 * GIB, 1, 0},
	{"Debian Trixie 13", "debian-13", "", 1 * GIB, 10 * GIB, 1, UEFI},
	{"Rocky Linux 9", "rocky-9", "", 2 * GIB, 10 * GIB, 1, UEFI},
	{"Ubuntu Noble Numbat 24.04", "ubuntu-24-04", "", 1 * GIB, 10 * GIB, 1, UEFI},
	{"Windows 10 (64-bit)", "windows-10-64bit", "", 2 * GIB, 32 * GIB, 2, WINDOWS | UEFI},
	{"Windows 11 (64-bit)", "windows-11", "", 4 * GIB, 64 * GIB, 2, WINDOWS | UEFI},
	{"Windows Server 2022 (64-bit)", "windows-server-2022-64bit", "", 2 * GIB, 32 * GIB, 2,
		WINDOWS | UEFI},
};

/* Limits that clients should keep. */
static const char recommendations[] =
	"<restrictions><restriction field=\"memory-static-max\" max=\"1649267441664\"/>"
	"<restriction field=\"vcpus-max\" max=\"64\"/>"
	"<restriction property=\"number-of-vbds\" max=\"255\"/>"
	"<restriction property=\"number-of-vifs\" max=\"7\"/>"
	"<restriction field=\"has-vendor-device\" value=\"false\"/>"
	"<restriction field=\"allow-gpu-passthrough\" value=\"1\"/>"
	"<restriction field=\"allow-vgpu\" value=\"1\"/></restrictions>";

static bool is_there(const char *label)
{
	db_for_each (vm, row) {
		const struct xenapi_vm *vm = db_record(row);

		if (vm->is_default_template && !__builtin_strcmp(vm->reference_label, label))
			return true;
	}
	return false;
}

static void set_boot(const struct template *t, struct xenapi_vm *vm)
{
	static struct string_map_entry bios[] = {{"order", "cdn"}, {"firmware", "bios"}};
	static struct string_map_entry uefi[] = {{"order", "cdn"}, {"firmware", "uefi"}};

	vm->HVM_boot_policy = "BIOS order";
	vm->HVM_boot_params = (struct string_map){t->flags & UEFI ? uefi : bios, 2};
	vm->domain_type = XENAPI_DOMAIN_TYPE_HVM;
}

static void set_platform(const struct template *t, struct xenapi_vm *vm)
{
	static struct string_map_entry windows[] = {{"acpi", "1"}, {"apic", "true"},
		{"pae", "true"}, {"nx", "true"}, {"viridian", "true"},
		{"viridian_time_ref_count", "true"}, {"viridian_reference_tsc", "true"},
		{"videoram", "8"}, {"vga", "std"}, {"device-model", "qemu-upstream-uefi"}};
	static struct string_map_entry other[] = {{"acpi", "1"}, {"apic", "true"}, {"pae", "true"},
		{"nx", "true"}, {"viridian", "false"}, {"videoram", "8"}, {"vga", "std"},
		{"device-model", "qemu-upstream-compat"}};

	vm->platform = t->flags & WINDOWS ? (struct string_map){windows, ARRAY_LEN(windows)}
					  : (struct string_map){other, ARRAY_LEN(other)};
}

static struct err *make(const struct template *t)
{
	auto_str disks = xasprintf("<provision><disk device=\"0\" size=\"%lld\" sr=\"\" "
				   "bootable=\"true\" type=\"system\"/></provision>",
		(long long)t->disk);
	struct string_map_entry config[] = {{"default_template", "true"},
		{"base_template_name", t->name}, {"install-methods", "cdrom"},
		{"linux_template", t->flags & WINDOWS ? "false" : "true"}, {"disks", disks}};
	struct xenapi_vm vm = db_blank(vm);

	vm.name_label = t->name;
	vm.name_description = *t->description
		? t->description
		: "Clone this to make a virtual machine that is installed from a CD";
	vm.reference_label = t->label;
	vm.is_a_template = vm.is_default_template = true;
	vm.user_version = 1;
	vm.memory_static_max = vm.memory_dynamic_max = vm.memory_dynamic_min = vm.memory_target =
		t->memory;
	vm.memory_static_min = t->memory;
	vm.VCPUs_max = vm.VCPUs_at_startup = t->vcpus;
	vm.actions_after_shutdown = XENAPI_ON_NORMAL_EXIT_DESTROY;
	vm.actions_after_reboot = XENAPI_ON_NORMAL_EXIT_RESTART;
	vm.actions_after_crash = XENAPI_ON_CRASH_BEHAVIOUR_RESTART;
	vm.has_vendor_device = false;
	vm.domid = -1;
	vm.recommendations = recommendations;
	vm.other_config =
		(struct string_map){config, ARRAY_LEN(config) - (t->flags & NO_DISK ? 1 : 0)};
	set_boot(t, &vm);
	set_platform(t, &vm);
	return db_create(vm, &vm, NULL);
}

struct err *fresh_templates(void)
{
	for (size_t i = 0; i < ARRAY_LEN(templates); i++)
		if (!is_there(templates[i].label))
			TRY(make(&templates[i]));
	return NULL;
}
