/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads SYS/bus/pci/devices (pci.h): a folder for each device, called by its address.
 */
#include "xapid/host/pci.h"

#include "common/file.h"
#include "common/mem.h"
#include "common/vec.h"
#include "xapid/db/db.h"
#include "xapid/host/pci_ids.h"
#include "xapid/host/role.h"
#include "xapid/host/sys.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#define MAX_IDS      (8 << 20)
#define CLASS_BRIDGE "06"

struct devices {
	struct arena arena;
	const char *ids; /* the list of names */
	vec_of(struct xenapi_pci) v;
};

static void devices_fini(struct devices *d)
{
	vec_fini(&d->v);
	arena_fini(&d->arena);
}

/* ---- reading ---- */

/* "0x8086" is "8086", and the class "0x030000" is "0300". */
static const char *read_number(struct arena *a, const char *folder, const char *name)
{
	const char *text = sys_read(a, folder, name);

	return strncmp(text, "0x", 2) ? "" : arena_strndup(a, text + 2, 4);
}

static void read_device(struct devices *all, const char *folder, const char *name)
{
	struct arena *a = &all->arena;
	auto_str own = xasprintf("%s/%s", folder, name);
	struct xenapi_pci pci = db_blank(pci);

	pci.pci_id = arena_strdup(a, name);
	pci.host = host_here();
	pci.class_id = read_number(a, own, "class");
	pci.vendor_id = read_number(a, own, "vendor");
	pci.device_id = read_number(a, own, "device");
	pci.subsystem_vendor_id = read_number(a, own, "subsystem_vendor");
	pci.subsystem_device_id = read_number(a, own, "subsystem_device");
	if (!*pci.vendor_id || !strncmp(pci.class_id, CLASS_BRIDGE, 2))
		return;
	pci.class_name = pci_ids_class(all->ids, pci.class_id, a);
	pci.vendor_name = pci_ids_vendor(all->ids, pci.vendor_id, a);
	pci.device_name = pci_ids_device(all->ids, pci.vendor_id, pci.device_id, a);
	pci.subsystem_vendor_name = pci_ids_vendor(all->ids, pci.subsystem_vendor_id, a);
	pci.driver_name = sys_link(a, own, "driver");
	vec_push(&all->v, pci);
}

static int by_address(const void *a, const void *b)
{
	return strcmp(
		((const struct xenapi_pci *)a)->pci_id, ((const struct xenapi_pci *)b)->pci_id);
}

static void read_devices(const char *sys, struct devices *out)
{
	auto_str folder = xasprintf("%s/bus/pci/devices", sys);
	DIR *dir = opendir(folder);

	if (!dir)
		return;
	for (struct dirent *entry; (entry = readdir(dir));)
		if (*entry->d_name != '.')
			read_device(out, folder, entry->d_name);
	closedir(dir);
	if (out->v.n)
		qsort(out->v.v, out->v.n, sizeof(*out->v.v), by_address);
}

const char *pci_driver(const char *sys, const char *pci_id, struct arena *a)
{
	auto_str folder = xasprintf("%s/bus/pci/devices/%s", sys, pci_id);

	return sys_link(a, folder, "driver");
}

/* ---- rows ---- */

static const char *row_of(const struct xenapi_pci *d)
{
	db_for_each (pci, row) {
		const struct xenapi_pci *pci = db_record(row);

		if (!strcmp(pci->host, host_here()) && !strcmp(pci->pci_id, d->pci_id))
			return db_ref(row);
	}
	return NULL;
}

static bool is_same(const struct xenapi_pci *a, const struct xenapi_pci *b)
{
	return !strcmp(a->pci_id, b->pci_id) && !strcmp(a->vendor_id, b->vendor_id) &&
		!strcmp(a->device_id, b->device_id);
}

static struct err *forget_missing(const struct devices *all)
{
	db_for_each (pci, row) {
		const struct xenapi_pci *pci = db_record(row);
		bool is_there = false;

		vec_for_each (i, &all->v)
			is_there |= is_same(pci, &all->v.v[i]);
		if (!is_there && !strcmp(pci->host, host_here()) && !pci->attached_VMs.n)
			TRY(db_delete(pci, db_ref(row)));
	}
	return NULL;
}

static struct err *note(const struct xenapi_pci *d)
{
	const char *ref = row_of(d);

	if (!ref)
		return db_create(pci, d, NULL);
	TRY(db_write(pci, ref, class_name, d->class_name));
	TRY(db_write(pci, ref, vendor_name, d->vendor_name));
	TRY(db_write(pci, ref, device_name, d->device_name));
	TRY(db_write(pci, ref, subsystem_vendor_name, d->subsystem_vendor_name));
	return db_write(pci, ref, driver_name, d->driver_name);
}

/* The functions of one card go together: their addresses differ behind the point. */
static struct err *note_dependencies(const struct devices *all, size_t at)
{
	const struct xenapi_pci *d = &all->v.v[at];
	size_t len = strcspn(d->pci_id, ".") + 1;
	vec_of(const char *) refs = {0};

	vec_for_each (i, &all->v)
		if (i != at && !strncmp(all->v.v[i].pci_id, d->pci_id, len))
			vec_push(&refs, row_of(&all->v.v[i]));
	const struct string_list list = {refs.v, refs.n};
	struct err *e = db_write(pci, row_of(d), dependencies, list);
	vec_fini(&refs);
	return e;
}

struct err *pci_scan(const char *sys, const char *ids)
{
	AUTO(devices_fini) struct devices all = {0};
	auto_str text = NULL;

	all.ids = file_read(ids, MAX_IDS, &text, NULL) < 0 ? "" : text;
	read_devices(sys, &all);
	TRY(forget_missing(&all));
	vec_for_each (i, &all.v)
		TRY(note(&all.v.v[i]));
	vec_for_each (i, &all.v)
		TRY(note_dependencies(&all, i));
	return NULL;
}
