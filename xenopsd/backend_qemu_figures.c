/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The counters of all running VMs, for rrdd: time of VCPUs from the threads of QEMU, drives and
 * balloon by QMP, network interfaces from what the kernel counts of their taps.
 */
#define LOG_MODULE "qemu"
#include "common/companion.h"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/number.h"
#include "core.gen.h"
#include "xenopsd/backend_qemu.h"

#include <stdio.h>
#include <string.h>

#define MAX_NET_DEV ((size_t)4 << 20)

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
	size_t i;
	json_t *one;

	json_array_foreach((json_t *)all, i, one)
	{
		if (qemu_is_drive(json_string_value(json_object_get(one, "qdev")), id))
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
	vm_for_each (vbd, m->vm, DEVICE_VBD) {
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

/* What is behind the name, which stands at the beginning of a line, behind blanks or not. */
static const char *counters_of(const char *text, const char *name)
{
	auto_str wanted = xasprintf("%s:", name);
	const char *at = text;

	while ((at = strstr(at, wanted)) && at > text && !strchr(" \n", at[-1]))
		at++;
	return at ? at + strlen(wanted) : NULL;
}

/* Fills in the counters of a tap from TEXT, which is /proc/net/dev; false when it is not there.
 * What the guest receives its tap has sent. */
static bool read_tap(const char *text, const char *tap, struct xenops_vif_figures *out)
{
	const char *counters = counters_of(text, tap);
	long long rx, rx_errors, tx, tx_errors;

	if (!counters ||
		sscanf(counters, " %lld %*d %lld %*d %*d %*d %*d %*d %lld %*d %lld", &rx,
			&rx_errors, &tx, &tx_errors) != 4)
		return false;
	out->rx_bytes = tx;
	out->tx_bytes = rx;
	out->rx_errors = tx_errors;
	out->tx_errors = rx_errors;
	return true;
}

/* QEMU's user network counts nothing. (Sysfs may show the interfaces of another namespace.) */
static MAY_WAIT struct err *nics(struct machine *m, struct arena *a, struct xenops_vm_figures *out)
{
	auto_str text = NULL;

	TRY(file_load("/proc/net/dev", MAX_NET_DEV, &text, NULL));
	out->vifs.v = arena_calloc(a, m->vm->devices.n, sizeof(*out->vifs.v));
	vm_for_each (vif, m->vm, DEVICE_VIF) {
		struct xenops_vif_figures figures = {.position = vif->vif.position};

		if (read_tap(text, qemu_tap_name(m, vif, a), &figures))
			out->vifs.v[out->vifs.n++] = figures;
	}
	return NULL;
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
	return nics(m, a, out);
}

struct err *qemu_figures(struct arena *a, struct xenops_figures *out)
{
	const char **ids = arena_calloc(a, vms.n, sizeof(*ids));
	size_t n = 0;

	map_for_each (slot, &vms)
		ids[n++] = arena_strdup(a, slot->key);
	out->vms.v = arena_calloc(a, n, sizeof(*out->vms.v));
	for (size_t i = 0; i < n; i++) {
		struct vm *found = vm_find(ids[i]);
		if (!found || !found->own || !machine_is_up(found->own))
			continue;
		AUTO(vm_release) struct vm *vm = vm_hold(found);
		auto_err e = figures_of(vm->own, a, &out->vms.v[out->vms.n]);
		if (e)
			log_err(LOG_DEBUG_, e, "vm=%s: its figures", ids[i]);
		else
			out->vms.n++;
	}
	out->taken_ns = clock_mono_ns();
	return NULL;
}
