/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hooks: programs of the host's owner that are run at turning points of a VM's life, and may forbid
 * what is to come. Those of a hook are in the folder of its name ("vm-pre-start") below the folder
 * `hooks` of xenopsd.conf; the operations run them as atoms (atoms.h). Fibers only.
 */
#ifndef XENITH_XENOPSD_HOOK_H
#define XENITH_XENOPSD_HOOK_H

#include "xenopsd/vm.h"

/*
 * Runs a hook's programs in the order of their names, each with the arguments -vmuuid ID -reason
 * REASON and, where the VM has a domain, -vmdomid N. One that exits with 1 is logged. Hook_failed
 * when one ends otherwise than with 0 or 1, cannot be run, or is not done within `hook-timeout`;
 * those behind it are not run then. A hook without programs is none.
 */
MAY_WAIT must_check struct err *hook_run(
	const struct vm *vm, const char *hook, enum xenopsd_hook_reason reason);

#endif
