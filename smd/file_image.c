/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes and changes images (file_image.h). Every program gets formats and names from us, so that
 * nothing is guessed from what a guest wrote. Fibers.
 */
#include "smd/file_image.h"

#include "common/file.h"
#include "common/mem.h"
#include "common/offload.h"
#include "common/proc.h"
#include "core.gen.h"
#include "smd/smd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define SIZE_TEXT 24 /* of a number of bytes, as an argument */

static const char *format_of(const struct file_node *n)
{
	return n->is_raw ? "raw" : "qcow2";
}

/* Relative names in ARGV are of the SR's directory. */
static MAY_WAIT struct err *run(const struct file_sr *sr, const char *const *argv)
{
	return proc_run(&(struct proc_spec){.argv = argv, .cwd = sr->dir}, NULL);
}

/* ---- on the pool ---- */

struct job {
	const char *dir;
	char *path;
	int64_t size_bytes;
	int flags; /* of open */
	bool is_sized; /* the file gets this size */
	int64_t used_bytes;
	int r;
};

/* Opens the file, gives it its size if it is to have one, and puts all of it on the disk. */
static void settle_file(void *arg)
{
	struct job *job = arg;
	auto_fd fd = open(job->path, job->flags | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0640);

	if (fd < 0 || (job->is_sized && ftruncate(fd, job->size_bytes)) || fsync(fd))
		job->r = -errno;
	else
		job->r = dir_sync(job->dir);
}

static void measure_file(void *arg)
{
	struct job *job = arg;
	struct stat st;

	job->r = lstat(job->path, &st) ? -errno : 0;
	if (!job->r)
		job->used_bytes = (int64_t)st.st_blocks * 512;
}

static MAY_WAIT struct err *work(const struct file_sr *sr, const struct file_node *n,
	void (*fn)(void *), const char *what, struct job *job)
{
	auto_str path = file_node_path(sr, n);

	job->dir = sr->dir;
	job->path = path;
	TRY(offload(what, fn, job));
	return job->r ? err_errno(-job->r, "%s: %s", what, path) : NULL;
}

/* ---- what is to be made ---- */

static MAY_WAIT struct err *settle(const struct file_sr *sr, const struct file_node *n)
{
	return work(sr, n, settle_file, "writing an image", &(struct job){0});
}

MAY_WAIT struct err *file_image_create(const struct file_sr *sr, const struct file_node *n)
{
	char size[SIZE_TEXT];
	const struct file_node *parent = n->parent;

	if (n->is_raw)
		return work(sr, n, settle_file, "making an image",
			&(struct job){.flags = O_CREAT | O_EXCL,
				.is_sized = true,
				.size_bytes = n->size_bytes});
	snprintf(size, sizeof(size), "%lld", (long long)n->size_bytes);
	if (parent)
		TRY(run(sr,
			(const char *const[]){smd_conf.qemu_img, "create", "-q", "-f", "qcow2",
				"-u", "-b", parent->name, "-F", format_of(parent), n->name, size,
				NULL}));
	else
		TRY(run(sr,
			(const char *const[]){smd_conf.qemu_img, "create", "-q", "-f", "qcow2",
				n->name, size, NULL}));
	return settle(sr, n);
}

MAY_WAIT struct err *file_image_copy(
	const struct file_sr *sr, const struct file_node *n, const struct storage_image_file *from)
{
	TRY(run(sr,
		(const char *const[]){smd_conf.qemu_img, "convert", "-q", "-f", from->format, "-O",
			format_of(n), from->path, n->name, NULL}));
	return settle(sr, n);
}

MAY_WAIT struct err *file_image_grow(
	const struct file_sr *sr, const struct file_node *n, int64_t size_bytes)
{
	char size[SIZE_TEXT];

	if (n->is_raw)
		return work(sr, n, settle_file, "making an image larger",
			&(struct job){.is_sized = true, .size_bytes = size_bytes});
	snprintf(size, sizeof(size), "%lld", (long long)size_bytes);
	TRY(run(sr,
		(const char *const[]){
			smd_conf.qemu_img, "resize", "-q", "-f", "qcow2", n->name, size, NULL}));
	return settle(sr, n);
}

MAY_WAIT struct err *file_image_usage(
	const struct file_sr *sr, const struct file_node *n, int64_t *out)
{
	struct job job = {0};

	TRY(work(sr, n, measure_file, "measuring an image", &job));
	*out = job.used_bytes;
	return NULL;
}
