/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SRs of type file: a directory of images, thin, raw or qcow2 (file_sr.h says how). Fibers.
 */
#define LOG_MODULE "file"
#include "common/clock.h"
#include "common/codec.h"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/offload.h"
#include "common/uuid.h"
#include "common/version.h"
#include "core.gen.h"
#include "smd/backend.h"
#include "smd/file_image.h"
#include "smd/file_sr.h"
#include "smd/sr.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

/* A longer chain is not made: each link costs a guest's every first read. */
#define MAX_CHAIN 30
#define MAX_SIZE  (INT64_C(1) << 50)
#define SECTOR    512

static struct file_sr *file_of(const struct sr *sr)
{
	return sr->state;
}

/* ---- the SR ---- */

static struct err *location_of(const struct storage_secret_map *config, const char **out)
{
	const char *location = secret_map_get(config, "location");

	if (!location || !*location)
		return err(Missing_configuration_parameter, "location");
	if (*location != '/')
		return err(INVALID_VALUE, "device_config.location", "not an absolute path");
	*out = location;
	return NULL;
}

struct job {
	const char *dir;
	struct statvfs fs;
	int r;
};

static void make_dir(void *arg)
{
	struct job *job = arg;

	job->r = dir_make(job->dir, 0750);
}

static void measure_dir(void *arg)
{
	struct job *job = arg;

	job->r = statvfs(job->dir, &job->fs) ? -errno : 0;
}

static MAY_WAIT struct err *work(const char *dir, void (*fn)(void *), struct job *job)
{
	job->dir = dir;
	TRY(offload("an SR's directory", fn, job));
	return job->r ? err_errno(-job->r, "%s", dir) : NULL;
}

static MAY_WAIT struct err *create_in(
	const char *dir, const struct storage_sr_create_in *in, struct arena *a)
{
	struct storage_sr there, about = STORAGE_SR_INIT;

	TRY(work(dir, make_dir, &(struct job){0}));
	auto_err e = file_sr_read(dir, a, &there);
	if (!e && !strcmp(there.sr, in->sr))
		return NULL;
	if (!e)
		return backend_error(FAULT_SR_CREATE, "%s has SR %s already", dir, there.sr);
	if (!err_is(e, &ERR_Does_not_exist))
		return take(e);
	about.sr = in->sr;
	about.name_label = in->name_label;
	about.name_description = in->name_description;
	return file_sr_describe(dir, &about);
}

static MAY_WAIT struct err *sr_create(
	const struct storage_sr_create_in *in, struct arena *a, struct storage_secret_map *out)
{
	const char *dir;

	TRY(location_of(&in->device_config, &dir));
	TRY(backend_failed(FAULT_SR_CREATE, create_in(dir, in, a)));
	*out = in->device_config;
	return NULL;
}

static MAY_WAIT struct err *sr_probe(
	const struct storage_sr_probe_in *in, struct arena *a, struct storage_probe_result *out)
{
	struct storage_probed_sr *found = arena_new(a, struct storage_probed_sr);
	const char *dir;

	TRY(location_of(&in->device_config, &dir));
	found->configuration = in->device_config;
	found->complete = true;
	found->sr = arena_new(a, struct storage_sr);
	auto_err e = file_sr_read(dir, a, found->sr);
	if (e && !err_is(e, &ERR_Does_not_exist))
		return backend_failed(FAULT_SR_UNAVAILABLE, take(e));
	if (e)
		found->sr = NULL;
	out->kind = STORAGE_PROBE_RESULT_FOUND;
	out->found.v = found;
	out->found.n = 1;
	return NULL;
}

static MAY_WAIT struct err *file_attach(struct sr *sr)
{
	const char *dir;
	struct file_sr *file;

	TRY(location_of(&sr->how.device_config, &dir));
	TRY(backend_failed(FAULT_SR_UNAVAILABLE, file_sr_open(&file, dir, sr->id)));
	sr->state = file;
	return NULL;
}

static void sr_forget(struct sr *sr)
{
	file_sr_close(take(sr->state));
}

static MAY_WAIT struct err *file_detach(struct sr *sr)
{
	sr_forget(sr);
	return NULL;
}

static MAY_WAIT struct err *file_destroy(struct sr *sr)
{
	TRY(backend_failed(FAULT_SR_DELETE, file_sr_destroy(file_of(sr))));
	sr_forget(sr);
	return NULL;
}

