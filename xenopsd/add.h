/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Adds, changes and removes VMs and devices: checked, kept in files, told to watchers. All but
 * add_vm are called in the VM's turn.
 */
#ifndef XENITH_XENOPSD_ADD_H
#define XENITH_XENOPSD_ADD_H

#include "xenopsd/vm.h"

/* There must be none of this id. */
must_check struct err *add_vm(const struct xenops_vm *config);
/* The same in two steps, with nothing that waits between them: a kill before the second leaves no
 * VM, and so does an error, E, which comes back. */
must_check struct err *add_vm_begin(const struct xenops_vm *config, struct vm **out);
must_check struct err *add_vm_end(struct vm *vm, struct err *e);
/* What runs of it stays as it is until it is started again. */
must_check struct err *change_vm(struct vm *vm, const struct xenops_vm *config);
/* It is halted or suspended. */
must_check struct err *drop_vm(struct vm *vm);

/* Adds the device, or makes the one of this id like CONFIG. */
must_check struct err *put_device(struct vm *vm, enum device_class class, const void *config);
/* Changes the config of one that is there, in its file first. */
must_check struct err *change_device(struct device *d, const void *config);
/* Device_is_connected when it is plugged. */
MAY_WAIT must_check struct err *drop_device(struct device *d);

/* ---- for the calls of each class ---- */

/* CONFIG begins with the id. Waits for the VM's turn. Already_exists. */
MAY_WAIT must_check struct err *device_add(enum device_class class, const void *config);
MAY_WAIT must_check struct err *device_drop(enum device_class class, const char *id);

#endif
