/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Drives: disks are virtio's, but those that are called "hd…"; CDs, and those, are on the two IDE
 * channels, where nothing can be plugged while the machine runs. A drive called "xvdc" or "2" is
 * the third.
 */
#include "common/codec.h"
#include "common/mem.h"
#include "common/number.h"
#include "core.gen.h"
#include "xenopsd/backend_qemu.h"

#include <string.h>

#define N_IDE 4 /* two channels, two drives each */

struct err *qemu_device_id(const struct device *device, struct arena *a, const char **out)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.";

	if (!*device->name || device->name[strspn(device->name, allowed)])
		return err(INVALID_VALUE, device->id, "QEMU cannot name a device so");
	*out = arena_printf(a, "%s-%s", device_classes[device->class].class, device->name);
	return NULL;
}

bool qemu_is_drive(const char *qdev, const char *id)
{
	auto_str part = xasprintf("/%s/", id);
	const char *slash = qdev ? strrchr(qdev, '/') : NULL;

	return qdev && (!strcmp(slash ? slash + 1 : qdev, id) || strstr(qdev, part));
}

static const char *position_of(const struct device *vbd)
{
	return vbd->vbd.position ? vbd->vbd.position : vbd->name;
}

/* 1 for "xvdb", "hdb", "sdb" and "1"; -1 for what is none of them. */
static int64_t number_of(const char *position)
{
	static const char *const starts[] = {"xvd", "hd", "sd"};
	int64_t n;

	if (number_read_int(position, strlen(position), &n))
		return n;
	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		size_t len = strlen(starts[i]);
		if (!strncmp(position, starts[i], len) && position[len] >= 'a' &&
			position[len] <= 'z' && !position[len + 1])
			return position[len] - 'a';
	}
	return -1;
}

static bool is_ide(const struct device *vbd)
{
	return vbd->vbd.type == XENOPS_VBD_TYPE_CD || !strncmp(position_of(vbd), "hd", 2);
}

/* ---- what is behind a drive ---- */

/* "nbd:unix:PATH:exportname=NAME", as smd writes it. */
static struct err *write_nbd(struct json_writer *w, const char *uri)
{
	static const char start[] = "nbd:unix:", name[] = ":exportname=";
	const char *path = uri + strlen(start);
	const char *end = strncmp(uri, start, strlen(start)) ? NULL : strstr(path, name);

	if (!end)
		return err(INVALID_VALUE, "the URI of an NBD export", uri);
	json_member_string(w, "driver", "nbd");
	json_member_string(w, "export", end + strlen(name));
	json_write_name(w, "server");
	json_write_object(w);
	json_member_string(w, "type", "unix");
	json_write_name(w, "path");
	json_write_string_n(w, path, (size_t)(end - path));
	json_write_object_end(w);
	return NULL;
}

static void write_file(struct json_writer *w, const char *driver, const char *path)
{
	json_member_string(w, "driver", driver);
	json_member_string(w, "filename", path);
	json_member_string(w, "aio", "threads");
}

/* The members that say where the bytes are. */
static struct err *write_protocol(struct json_writer *w, const struct storage_implementation *way)
{
	switch (way->kind) {
	case STORAGE_IMPLEMENTATION_FILE:
		write_file(w, "file", way->file.path);
		return NULL;
	case STORAGE_IMPLEMENTATION_BLOCK_DEVICE:
		write_file(w, "host_device", way->block_device);
		return NULL;
	case STORAGE_IMPLEMENTATION_NBD:
		return write_nbd(w, way->nbd);
	case STORAGE_IMPLEMENTATION_XEN_DISK:
		break;
	}
	return err(Unimplemented, "a disk that only Xen can use");
}

/* QEMU's name of the format; NULL: it has none. */
static const char *format_of(const struct storage_implementation *way)
{
	if (way->kind != STORAGE_IMPLEMENTATION_FILE || !strcmp(way->file.format, "raw"))
		return "raw";
	if (!strcmp(way->file.format, "vhd"))
		return "vpc";
	return strcmp(way->file.format, "qcow2") ? NULL : "qcow2";
}

static struct err *write_host(struct json_writer *w, const char *node,
	const struct storage_implementation *way, bool is_read_only, bool is_alone)
{
	const char *format = format_of(way);

	if (!format) {
		auto_str what = xasprintf("images of format %s", way->file.format);

		return err(Unimplemented, what);
	}
	json_write_object(w);
	json_member_string(w, "driver", format);
	json_member_string(w, "node-name", node);
	json_member_bool(w, "read-only", is_read_only);
	json_member_string(w, "discard", "unmap");
	json_write_name(w, "file");
	json_write_object(w);
	TRY(write_protocol(w, way));
	json_write_object_end(w);
	if (is_alone) {
		json_write_name(w, "backing");
		json_write_null(w);
	}
	json_write_object_end(w);
	return NULL;
}

/* The first way that QEMU can go. */
static const struct storage_implementation *choose(const struct storage_implementation_list *ways)
{
	for (size_t i = 0; i < ways->n; i++)
		if (ways->v[i].kind != STORAGE_IMPLEMENTATION_XEN_DISK)
			return &ways->v[i];
	return &ways->v[0];
}

struct err *qemu_host_text(const struct device *vbd, const char *node,
	const struct storage_implementation_list *ways, bool is_alone, char **out)
{
	AUTO(sbuf_fini) struct sbuf text = {0};
	struct json_writer w;
	bool is_read_only =
		vbd->vbd.mode == XENOPS_VBD_MODE_RO || vbd->vbd.type == XENOPS_VBD_TYPE_CD;

	*out = NULL;
	if (!ways->n)
		return NULL;
	json_writer_init(&w, &text);
	TRY(write_host(&w, node, choose(ways), is_read_only, is_alone));
	*out = sbuf_take(&text);
	return NULL;
}

