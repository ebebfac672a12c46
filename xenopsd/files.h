/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What must outlive xenopsd, though not a boot of the host: one JSON file an object, in the VM's
 * folder: "config", "vbd.xvda", "vif.0", …, and "state" (idl/xenopsd.idl). Each is replaced as a
 * whole and none is synced; the run directory is memory. So these functions do not wait.
 */
#ifndef XENITH_XENOPSD_FILES_H
#define XENITH_XENOPSD_FILES_H

#include "xenopsd/vm.h"

/* A folder for its files. There is no such VM after a kill until its "config" is written. */
must_check struct err *files_make_folder(const struct vm *vm);
/* A new VM gets the devices and the state that it had before its config was damaged (damage.h). */
must_check struct err *files_take_up(struct vm *vm);
bool files_config_is_damaged(const struct vm *vm);
must_check struct err *files_put_config(const struct vm *vm);
must_check struct err *files_put_state(const struct vm *vm);
/* The VM with all its files. */
must_check struct err *files_drop_vm(const struct vm *vm);
/* Makes a device that is added again active as it was, before its file was damaged. */
void files_take_lost(struct device *d);
must_check struct err *files_put_device(const struct device *d);
must_check struct err *files_drop_device(const struct device *d);
/* Makes every VM that has a folder; a folder without "config" is what remained of one that was
 * being added or removed, and goes. Before the socket opens. */
must_check struct err *files_load(void);

/* The devices that come with the VM, as in "state". */
void files_list_active(const struct vm *vm, struct arena *a, struct string_list *out);
void files_mark_active(struct vm *vm, const struct string_list *active);

/* What must be remembered of a suspended VM, for VM.export_metadata; in the arena. */
struct json_text files_export_state(const struct vm *vm, struct arena *a);
/* Makes a halted VM the suspended one that TEXT was exported from. INVALID_VALUE. */
must_check struct err *files_import_state(struct vm *vm, struct json_text text);

/* Sets the phase, and notes it with what else is in "state". */
must_check struct err *vm_set_phase(struct vm *vm, enum xenopsd_phase phase);

#endif
