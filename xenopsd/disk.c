/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls of smd (disk.h). A disk that is a path of this host needs no smd.
 */
#include "xenopsd/disk.h"

#include "common/daemon.h"
#include "common/mem.h"
#include "common/rpc.h"
#include "core.gen.h"

#include <errno.h>
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

struct err *disk_attach(const struct device *vbd, const struct xenops_disk *disk, struct arena *a,
	struct storage_implementation_list *out)
{
	*out = (struct storage_implementation_list){0};
	if (!disk)
		return NULL;
	if (disk->kind == XENOPS_DISK_LOCAL)
		return way_to_path(disk->local, a, out);
	struct storage_vdi_attach_in attach = {.dp = vbd->id,
		.sr = disk->vdi.sr,
		.vdi = disk->vdi.vdi,
		.read_write = vbd->vbd.mode == XENOPS_VBD_MODE_RW,
		.vm = vbd->vm->id};
	struct storage_vdi_activate_in activate = {
		.dp = attach.dp, .sr = attach.sr, .vdi = attach.vdi, .vm = attach.vm};
	TRY_CTX(storage_vdi_attach(smd, &attach, a, out, deadline_in(CALL_NS)),
		"attaching VDI %s of SR %s by smd", attach.vdi, attach.sr);
	TRY_CTX(storage_vdi_activate(smd, &activate, a, deadline_in(CALL_NS)),
		"activating VDI %s of SR %s by smd", attach.vdi, attach.sr);
	return NULL;
}

struct err *disk_detach(const struct device *vbd)
{
	auto_arena a = {0};
	struct storage_dp_destroy_in in = {.dp = vbd->id};

	if (!vdi_of(vbd))
		return NULL;
	TRY_CTX(storage_dp_destroy(smd, &in, &a, deadline_in(CALL_NS)),
		"detaching datapath %s by smd", vbd->id);
	return NULL;
}
