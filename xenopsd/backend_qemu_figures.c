/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The counters of all running VMs, for rrdd: time of VCPUs from the threads of QEMU, drives and
 * balloon by QMP, network interfaces from their taps.
 */
#define LOG_MODULE "qemu"
#include "common/companion.h"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/number.h"
#include "common/vec.h"
#include "core.gen.h"
#include "xenopsd/backend_qemu.h"

#include <net/if.h>
#include <string.h>

/* The number that the file begins with; 0 when it cannot be read. */
static MAY_WAIT int64_t read_number(const char *path)
{
	auto_str text = NULL;
	int64_t n;
	auto_err e = file_load(path, 4096, &text, NULL);

	return !e && number_read_int(text, strcspn(text, " \n"), &n) ? n : 0;
}

static MAY_WAIT struct err *vcpus(struct machine *m, struct arena *a, struct xenops_vm_figures *out)
{
	json_auto_t *cpus = NULL;
	size_t i;
	json_t *cpu;

	TRY(machine_call(m, "query-cpus-fast", NULL, &cpus));
	out->vcpus_ns.v = arena_calloc(a, json_array_size(cpus), sizeof(*out->vcpus_ns.v));
	json_array_foreach(cpus, i, cpu)
	{
		long long thread = json_integer_value(json_object_get(cpu, "thread-id"));
		auto_str path =
			xasprintf("/proc/%d/task/%lld/schedstat", (int)m->process->pid, thread);
		out->vcpus_ns.v[out->vcpus_ns.n++] = read_number(path);
	}
	return NULL;
}

/* Of the drive with this id among what query-blockstats tells; NULL: it is not there. */
static const json_t *stats_of(const json_t *all, const char *id)
{
	auto_str path = xasprintf("/%s/", id);
	size_t i;
	json_t *one;

	json_array_foreach((json_t *)all, i, one)
	{
		const char *qdev = json_string_value(json_object_get(one, "qdev"));
		size_t len = qdev ? strlen(qdev) : 0;
		if (len &&
			(strstr(qdev, path) ||
				(len >= strlen(id) && !strcmp(qdev + len - strlen(id), id))))
			return json_object_get(one, "stats");
	}
	return NULL;
}

static int64_t counter(const json_t *stats, const char *name)
{
	return json_integer_value(json_object_get(stats, name));
}

static MAY_WAIT struct err *drives(
	struct machine *m, struct arena *a, struct xenops_vm_figures *out)
{
	json_auto_t *all = NULL;

	TRY(machine_call(m, "query-blockstats", NULL, &all));
	out->vbds.v = arena_calloc(a, m->vm->devices.n, sizeof(*out->vbds.v));
	vm_for_each(vbd, m->vm, DEVICE_VBD)
	{
		const char *id;
		auto_err e = qemu_device_id(vbd, a, &id);
		const json_t *stats = e ? NULL : stats_of(all, id);
		if (!stats)
			continue;
		out->vbds.v[out->vbds.n++] = (struct xenops_vbd_figures){
			.position =
				arena_strdup(a, vbd->vbd.position ? vbd->vbd.position : vbd->name),
			.read_bytes = counter(stats, "rd_bytes"),
			.written_bytes = counter(stats, "wr_bytes"),
			.reads = counter(stats, "rd_operations"),
			.writes = counter(stats, "wr_operations"),
			.read_us = counter(stats, "rd_total_time_ns") / NS_PER_US,
			.write_us = counter(stats, "wr_total_time_ns") / NS_PER_US};
	}
	return NULL;
}

static MAY_WAIT int64_t tap_counter(const char *tap, const char *name)
{
	auto_str path = xasprintf("/sys/class/net/%s/statistics/%s", tap, name);

	return read_number(path);
}

/* What the guest receives its tap has sent. QEMU's user network counts nothing. */
static MAY_WAIT void nics(struct machine *m, struct arena *a, struct xenops_vm_figures *out)
{
	vec_of(int64_t) positions = {0};
	vec_of(const char *) taps = {0};

	vm_for_each(vif, m->vm, DEVICE_VIF)
	{
		vec_push(&positions, vif->vif.position);
		vec_push(&taps, qemu_tap_name(m, vif, a));
	}
	out->vifs.v = arena_calloc(a, taps.n, sizeof(*out->vifs.v));
	vec_for_each (i, &taps)
		if (if_nametoindex(taps.v[i]))
			out->vifs.v[out->vifs.n++] =
				(struct xenops_vif_figures){.position = positions.v[i],
					.rx_bytes = tap_counter(taps.v[i], "tx_bytes"),
					.tx_bytes = tap_counter(taps.v[i], "rx_bytes"),
					.rx_errors = tap_counter(taps.v[i], "tx_errors"),
					.tx_errors = tap_counter(taps.v[i], "rx_errors")};
	vec_fini(&positions);
	vec_fini(&taps);
}

static MAY_WAIT struct err *figures_of(
	struct machine *m, struct arena *a, struct xenops_vm_figures *out)
{
	*out = (struct xenops_vm_figures){.vm = arena_strdup(a, m->vm->id), .domid = m->domid};
	TRY(machine_memory(m, &out->memory_bytes));
	out->memory_target_bytes =
		m->memory_target_bytes ? m->memory_target_bytes : out->memory_bytes;
	TRY(vcpus(m, a, out));
	TRY(drives(m, a, out));
	nics(m, a, out);
	return NULL;
}

struct err *qemu_figures(struct arena *a, struct xenops_figures *out)
{
	const char **ids = arena_calloc(a, vms.n, sizeof(*ids));
	size_t n = 0;

	map_for_each (slot, &vms)
		ids[n++] = arena_strdup(a, slot->key);
	out->vms.v = arena_calloc(a, n, sizeof(*out->vms.v));
	for (size_t i = 0; i < n; i++) {
		struct vm *vm = vm_find(ids[i]);
		if (!vm || !vm->own || !machine_is_up(vm->own))
			continue;
		auto_err e = figures_of(vm->own, a, &out->vms.v[out->vms.n]);
		if (e)
			log_err(LOG_DEBUG_, e, "vm=%s: its figures", ids[i]);
		else
			out->vms.n++;
	}
	out->taken_ns = clock_mono_ns();
	return NULL;
}