static MAY_WAIT struct err *sr_stat(struct sr *sr, struct arena *a, struct storage_sr *out)
{
	struct file_sr *file = file_of(sr);
	struct job job = {0};

	TRY(backend_failed(FAULT_SR_UNAVAILABLE, work(file->dir, measure_dir, &job)));
	codec_copy(&storage_type_sr, &file->about, a, out);
	out->total_space_bytes = (int64_t)(job.fs.f_blocks * job.fs.f_frsize);
	out->free_space_bytes = (int64_t)(job.fs.f_bavail * job.fs.f_frsize);
	return NULL;
}

static MAY_WAIT struct err *sr_set(struct sr *sr, const struct storage_sr_set_in *in)
{
	struct file_sr *file = file_of(sr);
	struct storage_sr about = file->about;

	if (in->name_label)
		about.name_label = in->name_label;
	if (in->name_description)
		about.name_description = in->name_description;
	TRY(backend_failed(FAULT_GENERAL, file_sr_describe(file->dir, &about)));
	/* A short string or two for each change of a name: they go with the SR. */
	codec_copy(&storage_type_sr, &about, &file->arena, &file->about);
	return NULL;
}

/* ---- VDIs ---- */

static MAY_WAIT struct err *tell(
	struct file_sr *file, const struct file_vdi *v, struct arena *a, struct storage_vdi *out)
{
	int64_t used;

	codec_copy(&storage_type_vdi, &v->value, a, out);
	struct file_node *image = v->image;
	file_node_ref(image);
	auto_err e = file_image_usage(file, image, &used);
	file_node_unref(file, image);
	if (e && !err_is(e, &ERR_SYSTEM_ERROR))
		return take(e);
	out->physical_utilisation_bytes = e ? 0 : used;
	return NULL;
}

static MAY_WAIT struct err *vdi_stat(
	struct sr *sr, const char *id, struct arena *a, struct storage_vdi *out)
{
	struct file_vdi *v;

	TRY(file_vdi_find(file_of(sr), id, &v));
	return tell(file_of(sr), v, a, out);
}

static MAY_WAIT struct err *sr_scan(struct sr *sr, struct arena *a, struct storage_vdi_list *out)
{
	struct file_sr *file = file_of(sr);
	struct string_list ids = {0};

	TRY(backend_failed(FAULT_SCAN, file_sr_scan(file)));
	ids.v = arena_calloc(a, file->vdis.n, sizeof(*ids.v));
	out->v = arena_calloc(a, file->vdis.n, sizeof(*out->v));
	map_for_each (slot, &file->vdis)
		ids.v[ids.n++] = arena_strdup(a, slot->key);
	out->n = 0;
	for (size_t i = 0; i < ids.n; i++) {
		struct file_vdi *v = map_get(&file->vdis, ids.v[i]);

		if (v)
			TRY(tell(file, v, a, &out->v[out->n++]));
	}
	return NULL;
}

static struct err *check_size(int64_t *size_bytes)
{
	if (*size_bytes <= 0 || *size_bytes > MAX_SIZE)
		return backend_error(FAULT_VDI_SIZE, "a VDI has 1 byte to 1 PiB");
	*size_bytes = (*size_bytes + SECTOR - 1) / SECTOR * SECTOR;
	return NULL;
}

static struct err *check_format(const char *wanted, bool *is_raw)
{
	*is_raw = !strcmp(wanted, "raw");
	if (!*is_raw && *wanted && strcmp(wanted, "qcow2"))
		return err(INVALID_VALUE, "spec.image_format", "neither raw nor qcow2");
	return NULL;
}

/* A new VDI as SPEC describes it; ID, of UUID_TEXT_SIZE bytes, holds its name. */
static void vdi_of_spec(const struct storage_vdi_spec *spec, char *id, struct storage_vdi *out)
{
	char *content = id + UUID_TEXT_SIZE;

	*out = (struct storage_vdi)STORAGE_VDI_INIT;
	out->vdi = out->uuid = uuid_random_text(id);
	out->content_id = uuid_random_text(content);
	out->name_label = spec->name_label;
	out->name_description = spec->name_description;
	out->type = spec->type;
	out->metadata_of_pool = spec->metadata_of_pool;
	out->is_a_snapshot = spec->is_a_snapshot;
	out->snapshot_time = spec->snapshot_time;
	out->snapshot_of = spec->snapshot_of;
	out->read_only = spec->read_only;
	out->sharable = spec->sharable;
	out->persistent = spec->persistent;
	out->sm_config = spec->sm_config;
}

/* The VDI of a new image, made by create or from FROM. */
static MAY_WAIT struct err *vdi_make(struct file_sr *file, const struct storage_vdi_spec *spec,
	struct file_node *image, const struct storage_image_file *from, struct arena *a,
	struct storage_vdi *out)
{
	char ids[2 * UUID_TEXT_SIZE];
	struct storage_vdi vdi;
	struct file_vdi *v;

