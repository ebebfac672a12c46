/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls of smd (disk.h). A disk that is a path of this host needs no smd.
 */
#include "xenopsd/disk.h"

#include "common/daemon.h"
#include "common/mem.h"
#include "common/rpc.h"
#include "core.gen.h"
#include "xenopsd/files.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* A call that takes longer than that has failed. */
#define CALL_NS (1200 * NS_PER_S)

static struct rpc_client *smd;

void disk_begin(void)
{
	auto_str path = xasprintf("%s/smd.sock", daemon_paths()->run);

	smd = rpc_client_new(path, NULL);
}

void disk_end(void)
{
	rpc_client_free(smd);
	smd = NULL;
}

/* NULL: the VBD has no disk in an SR. */
static const struct xenops_vdi_path *vdi_of(const struct device *vbd)
{
	const struct xenops_disk *disk = vbd->vbd.backend;

	return disk && disk->kind == XENOPS_DISK_VDI ? &disk->vdi : NULL;
}

/* Not every driver has epochs: then every disk keeps what is written. */
static struct err *pass_over_unimplemented(const struct device *vbd, struct err *e)
{
	if (!err_is(e, &ERR_Unimplemented) || !vbd->vbd.persistent)
		return e;
	err_free(e);
	return NULL;
}

struct err *disk_epoch_begin(const struct device *vbd)
{
	const struct xenops_vdi_path *vdi = vdi_of(vbd);
	auto_arena a = {0};

	if (!vdi)
		return NULL;
	struct storage_vdi_epoch_begin_in in = {.sr = vdi->sr,
		.vdi = vdi->vdi,
		.vm = vbd->vm->id,
		.persistent = vbd->vbd.persistent};
	return pass_over_unimplemented(
		vbd, storage_vdi_epoch_begin(smd, &in, &a, deadline_in(CALL_NS)));
}

struct err *disk_epoch_end(const struct device *vbd)
{
	const struct xenops_vdi_path *vdi = vdi_of(vbd);
	auto_arena a = {0};

	if (!vdi)
		return NULL;
	struct storage_vdi_epoch_end_in in = {.sr = vdi->sr, .vdi = vdi->vdi, .vm = vbd->vm->id};
	return pass_over_unimplemented(
		vbd, storage_vdi_epoch_end(smd, &in, &a, deadline_in(CALL_NS)));
}

static struct err *way_to_path(
	const char *path, struct arena *a, struct storage_implementation_list *out)
{
	struct storage_implementation *way = arena_new(a, struct storage_implementation);
	struct stat st;

	if (stat(path, &st))
		return err_errno(errno, "looking for the disk %s", path);
	if (S_ISBLK(st.st_mode))
		*way = (struct storage_implementation){
			.kind = STORAGE_IMPLEMENTATION_BLOCK_DEVICE, .block_device = path};
	else
		*way = (struct storage_implementation){.kind = STORAGE_IMPLEMENTATION_FILE,
			.file = {.path = path, .format = "raw"}};
	*out = (struct storage_implementation_list){way, 1};
	return NULL;
}

static MAY_WAIT struct err *attach_alone(const char *dp, const char *vm,
	const struct xenops_vdi_path *vdi, bool read_write, struct arena *a,
	struct storage_implementation_list *out)
{
	struct storage_vdi_attach_in attach = {
		.dp = dp, .sr = vdi->sr, .vdi = vdi->vdi, .read_write = read_write, .vm = vm};

	TRY_CTX(storage_vdi_attach(smd, &attach, a, out, deadline_in(CALL_NS)),
		"attaching VDI %s of SR %s by smd", vdi->vdi, vdi->sr);
	return NULL;
}

static MAY_WAIT struct err *attach(const char *dp, const char *vm,
	const struct xenops_vdi_path *vdi, bool read_write, struct arena *a,
	struct storage_implementation_list *out)
{
	struct storage_vdi_activate_in activate = {
		.dp = dp, .sr = vdi->sr, .vdi = vdi->vdi, .vm = vm};

	TRY(attach_alone(dp, vm, vdi, read_write, a, out));
	auto_err e = storage_vdi_activate(smd, &activate, a, deadline_in(CALL_NS));
	/* Refused would mean that nothing has been done; it is attached. */
	if (err_is(e, &ERR_CONNECTION_REFUSED))
		return err(CONNECTION_LOST, "smd");
	TRY_CTX(take(e), "activating VDI %s of SR %s by smd", vdi->vdi, vdi->sr);
	return NULL;
}

