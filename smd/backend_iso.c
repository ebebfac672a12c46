/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SRs of type iso: a folder whose .iso and .img files are VDIs to be read, named as the files are.
 * Nothing is kept and nothing written: what is there is looked at when it is asked for. Fibers.
 */
#include "common/mem.h"
#include "common/offload.h"
#include "common/updates.h"
#include "common/vec.h"
#include "common/version.h"
#include "core.gen.h"
#include "smd/backend.h"
#include "smd/sr.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

struct image {
	char *name; /* owned */
	int64_t size_bytes, used_bytes;
};

/* What a pool thread does for a call. */
struct job {
	const char *dir;
	const char *name; /* of one image */
	vec_of(struct image) found;
	struct statvfs fs;
	int r;
};

static const char *dir_of(const struct sr *sr)
{
	return sr->state;
}

static bool is_image_name(const char *name)
{
	const char *dot = strrchr(name, '.');

	return *name != '.' && !strchr(name, '/') && dot &&
		(!strcasecmp(dot, ".iso") || !strcasecmp(dot, ".img"));
}

/* A regular file of the folder itself: a link could lead anywhere. */
static int look(const char *dir, const char *name, struct job *job)
{
	auto_str path = xasprintf("%s/%s", dir, name);
	struct stat st;

	if (!is_image_name(name) || lstat(path, &st) || !S_ISREG(st.st_mode))
		return -ENOENT;
	struct image image = {xstrdup(name), st.st_size, (int64_t)st.st_blocks * 512};
	vec_push(&job->found, image);
	return 0;
}

static void look_at_one(void *arg)
{
	struct job *job = arg;

	job->r = look(job->dir, job->name, job);
}

static void look_at_all(void *arg)
{
	struct job *job = arg;
	DIR *d = opendir(job->dir);

	if (!d) {
		job->r = -errno;
		return;
	}
	for (struct dirent *entry; (errno = 0, entry = readdir(d));) {
		int no_image = look(job->dir, entry->d_name, job);
		(void)no_image;
	}
	job->r = -errno;
	closedir(d);
}

static void measure(void *arg)
{
	struct job *job = arg;

	job->r = statvfs(job->dir, &job->fs) ? -errno : 0;
}

static void job_fini(struct job *job)
{
	vec_for_each (i, &job->found)
		free(job->found.v[i].name);
	vec_fini(&job->found);
}

static void describe(const struct image *image, struct arena *a, struct storage_vdi *out)
{
	*out = (struct storage_vdi)STORAGE_VDI_INIT;
	out->vdi = out->name_label = arena_strdup(a, image->name);
	out->image_format = "raw";
	out->virtual_size_bytes = image->size_bytes;
	out->physical_utilisation_bytes = image->used_bytes;
	out->read_only = true;
	out->sharable = true;
}

/* ---- the table ---- */

static MAY_WAIT struct err *iso_attach(struct sr *sr)
{
	const char *dir = secret_map_get(&sr->how.device_config, "location");
	struct job job = {.dir = dir};

	if (!dir || !*dir)
		return err(Missing_configuration_parameter, "location");
	if (*dir != '/')
		return err(INVALID_VALUE, "device_config.location", "not an absolute path");
	TRY(offload("reading a folder", look_at_all, &job));
	job_fini(&job);
	if (job.r)
		return backend_failed(FAULT_SR_UNAVAILABLE, err_errno(-job.r, "reading %s", dir));
	sr->state = xstrdup(dir);
	return NULL;
}

/* There is nothing to make: the folder is somebody else's. */
static MAY_WAIT struct err *sr_create(
	const struct storage_sr_create_in *in, struct arena *a, struct storage_secret_map *out)
{
	if (!secret_map_get(&in->device_config, "location"))
		return err(Missing_configuration_parameter, "location");
	*out = in->device_config;
	return NULL;
}

static void sr_forget(struct sr *sr)
{
	free(take(sr->state));
}

static MAY_WAIT struct err *iso_detach(struct sr *sr)
{
	sr_forget(sr);
	return NULL;
}

