/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks as block devices (backend_xenlight_block.h).
 */
#define LOG_MODULE "xenlight"
#include "xenopsd/backend_xenlight_block.h"

#include "common/companion.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/offload.h"
#include "common/proc.h"
#include "core.gen.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define NBD_START_NS (30 * NS_PER_S)
#define NBD_STOP_NS  (30 * NS_PER_S)

/* ---- raw files: loop devices ---- */

struct loop_call {
	const char *file;
	bool is_read_only;
	struct block *block;
	int r; /* 0, or -errno */
};

static int configure(int loop_fd, int file_fd, bool is_read_only)
{
	struct loop_config config = {
		.fd = (uint32_t)file_fd,
		.info = {.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO |
				(is_read_only ? LO_FLAGS_READ_ONLY : 0)},
	};

	return ioctl(loop_fd, LOOP_CONFIGURE, &config) ? -errno : 0;
}

/* -EBUSY: somebody else was faster, and the next one is to be tried. */
static int take_free_loop(int control_fd, int file_fd, struct loop_call *c)
{
	int n = ioctl(control_fd, LOOP_CTL_GET_FREE);

	if (n < 0)
		return -errno;
	snprintf(c->block->path, sizeof(c->block->path), "/dev/loop%d", n);
	auto_fd loop_fd = open(c->block->path, (c->is_read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (loop_fd < 0)
		return -errno;
	int r = configure(loop_fd, file_fd, c->is_read_only);
	if (r == 0) {
		c->block->fd = loop_fd;
		loop_fd = -1;
	}
	return r;
}

static int attach_loop(struct loop_call *c)
{
	auto_fd file_fd = open(c->file, (c->is_read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	auto_fd control_fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int r;

	if (file_fd < 0 || control_fd < 0)
		return -errno;
	do
		r = take_free_loop(control_fd, file_fd, c);
	while (r == -EBUSY);
	return r;
}

static void loop_in_pool(void *arg)
{
	struct loop_call *c = arg;

	c->r = attach_loop(c);
}

static MAY_WAIT struct err *make_loop(const char *file, bool is_read_only, struct block *out)
{
	struct loop_call c = {.file = file, .is_read_only = is_read_only, .block = out};

	TRY(offload("making a loop device", loop_in_pool, &c));
	return c.r ? err_errno(-c.r, "making a loop device of %s", file) : NULL;
}

/* ---- other images: qemu-nbd ---- */

/* A name for the companion's record: of the drive, and beginning with what a backend's files do. */
static void nbd_name(const struct device *vbd, char *out, size_t size)
{
	snprintf(out, size, "backend.nbd-%s", vbd->name);
}

static MAY_WAIT struct err *load_nbd(void)
{
	static const char *const argv[] = {"modprobe", "nbd", "nbds_max=256", NULL};

	if (access("/sys/block/nbd0", F_OK) == 0)
		return NULL;
	return proc_run(&(struct proc_spec){.argv = argv}, NULL);
}

/* A device that no server is connected to; -1: all are taken. */
static int free_nbd(void)
{
	char path[64];

	for (int n = 0;; n++) {
		snprintf(path, sizeof(path), "/sys/block/nbd%d", n);
		if (access(path, F_OK))
			return -1;
		snprintf(path, sizeof(path), "/sys/block/nbd%d/pid", n);
		if (access(path, F_OK))
			return n;
	}
}

static const char *const qemu_formats[][2] = {{"qcow2", "qcow2"}, {"vhd", "vpc"}, {"raw", "raw"}};

static MAY_WAIT struct err *start_nbd(const struct device *vbd,
	const struct storage_image_file *image, const char *device, struct companion **out)
{
	bool is_read_only = vbd->vbd.mode == XENOPS_VBD_MODE_RO;
	auto_str connect = xasprintf("--connect=%s", device);
	auto_str format = NULL;
	char name[64];

	for (size_t i = 0; i < ARRAY_LEN(qemu_formats); i++)
		if (!strcmp(image->format, qemu_formats[i][0]))
			format = xasprintf("--format=%s", qemu_formats[i][1]);
	if (!format)
		return err(INVALID_VALUE, "format", "images of this kind cannot be served");
	nbd_name(vbd, name, sizeof(name));
	/* Only when it is to be verbose does it stay the process that was started. */
	const char *const argv[] = {"qemu-nbd", "--verbose", connect, format, "--cache=writeback",
		"--aio=threads", "--discard=unmap", is_read_only ? "--read-only" : "--shared=1",
		"--", image->path, NULL};
	auto_str log_path = xasprintf("%s/%s.log", vbd->vm->dir, name);
	return companion_start(
		&(struct companion_spec){
			.dir = vbd->vm->dir, .name = name, .argv = argv, .log_path = log_path},
		out);
}

/* Connected, and the kernel knows how large it is. */
static MAY_WAIT struct err *await_nbd(const struct companion *c, int n)
{
	int64_t deadline = deadline_in(NBD_START_NS);
	char path[64];

	snprintf(path, sizeof(path), "/sys/block/nbd%d/pid", n);
	while (access(path, F_OK)) {
		if (!companion_is_running(c) || clock_mono_ns() > deadline)
			return err(PROGRAM_FAILED, "qemu-nbd", "ended", "see its log");
		TRY(fiber_sleep(5 * NS_PER_MS));
	}
	return NULL;
}

/* Two must not choose the same device: until it is connected, nobody sees that it is taken. */
static struct mutex choosing;

static MAY_WAIT struct err *connect_nbd(
	const struct device *vbd, const struct storage_image_file *image, struct block *out)
{
	struct companion *c = NULL;
	int n = free_nbd();

	if (n < 0)
		return err(LIMIT_EXCEEDED, "devices of nbd", "as many as there are");
	snprintf(out->path, sizeof(out->path), "/dev/nbd%d", n);
	TRY(start_nbd(vbd, image, out->path, &c));
	struct err *e = await_nbd(c, n);
	companion_free(c);
	return e;
}

static MAY_WAIT struct err *make_nbd(
	const struct device *vbd, const struct storage_image_file *image, struct block *out)
{
	static bool is_begun;

	if (!is_begun)
		mutex_init(&choosing);
	is_begun = true;
	TRY(load_nbd());
	TRY(mutex_lock(&choosing, "choosing a device of nbd", NEVER));
	struct err *e = connect_nbd(vbd, image, out);
	mutex_unlock(&choosing);
	return e;
}

/* ---- any ---- */

static MAY_WAIT struct err *attach_file(
	const struct device *vbd, const struct storage_image_file *image, struct block *out)
{
	if (!strcmp(image->format, "raw"))
		return make_loop(image->path, vbd->vbd.mode == XENOPS_VBD_MODE_RO, out);
	return make_nbd(vbd, image, out);
}

static struct err *take_device(const char *path, struct block *out)
{
	if ((size_t)snprintf(out->path, sizeof(out->path), "%s", path) >= sizeof(out->path))
		return err(INVALID_VALUE, "block_device", "is too long a path");
	return NULL;
}

struct err *block_attach(
	const struct device *vbd, const struct storage_implementation_list *ways, struct block *out)
{
	*out = (struct block){.fd = -1};
	for (size_t i = 0; i < ways->n; i++) {
		const struct storage_implementation *way = &ways->v[i];

		switch (way->kind) {
		case STORAGE_IMPLEMENTATION_BLOCK_DEVICE:
			return take_device(way->block_device, out);
		case STORAGE_IMPLEMENTATION_FILE:
			return attach_file(vbd, &way->file, out);
		case STORAGE_IMPLEMENTATION_XEN_DISK:
		case STORAGE_IMPLEMENTATION_NBD:
			break;
		}
	}
	return err(NOT_IMPLEMENTED, "disks that are neither a block device nor an image file");
}

void block_release(struct block *b)
{
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
}

struct err *block_detach(const struct device *vbd)
{
	struct companion *c;
	char name[64];

	nbd_name(vbd, name, sizeof(name));
	TRY(companion_find(vbd->vm->dir, name, &c));
	if (!c)
		return NULL;
	struct err *e = companion_stop(c, NBD_STOP_NS);
	if (e) {
		companion_free(c);
		return e;
	}
	return companion_forget(c);
}
