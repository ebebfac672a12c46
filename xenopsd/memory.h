/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's memory, promised before it is taken: what starts at once cannot take more than there
 * is. Loop thread.
 */
#ifndef XENITH_XENOPSD_MEMORY_H
#define XENITH_XENOPSD_MEMORY_H

#include "xenopsd/vm.h"

/* Promises VM what its start takes: Not_enough_memory. */
MAY_WAIT must_check struct err *memory_reserve(struct vm *vm);
/* The VM has taken it, or will not. Harmless where nothing was promised. */
void memory_release(struct vm *vm);
/* Promised and not yet taken. */
int64_t memory_reserved_bytes(void);

#endif
