/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices for the calls of their classes (turn_of_device.h). A device may be removed while its VM's
 * turn is waited for, so it is looked for twice.
 */
#include "xenopsd/turn_of_device.h"

#include "common/mem.h"
#include "core.gen.h"

#include <string.h>

struct err *turn_of_device(struct turn *t, enum device_class class, const char *id,
	const char *what, struct device **out)
{
	auto_str vm_id = xstrndup(id, strcspn(id, "/"));
	struct device *d;

	/* One that is not there is told at once. */
	TRY(device_get(class, id, &d));
	TRY(turn_begin(t, vm_id, what, TURN_WORK));
	return device_get(class, id, out);
}

struct err *devices_of(
	const char *vm_id, enum device_class class, struct arena *a, struct device_list *out)
{
	struct vm *vm;

	TRY(vm_get(vm_id, &vm));
	*out = (struct device_list){.vm = vm, .v = arena_calloc(a, vm->devices.n, sizeof(*out->v))};
	vm_for_each (d, vm, class)
		out->v[out->n++] = d;
	return NULL;
}
