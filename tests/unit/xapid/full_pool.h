/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For tests and benches of the database: a pool as it is after some years. Each VM has two disks,
 * an interface, metrics and a console, and hardly a field is empty.
 */
#ifndef XENITH_TESTS_UNIT_XAPID_FULL_POOL_H
#define XENITH_TESTS_UNIT_XAPID_FULL_POOL_H

#include "common/mem.h"
#include "xapid/db/db.h"

#include <stdio.h>
#include <string.h>

struct full_pool {
	const char *host, *sr, *network; /* references */
};

static void full_pool_must(struct err *e)
{
	if (!e)
		return;
	fprintf(stderr, "the pool cannot be made: %s\n", err_text(e));
	abort();
}

#define ENTRIES(...) \
	{ \
		.v = (struct string_map_entry[]){__VA_ARGS__}, \
		.n = ARRAY_LEN(((struct string_map_entry[]){__VA_ARGS__})), \
	}

static const char *full_pool_vm(const struct full_pool *pool, unsigned number)
{
	struct xenapi_vm vm = db_blank(vm);
	struct xenapi_vm_metrics metrics = db_blank(vm_metrics);
	struct xenapi_vm_guest_metrics guest = db_blank(vm_guest_metrics);
	auto_str name = xasprintf("virtual machine %u", number);
	const char *ref;

	metrics.VCPUs_number = 2;
	metrics.memory_actual = 2147483648;
	metrics.state.v = (const char *[]){"running"};
	metrics.state.n = 1;
	metrics.start_time = 1700000000 + number;
	full_pool_must(db_create(vm_metrics, &metrics, &vm.metrics));
	guest.os_version = (struct string_map)ENTRIES({"name", "Debian GNU/Linux 12"},
		{"uname", "6.1.0-18-amd64"}, {"distro", "debian"}, {"major", "12"}, {"minor", "5"});
	guest.networks = (struct string_map)ENTRIES(
		{"0/ip", "192.0.2.17"}, {"0/ipv4/0", "192.0.2.17"}, {"0/ipv6/0", "2001:db8::17"});
	full_pool_must(db_create(vm_guest_metrics, &guest, &vm.guest_metrics));
	vm.name_label = name;
	vm.name_description = "It does what it was made for, and nobody remembers what that is";
	vm.user_version = 1;
	vm.power_state = XENAPI_VM_POWER_STATE_RUNNING;
	vm.resident_on = vm.affinity = pool->host;
	vm.memory_static_max = vm.memory_dynamic_max = vm.memory_dynamic_min = 2147483648;
	vm.memory_static_min = 1073741824;
	vm.VCPUs_max = vm.VCPUs_at_startup = 2;
	vm.VCPUs_params = (struct string_map)ENTRIES({"weight", "256"}, {"cap", "0"});
	vm.HVM_boot_policy = "BIOS order";
	vm.HVM_boot_params = (struct string_map)ENTRIES({"order", "cdn"}, {"firmware", "uefi"});
	vm.platform = (struct string_map)ENTRIES({"acpi", "1"}, {"apic", "true"}, {"pae", "true"},
		{"nx", "true"}, {"viridian", "false"}, {"timeoffset", "0"}, {"videoram", "8"},
		{"device-model", "qemu-upstream-uefi"}, {"secureboot", "auto"}, {"vga", "std"});
	vm.other_config = (struct string_map)ENTRIES({"base_template_name", "Debian Bookworm 12"},
		{"install-methods", "cdrom,http,ftp"}, {"linux_template", "true"},
		{"mac_seed", "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"}, {"auto_poweron", "true"},
		{"folder", "/production/web"});
	vm.xenstore_data = (struct string_map)ENTRIES(
		{"vm-data", ""}, {"vm-data/role", "web"}, {"vm-data/region", "north"});
	vm.bios_strings = (struct string_map)ENTRIES({"bios-vendor", "Xen"}, {"bios-version", ""},
		{"system-manufacturer", "Xen"}, {"system-product-name", "HVM domU"},
		{"hp-rombios", ""}, {"oem-1", "Xen"});
	vm.tags.v = (const char *[]){"production", "web", "north"};
	vm.tags.n = 3;
	vm.recommendations = "<restrictions><restriction field=\"memory-static-max\" "
			     "max=\"1649267441664\"/><restriction field=\"vcpus-max\" max=\"32\"/>"
			     "<restriction field=\"has-vendor-device\" value=\"false\"/>"
			     "<restriction max=\"255\" property=\"number-of-vbds\"/>"
			     "<restriction max=\"7\" property=\"number-of-vifs\"/></restrictions>";
	vm.domid = number + 1;
	vm.domarch = "x86_64";
	vm.allowed_operations.v = (enum xenapi_vm_operations[]){XENAPI_VM_OPERATIONS_PAUSE,
		XENAPI_VM_OPERATIONS_SUSPEND, XENAPI_VM_OPERATIONS_CLEAN_SHUTDOWN,
		XENAPI_VM_OPERATIONS_CLEAN_REBOOT, XENAPI_VM_OPERATIONS_HARD_SHUTDOWN,
		XENAPI_VM_OPERATIONS_HARD_REBOOT, XENAPI_VM_OPERATIONS_SNAPSHOT};
	vm.allowed_operations.n = 7;
	full_pool_must(db_create(vm, &vm, &ref));
	return ref;
}

