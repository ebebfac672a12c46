/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of class HOST: what the backend knows of the machine, the memory that is promised, and
 * how much is done at once.
 */
#include "common/rpc.h"
#include "core.gen.h"
#include "xenopsd/agent_features.h"
#include "xenopsd/backend.h"
#include "xenopsd/memory.h"
#include "xenopsd/queue.h"
#include "xenopsd/xenopsd.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

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

MAY_WAIT struct err *api_host_set_numa_affinity_policy(
	struct call *c, const struct xenops_host_set_numa_affinity_policy_in *in)
{
	return ASK(host_set_numa_policy, in->policy);
}

MAY_WAIT struct err *api_host_update_guest_agent_features(
	struct call *c, const struct xenops_host_update_guest_agent_features_in *in)
{
	return agent_features_set(&in->features);
}

/* ---- CPU policies: words of hexadecimal digits with dashes between, a bit for a feature ---- */

#define MAX_WORDS 64

struct policy {
	uint32_t words[MAX_WORDS];
	size_t n;
};

static struct err *read_policy(const char *path, const char *text, struct policy *out)
{
	out->n = 0;
	while (*text && out->n < MAX_WORDS) {
		size_t len = strspn(text, "0123456789abcdefABCDEF");

		if (!len || len > 8 || (text[len] && text[len] != '-'))
			return err(INVALID_VALUE, path, "no CPU policy");
		out->words[out->n++] = (uint32_t)strtoul(text, NULL, 16);
		text += len + (text[len] == '-');
	}
	return *text ? err(INVALID_VALUE, path, "too long for a CPU policy") : NULL;
}

static struct err *read_two(const char *a_path, const char *a_text, struct policy *a,
	const char *b_path, const char *b_text, struct policy *b)
{
	TRY(read_policy(a_path, a_text, a));
	return read_policy(b_path, b_text, b);
}

MAY_WAIT struct err *api_host_combine_cpu_policies(
	struct call *c, const struct xenops_host_combine_cpu_policies_in *in, const char **out)
{
	struct policy a, b;
	const char *text = "";

	TRY(read_two("a", in->a, &a, "b", in->b, &b));
	for (size_t i = 0; i < a.n && i < b.n; i++)
		text = arena_printf(
			c->arena, "%s%s%08" PRIx32, text, i ? "-" : "", a.words[i] & b.words[i]);
	*out = text;
	return NULL;
}

/* What a policy has no word for it has not. */
MAY_WAIT struct err *api_host_is_compatible(
	struct call *c, const struct xenops_host_is_compatible_in *in, bool *out)
{
	struct policy vm, host;

	TRY(read_two("vm_policy", in->vm_policy, &vm, "host_policy", in->host_policy, &host));
	*out = true;
	for (size_t i = 0; i < vm.n; i++)
		if (vm.words[i] & ~(i < host.n ? host.words[i] : 0))
			*out = false;
	return NULL;
}
