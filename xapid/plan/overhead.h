/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a VM costs of the host's memory beside its own: what Xen keeps for it.
 */
#ifndef XENITH_XAPID_PLAN_OVERHEAD_H
#define XENITH_XAPID_PLAN_OVERHEAD_H

#include "common/err.h"

#include "xenapi.gen.h"

/* With so much memory, in bytes, and so many processors. */
int64_t overhead_with(const struct xenapi_vm *vm, int64_t memory, int64_t vcpus);
/* As it is. */
int64_t overhead_of(const struct xenapi_vm *vm);
/* Notes it as memory_overhead, after what it depends on was written. */
must_check struct err *overhead_note(const char *vm);

#endif