static void full_pool_disk(const struct full_pool *pool, const char *vm, unsigned position)
{
	struct xenapi_vdi vdi = db_blank(vdi);
	struct xenapi_vbd vbd = db_blank(vbd);
	auto_str place = xasprintf("%u", position);

	vdi.name_label = "a disk";
	vdi.name_description = "made with its VM";
	vdi.SR = pool->sr;
	vdi.virtual_size = 10737418240;
	vdi.physical_utilisation = 2147483648;
	vdi.location = "2f0c4c1e-8d1b-4f5a-9a55-0123456789ab";
	vdi.managed = true;
	vdi.sm_config = (struct string_map)ENTRIES({"vdi_type", "vhd"});
	full_pool_must(db_create(vdi, &vdi, &vbd.VDI));
	vbd.VM = vm;
	vbd.userdevice = place;
	vbd.device = position ? "xvdb" : "xvda";
	vbd.currently_attached = true;
	vbd.bootable = !position;
	vbd.allowed_operations.v = (enum xenapi_vbd_operations[]){XENAPI_VBD_OPERATIONS_ATTACH};
	vbd.allowed_operations.n = 1;
	full_pool_must(db_create(vbd, &vbd, NULL));
}

static void full_pool_nic(const struct full_pool *pool, const char *vm, unsigned number)
{
	struct xenapi_vif vif = db_blank(vif);
	struct xenapi_console console = db_blank(console);
	auto_str mac = xasprintf(
		"00:16:3e:%02x:%02x:%02x", number >> 16 & 255, number >> 8 & 255, number & 255);

	vif.VM = vm;
	vif.network = pool->network;
	vif.device = "0";
	vif.MAC = mac;
	vif.MTU = 1500;
	vif.currently_attached = true;
	full_pool_must(db_create(vif, &vif, NULL));
	console.VM = vm;
	console.location = "/console?uuid=0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
	full_pool_must(db_create(console, &console, NULL));
}

/* Storage and a network for a host that is there. */
static void full_pool_join(struct full_pool *pool, const char *host)
{
	struct xenapi_sr sr = db_blank(sr);
	struct xenapi_network network = db_blank(network);

	pool->host = host;
	full_pool_must(db_create(sr, &sr, &pool->sr));
	full_pool_must(db_create(network, &network, &pool->network));
}

static void full_pool_add(const struct full_pool *pool, unsigned n_vms)
{
	for (unsigned i = 0; i < n_vms; i++) {
		const char *vm = full_pool_vm(pool, i);

		full_pool_disk(pool, vm, 0);
		full_pool_disk(pool, vm, 1);
		full_pool_nic(pool, vm, i);
	}
}

static maybe_unused void full_pool_make(struct full_pool *pool, unsigned n_vms)
{
	struct xenapi_host host = db_blank(host);

	full_pool_must(db_create(host, &host, &pool->host));
	full_pool_join(pool, pool->host);
	full_pool_add(pool, n_vms);
}

#endif