struct err *disk_attach(const struct device *vbd, const struct xenops_disk *disk, struct arena *a,
	struct storage_implementation_list *out)
{
	*out = (struct storage_implementation_list){0};
	if (!disk)
		return NULL;
	if (disk->kind == XENOPS_DISK_LOCAL)
		return way_to_path(disk->local, a, out);
	return attach(
		vbd->id, vbd->vm->id, &disk->vdi, vbd->vbd.mode == XENOPS_VBD_MODE_RW, a, out);
}

struct err *disk_attach_early(const struct device *vbd)
{
	const struct xenops_vdi_path *vdi = vdi_of(vbd);
	struct storage_implementation_list ways;
	auto_arena a = {0};

	if (!vdi)
		return NULL;
	return attach_alone(
		vbd->id, vbd->vm->id, vdi, vbd->vbd.mode == XENOPS_VBD_MODE_RW, &a, &ways);
}

struct err *disk_freeze(
	const struct device *vbd, const char *path, struct arena *a, struct storage_frozen_vdi *out)
{
	const struct xenops_vdi_path *vdi = vdi_of(vbd);
	struct storage_vdi_freeze_in in = {
		.dp = vbd->id, .sr = vdi->sr, .vdi = vdi->vdi, .path = path};

	TRY_CTX(storage_vdi_freeze(smd, &in, a, out, deadline_in(CALL_NS)),
		"freezing VDI %s of SR %s by smd", vdi->vdi, vdi->sr);
	return NULL;
}

struct err *disk_ways(
	const struct device *vbd, struct arena *a, struct storage_implementation_list *out)
{
	struct storage_dp_attach_info_in in = {.dp = vbd->id};

	TRY_CTX(storage_dp_attach_info(smd, &in, a, out, deadline_in(CALL_NS)),
		"asking smd for datapath %s", vbd->id);
	return NULL;
}

struct err *disk_deactivate(const struct device *vbd)
{
	const struct xenops_vdi_path *vdi = vdi_of(vbd);
	auto_arena a = {0};

	if (!vdi)
		return NULL;
	struct storage_vdi_deactivate_in in = {
		.dp = vbd->id, .sr = vdi->sr, .vdi = vdi->vdi, .vm = vbd->vm->id};
	TRY_CTX(storage_vdi_deactivate(smd, &in, &a, deadline_in(CALL_NS)),
		"deactivating VDI %s of SR %s by smd", vdi->vdi, vdi->sr);
	return NULL;
}

static MAY_WAIT struct err *detach(const char *dp)
{
	auto_arena a = {0};
	struct storage_dp_destroy_in in = {.dp = dp};

	TRY_CTX(storage_dp_destroy(smd, &in, &a, deadline_in(CALL_NS)),
		"detaching datapath %s by smd", dp);
	return NULL;
}

struct err *disk_detach(const struct device *vbd)
{
	return vdi_of(vbd) ? detach(vbd->id) : NULL;
}

/* ---- images ---- */

/* No device is called so. */
static char *image_dp(const struct vm *vm)
{
	return xasprintf("%s/+image", vm->id);
}

/* The first way that is a path. */
static struct err *path_of(
	const struct storage_implementation_list *ways, const char **path, int64_t *max_bytes)
{
	struct stat st;

	for (size_t i = 0; i < ways->n; i++) {
		const struct storage_implementation *way = &ways->v[i];

		if (way->kind == STORAGE_IMPLEMENTATION_BLOCK_DEVICE) {
			*path = way->block_device;
			return NULL;
		}
		if (way->kind != STORAGE_IMPLEMENTATION_FILE ||
			strcmp(way->file.format, "raw") != 0)
			continue;
		if (stat(way->file.path, &st))
			return err_errno(errno, "looking for the image %s", way->file.path);
		*path = way->file.path;
		*max_bytes = st.st_size;
		return NULL;
	}
	return err(Unimplemented, "images on a disk that is neither a raw file nor a block device");
}

struct err *disk_attach_image(struct vm *vm, const struct xenops_disk *disk, bool read_write,
	struct arena *a, const char **path, int64_t *max_bytes)
{
	struct storage_implementation_list ways;

	*max_bytes = 0;
	if (disk->kind == XENOPS_DISK_LOCAL) {
		*path = disk->local;
		return NULL;
	}
	auto_str dp = image_dp(vm);
	vm->has_image = true;
	TRY(files_put_state(vm));
	TRY(attach(dp, vm->id, &disk->vdi, read_write, a, &ways));
	return path_of(&ways, path, max_bytes);
}

struct err *disk_detach_image(struct vm *vm)
{
	auto_str dp = image_dp(vm);

	if (!vm->has_image)
		return NULL;
	TRY(detach(dp));
	vm->has_image = false;
	return files_put_state(vm);
}
