/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Adding and removing (add.h). A file is written before memory changes, so that what was told to be
 * there is.
 */
#include "xenopsd/add.h"

#include "common/codec.h"
#include "common/mem.h"
#include "common/updates.h"
#include "core.gen.h"
#include "xenopsd/arrivals.h"
#include "xenopsd/files.h"
#include "xenopsd/plans.h"
#include "xenopsd/queue.h"
#include "xenopsd/repair.h"

#include <string.h>

static struct err *check_vm(const struct xenops_vm *config)
{
	TRY(vm_check_id(config->vm));
	if (config->vcpus < 1 || config->vcpus > config->vcpus_max || config->vcpus_max > 4096)
		return err(INVALID_VALUE, "vcpus", "not between 1 and vcpus_max (at most 4096)");
	if (config->memory_dynamic_min_bytes < 0 ||
		config->memory_dynamic_min_bytes > config->memory_dynamic_max_bytes ||
		config->memory_dynamic_max_bytes > config->memory_static_max_bytes)
		return err(INVALID_VALUE, "memory_dynamic_max_bytes",
			"not between memory_dynamic_min_bytes and memory_static_max_bytes");
	return NULL;
}

struct err *add_vm_begin(const struct xenops_vm *config, struct vm **out)
{
	TRY(check_vm(config));
	struct vm *vm = vm_new(config);
	struct err *e = files_make_folder(vm);
	if (e) {
		vm_remove(vm);
		return e;
	}
	*out = vm;
	return NULL;
}

struct err *add_vm_end(struct vm *vm, struct err *e)
{
	bool was_there = files_config_is_damaged(vm);

	if (!e)
		e = files_put_config(vm);
	if (e && was_there) {
		vm_remove(vm);
		return e;
	}
	if (e) {
		err_free(drop_vm(vm));
		return e;
	}
	vm_tell(vm);
	if (was_there && vm->phase != XENOPSD_PHASE_HALTED)
		repair_later(vm);
	return NULL;
}

struct err *add_vm(const struct xenops_vm *config)
{
	struct vm *vm;

	TRY(add_vm_begin(config, &vm));
	return add_vm_end(vm, files_take_up(vm));
}

struct err *change_vm(struct vm *vm, const struct xenops_vm *config)
{
	TRY(check_vm(config));
	if (codec_equal(&xenops_type_vm, &vm->config, config))
		return NULL;
	vm_set_config(vm, config);
	TRY(files_put_config(vm));
	updates_add("vm", vm->id);
	return NULL;
}

struct err *drop_vm(struct vm *vm)
{
	TRY(arrivals_keep(vm));
	TRY(files_drop_vm(vm));
	vec_for_each (i, &vm->devices)
		updates_remove(device_classes[vm->devices.v[i]->class].class, vm->devices.v[i]->id);
	updates_remove("vm", vm->id);
	vm_remove(vm);
	return NULL;
}

/* ---- devices ---- */

struct err *change_device(struct device *d, const void *config)
{
	if (codec_equal(device_classes[d->class].type, &d->vbd, config))
		return NULL;
	device_set_config(d, config);
	TRY(files_put_device(d));
	updates_add(device_classes[d->class].class, d->id);
	return NULL;
}

static struct err *add_device(struct vm *vm, enum device_class class, const void *config)
{
	struct device *d = device_new(vm, class, config);
	struct err *e = files_put_device(d);

	if (e) {
		device_remove(d);
		return e;
	}
	files_take_lost(d);
	updates_add(device_classes[class].class, d->id);
	return NULL;
}

static struct device *find_device(const struct vm *vm, enum device_class class, const char *id)
{
	vm_for_each (d, vm, class)
		if (!strcmp(d->id, id))
			return d;
	return NULL;
}

struct err *put_device(struct vm *vm, enum device_class class, const void *config)
{
	struct device *d = find_device(vm, class, *(const char *const *)config);

	return d ? change_device(d, config) : add_device(vm, class, config);
}

struct err *drop_device(struct device *d)
{
	/* One that is half in or half out is to be taken back first, which needs its config. */
	if (d->vm->phase != XENOPSD_PHASE_HALTED && d->is_active)
		return err(Device_is_connected);
	TRY(files_drop_device(d));
	updates_remove(device_classes[d->class].class, d->id);
	device_remove(d);
	return NULL;
}

/* The id of the VM that a device's id begins with; to be freed. */
static char *vm_of(const char *device_id)
{
	return xstrndup(device_id, strcspn(device_id, "/"));
}

struct err *device_add(enum device_class class, const void *config)
{
	AUTO(turn_end) struct turn turn = {0};
	const char *id = *(const char *const *)config;

	TRY(device_check_id(class, id));
	auto_str vm_id = vm_of(id);
	TRY(turn_begin(&turn, vm_id, "adding a device", TURN_QUICK));
	if (find_device(turn.vm, class, id))
		return err(Already_exists, device_classes[class].class, id);
	return add_device(turn.vm, class, config);
}

struct err *device_drop(enum device_class class, const char *id)
{
	AUTO(turn_end) struct turn turn = {0};
	struct device *d;

	TRY(device_get(class, id, &d));
	auto_str vm_id = vm_of(id);
	TRY(turn_begin(&turn, vm_id, "removing a device", TURN_QUICK));
	TRY(device_get(class, id, &d));
	return drop_device(d);
}
