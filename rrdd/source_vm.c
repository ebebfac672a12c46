/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A VM's figures, from what xenopsd tells of it (sources.h). Pure.
 */
#include "rrdd/sources.h"

#include <math.h>

static void add_cpus(const struct xenops_vm_figures *vm, struct samples *s)
{
	double sum = 0;

	for (size_t i = 0; i < vm->vcpus_ns.n; i++) {
		double seconds = (double)vm->vcpus_ns.v[i] / 1e9;

		sum += seconds;
		sample_counter(s, seconds, 1, "(fraction)", "Use of a VCPU", "cpu%zu", i);
	}
	if (vm->vcpus_ns.n)
		sample_counter(s, sum / (double)vm->vcpus_ns.n, 1, "(fraction)",
			"Use of the VCPUs, on average", "cpu_usage");
}

static void add_runstates(const struct xenops_runstates *r, struct samples *s)
{
	const struct {
		const char *name, *description;
		int64_t ns;
	} states[] = {
		{"runstate_fullrun", "All VCPUs run", r->full_run_ns},
		{"runstate_full_contention", "All VCPUs wait for a CPU", r->full_contention_ns},
		{"runstate_concurrency_hazard", "Some VCPUs run, some wait for a CPU",
			r->concurrency_hazard_ns},
		{"runstate_blocked", "All VCPUs are idle", r->blocked_ns},
		{"runstate_partial_run", "Some VCPUs run, some are idle", r->partial_run_ns},
		{"runstate_partial_contention", "Some VCPUs wait for a CPU, some are idle",
			r->partial_contention_ns},
	};

	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		sample_counter(s, (double)states[i].ns / 1e9, 1, "(fraction)",
			states[i].description, "%s", states[i].name);
}

static void add_memory(const struct xenops_vm_figures *vm, struct samples *s)
{
	sample_gauge(
		s, (double)vm->memory_bytes, INFINITY, "B", "Memory that the VM has", "memory");
	sample_gauge(s, (double)vm->memory_target_bytes, INFINITY, "B",
		"Memory that the VM is to have", "memory_target");
	if (vm->memory_internal_free_bytes)
		sample_gauge(s, (double)*vm->memory_internal_free_bytes / 1024, INFINITY, "KiB",
			"Memory that the guest calls free", "memory_internal_free");
}

static void add_vif(const struct xenops_vif_figures *vif, struct samples *s)
{
	int n = (int)vif->position;

	sample_counter(s, (double)vif->rx_bytes, INFINITY, "B/s", "Bytes received", "vif_%d_rx", n);
	sample_counter(s, (double)vif->tx_bytes, INFINITY, "B/s", "Bytes sent", "vif_%d_tx", n);
	sample_counter(s, (double)vif->rx_errors, INFINITY, "err/s", "Errors in receiving",
		"vif_%d_rx_errors", n);
	sample_counter(s, (double)vif->tx_errors, INFINITY, "err/s", "Errors in sending",
		"vif_%d_tx_errors", n);
}

static void add_vbd(const struct xenops_vbd_figures *vbd, struct samples *s)
{
	const char *name = vbd->position;

	sample_counter(s, (double)vbd->read_bytes, INFINITY, "B/s", "Bytes read from a disk",
		"vbd_%s_read", name);
	sample_counter(s, (double)vbd->written_bytes, INFINITY, "B/s", "Bytes written to a disk",
		"vbd_%s_write", name);
	sample_counter(s, (double)vbd->reads, INFINITY, "requests/s", "Reads from a disk",
		"vbd_%s_iops_read", name);
	sample_counter(s, (double)vbd->writes, INFINITY, "requests/s", "Writes to a disk",
		"vbd_%s_iops_write", name);
	sample_gauge(s, (double)vbd->in_flight, INFINITY, "requests", "Requests that wait",
		"vbd_%s_inflight", name);
}

void vm_read(const struct xenops_vm_figures *vm, struct samples *out)
{
	add_cpus(vm, out);
	if (vm->runstates)
		add_runstates(vm->runstates, out);
	add_memory(vm, out);
	for (size_t i = 0; i < vm->vifs.n; i++)
		add_vif(&vm->vifs.v[i], out);
	for (size_t i = 0; i < vm->vbds.n; i++)
		add_vbd(&vm->vbds.v[i], out);
}
