/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's memory: promised before it is taken, so that what starts at once cannot take more than
 * there is, and shared out among the VMs that run, each of which has the same ratio of its dynamic
 * range (memory_balance.h). While there is enough for all, nothing is looked at but what is free.
 * Loop thread.
 */
#ifndef XENITH_XENOPSD_MEMORY_H
#define XENITH_XENOPSD_MEMORY_H

#include "xenopsd/vm.h"

struct json_writer;

/* Before all else here, and after it. */
void memory_begin(void);
void memory_end(void);

/*
 * Promises VM what its start takes, as much of its dynamic range as the others can have too; these
 * are made to give it, where they must. vm->build_bytes is what the guest then has of it.
 * Not_enough_memory, Cannot_free_this_much_memory, Vms_failed_to_cooperate.
 */
MAY_WAIT must_check struct err *memory_reserve(struct vm *vm);
/* The same for a guest that must have so many bytes: one that was saved, or comes from elsewhere,
 * with them. 0: not known, its dynamic max. */
MAY_WAIT must_check struct err *memory_reserve_exactly(struct vm *vm, int64_t bytes);
/* So many bytes of the host more, for a VM that is up. */
MAY_WAIT must_check struct err *memory_reserve_more(struct vm *vm, int64_t bytes);
/* The VM has taken it, or will not. Harmless where nothing was promised. */
void memory_release(struct vm *vm);
/* Promised and not yet taken. */
int64_t memory_reserved_bytes(void);

/* A VM ended, goes on or moves its balloon: what is free is shared out, where anybody is short. */
void memory_changed(void);
/* The ranges changed: returns when all have been told what they are to have. */
MAY_WAIT must_check struct err *memory_balance_now(void);
/* Until the next, VM has its least, whatever is free: there is less of it to be sent away. Returns
 * when its balloon is there, or does not move. */
MAY_WAIT must_check struct err *memory_squeeze(struct vm *vm);
/* Harmless where it was not squeezed. */
void memory_unsqueeze(struct vm *vm);
/* Its balloon does not do as it was told. */
bool memory_is_uncooperative(const struct vm *vm);
/* For `diagnostics`. */
void memory_dump(struct json_writer *w);

#endif
