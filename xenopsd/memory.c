/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Promises of memory (memory.h). The hypervisor knows what is free; what was promised and is not
 * yet taken is kept off it. While a VM is built its memory may count twice, so a start that finds
 * too little looks again when a promise has ended.
 */
#include "xenopsd/memory.h"

#include "common/mem.h"
#include "core.gen.h"
#include "xenopsd/backend.h"
#include "xenopsd/xenopsd.h"

#include <inttypes.h>

static struct {
	int64_t reserved_bytes;
	unsigned n_promises, n_ended; /* n_ended counts on for ever */
	struct cond ended;
} memory;

int64_t memory_reserved_bytes(void)
{
	return memory.reserved_bytes;
}

static int64_t needed_bytes(const struct vm *vm)
{
	return xenopsd.backend->vm_memory_bytes ? xenopsd.backend->vm_memory_bytes(vm)
						: vm->config.memory_dynamic_max_bytes;
}

struct err *memory_reserve(struct vm *vm)
{
	int64_t needed = needed_bytes(vm);

	if (!memory.ended.waiters.next)
		cond_init(&memory.ended);
	for (;;) {
		struct xenops_host_memory host;
		unsigned n_ended = memory.n_ended;

		TRY(xenopsd.backend->host_memory(&host));
		if (n_ended != memory.n_ended)
			continue; /* what the host told may be from before */
		if (host.free_bytes - memory.reserved_bytes >= needed)
			break;
		if (!memory.n_promises) {
			auto_str bytes = xasprintf("%" PRId64, needed);

			return err(Not_enough_memory, bytes);
		}
		TRY(cond_wait(&memory.ended, "for others to take their memory", NEVER));
	}
	vm->reserved_bytes = needed;
	memory.reserved_bytes += needed;
	memory.n_promises++;
	return NULL;
}

void memory_release(struct vm *vm)
{
	if (!vm->reserved_bytes)
		return;
	memory.reserved_bytes -= vm->reserved_bytes;
	vm->reserved_bytes = 0;
	memory.n_promises--;
	memory.n_ended++;
	cond_broadcast(&memory.ended);
}