static MAY_WAIT struct err *sr_stat(struct sr *sr, struct arena *a, struct storage_sr *out)
{
	struct job job = {.dir = dir_of(sr)};

	TRY(offload("measuring a folder", measure, &job));
	if (job.r)
		return backend_failed(
			FAULT_SR_UNAVAILABLE, err_errno(-job.r, "measuring %s", job.dir));
	*out = (struct storage_sr)STORAGE_SR_INIT;
	out->sr = arena_strdup(a, sr->id);
	out->total_space_bytes = (int64_t)(job.fs.f_blocks * job.fs.f_frsize);
	out->free_space_bytes = (int64_t)(job.fs.f_bavail * job.fs.f_frsize);
	return NULL;
}

static MAY_WAIT struct err *sr_scan(struct sr *sr, struct arena *a, struct storage_vdi_list *out)
{
	AUTO(job_fini) struct job job = {.dir = dir_of(sr)};

	TRY(offload("reading a folder", look_at_all, &job));
	if (job.r)
		return backend_failed(FAULT_SCAN, err_errno(-job.r, "reading %s", job.dir));
	out->v = arena_calloc(a, job.found.n, sizeof(*out->v));
	out->n = job.found.n;
	vec_for_each (i, &job.found)
		describe(&job.found.v[i], a, &out->v[i]);
	return NULL;
}

static MAY_WAIT struct err *vdi_stat(
	struct sr *sr, const char *vdi, struct arena *a, struct storage_vdi *out)
{
	AUTO(job_fini) struct job job = {.dir = dir_of(sr), .name = vdi};

	TRY(offload("looking at an image", look_at_one, &job));
	if (job.r)
		return err(Vdi_does_not_exist, sr->id, vdi);
	describe(&job.found.v[0], a, out);
	return NULL;
}

/* Also what attach and activate are: the image must be there. */
static MAY_WAIT struct err *vdi_ways(
	struct sr *sr, const char *vdi, struct arena *a, struct storage_implementation_list *out)
{
	struct storage_vdi now;

	TRY(vdi_stat(sr, vdi, a, &now));
	out->v = arena_new(a, struct storage_implementation);
	out->n = 1;
	out->v->kind = STORAGE_IMPLEMENTATION_FILE;
	out->v->file.path = arena_printf(a, "%s/%s", dir_of(sr), vdi);
	out->v->file.format = "raw";
	return NULL;
}

static MAY_WAIT struct err *vdi_use(struct sr *sr, const char *vdi, bool writes)
{
	auto_arena a = {0};
	struct storage_vdi now;

	return vdi_stat(sr, vdi, &a, &now);
}

static MAY_WAIT struct err *vdi_release(struct sr *sr, const char *vdi)
{
	return NULL;
}

static const char *features[] = {"SR_CREATE", "SR_ATTACH", "SR_DETACH", "SR_SCAN", "VDI_ATTACH",
	"VDI_DETACH", "VDI_ACTIVATE", "VDI_DEACTIVATE"};
static const char *formats[] = {"raw"};
static struct string_map_entry configuration[] = {{"location", "the folder, as an absolute path"},
	{"legacy_mode", "true, as clients have it for a folder of the host itself"}};

static const struct storage_driver about = {
	.driver = "iso",
	.name = "ISO library",
	.description = "The CD images of a folder, to be read",
	.vendor = "Xenith",
	.copyright = "",
	.version = XENITH_VERSION,
	.required_api_version = "2.0",
	.features = {features, ARRAY_LEN(features)},
	.configuration = {configuration, ARRAY_LEN(configuration)},
	.supported_image_formats = {formats, ARRAY_LEN(formats)},
};

const struct backend backend_iso = {
	.about = &about,
	.sr_create = sr_create,
	.sr_attach = iso_attach,
	.sr_detach = iso_detach,
	.sr_forget = sr_forget,
	.sr_scan = sr_scan,
	.sr_stat = sr_stat,
	.vdi_stat = vdi_stat,
	.vdi_attach = vdi_use,
	.vdi_activate = vdi_use,
	.vdi_deactivate = vdi_release,
	.vdi_detach = vdi_release,
	.vdi_ways = vdi_ways,
};
