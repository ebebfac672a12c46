/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices for the calls of their classes (api_*.c): found, alone in their VM's turn or all of a VM.
 * Fibers only.
 */
#ifndef XENITH_XENOPSD_TURN_OF_DEVICE_H
#define XENITH_XENOPSD_TURN_OF_DEVICE_H

#include "xenopsd/queue.h"
#include "xenopsd/vm.h"

/* The turn of the device's VM, and the device as it is then. Does_not_exist. */
MAY_WAIT must_check struct err *turn_of_device(struct turn *t, enum device_class class,
	const char *id, const char *what, struct device **out);

struct device_list {
	struct vm *vm; /* to be held by who waits */
	struct device **v; /* in the arena */
	size_t n;
};

/* The VM's devices of a class as they are now. Does_not_exist. */
must_check struct err *devices_of(
	const char *vm_id, enum device_class class, struct arena *a, struct device_list *out);

#endif