	if (from)
		TRY(file_image_copy(file, image, from));
	else
		TRY(file_image_create(file, image));
	vdi_of_spec(spec, ids, &vdi);
	TRY(file_vdi_put(file, &vdi, image, NULL));
	TRY(file_vdi_find(file, vdi.vdi, &v));
	return tell(file, v, a, out);
}

static MAY_WAIT struct err *vdi_import(struct sr *sr, const struct storage_vdi_spec *spec,
	const struct storage_image_file *from, struct arena *a, struct storage_vdi *out)
{
	struct file_sr *file = file_of(sr);
	int64_t size_bytes = spec->virtual_size_bytes;
	bool is_raw;

	TRY(check_size(&size_bytes));
	TRY(check_format(spec->image_format, &is_raw));
	struct file_node *image = file_node_new(file, NULL, is_raw, size_bytes);
	struct err *e = vdi_make(file, spec, image, from, a, out);
	file_node_unref(file, image);
	return backend_failed(FAULT_VDI_CREATE, e);
}

static MAY_WAIT struct err *vdi_create(struct sr *sr, const struct storage_vdi_spec *spec,
	struct arena *a, struct storage_vdi *out)
{
	return vdi_import(sr, spec, NULL, a, out);
}

static MAY_WAIT struct err *vdi_destroy(struct sr *sr, const char *id)
{
	struct file_vdi *v;

	TRY(file_vdi_find(file_of(sr), id, &v));
	return backend_failed(FAULT_VDI_DELETE, file_vdi_remove(file_of(sr), v));
}

/* The image that SPEC means, which nobody writes to. */
static struct err *kept_image(struct file_sr *file, const struct file_vdi *from,
	const struct vdi_copy_spec *spec, struct file_node **out)
{
	*out = from->base ? from->base : from->image;
	if (!spec->frozen || from->base)
		return NULL;
	*out = map_get(&file->nodes, spec->frozen);
	if (!*out || *out == from->image || !file_node_is_behind(from->image, *out))
		return err(INVALID_VALUE, "frozen", "not an image behind the VDI's");
	return NULL;
}

/* Another VDI with the same contents: a reference to the same image. */
static MAY_WAIT struct err *vdi_again(struct file_sr *file, const struct vdi_copy_spec *spec,
	bool is_snapshot, struct arena *a, struct storage_vdi *out)
{
	char id[UUID_TEXT_SIZE], content[UUID_TEXT_SIZE];
	int64_t now = clock_real_ns() / NS_PER_S;
	struct file_vdi *from, *made;
	struct file_node *image;

	TRY(file_vdi_find(file, spec->vdi, &from));
	TRY(kept_image(file, from, spec, &image));
	struct storage_vdi vdi = from->value;
	vdi.vdi = vdi.uuid = uuid_random_text(id);
	if (spec->name_label)
		vdi.name_label = spec->name_label;
	if (spec->name_description)
		vdi.name_description = spec->name_description;
	if (spec->sm_config->n)
		vdi.sm_config = *spec->sm_config;
	vdi.is_a_snapshot = is_snapshot;
	vdi.snapshot_of = is_snapshot ? spec->vdi : NULL;
	vdi.snapshot_time = is_snapshot ? &now : NULL;
	/* The source has gone on from there. */
	if (spec->frozen)
		vdi.content_id = uuid_random_text(content);
	TRY(file_vdi_put(file, &vdi, image, NULL));
	TRY(file_vdi_find(file, id, &made));
	return tell(file, made, a, out);
}

static MAY_WAIT struct err *vdi_snapshot(
	struct sr *sr, const struct vdi_copy_spec *spec, struct arena *a, struct storage_vdi *out)
{
	return backend_failed(FAULT_VDI_SNAPSHOT, vdi_again(file_of(sr), spec, true, a, out));
}

static MAY_WAIT struct err *vdi_clone(
	struct sr *sr, const struct vdi_copy_spec *spec, struct arena *a, struct storage_vdi *out)
{
	return backend_failed(FAULT_VDI_CLONE, vdi_again(file_of(sr), spec, false, a, out));
}

/* Puts a new, empty image in front of the VDI's. */
static MAY_WAIT struct err *put_in_front(struct file_sr *file, struct file_vdi *v)
{
	struct file_node *before = v->image;

	if (file_node_depth(before) >= MAX_CHAIN)
		return backend_error(
			FAULT_CHAIN_TOO_LONG, "the chain of VDI %s is too long", v->value.vdi);
	struct file_node *image = file_node_new(file, before, false, before->size_bytes);
	struct err *e = file_image_create(file, image);
	if (!e)
		e = file_vdi_put(file, &v->value, image, v->base);
	file_node_unref(file, image);
	return e;
}

