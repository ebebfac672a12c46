/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Blobs and their files (blob.h): in <state>/xapid-blobs, a file UUID each, and UUID.N.new while
 * something is put there.
 */
#define LOG_MODULE "blob"

#include "xapid/plan/blob.h"

#include "common/clock.h"
#include "common/daemon.h"
#include "common/fiber.h"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/offload.h"
#include "xapid/db/db.h"

#include "xenapi.gen.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The classes whose objects have blobs. */
static const struct class *const owners[] = {&xenapi_class_vm, &xenapi_class_host,
	&xenapi_class_pool, &xenapi_class_sr, &xenapi_class_network};

static char *folder(void)
{
	return xasprintf("%s/xapid-blobs", daemon_paths()->state);
}

static char *path_of(const char *uuid)
{
	auto_str dir = folder();

	return xasprintf("%s/%s", dir, uuid);
}

/* ---- rows ---- */

struct err *blob_make(const char *name, const char *mime_type, bool is_public, const char **ref)
{
	struct xenapi_blob row = db_blank(blob);

	row.name_label = name;
	row.mime_type = *mime_type ? mime_type : "application/octet-stream";
	row.public = is_public;
	row.last_updated = clock_real_ns() / NS_PER_S;
	return db_create(blob, &row, ref);
}

struct err *blob_make_for(const struct class *class, const char *self, const char *name,
	const char *mime_type, bool is_public, const char **ref)
{
	const struct field *f = db_field_named(class, "blobs");
	const struct db_row *row = db_row(class, self);

	if (!row)
		return err(HANDLE_INVALID, class->name, self);
	if (db_has_key(row, f, name))
		return err(MAP_DUPLICATE_KEY, class->name, f->name, self, name);
	TRY(blob_make(name, mime_type, is_public, ref));
	return db_map_put_at(class, self, f->offset, name, ref);
}

/* The objects that have it, have it no longer. */
static struct err *take_from(const struct class *class, const char *ref)
{
	const struct field *f = db_field_named(class, "blobs");

	db_for_each_of (class, row) {
		const struct string_map *blobs = db_value(row, f);

		for (size_t i = blobs->n; i-- > 0;) {
			if (strcmp(blobs->v[i].value, ref) != 0)
				continue;
			auto_str key = xstrdup(blobs->v[i].key);
			TRY(db_map_remove_at(class, db_ref(row), f->offset, key));
			blobs = db_value(row, f);
		}
	}
	return NULL;
}

MAY_WAIT struct err *blob_destroy(const char *ref)
{
	const struct xenapi_blob *blob;

	TRY(db_get(blob, ref, &blob));
	auto_str path = path_of(blob->uuid);
	for (size_t i = 0; i < ARRAY_LEN(owners); i++)
		TRY(take_from(owners[i], ref));
	TRY(db_delete(blob, ref));
	/* A file that stays is removed at the next start. */
	auto_err e = file_drop(path, 0);
	if (e)
		log_err(LOG_WARN_, e, "a blob's file stays");
	return NULL;
}

MAY_WAIT struct err *blob_destroy_all(const struct class *class, const char *self)
{
	const struct field *f = db_field_named(class, "blobs");
	const struct db_row *row;

	while ((row = db_row(class, self))) {
		const struct string_map *blobs = db_value(row, f);

		if (!blobs->n)
			return NULL;
		auto_str key = xstrdup(blobs->v[0].key);
		auto_str ref = xstrdup(blobs->v[0].value);
		TRY(db_map_remove_at(class, self, f->offset, key));
		if (db_find(blob, ref))
			TRY(blob_destroy(ref));
	}
	return NULL;
}

/* ---- files, on the pool ---- */

struct file_job {
	const char *path, *to;
	int flags, fd, error;
	off_t size;
};

static void run_open(void *arg)
{
	struct file_job *j = arg;
	struct stat st = {0};

	j->fd = open(j->path, j->flags | O_CLOEXEC, 0600);
	j->error = j->fd < 0 || fstat(j->fd, &st) < 0 ? errno : 0;
	j->size = st.st_size;
}

static void run_keep(void *arg)
{
	struct file_job *j = arg;
	auto_str dir = folder();

	if (fdatasync(j->fd) < 0 || rename(j->path, j->to) < 0)
		j->error = errno;
	else
		j->error = -dir_sync(dir);
}

MAY_WAIT struct err *blob_open(const char *uuid, int *fd, uint64_t *size)
{
	auto_str path = path_of(uuid);
	struct file_job j = {.path = path, .flags = O_RDONLY};

	*fd = -1;
	TRY(offload("opening a blob", run_open, &j));
	if (j.error == ENOENT)
		return NULL;
	if (j.error) {
		if (j.fd >= 0)
			close(j.fd);
		return err_errno(j.error, "open %s", path);
	}
	*fd = j.fd;
	*size = (uint64_t)j.size;
	return NULL;
}

MAY_WAIT struct err *blob_draft_open(const char *uuid, struct blob_draft *out)
{
	static unsigned n;
	auto_str path = path_of(uuid);

	*out = (struct blob_draft){.path = xasprintf("%s.%u.new", path, n++), .fd = -1};
	struct file_job j = {.path = out->path, .flags = O_WRONLY | O_CREAT | O_EXCL, .fd = -1};
	TRY(offload("making a blob's file", run_open, &j));
	out->fd = j.fd;
	return j.error ? err_errno(j.error, "create %s", out->path) : NULL;
}

MAY_WAIT struct err *blob_draft_keep(struct blob_draft *d, const char *ref, uint64_t size)
{
	const struct xenapi_blob *blob;

	TRY(db_get(blob, ref, &blob));
	auto_str path = path_of(blob->uuid);
	struct file_job j = {.path = d->path, .to = path, .fd = d->fd};
	TRY(offload("keeping a blob", run_keep, &j));
	if (j.error)
		return err_errno(j.error, "write %s", path);
	free(take(d->path));
	struct err *gone = db_get(blob, ref, &blob);
	if (gone) {
		err_free(file_drop(path, 0));
		return gone;
	}
	TRY(db_write(blob, ref, size, (int64_t)size));
	return db_write(blob, ref, last_updated, clock_real_ns() / NS_PER_S);
}

MAY_WAIT void blob_draft_end(struct blob_draft *d)
{
	fiber_cancel_mask();
	if (d->fd >= 0)
		close(d->fd);
	if (d->path)
		err_free(file_drop(d->path, 0));
	free(d->path);
	fiber_cancel_unmask();
}

/* ---- start ---- */

static void remove_strangers(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *entry;

	while (d && (entry = readdir(d))) {
		auto_str path = xasprintf("%s/%s", dir, entry->d_name);

		if (*entry->d_name != '.' && !db_find_uuid(blob, entry->d_name) && !unlink(path))
			log_info("%s is no blob's: it is removed", entry->d_name);
	}
	if (d)
		closedir(d);
}

static struct err *note_size(const char *ref, const char *uuid)
{
	auto_str path = path_of(uuid);
	struct stat st = {0};

	if (stat(path, &st) < 0 && errno != ENOENT)
		return err_errno(errno, "stat %s", path);
	return db_write(blob, ref, size, (int64_t)st.st_size);
}

MAY_WAIT struct err *blob_start(void)
{
	auto_str dir = folder();
	int r = dir_make(dir, 0700);

	if (r < 0)
		return err_errno(-r, "make %s", dir);
	remove_strangers(dir);
	db_for_each (blob, row) {
		const struct xenapi_blob *blob = db_record(row);

		TRY(note_size(db_ref(row), blob->uuid));
	}
	return NULL;
}
