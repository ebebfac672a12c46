/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VMs and devices in memory (vm.h).
 */
#include "xenopsd/vm.h"

#include "core.gen.h"

#include <string.h>

struct map vms;

const struct device_class_spec device_classes[N_DEVICE_CLASSES] = {
	[DEVICE_VBD] = {"vbd", &xenops_type_vbd},
	[DEVICE_VIF] = {"vif", &xenops_type_vif},
	[DEVICE_PCI] = {"pci", &xenops_type_pci},
	[DEVICE_VGPU] = {"vgpu", &xenops_type_vgpu},
	[DEVICE_VUSB] = {"vusb", &xenops_type_vusb},
};

struct vm *vm_find(const char *id)
{
	return map_get(&vms, id);
}

struct err *vm_get(const char *id, struct vm **out)
{
	struct vm *vm = vm_find(id);

	if (!vm)
		return err(Does_not_exist, "vm", id);
	*out = vm;
	return NULL;
}

struct err *device_get(enum device_class class, const char *id, struct device **out)
{
	const char *slash = strchr(id, '/');
	const struct vm *vm = slash ? map_get_n(&vms, id, (size_t)(slash - id)) : NULL;

	if (vm) {
		vm_for_each(d, vm, class)
		{
			if (strcmp(d->id, id))
				continue;
			*out = d;
			return NULL;
		}
	}
	return err(Does_not_exist, device_classes[class].class, id);
}

struct device *vm_device_from(
	const struct vm *vm, enum device_class class, const struct device *after)
{
	size_t i = 0;

	while (after && vm->devices.v[i] != after)
		i++;
	for (i += after != NULL; i < vm->devices.n; i++)
		if (vm->devices.v[i]->class == class)
			return vm->devices.v[i];
	return NULL;
}