/* Makes the VDI's image its alone, where others refer to it as well. */
static MAY_WAIT struct err *own_image(struct file_sr *file, const char *id)
{
	struct file_vdi *v;

	TRY(file_vdi_find(file, id, &v));
	return v->image->n_refs == 1 ? NULL : put_in_front(file, v);
}

static MAY_WAIT struct err *vdi_ways(
	struct sr *sr, const char *id, struct arena *a, struct storage_implementation_list *out)
{
	struct file_sr *file = file_of(sr);
	struct file_vdi *v;

	TRY(file_vdi_find(file, id, &v));
	out->v = arena_new(a, struct storage_implementation);
	out->n = 1;
	out->v->kind = STORAGE_IMPLEMENTATION_FILE;
	out->v->file.path = arena_printf(a, "%s/%s", file->dir, v->image->name);
	out->v->file.format = v->image->is_raw ? "raw" : "qcow2";
	return NULL;
}

static bool is_at(const struct file_sr *file, const struct file_node *n, const char *path)
{
	auto_str own = file_node_path(file, n);

	return !strcmp(own, path);
}

/* One that is there, and that the writer has not gone over to, is empty: it will do. */
static MAY_WAIT struct err *renew_image(struct file_sr *file, const char *id, const char *at)
{
	struct file_vdi *v;

	TRY(file_vdi_find(file, id, &v));
	if (is_at(file, v->image, at))
		return put_in_front(file, v);
	if (v->image->n_refs == 1 && v->image->parent && is_at(file, v->image->parent, at))
		return NULL;
	return err(INVALID_VALUE, "path", "not what the VDI's user can have open");
}

static MAY_WAIT struct err *vdi_freeze(struct sr *sr, const char *id, const char *at,
	struct arena *a, struct storage_frozen_vdi *out)
{
	struct file_sr *file = file_of(sr);
	struct file_vdi *v;

	TRY(backend_failed(FAULT_VDI_SNAPSHOT, renew_image(file, id, at)));
	TRY(file_vdi_find(file, id, &v));
	out->frozen = arena_strdup(a, v->image->parent->name);
	return vdi_ways(sr, id, a, &out->ways);
}

static MAY_WAIT struct err *grow(struct file_sr *file, const char *id, int64_t size_bytes)
{
	struct file_vdi *v;

	TRY(own_image(file, id));
	TRY(file_vdi_find(file, id, &v));
	TRY(file_image_grow(file, v->image, size_bytes));
	v->image->size_bytes = size_bytes;
	v->value.virtual_size_bytes = size_bytes;
	return NULL;
}

static MAY_WAIT struct err *vdi_resize(
	struct sr *sr, const char *id, int64_t size_bytes, int64_t *out)
{
	struct file_vdi *v;

	TRY(file_vdi_find(file_of(sr), id, &v));
	TRY(check_size(&size_bytes));
	if (size_bytes < v->value.virtual_size_bytes)
		return backend_error(FAULT_VDI_SIZE, "a VDI cannot become smaller");
	if (size_bytes > v->value.virtual_size_bytes)
		TRY(backend_failed(FAULT_VDI_RESIZE, grow(file_of(sr), id, size_bytes)));
	*out = size_bytes;
	return NULL;
}

static MAY_WAIT struct err *vdi_revert(struct sr *sr, const char *snapshot)
{
	struct file_sr *file = file_of(sr);
	struct file_vdi *from, *to;

	TRY(file_vdi_find(file, snapshot, &from));
	TRY(file_vdi_find(file, from->value.snapshot_of, &to));
	struct storage_vdi vdi = to->value;
	vdi.content_id = from->value.content_id;
	return backend_failed(FAULT_GENERAL, file_vdi_put(file, &vdi, from->image, NULL));
}

static MAY_WAIT struct err *vdi_set(struct sr *sr, const struct storage_vdi_set_in *in)
{
	struct file_vdi *v;

	TRY(file_vdi_find(file_of(sr), in->vdi, &v));
	struct storage_vdi vdi = v->value;
	if (in->name_label)
		vdi.name_label = in->name_label;
	if (in->name_description)
		vdi.name_description = in->name_description;
	if (in->persistent)
		vdi.persistent = *in->persistent;
	if (in->content_id)
		vdi.content_id = in->content_id;
	if (in->sm_config)
		vdi.sm_config = *in->sm_config;
	if (in->tags)
		vdi.tags = *in->tags;
	return backend_failed(FAULT_GENERAL, file_vdi_put(file_of(sr), &vdi, v->image, v->base));
}

