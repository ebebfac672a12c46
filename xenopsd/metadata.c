/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VMs as records with all their devices (metadata.h).
 */
#include "xenopsd/metadata.h"

#include "common/codec.h"
#include "core.gen.h"
#include "xenopsd/add.h"
#include "xenopsd/files.h"

#include <string.h>

/* The devices of one class as an array of records of the class. */
struct given {
	enum device_class class;
	const void *v;
	size_t n;
};

#define GIVEN(metadata) \
	{ \
		{DEVICE_VBD, (metadata)->vbds.v, (metadata)->vbds.n}, \
			{DEVICE_VIF, (metadata)->vifs.v, (metadata)->vifs.n}, \
			{DEVICE_PCI, (metadata)->pcis.v, (metadata)->pcis.n}, \
			{DEVICE_VGPU, (metadata)->vgpus.v, (metadata)->vgpus.n}, \
			{DEVICE_VUSB, (metadata)->vusbs.v, (metadata)->vusbs.n}, \
	}

static const void *given_at(const struct given *g, size_t i)
{
	return (const char *)g->v + i * device_classes[g->class].type->size;
}

/* Each config begins with the device's id. */
static const char *given_id(const struct given *g, size_t i)
{
	return *(const char *const *)given_at(g, i);
}

static bool is_given(const struct given *g, const struct device *d)
{
	for (size_t i = 0; i < g[d->class].n; i++)
		if (!strcmp(given_id(&g[d->class], i), d->id))
			return true;
	return false;
}

struct err *metadata_check(const struct xenops_metadata *m)
{
	const struct given given[] = GIVEN(m);
	const char *vm_id = m->vm.vm;
	size_t len = strlen(vm_id);

	for (size_t class = 0; class < N_DEVICE_CLASSES; class ++) {
		for (size_t i = 0; i < given[class].n; i++) {
			const char *id = given_id(&given[class], i);

			TRY(device_check_id((enum device_class) class, id));
			if (strncmp(id, vm_id, len) || id[len] != '/')
				return err(INVALID_VALUE, "metadata", "a device of another VM");
		}
	}
	return NULL;
}

static MAY_WAIT struct err *drop_missing(struct vm *vm, const struct given *g)
{
	for (size_t i = 0; i < vm->devices.n;) {
		if (is_given(g, vm->devices.v[i]))
			i++;
		else
			TRY(drop_device(vm->devices.v[i]));
	}
	return NULL;
}

static struct err *put_all(
	struct vm *vm, const struct given *given, const struct xenops_metadata *m)
{
	for (size_t class = 0; class < N_DEVICE_CLASSES; class ++)
		for (size_t i = 0; i < given[class].n; i++)
			TRY(put_device(vm, (enum device_class) class, given_at(&given[class], i)));
	if (m->domain && vm->phase == XENOPSD_PHASE_HALTED)
		TRY(files_import_state(vm, *m->domain));
	return NULL;
}

struct err *metadata_apply(struct vm *vm, const struct xenops_metadata *m)
{
	const struct given given[] = GIVEN(m);

	TRY(drop_missing(vm, given));
	TRY(change_vm(vm, &m->vm));
	return put_all(vm, given, m);
}

MAY_WAIT struct err *metadata_add(const struct xenops_metadata *m)
{
	const struct given given[] = GIVEN(m);
	struct vm *vm;

	TRY(add_vm_begin(&m->vm, &vm));
	struct err *e = files_take_up(vm);
	if (!e)
		e = drop_missing(vm, given);
	return add_vm_end(vm, e ? e : put_all(vm, given, m));
}

struct err *metadata_fill(struct vm *vm, const struct xenops_metadata *m)
{
	const struct given given[] = GIVEN(m);

	for (size_t class = 0; class < N_DEVICE_CLASSES; class ++)
		for (size_t i = 0; i < given[class].n; i++)
			TRY(files_put_device(device_new(
				vm, (enum device_class) class, given_at(&given[class], i))));
	return NULL;
}

/* Copies the configs of a class into an array of records of its type. */
static void export_class(
	const struct vm *vm, enum device_class class, struct arena *a, struct any_list *out)
{
	const struct type *type = device_classes[class].type;
	size_t i = 0;

	vm_for_each (counted, vm, class)
		i++;
	out->n = i;
	out->v = arena_calloc(a, i, type->size);
	i = 0;
	vm_for_each (d, vm, class)
		codec_copy(type, &d->vbd, a, (char *)out->v + i++ * type->size);
}

void metadata_of(const struct vm *vm, struct arena *a, struct xenops_metadata *out)
{
	codec_init_record(&xenops_type_metadata, a, out);
	codec_copy(&xenops_type_vm, &vm->config, a, &out->vm);
	export_class(vm, DEVICE_VBD, a, (struct any_list *)&out->vbds);
	export_class(vm, DEVICE_VIF, a, (struct any_list *)&out->vifs);
	export_class(vm, DEVICE_PCI, a, (struct any_list *)&out->pcis);
	export_class(vm, DEVICE_VGPU, a, (struct any_list *)&out->vgpus);
	export_class(vm, DEVICE_VUSB, a, (struct any_list *)&out->vusbs);
}
