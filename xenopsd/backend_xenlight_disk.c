/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's drives. blkback serves block devices, so whatever a disk is becomes one first
 * (backend_xenlight_block.c), and libxl tells the guest and blkback of it.
 */
#include "common/mem.h"
#include "core.gen.h"
#include "xenopsd/backend_xenlight.h"
#include "xenopsd/backend_xenlight_block.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* ---- names ---- */

/* The number N of the guest's disk, from "xvda", "hdc", "sdb" or "3"; -1: it is none of these. */
static int index_of(const char *position)
{
	const char *letters = position + strspn(position, "0123456789");
	int n = 0;

	if (letters != position)
		return !*letters && strlen(position) <= 3 ? (int)strtol(position, NULL, 10) : -1;
	if (!strncmp(position, "xvd", 3))
		letters = position + 3;
	else if (!strncmp(position, "hd", 2) || !strncmp(position, "sd", 2))
		letters = position + 2;
	if (letters == position || !*letters || strlen(letters) > 2)
		return -1;
	for (; *letters; letters++) {
		if (*letters < 'a' || *letters > 'z')
			return -1;
		n = n * 26 + (*letters - 'a' + 1);
	}
	return n - 1;
}

/* "xvda", whatever the position is called: a PV guest has no other kind. */
static struct err *name_of(const struct device *vbd, char *out, size_t size)
{
	int n = index_of(vbd->vbd.position ? vbd->vbd.position : vbd->name);

	if (n < 0)
		return err(INVALID_VALUE, "position", "is no name or number of a drive");
	if (n < 26)
		snprintf(out, size, "xvd%c", 'a' + n);
	else
		snprintf(out, size, "xvd%c%c", 'a' + n / 26 - 1, 'a' + n % 26);
	return NULL;
}

int xenlight_vbd_number(const struct device *vbd)
{
	int n = index_of(vbd->vbd.position ? vbd->vbd.position : vbd->name);

	/* Xen's numbering of virtual disks: a minor number's 16 disks, then the extended ones. */
	return n < 0 ? -1 : n < 16 ? 202 << 8 | n << 4 : 1 << 28 | n << 8;
}

/* ---- plugging ---- */

/* What the pool needs of a drive. */
struct disk {
	struct xenlight_domain domain;
	char vdev[16];
	int number;
	libxl_device_disk disk;
	bool is_forced, is_whole;
};

static struct err *disk_init(struct disk *d, const struct device *vbd)
{
	*d = (struct disk){.number = xenlight_vbd_number(vbd)};
	return name_of(vbd, d->vdev, sizeof(d->vdev));
}

/* What libxl's script would say: which device it is. blkback opens it a moment later. */
static int name_device(const struct disk *d)
{
	char path[96], device[32];
	struct stat st;

	if (stat(d->disk.pdev_path, &st) || !S_ISBLK(st.st_mode))
		return ERROR_INVAL;
	snprintf(path, sizeof(path), "/local/domain/0/backend/vbd/%u/%d/physical-device",
		d->domain.info.domid, d->number);
	int len = snprintf(device, sizeof(device), "%x:%x", major(st.st_rdev), minor(st.st_rdev));
	if (!xs_write(xenlight_xs, XBT_NULL, path, device, (unsigned)len))
		return ERROR_FAIL;
	snprintf(path, sizeof(path), "/sys/bus/xen-backend/devices/vbd-%u-%d/physical_device",
		d->domain.info.domid, d->number);
	return xenlight_await_path(path);
}

static int add(void *arg)
{
	struct disk *d = arg;
	int rc = libxl_device_disk_add(xenlight_ctx, d->domain.info.domid, &d->disk, NULL);

	return rc ? rc : name_device(d);
}

static MAY_WAIT struct err *plug_block(
	struct disk *d, const struct device *vbd, const struct block *block)
{
	libxl_device_disk_init(&d->disk);
	d->disk.pdev_path = xstrdup(block->path);
	d->disk.vdev = xstrdup(d->vdev);
	d->disk.backend = LIBXL_DISK_BACKEND_PHY;
	d->disk.format = LIBXL_DISK_FORMAT_RAW;
	d->disk.script = xstrdup(XENLIGHT_SCRIPT);
	d->disk.readwrite = vbd->vbd.mode == XENOPS_VBD_MODE_RW;
	d->disk.removable = vbd->vbd.unpluggable;
	struct err *e = xenlight_run("adding a drive", add, d);
	libxl_device_disk_dispose(&d->disk);
	return e;
}

struct err *xenlight_vbd_plug(
	struct vm *vm, const struct device *vbd, const struct storage_implementation_list *ways)
{
	struct block block;
	struct disk d;

	/* blkback has no empty drives; when a medium comes, the drive does. */
	if (!ways->n)
		return NULL;
	TRY(disk_init(&d, vbd));
	TRY(xenlight_domain_get(vm, &d.domain));
	struct err *e = block_attach(vbd, ways, &block);
	if (!e)
		e = plug_block(&d, vbd, &block);
	block_release(&block);
	return e;
}

static int remove_disk(void *arg)
{
	struct disk *d = arg;
	libxl_domid domid;
	int rc = xenlight_domain_find(&d->domain);

	if (rc || !d->domain.is_there)
		return rc;
	domid = d->domain.info.domid;
	if (libxl_vdev_to_device_disk(xenlight_ctx, domid, d->vdev, &d->disk))
		return 0; /* it has none of this name */
	rc = d->is_forced ? libxl_device_disk_destroy(xenlight_ctx, domid, &d->disk, NULL)
			  : libxl_device_disk_safe_remove(xenlight_ctx, domid, &d->disk, NULL);
	libxl_device_disk_dispose(&d->disk);
	return rc;
}

struct err *xenlight_vbd_unplug(struct vm *vm, const struct device *vbd, bool force)
{
	struct disk d;

	TRY(disk_init(&d, vbd));
	d.is_forced = force;
	if (xenlight_domain_init(&d.domain, vm)) {
		auto_err e = xenlight_run("removing a drive", remove_disk, &d);
		if (e && force)
			return take(e);
		if (e)
			return err(Device_detach_rejected, "VBD", vbd->id, err_text(e));
	}
	return block_detach(vbd);
}

static int look_for_disk(void *arg)
{
	struct disk *d = arg;
	int rc = xenlight_domain_find(&d->domain);

	if (rc == 0 && d->domain.is_there)
		d->is_whole = xenlight_is_whole(
			"vbd", d->domain.info.domid, d->number, "physical-device");
	return rc;
}

struct err *xenlight_vbd_is_plugged(struct vm *vm, const struct device *vbd, bool *out)
{
	struct disk d;

	*out = false;
	TRY(disk_init(&d, vbd));
	if (!xenlight_domain_init(&d.domain, vm))
		return NULL;
	TRY(xenlight_run("looking for a drive", look_for_disk, &d));
	*out = d.is_whole;
	return NULL;
}
