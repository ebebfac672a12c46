/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VMs and devices in memory (vm.h). What is replaced or removed while somebody holds the VM is
 * freed when the last one has let go.
 */
#include "xenopsd/vm.h"

#include "common/codec.h"
#include "common/mem.h"
#include "core.gen.h"
#include "xenopsd/backend.h"
#include "xenopsd/xenopsd.h"

#include <string.h>

#define ID_MAX 64

struct map vms;

const struct device_class_spec device_classes[N_DEVICE_CLASSES] = {
	[DEVICE_VBD] = {"vbd", &xenops_type_vbd},
	[DEVICE_VIF] = {"vif", &xenops_type_vif},
	[DEVICE_PCI] = {"pci", &xenops_type_pci},
	[DEVICE_VGPU] = {"vgpu", &xenops_type_vgpu},
	[DEVICE_VUSB] = {"vusb", &xenops_type_vusb},
};

/* ---- looking ---- */

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

	for (size_t i = 0; vm && i < vm->devices.n; i++) {
		if (vm->devices.v[i]->class != class || strcmp(vm->devices.v[i]->id, id))
			continue;
		*out = vm->devices.v[i];
		return NULL;
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

/* ---- ids ---- */

static bool is_name(const char *s, size_t len, const char *also)
{
	if (len == 0 || len > ID_MAX || *s == '.')
		return false;
	for (size_t i = 0; i < len; i++) {
		bool is_letter = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z');

		if (!is_letter && !(s[i] >= '0' && s[i] <= '9') && !strchr(also, s[i]))
			return false;
	}
	return true;
}

struct err *vm_check_id(const char *id)
{
	if (!is_name(id, strlen(id), "-_."))
		return err(INVALID_VALUE, "vm", "not a uuid");
	return NULL;
}

struct err *device_check_id(enum device_class class, const char *id)
{
	const char *slash = strchr(id, '/');

	if (!slash || !is_name(id, (size_t)(slash - id), "-_.") ||
		!is_name(slash + 1, strlen(slash + 1), "-_.:"))
		return err(INVALID_VALUE, device_classes[class].class,
			"not the id of a VM, a slash and a name");
	return NULL;
}

/* ---- holding ---- */

static void device_free(struct device *d)
{
	arena_fini(&d->arena);
	free(d);
}

/* Nobody looks at what was replaced any more. */
static void free_old(struct vm *vm)
{
	vec_for_each (i, &vm->old_arenas)
		arena_fini(&vm->old_arenas.v[i]);
	vec_fini(&vm->old_arenas);
	vec_for_each (i, &vm->old_devices)
		device_free(vm->old_devices.v[i]);
	vec_fini(&vm->old_devices);
}

void vm_migration_fini(struct vm_migration *m)
{
	free(m->token);
	free(m->url);
	free(m->memory);
	*m = (struct vm_migration){0};
}

void vm_forget_lost(struct vm *vm)
{
	vec_for_each (i, &vm->lost)
		free(vm->lost.v[i]);
	vec_fini(&vm->lost);
}

static void vm_free(struct vm *vm)
{
	free_old(vm);
	vm_forget_lost(vm);
	if (vm->own && xenopsd.backend->vm_forget)
		xenopsd.backend->vm_forget(vm);
	vec_for_each (i, &vm->devices)
		device_free(vm->devices.v[i]);
	vec_fini(&vm->devices);
	cond_fini(&vm->changed);
	vm_migration_fini(&vm->migration);
	free(vm->came_by);
	arena_fini(&vm->arena);
	free(vm->id);
	free(vm->dir);
	free(vm);
}

enum xenops_domain_type vm_domain_type(const struct vm *vm)
{
	switch (vm->config.guest.kind) {
	case XENOPS_GUEST_HVM:
		return XENOPS_DOMAIN_TYPE_HVM;
	case XENOPS_GUEST_PVH:
		return XENOPS_DOMAIN_TYPE_PVH;
	case XENOPS_GUEST_PV:
		return XENOPS_DOMAIN_TYPE_PV;
	case XENOPS_GUEST_PV_IN_PVH:
		return XENOPS_DOMAIN_TYPE_PV_IN_PVH;
	}
	return XENOPS_DOMAIN_TYPE_UNDEFINED;
}

struct vm *vm_hold(struct vm *vm)
{
	vm->n_holds++;
	return vm;
}

static void let_go(struct vm *vm)
{
	if (vm->n_holds)
		return;
	if (vm->is_removed)
		vm_free(vm);
	else
		free_old(vm);
}

void vm_release(struct vm **vm)
{
	if (!*vm)
		return;
	(*vm)->n_holds--;
	let_go(*vm);
}

/* ---- VMs ---- */

void vm_set_config(struct vm *vm, const struct xenops_vm *config)
{
	struct arena old = vm->arena;

	vm->arena = (struct arena){0};
	codec_keep(&xenops_type_vm, config, &vm->arena, &vm->config);
	vec_push(&vm->old_arenas, old);
	let_go(vm);
}

struct vm *vm_new(const struct xenops_vm *config)
{
	struct vm *vm = xnew(struct vm);

	vm->id = xstrdup(config->vm);
	vm->dir = xasprintf("%s/VM/%s", xenopsd.dir, config->vm);
	vm->phase = XENOPSD_PHASE_HALTED;
	vm->domid = -1;
	cond_init(&vm->changed);
	list_init(&vm->pending);
	list_init(&vm->in_line);
	vm_set_config(vm, config);
	map_put(&vms, vm->id, vm);
	return vm;
}

void vm_remove(struct vm *vm)
{
	map_remove(&vms, vm->id);
	vm->is_removed = true;
	let_go(vm);
}

void vms_free(void)
{
	struct map_slot *slot;

	while ((slot = map_slot_from(&vms, vms.slots))) {
		struct vm *vm = slot->value;

		map_remove(&vms, vm->id);
		vm_free(vm);
	}
	map_fini(&vms);
}

/* ---- devices ---- */

static int compare_numbers(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

/* The order in which devices of one class come to the guest. */
static int compare(const struct device *a, const struct device *b)
{
	int by_position = 0;

	if (a->class != b->class)
		return (int)a->class - (int)b->class;
	switch (a->class) {
	case DEVICE_VBD:
		by_position = strcmp(a->vbd.position ?: a->name, b->vbd.position ?: b->name);
		break;
	case DEVICE_VIF:
		by_position = compare_numbers(a->vif.position, b->vif.position);
		break;
	case DEVICE_PCI:
		by_position = compare_numbers(a->pci.position, b->pci.position);
		break;
	case DEVICE_VGPU:
		by_position = compare_numbers(a->vgpu.position, b->vgpu.position);
		break;
	case DEVICE_VUSB:
		break;
	}
	return by_position ? by_position : strcmp(a->name, b->name);
}

static size_t place_of(const struct device *d)
{
	size_t i = 0;

	while (i < d->vm->devices.n && d->vm->devices.v[i] != d)
		i++;
	return i;
}

static void insert(struct device *d)
{
	size_t at = 0;

	while (at < d->vm->devices.n && compare(d->vm->devices.v[at], d) < 0)
		at++;
	vec_insert(&d->vm->devices, at, d);
}

/* Every member of the union begins with the id. */
static void take_config(struct device *d, const void *config)
{
	codec_keep(device_classes[d->class].type, config, &d->arena, &d->vbd);
	d->id = d->vbd.vbd;
	d->name = strchr(d->id, '/') + 1;
}

struct device *device_new(struct vm *vm, enum device_class class, const void *config)
{
	struct device *d = xnew(struct device);

	d->vm = vm;
	d->class = class;
	take_config(d, config);
	insert(d);
	return d;
}

void device_set_config(struct device *d, const void *config)
{
	struct arena old = d->arena;

	d->arena = (struct arena){0};
	take_config(d, config);
	vec_push(&d->vm->old_arenas, old);
	vec_remove(&d->vm->devices, place_of(d));
	insert(d);
	let_go(d->vm);
}

void device_remove(struct device *d)
{
	struct vm *vm = d->vm;

	vec_remove(&vm->devices, place_of(d));
	vec_push(&vm->old_devices, d);
	let_go(vm);
}