/* Of what the drive of this id has when it comes. */
static struct err *host_text(const struct device *vbd, const char *id,
	const struct storage_implementation_list *ways, char **out)
{
	auto_str node = xasprintf("host-%s", id);

	return qemu_host_text(vbd, node, ways, false, out);
}

/* ---- the device ---- */

/* Smaller is tried first: by the letter in the boot order, then by number; -1: not at all. (0 is a
 * kernel that is booted directly.) */
static int64_t boot_index(const struct device *vbd, int64_t number)
{
	const struct xenops_guest *guest = &vbd->vm->config.guest;
	const char *order = guest->kind == XENOPS_GUEST_HVM ? guest->hvm.boot_order : "c";
	const char *at = strchr(order, vbd->vbd.type == XENOPS_VBD_TYPE_CD ? 'd' : 'c');

	return at ? 1 + (at - order) * 1000 + number : -1;
}

static void write_ide(struct json_writer *w, const struct device *vbd, int64_t number)
{
	bool is_cd = vbd->vbd.type == XENOPS_VBD_TYPE_CD;

	json_member_string(w, "driver", is_cd ? "ide-cd" : "ide-hd");
	json_member_string(w, "bus", number < 2 ? "ide.0" : "ide.1");
	json_member_int(w, "unit", number % 2);
}

static struct err *device_text(const struct device *vbd, const char *id, bool is_empty, char **out)
{
	AUTO(sbuf_fini) struct sbuf text = {0};
	auto_str drive = xasprintf("host-%s", id);
	int64_t number = number_of(position_of(vbd));
	struct json_writer w;

	if (vbd->vbd.type == XENOPS_VBD_TYPE_FLOPPY)
		return err(Unimplemented, "floppy drives");
	if (is_empty && vbd->vbd.type != XENOPS_VBD_TYPE_CD)
		return err(INVALID_VALUE, vbd->id, "a disk cannot be empty");
	if (number < 0 || (is_ide(vbd) && number >= N_IDE))
		return err(INVALID_VALUE, vbd->id, "there is no such position");
	json_writer_init(&w, &text);
	json_write_object(&w);
	if (is_ide(vbd))
		write_ide(&w, vbd, number);
	else
		json_member_string(&w, "driver", "virtio-blk-pci");
	json_member_string(&w, "id", id);
	if (!is_empty)
		json_member_string(&w, "drive", drive);
	if (boot_index(vbd, number) >= 0)
		json_member_int(&w, "bootindex", boot_index(vbd, number));
	json_write_object_end(&w);
	*out = sbuf_take(&text);
	return NULL;
}

/* ---- what the plans call ---- */

struct err *qemu_vbd_plug(
	struct vm *vm, const struct device *vbd, const struct storage_implementation_list *ways)
{
	auto_arena a = {0};
	const char *id;
	auto_str device = NULL;
	char *host;

	TRY(qemu_device_id(vbd, &a, &id));
	TRY(device_text(vbd, id, !ways->n, &device));
	TRY(host_text(vbd, id, ways, &host));
	return machine_add(machine_of(vm), PART_DRIVE, id, host, take(device));
}

struct err *qemu_vbd_unplug(struct vm *vm, const struct device *vbd, bool force)
{
	auto_arena a = {0};
	const char *id;

	TRY(qemu_device_id(vbd, &a, &id));
	TRY(machine_remove(machine_of(vm), PART_DRIVE, vbd, id));
	return qemu_drop_images(machine_of(vm), id);
}

struct err *qemu_vbd_eject(struct vm *vm, const struct device *vbd)
{
	auto_arena a = {0};
	const char *id;

	TRY(qemu_device_id(vbd, &a, &id));
	const char *it = arena_printf(&a, "{\"id\":\"%s\"}", id);
	const char *by_force = arena_printf(&a, "{\"id\":\"%s\",\"force\":true}", id);
	TRY(machine_call(machine_of(vm), "blockdev-open-tray", by_force, NULL));
	TRY(machine_call(machine_of(vm), "blockdev-remove-medium", it, NULL));
	return machine_remove_host(machine_of(vm), PART_DRIVE, id);
}

struct err *qemu_vbd_insert(
	struct vm *vm, const struct device *vbd, const struct storage_implementation_list *ways)
{
	struct machine *m = machine_of(vm);
	auto_arena a = {0};
	const char *id;
	auto_str host = NULL;

	TRY(qemu_device_id(vbd, &a, &id));
	TRY(host_text(vbd, id, ways, &host));
	if (!host)
		return err(Media_not_present);
	const char *it = arena_printf(&a, "{\"id\":\"%s\"}", id);
	const char *medium = arena_printf(&a, "{\"id\":\"%s\",\"node-name\":\"host-%s\"}", id, id);
	TRY(machine_call(m, "blockdev-open-tray", it, NULL));
	TRY(machine_add_host(m, PART_DRIVE, host));
	struct err *e = machine_call(m, "blockdev-insert-medium", medium, NULL);
	if (e) {
		fiber_cancel_mask();
		err_free(machine_remove_host(m, PART_DRIVE, id));
		fiber_cancel_unmask();
		return e;
	}
	return machine_call(m, "blockdev-close-tray", it, NULL);
}

struct err *qemu_vbd_is_plugged(struct vm *vm, const struct device *vbd, bool *out)
{
	auto_arena a = {0};
	const char *id;

	TRY(qemu_device_id(vbd, &a, &id));
	return machine_has(machine_of(vm), id, out);
}
