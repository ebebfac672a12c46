/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host as xenopsd sees it (host_state.h). Clients compare processors, so an object of one that
 * has changed is replaced, and others stay.
 */
#define LOG_MODULE "link"
#include "xapid/link/host_state.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/number.h"
#include "xapid/db/db.h"
#include "xapid/link/xenopsd.h"

#include <string.h>

#define MEMORY_AFTER_NS NS_PER_S

static bool memory_is_due;

static const char *text_of(struct arena *a, int64_t v)
{
	return arena_printf(a, "%lld", (long long)v);
}

/* The whole number that a text begins with: "2400.000" is 2400. */
static int64_t number_of(const char *text)
{
	int64_t v;

	return number_read_int(text, strspn(text, "0123456789"), &v) ? v : 0;
}

/* ---- processors ---- */

static struct err *note_cpu_info(
	const char *host, const struct xenops_cpu_info *cpu, struct arena *a)
{
	struct string_map_entry v[] = {
		{"cpu_count", text_of(a, cpu->cpu_count)},
		{"socket_count", text_of(a, cpu->socket_count)},
		{"vendor", cpu->vendor},
		{"features_hvm_host", cpu->features_hvm_host},
		{"features_pv_host", cpu->features_pv_host},
		{"threads_per_core", text_of(a, cpu->threads_per_core)},
		{"nr_nodes", text_of(a, cpu->numa_nodes)},
		{"speed", cpu->speed_mhz},
		{"modelname", cpu->modelname},
		{"family", cpu->family},
		{"model", cpu->model},
		{"stepping", cpu->stepping},
		{"flags", cpu->flags},
		{"features_pv", cpu->features_pv},
		{"features_hvm", cpu->features_hvm},
	};
	/* What all hosts of a pool have is the first of these; the master says it. */
	const struct string_map map = {v, ARRAY_LEN(v)}, of_pool = {v, 5};

	TRY(db_write(host, host, cpu_info, map));
	const struct xenapi_pool *pool = db_first(pool);
	return pool && !strcmp(pool->master, host)
		? db_write(pool, db_first_ref(pool), cpu_info, of_pool)
		: NULL;
}

static const char *cpu_row(const char *host, int64_t number)
{
	db_for_each (host_cpu, row) {
		const struct xenapi_host_cpu *cpu = db_record(row);

		if (cpu->number == number && !strcmp(cpu->host, host))
			return db_ref(row);
	}
	return NULL;
}

static struct err *note_cpu(const char *host, int64_t number, const struct xenops_cpu_info *info)
{
	struct xenapi_host_cpu cpu = db_blank(host_cpu);
	const char *there = cpu_row(host, number);
	const struct xenapi_host_cpu *old = there ? db_find(host_cpu, there) : NULL;

	if (old && !strcmp(old->modelname, info->modelname) && !strcmp(old->flags, info->flags))
		return NULL;
	if (there)
		TRY(db_delete(host_cpu, there));
	cpu.host = host;
	cpu.number = number;
	cpu.vendor = info->vendor;
	cpu.speed = number_of(info->speed_mhz);
	cpu.modelname = info->modelname;
	cpu.family = number_of(info->family);
	cpu.model = number_of(info->model);
	cpu.stepping = info->stepping;
	cpu.flags = info->flags;
	return db_create(host_cpu, &cpu, NULL);
}

static struct err *note_cpus(const char *host, const struct xenops_cpu_info *info)
{
	for (int64_t i = 0; i < info->cpu_count; i++)
		TRY(note_cpu(host, i, info));
	db_for_each (host_cpu, row) {
		const struct xenapi_host_cpu *cpu = db_record(row);

		if (cpu->number >= info->cpu_count && !strcmp(cpu->host, host))
			TRY(db_delete(host_cpu, db_ref(row)));
	}
	return NULL;
}

/* ---- the hypervisor ---- */

/* The words of TEXT. */
static struct string_list words_of(const char *text, struct arena *a)
{
	struct string_list out = {.v = arena_calloc(a, strlen(text) / 2 + 1, sizeof(*out.v))};

	while (*(text += strspn(text, " \n"))) {
		size_t len = strcspn(text, " \n");

		out.v[out.n++] = arena_strndup(a, text, len);
		text += len;
	}
	return out;
}

