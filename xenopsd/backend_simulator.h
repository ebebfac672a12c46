/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The simulator's process as its backend sees it, for backend_simulator*.c alone.
 */
#ifndef XENITH_XENOPSD_BACKEND_SIMULATOR_H
#define XENITH_XENOPSD_BACKEND_SIMULATOR_H

#include "common/err.h"
#include "common/rpc.h"

/* Finds the process, or starts it, and tells of its domains' changes from now on. */
MAY_WAIT must_check struct err *simulator_begin(void);
/* Ends the process unless it has domains. */
MAY_WAIT void simulator_stop(void);
void simulator_end(void);
/* For the generated calls. */
struct rpc_client *simulator_client(void);
/* Asks the process whether the atom is to fail or hang, if there is any such plan. */
MAY_WAIT must_check struct err *simulator_fault(const char *atom, const char *vm_id);

struct image;
struct vm;

/* backend_simulator_save.c: functions of the backend's table. */
MAY_WAIT must_check struct err *simulator_save_running(struct vm *vm, struct image *image);
MAY_WAIT must_check struct err *simulator_save(struct vm *vm, struct image *image);
MAY_WAIT must_check struct err *simulator_restore(struct vm *vm, struct image *image);

#endif
