/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads SYS/bus/usb/devices (usb.h): a folder for each device, called by its bus and ports, as
 * "1-1.2". Small files of the kernel's: this does not block.
 */
#include "xapid/host/usb.h"

#include "common/mem.h"
#include "common/number.h"
#include "common/vec.h"
#include "xapid/db/db.h"
#include "xapid/host/role.h"
#include "xapid/host/sys.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#define CLASS_HUB "09"

/* A device as the kernel tells of it. */
struct device {
	const char *path;
	const char *vendor_id, *vendor_desc, *product_id, *product_desc, *serial, *version;
	double speed;
};

struct devices {
	struct arena arena;
	vec_of(struct device) v;
};

static void devices_fini(struct devices *d)
{
	vec_fini(&d->v);
	arena_fini(&d->arena);
}

/* ---- reading ---- */

/* Root hubs are called usb1; what has a colon is an interface of a device. */
static bool is_device(const char *name)
{
	return *name >= '0' && *name <= '9' && !strchr(name, ':');
}

static void read_device(struct devices *all, const char *folder, const char *name)
{
	struct arena *a = &all->arena;
	auto_str own = xasprintf("%s/%s", folder, name);
	struct device d = {
		.path = arena_strdup(a, name),
		.vendor_id = sys_read(a, own, "idVendor"),
		.vendor_desc = sys_read(a, own, "manufacturer"),
		.product_id = sys_read(a, own, "idProduct"),
		.product_desc = sys_read(a, own, "product"),
		.serial = sys_read(a, own, "serial"),
		.version = sys_read(a, own, "version"),
		.speed = -1,
	};
	const char *speed = sys_read(a, own, "speed");

	if (!*d.vendor_id || !strcmp(sys_read(a, own, "bDeviceClass"), CLASS_HUB))
		return;
	if (!number_read_double(speed, strlen(speed), &d.speed))
		d.speed = -1;
	vec_push(&all->v, d);
}

static void read_devices(const char *sys, struct devices *out)
{
	auto_str folder = xasprintf("%s/bus/usb/devices", sys);
	DIR *dir = opendir(folder);

	/* A machine without USB. */
	if (!dir)
		return;
	for (struct dirent *entry; (entry = readdir(dir));)
		if (is_device(entry->d_name))
			read_device(out, folder, entry->d_name);
	closedir(dir);
}

/* ---- rows ---- */

static bool is_same(const struct xenapi_pusb *row, const struct device *d)
{
	return !strcmp(row->path, d->path) && !strcmp(row->vendor_id, d->vendor_id) &&
		!strcmp(row->product_id, d->product_id) && !strcmp(row->serial, d->serial);
}

static bool is_there(const struct xenapi_pusb *row, const struct devices *all)
{
	vec_for_each (i, &all->v)
		if (is_same(row, &all->v.v[i]))
			return true;
	return false;
}

static bool is_known(const struct device *d)
{
	db_for_each (pusb, row) {
		const struct xenapi_pusb *pusb = db_record(row);

		if (!strcmp(pusb->host, host_here()) && is_same(pusb, d))
			return true;
	}
	return false;
}

static bool is_in_use(const struct xenapi_usb_group *group)
{
	for (size_t i = 0; i < group->VUSBs.n; i++) {
		const struct xenapi_vusb *vusb = db_find(vusb, group->VUSBs.v[i]);

		if (vusb && vusb->currently_attached)
			return true;
	}
	return false;
}

/* With its group, when no VM wants one of it. */
static struct err *forget(const char *ref)
{
	const struct xenapi_pusb *pusb = db_find(pusb, ref);
	auto_str group = xstrdup(pusb->USB_group);

	TRY(db_delete(pusb, ref));
	const struct xenapi_usb_group *row = db_find(usb_group, group);
	return row && !row->PUSBs.n && !row->VUSBs.n ? db_delete(usb_group, group) : NULL;
}

static struct err *forget_missing(const struct devices *all)
{
	db_for_each (pusb, row) {
		const struct xenapi_pusb *pusb = db_record(row);
		const struct xenapi_usb_group *group = db_find(usb_group, pusb->USB_group);

		if (strcmp(pusb->host, host_here()) != 0 || is_there(pusb, all) ||
			(group && is_in_use(group)))
			continue;
		TRY(forget(db_ref(row)));
	}
	return NULL;
}

static struct err *add(const struct device *d)
{
	struct xenapi_usb_group group = db_blank(usb_group);
	struct xenapi_pusb pusb = db_blank(pusb);
	auto_str name = xasprintf("Group of %s %s USBs", d->vendor_id, d->product_id);
	auto_str description = xasprintf("%s%s%s", d->vendor_desc,
		*d->vendor_desc && *d->product_desc ? " " : "", d->product_desc);

	group.name_label = name;
	TRY(db_create(usb_group, &group, &pusb.USB_group));
	pusb.host = host_here();
	pusb.path = d->path;
	pusb.vendor_id = d->vendor_id;
	pusb.vendor_desc = d->vendor_desc;
	pusb.product_id = d->product_id;
	pusb.product_desc = d->product_desc;
	pusb.serial = d->serial;
	pusb.version = d->version;
	pusb.description = description;
	pusb.speed = d->speed;
	return db_create(pusb, &pusb, NULL);
}

struct err *usb_scan(const char *sys)
{
	AUTO(devices_fini) struct devices all = {0};

	read_devices(sys, &all);
	TRY(forget_missing(&all));
	vec_for_each (i, &all.v)
		if (!is_known(&all.v.v[i]))
			TRY(add(&all.v.v[i]));
	return NULL;
}