/* ---- using one ---- */

static MAY_WAIT struct err *vdi_attach(struct sr *sr, const char *id, bool writes)
{
	struct file_sr *file = file_of(sr);
	struct file_vdi *v;

	if (writes)
		TRY(backend_failed(FAULT_VDI_ATTACH, own_image(file, id)));
	TRY(file_vdi_find(file, id, &v));
	return file_node_check(file, v->image);
}

/* Who may write makes the contents others than before. */
static MAY_WAIT struct err *vdi_activate(struct sr *sr, const char *id, bool writes)
{
	char content[UUID_TEXT_SIZE];
	struct file_vdi *v;

	TRY(file_vdi_find(file_of(sr), id, &v));
	if (!writes)
		return NULL;
	struct storage_vdi vdi = v->value;
	vdi.content_id = uuid_random_text(content);
	return backend_failed(FAULT_VDI_ATTACH, file_vdi_put(file_of(sr), &vdi, v->image, v->base));
}

static MAY_WAIT struct err *vdi_release(struct sr *sr, const char *id)
{
	return NULL;
}

/* What is written from now on goes to an image of its own, which the end of the epoch drops. */
static MAY_WAIT struct err *epoch_begin(struct sr *sr, const char *id, bool is_persistent)
{
	struct file_vdi *v;

	TRY(file_vdi_find(file_of(sr), id, &v));
	if (is_persistent)
		return NULL;
	struct file_node *base = v->base ? v->base : v->image;
	return backend_failed(FAULT_GENERAL, file_vdi_put(file_of(sr), &v->value, base, base));
}

static MAY_WAIT struct err *epoch_end(struct sr *sr, const char *id)
{
	struct file_vdi *v;

	TRY(file_vdi_find(file_of(sr), id, &v));
	if (!v->base)
		return NULL;
	return backend_failed(FAULT_GENERAL, file_vdi_put(file_of(sr), &v->value, v->base, NULL));
}

static const char *features[] = {"SR_CREATE", "SR_DELETE", "SR_ATTACH", "SR_DETACH", "SR_SCAN",
	"SR_PROBE", "SR_UPDATE", "VDI_CREATE", "VDI_DELETE", "VDI_ATTACH", "VDI_DETACH",
	"VDI_ACTIVATE", "VDI_DEACTIVATE", "VDI_UPDATE", "VDI_RESIZE", "VDI_CLONE", "VDI_SNAPSHOT",
	"VDI_REVERT", "VDI_RESET_ON_BOOT/2", "THIN_PROVISIONING", "LARGE_VDI"};
static const char *formats[] = {"qcow2", "raw"};
static struct string_map_entry configuration[] = {
	{"location", "the directory, as an absolute path; it is made if it is not there"}};

static const struct storage_driver about = {
	.driver = "file",
	.name = "Local directory",
	.description = "Images in a directory of this host, thin, as qcow2 or raw",
	.vendor = "Xenith",
	.copyright = "",
	.version = XENITH_VERSION,
	.required_api_version = "2.0",
	.features = {features, ARRAY_LEN(features)},
	.configuration = {configuration, ARRAY_LEN(configuration)},
	.supported_image_formats = {formats, ARRAY_LEN(formats)},
};

const struct backend backend_file = {
	.about = &about,
	.sr_create = sr_create,
	.sr_probe = sr_probe,
	.sr_attach = file_attach,
	.sr_detach = file_detach,
	.sr_forget = sr_forget,
	.sr_destroy = file_destroy,
	.sr_scan = sr_scan,
	.sr_stat = sr_stat,
	.sr_set = sr_set,
	.vdi_stat = vdi_stat,
	.vdi_create = vdi_create,
	.vdi_import = vdi_import,
	.vdi_destroy = vdi_destroy,
	.vdi_snapshot = vdi_snapshot,
	.vdi_clone = vdi_clone,
	.vdi_freeze = vdi_freeze,
	.vdi_resize = vdi_resize,
	.vdi_revert = vdi_revert,
	.vdi_set = vdi_set,
	.vdi_attach = vdi_attach,
	.vdi_activate = vdi_activate,
	.vdi_deactivate = vdi_release,
	.vdi_detach = vdi_release,
	.vdi_ways = vdi_ways,
	.epoch_begin = epoch_begin,
	.epoch_end = epoch_end,
};
