/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of class HOST: what the backend knows of the machine, the memory that is promised, and
 * how much is done at once.
 */
#include "common/rpc.h"
#include "core.gen.h"
#include "xenopsd/backend.h"
#include "xenopsd/memory.h"
#include "xenopsd/queue.h"
#include "xenopsd/xenopsd.h"

#define MAX_WORKERS 1000

#define ASK(member, ...) \
	(xenopsd.backend->member ? xenopsd.backend->member(__VA_ARGS__) \
				 : err(Unimplemented, #member))

MAY_WAIT struct err *api_host_stat(struct call *c, struct xenops_host_stat *out)
{
	return ASK(host_stat, c->arena, out);
}

MAY_WAIT struct err *api_host_memory(struct call *c, struct xenops_host_memory *out)
{
	TRY(ASK(host_memory, out));
	out->reserved_bytes = memory_reserved_bytes();
	out->free_bytes -= out->reserved_bytes;
	return NULL;
}

MAY_WAIT struct err *api_host_dmesg(
	struct call *c, const struct xenops_host_dmesg_in *in, const char **out)
{
	return ASK(host_dmesg, in->clear, c->arena, out);
}

MAY_WAIT struct err *api_host_send_debug_keys(
	struct call *c, const struct xenops_host_send_debug_keys_in *in)
{
	return ASK(host_debug_keys, in->keys);
}

MAY_WAIT struct err *api_host_set_worker_pool_size(
	struct call *c, const struct xenops_host_set_worker_pool_size_in *in)
{
	if (in->size < 1 || in->size > MAX_WORKERS)
		return err(INVALID_VALUE, "size", "not between 1 and 1000");
	queue_set_workers(in->size);
	return NULL;
}
