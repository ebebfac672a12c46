/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a VM's config to libxl's: what kind of domain, how much of what, and its kernel. Devices are
 * not in it; they are plugged one by one. What libxl's config owns is from malloc.
 */
#include "common/mem.h"
#include "core.gen.h"
#include "xenopsd/backend_xenlight.h"

#include <stdio.h>
#include <string.h>

#define KIB 1024
#define MIB (1024 * 1024)

/* NULL: an HVM guest. */
static const struct xenops_pv_guest *pv_of(const struct xenops_guest *guest)
{
	switch (guest->kind) {
	case XENOPS_GUEST_HVM:
		return NULL;
	case XENOPS_GUEST_PVH:
		return &guest->pvh;
	case XENOPS_GUEST_PV:
		return &guest->pv;
	case XENOPS_GUEST_PV_IN_PVH:
		return &guest->pv_in_pvh;
	}
	return NULL;
}

/* Keys below vm-data, with the letters that xenstore takes. */
static bool is_vm_data(const char *key)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_@/";

	return !strncmp(key, "vm-data", 7) && (key[7] == '/' || !key[7]) &&
		key[strspn(key, letters)] == '\0' && !strstr(key, "//") &&
		strlen(key) < XENSTORE_REL_PATH_MAX / 2;
}

static struct err *put_xenstore_data(const struct vm *vm, libxl_domain_create_info *info)
{
	const struct string_map *keys = &vm->config.xenstore_data;
	size_t n = 0;

	info->xsdata = xcalloc(2 * keys->n + 1, sizeof(char *));
	for (size_t i = 0; i < keys->n; i++) {
		if (!is_vm_data(keys->v[i].key))
			return err(INVALID_VALUE, "xenstore_data", "a key is not below vm-data");
		info->xsdata[n++] = xstrdup(keys->v[i].key);
		info->xsdata[n++] = xstrdup(keys->v[i].value);
	}
	return NULL;
}

static struct err *put_create_info(const struct vm *vm, int domid, libxl_domain_create_info *info)
{
	struct xenlight_domain d;

	if (!xenlight_domain_init(&d, vm))
		return err(INVALID_VALUE, "vm", "its id is no uuid");
	info->type = vm->config.guest.kind == XENOPS_GUEST_PV ? LIBXL_DOMAIN_TYPE_PV
							      : LIBXL_DOMAIN_TYPE_PVH;
	/* libxl wants names that are unique, and others make file names of them. */
	info->name = xstrdup(vm->id);
	info->uuid = d.uuid;
	info->domid = (libxl_domid)domid;
	info->ssidref = (uint32_t)vm->config.ssidref;
	return put_xenstore_data(vm, info);
}

static void put_vcpus(const struct xenops_vm *config, libxl_domain_build_info *info)
{
	info->max_vcpus = (int)config->vcpus_max;
	libxl_cpu_bitmap_alloc(xenlight_ctx, &info->avail_vcpus, info->max_vcpus);
	for (int i = 0; i < config->vcpus; i++)
		libxl_bitmap_set(&info->avail_vcpus, i);
	if (config->scheduler && config->scheduler->weight)
		info->sched_params.weight = (int)*config->scheduler->weight;
	if (config->scheduler && config->scheduler->cap)
		info->sched_params.cap = (int)*config->scheduler->cap;
}

static struct err *put_kernel(const struct xenops_boot *boot, libxl_domain_build_info *info)
{
	if (boot->kind != XENOPS_BOOT_DIRECT)
		return err(NOT_IMPLEMENTED, "a boot loader that looks for the kernel on a disk");
	info->kernel = xstrdup(boot->direct.kernel);
	info->cmdline = xstrdup(boot->direct.cmdline);
	if (boot->direct.ramdisk)
		info->ramdisk = xstrdup(boot->direct.ramdisk);
	return NULL;
}

static struct err *invalid_vcpus(const struct xenops_vm *config)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)config->vcpus_max);
	return err(Invalid_vcpus, text);
}

static struct err *check(const struct xenops_vm *config)
{
	if (config->vcpus_max < 1 || config->vcpus_max > 128 || config->vcpus < 1 ||
		config->vcpus > config->vcpus_max)
		return invalid_vcpus(config);
	if (config->memory_dynamic_max_bytes < MIB ||
		config->memory_static_max_bytes < config->memory_dynamic_max_bytes)
		return err(INVALID_VALUE, "memory_dynamic_max_bytes",
			"is not between 1 MiB and "
			"memory_static_max_bytes");
	return NULL;
}

struct err *xenlight_config(const struct vm *vm, int domid, libxl_domain_config *out)
{
	const struct xenops_vm *config = &vm->config;
	const struct xenops_pv_guest *pv = pv_of(&config->guest);

	libxl_domain_config_init(out);
	if (!pv)
		return err(NOT_IMPLEMENTED, "HVM guests on xenlight");
	TRY(check(config));
	TRY(put_create_info(vm, domid, &out->c_info));
	libxl_domain_build_info_init_type(&out->b_info, out->c_info.type);
	if (config->guest.kind == XENOPS_GUEST_PV_IN_PVH)
		libxl_defbool_set(&out->b_info.u.pvh.pvshim, true);
	put_vcpus(config, &out->b_info);
	/* A guest without a balloon driver has no use for memory that it is not given. */
	out->b_info.max_memkb = (uint64_t)config->memory_dynamic_max_bytes / KIB;
	out->b_info.target_memkb = (uint64_t)config->memory_dynamic_max_bytes / KIB;
	return put_kernel(&pv->boot, &out->b_info);
}

int64_t xenlight_vm_memory_bytes(const struct vm *vm, int64_t bytes)
{
	const struct xenops_vm *config = &vm->config;

	bytes = config->memory_dynamic_max_bytes + MIB;

	/* As libxl reckons it: page tables of what is paged by hardware. */
	if (config->guest.kind != XENOPS_GUEST_PV)
		bytes += 4 * KIB *
			(256 * config->vcpus_max + 2 * (config->memory_static_max_bytes / MIB));
	return bytes;
}