static struct err *note_hypervisor(
	const char *host, const struct xenops_host_stat *stat, struct arena *a)
{
	const struct string_list capabilities = words_of(stat->hypervisor_capabilities, a);
	struct string_map_entry v[] = {{"iommu", stat->iommu ? "true" : "false"}};
	const struct string_map chipset = {v, ARRAY_LEN(v)};
	bool is_xen = !strcmp(stat->hypervisor, "xen");
	const char *hypervisor = arena_printf(a, "%s%s%s", stat->hypervisor,
		*stat->hypervisor_version ? " " : "", stat->hypervisor_version);

	TRY(db_write(host, host, capabilities, capabilities));
	TRY(db_write(host, host, chipset_info, chipset));
	TRY(db_map_put(host, host, software_version, "hypervisor", hypervisor));
	return db_map_put(
		host, host, software_version, "xen", is_xen ? stat->hypervisor_version : "");
}

struct err *host_state_note(const char *ref, const struct xenops_host_stat *stat)
{
	auto_arena a = {0};
	const char *host = arena_strdup(&a, ref);

	TRY(note_cpu_info(host, &stat->cpu_info, &a));
	TRY(note_cpus(host, &stat->cpu_info));
	return note_hypervisor(host, stat, &a);
}

/* ---- asking ---- */

int64_t host_state_overhead(const char *ref, const struct xenops_host_memory *memory)
{
	const struct xenapi_host *host = db_find(host, ref);
	const struct xenapi_vm *dom0 = host ? db_find(vm, host->control_domain) : NULL;
	const struct xenapi_vm_metrics *of_dom0 = dom0 ? db_find(vm_metrics, dom0->metrics) : NULL;
	int64_t overhead = memory->total_bytes - memory->initial_free_bytes -
		(of_dom0 ? of_dom0->memory_actual : 0);

	return overhead > 0 ? overhead : 0;
}

static struct err *note_overhead(const char *host, const struct xenops_host_memory *memory)
{
	TRY(db_write(host, host, memory_overhead, host_state_overhead(host, memory)));
	return db_write(host, host, boot_free_mem, memory->initial_free_bytes);
}

static MAY_WAIT struct err *compare_memory(void)
{
	auto_arena arena = {0};
	struct xenops_host_memory memory;

	TRY(xenops_host_memory(link_xenopsd.client, &arena, &memory, deadline_in(LINK_CALL_NS)));
	const struct xenapi_host *host = db_find(host, host_here());
	if (!host || !db_find(host_metrics, host->metrics))
		return NULL;
	TRY(note_overhead(host_here(), &memory));
	TRY(db_write(host_metrics, host->metrics, memory_total, memory.total_bytes));
	return db_write(host_metrics, host->metrics, memory_free, memory.free_bytes);
}

MAY_WAIT struct err *host_state_tell_numa(void)
{
	auto_arena a = {0};
	const struct xenapi_host *host = db_find(host, host_here());
	enum xenops_numa_policy policy = XENOPS_NUMA_POLICY_ANY;
	struct xenops_host_set_numa_affinity_policy_in in = {&policy};

	if (!host)
		return NULL;
	switch (host->numa_affinity_policy) {
	case XENAPI_HOST_NUMA_AFFINITY_POLICY_ANY:
		break;
	case XENAPI_HOST_NUMA_AFFINITY_POLICY_BEST_EFFORT:
		policy = XENOPS_NUMA_POLICY_BEST_EFFORT;
		break;
	case XENAPI_HOST_NUMA_AFFINITY_POLICY_DEFAULT_POLICY:
		in.policy = NULL;
		break;
	}
	return xenops_host_set_numa_affinity_policy(
		link_xenopsd.client, &in, &a, deadline_in(LINK_CALL_NS));
}

MAY_WAIT struct err *host_state_compare(void)
{
	auto_arena arena = {0};
	struct xenops_host_stat stat;

	TRY(xenops_host_stat(link_xenopsd.client, &arena, &stat, deadline_in(LINK_CALL_NS)));
	if (!db_find(host, host_here()))
		return NULL;
	TRY(host_state_note(host_here(), &stat));
	TRY(host_state_tell_numa());
	return compare_memory();
}

static MAY_WAIT void compare_memory_later(void *unused)
{
	auto_err cut = fiber_sleep(MEMORY_AFTER_NS);

	memory_is_due = false;
	if (cut)
		return;
	auto_err e = compare_memory();
	if (e)
		log_err(LOG_DEBUG_, e, "the host's memory");
}

void host_state_memory_soon(void)
{
	if (memory_is_due)
		return;
	memory_is_due = true;
	auto_err e = fiber_spawn(NULL, compare_memory_later, NULL, "host memory");
	if (e)
		memory_is_due = false;
}
