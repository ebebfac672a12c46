/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The counters of all VMs: of VCPUs from the hypervisor, of drives and network interfaces from the
 * kernel's back ends, which count in sysfs. All in one go of the pool.
 */
#include "common/mem.h"
#include "core.gen.h"
#include "xenopsd/backend_xenlight.h"

#include <stdio.h>
#include <string.h>

#define KIB          1024
#define SECTOR_BYTES 512

/* One VM to be counted; what is wished is copied before the pool begins. */
struct counted {
	struct xenlight_domain domain;
	struct xenops_vm_figures figures;
	int *vbd_numbers; /* as many as figures.vbds */
};

struct figures_call {
	struct arena arena;
	struct counted *vms;
	size_t n;
};

/* ---- in the pool ---- */

/* The number in a file of sysfs; 0 where there is none. */
static int64_t read_number(const char *folder, const char *name)
{
	auto_str path = xasprintf("%s/%s", folder, name);
	long long n = 0;
	FILE *file = fopen(path, "re");

	if (!file)
		return 0;
	if (fscanf(file, "%lld", &n) != 1)
		n = 0;
	fclose(file);
	return n;
}

/* What the host's side receives, the guest has sent. */
static void count_vif(unsigned domid, struct xenops_vif_figures *vif)
{
	auto_str folder =
		xasprintf("/sys/class/net/vif%u.%lld/statistics", domid, (long long)vif->position);

	vif->rx_bytes = read_number(folder, "tx_bytes");
	vif->tx_bytes = read_number(folder, "rx_bytes");
	vif->rx_errors = read_number(folder, "tx_errors");
	vif->tx_errors = read_number(folder, "rx_errors");
}

static void count_vbd(unsigned domid, int number, struct xenops_vbd_figures *vbd)
{
	auto_str folder =
		xasprintf("/sys/bus/xen-backend/devices/vbd-%u-%d/statistics", domid, number);

	vbd->reads = read_number(folder, "rd_req");
	vbd->writes = read_number(folder, "wr_req");
	vbd->read_bytes = read_number(folder, "rd_sect") * SECTOR_BYTES;
	vbd->written_bytes = read_number(folder, "wr_sect") * SECTOR_BYTES;
}

static void count_vcpus(struct arena *a, struct counted *c)
{
	int n, n_cpus;
	libxl_vcpuinfo *all = libxl_list_vcpu(xenlight_ctx, c->domain.info.domid, &n, &n_cpus);

	if (!all)
		return;
	c->figures.vcpus_ns.v = arena_calloc(a, (size_t)n, sizeof(int64_t));
	for (int i = 0; i < n; i++)
		c->figures.vcpus_ns.v[c->figures.vcpus_ns.n++] = (int64_t)all[i].vcpu_time;
	libxl_vcpuinfo_list_free(all, n);
}

static void count_vm(struct arena *a, struct counted *c)
{
	unsigned domid = c->domain.info.domid;
	uint64_t target_kib;

	c->figures.domid = domid;
	c->figures.memory_bytes = (int64_t)c->domain.info.current_memkb * KIB;
	c->figures.memory_target_bytes = c->figures.memory_bytes;
	if (!libxl_get_memory_target(xenlight_ctx, domid, &target_kib))
		c->figures.memory_target_bytes = (int64_t)target_kib * KIB;
	count_vcpus(a, c);
	for (size_t i = 0; i < c->figures.vifs.n; i++)
		count_vif(domid, &c->figures.vifs.v[i]);
	for (size_t i = 0; i < c->figures.vbds.n; i++)
		count_vbd(domid, c->vbd_numbers[i], &c->figures.vbds.v[i]);
}

static void find_domain(struct counted *c, const libxl_dominfo *all, int n)
{
	for (int i = 0; i < n; i++)
		if (!libxl_uuid_compare(&all[i].uuid, &c->domain.uuid) && !all[i].dying) {
			c->domain.is_there = true;
			c->domain.info = all[i];
			c->domain.info.ssid_label = NULL;
			return;
		}
}

static int count(void *arg)
{
	struct figures_call *f = arg;
	int n;
	libxl_dominfo *all = libxl_list_domain(xenlight_ctx, &n);

	if (!all)
		return ERROR_FAIL;
	for (size_t i = 0; i < f->n; i++) {
		find_domain(&f->vms[i], all, n);
		if (f->vms[i].domain.is_there)
			count_vm(&f->arena, &f->vms[i]);
	}
	libxl_dominfo_list_free(all, n);
	return 0;
}

/* ---- on the loop ---- */

static void wish_devices(struct figures_call *f, const struct vm *vm, struct counted *c)
{
	size_t n = vm->devices.n;

	c->figures.vifs.v = arena_calloc(&f->arena, n, sizeof(*c->figures.vifs.v));
	c->figures.vbds.v = arena_calloc(&f->arena, n, sizeof(*c->figures.vbds.v));
	c->vbd_numbers = arena_calloc(&f->arena, n, sizeof(int));
	vm_for_each (vif, vm, DEVICE_VIF)
		c->figures.vifs.v[c->figures.vifs.n++].position = vif->vif.position;
	vm_for_each (vbd, vm, DEVICE_VBD) {
		c->vbd_numbers[c->figures.vbds.n] = xenlight_vbd_number(vbd);
		c->figures.vbds.v[c->figures.vbds.n++].position =
			arena_strdup(&f->arena, vbd->name);
	}
}

/* Every VM that had a domain when it was last looked at. */
static void wish(struct figures_call *f)
{
	f->vms = arena_calloc(&f->arena, vms.n, sizeof(*f->vms));
	map_for_each (entry, &vms) {
		struct vm *vm = entry->value;
		struct counted *c = &f->vms[f->n];

		if (!xenlight_vm(vm)->was_there || !xenlight_domain_init(&c->domain, vm))
			continue;
		c->figures.vm = arena_strdup(&f->arena, vm->id);
		wish_devices(f, vm, c);
		f->n++;
	}
}

/* The answer outlives this call's own arena. */
static void copy(
	struct arena *a, const struct xenops_vm_figures *from, struct xenops_vm_figures *to)
{
	*to = *from;
	to->vm = arena_strdup(a, from->vm);
	to->vcpus_ns.v = arena_calloc(a, from->vcpus_ns.n, sizeof(int64_t));
	for (size_t i = 0; i < from->vcpus_ns.n; i++)
		to->vcpus_ns.v[i] = from->vcpus_ns.v[i];
	to->vifs.v = arena_calloc(a, from->vifs.n, sizeof(*to->vifs.v));
	for (size_t i = 0; i < from->vifs.n; i++)
		to->vifs.v[i] = from->vifs.v[i];
	to->vbds.v = arena_calloc(a, from->vbds.n, sizeof(*to->vbds.v));
	for (size_t i = 0; i < from->vbds.n; i++) {
		to->vbds.v[i] = from->vbds.v[i];
		to->vbds.v[i].position = arena_strdup(a, from->vbds.v[i].position);
	}
}

struct err *xenlight_figures(struct arena *a, struct xenops_figures *out)
{
	struct figures_call f = {0};

	wish(&f);
	*out = (struct xenops_figures){.taken_ns = clock_mono_ns()};
	struct err *e = xenlight_run("counting", count, &f);
	if (!e) {
		out->vms.v = arena_calloc(a, f.n, sizeof(*out->vms.v));
		for (size_t i = 0; i < f.n; i++)
			if (f.vms[i].domain.is_there)
				copy(a, &f.vms[i].figures, &out->vms.v[out->vms.n++]);
	}
	arena_fini(&f.arena);
	return e;
}
