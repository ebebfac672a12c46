/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keeps the owners (owner.h): one series each, and the file that it is fed into. Fibers.
 */
#define LOG_MODULE "owner"
#include "rrdd/owner.h"

#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/offload.h"
#include "common/uuid.h"
#include "core.gen.h"
#include "rrdd/rrdd.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#define SUFFIX ".series"

/* ---- coming and going ---- */

static void owner_free(struct owner *o)
{
	series_close(o->series);
	mutex_fini(&o->feeding);
	free(o->name);
	free(o);
}

static struct err *owner_open(const char *name, struct owner **out)
{
	auto_str path = xasprintf("%s/%s" SUFFIX, rrdd.series_dir, name);
	struct series *series;

	TRY(series_open(&series, path));
	struct owner *o = xnew(struct owner);
	o->name = xstrdup(name);
	o->kind = strcmp(name, "host") != 0 ? "vm" : "host";
	o->uuid = strcmp(name, "host") != 0 ? o->name + strlen("vm-") : "";
	o->series = series;
	mutex_init(&o->feeding);
	map_put(&rrdd.owners, name, o);
	*out = o;
	return NULL;
}

static bool is_uuid(const char *text)
{
	struct uuid uuid;

	return !uuid_from_text(&uuid, text);
}

struct err *owner_get(const char *vm, struct owner **out)
{
	auto_str name = vm ? xasprintf("vm-%s", vm) : xstrdup("host");
	struct owner *o = map_get(&rrdd.owners, name);

	if (vm && !is_uuid(vm))
		return err(INVALID_VALUE, "vm", "not a UUID");
	if (!o)
		return owner_open(name, out);
	*out = o;
	return NULL;
}

struct err *owner_find(const struct rrd_owner *id, struct owner **out)
{
	struct owner *o = NULL;

	if (id->kind == RRD_OWNER_HOST) {
		o = map_get(&rrdd.owners, "host");
	} else if (id->kind == RRD_OWNER_VM) {
		auto_str name = xasprintf("vm-%s", id->vm);

		o = map_get(&rrdd.owners, name);
	}
	if (!o)
		return err(No_such_owner, id->kind == RRD_OWNER_HOST ? "host" : id->vm);
	*out = o;
	return NULL;
}

void owner_ref(struct owner *o)
{
	o->n_users++;
}

void owner_unref(struct owner *o)
{
	if (!--o->n_users && o->is_gone)
		owner_free(o);
}

/* The name of a series' file, or NULL. */
static char *name_of(const char *file)
{
	size_t len = strlen(file), end = strlen(SUFFIX);

	if (len <= end || strcmp(file + len - end, SUFFIX) != 0)
		return NULL;
	auto_str name = xstrndup(file, len - end);
	if (strcmp(name, "host") != 0 && (strncmp(name, "vm-", 3) != 0 || !is_uuid(name + 3)))
		return NULL;
	return take(name);
}

struct err *owners_open(void)
{
	DIR *d = opendir(rrdd.series_dir);
	struct err *e = NULL;
	struct owner *o;

	if (!d)
		return err_errno(errno, "reading %s", rrdd.series_dir);
	for (struct dirent *entry; !e && (entry = readdir(d));) {
		auto_str name = name_of(entry->d_name);

		if (name)
			e = owner_open(name, &o);
	}
	closedir(d);
	return e;
}

void owners_close(void)
{
	map_for_each (slot, &rrdd.owners)
		owner_free(slot->value);
	map_fini(&rrdd.owners);
}

static char *archive_path(const struct owner *o)
{
	return xasprintf("%s/%s.rrd", rrdd.archive_dir, o->name);
}

MAY_WAIT struct err *owner_remove(struct owner *o)
{
	auto_str path = archive_path(o);

	owner_ref(o);
	struct err *e = mutex_lock(&o->feeding, "feeding an archive", NEVER);
	if (!e && !o->is_gone) {
		map_remove(&rrdd.owners, o->name);
		o->is_gone = true;
		series_remove(take(o->series));
		e = file_drop(path, 0);
	}
	if (o->feeding.owner == fiber_current())
		mutex_unlock(&o->feeding);
	owner_unref(o);
	return e;
}

/* ---- the long archives ---- */

/* What the pool works on: copies. */
struct job {
	char *path;
	struct table minutes;
	int64_t last_s; /* of the file */
	int64_t row_s, from_s, to_s;
	const char *const *names;
	size_t n_names;
	struct table *out;
	struct err *e;
};

static void look_up_last(void *arg)
{
	struct job *job = arg;

	job->e = rrd_file_last(job->path, &job->last_s);
}

static void feed(void *arg)
{
	struct job *job = arg;

	job->e = rrd_file_feed(job->path, &job->minutes);
}

static void fetch(void *arg)
{
	struct job *job = arg;

	job->e = rrd_file_fetch(
		job->path, job->row_s, job->from_s, job->to_s, job->names, job->n_names, job->out);
}

static const char *const *names_of(const struct owner *o, struct arena *a, size_t *n)
{
	*n = series_n_columns(o->series);
	const char **names = arena_calloc(a, *n, sizeof(*names));

	for (size_t i = 0; i < *n; i++)
		names[i] = arena_strdup(a, series_column(o->series, i)->name);
	return names;
}

/* The rows of one of the short archives. */
static void short_rows(const struct owner *o, int64_t row_s, int64_t from_s, int64_t to_s,
	struct arena *a, struct table *t)
{
	const struct series *s = o->series;

	*t = (struct table){.row_s = row_s};
	t->names = names_of(o, a, &t->n_columns);
	t->first_s = (from_s / row_s + 1) * row_s;
	t->n_rows = to_s < t->first_s ? 0 : (size_t)((to_s - t->first_s) / row_s) + 1;
	t->values = xcalloc(t->n_rows * t->n_columns + 1, sizeof(*t->values));
	for (size_t row = 0; row < t->n_rows; row++) {
		int64_t number = t->first_s / row_s + (int64_t)row;

		for (size_t i = 0; i < t->n_columns; i++)
			table_row(t, row)[i] = row_s == STEP_S ? series_value(s, number, i)
							       : series_minute(s, number, i);
	}
}

static MAY_WAIT struct err *feed_locked(struct owner *o, struct arena *a)
{
	auto_str path = archive_path(o);
	struct job job = {.path = path};

	TRY(offload("reading an archive", look_up_last, &job));
	TRY(job.e);
	if (o->is_gone)
		return NULL;
	int64_t now_s = series_last(o->series) * STEP_S / MINUTE_S * MINUTE_S;
	int64_t oldest_s = now_s - (int64_t)ROWS * MINUTE_S;
	int64_t from_s = job.last_s > oldest_s ? job.last_s : oldest_s;
	if (!now_s || from_s >= now_s)
		return NULL;
	short_rows(o, MINUTE_S, from_s, now_s, a, &job.minutes);
	struct err *e = offload("feeding an archive", feed, &job);
	table_fini(&job.minutes);
	return e ? e : job.e;
}

MAY_WAIT struct err *owner_feed(struct owner *o)
{
	auto_arena a = {0};

	owner_ref(o);
	struct err *e = mutex_lock(&o->feeding, "feeding an archive", NEVER);
	if (!e) {
		if (!o->is_gone)
			e = feed_locked(o, &a);
		mutex_unlock(&o->feeding);
	}
	owner_unref(o);
	return e;
}

MAY_WAIT struct err *owners_feed_all(void)
{
	vec_of(struct owner *) all = {0};
	struct err *first = NULL;

	map_for_each (slot, &rrdd.owners) {
		owner_ref(slot->value);
		vec_push(&all, slot->value);
	}
	vec_for_each (i, &all) {
		struct err *e = owner_feed(all.v[i]);

		if (e && first)
			log_err(LOG_WARN_, e, "the archive of %s is behind", all.v[i]->name);
		if (first)
			err_free(e);
		else
			first = e;
		owner_unref(all.v[i]);
	}
	vec_fini(&all);
	return first;
}

static void drop_column(void *arg)
{
	struct job *job = arg;

	job->e = rrd_file_drop(job->path, job->names[0]);
}

/* The long archives first: they are fed from the short ones. */
static MAY_WAIT struct err *forget_locked(struct owner *o, const char *column)
{
	auto_str path = archive_path(o);
	struct job job = {.path = path, .names = &column, .n_names = 1};

	TRY(offload("dropping a column", drop_column, &job));
	TRY(job.e);
	int at = o->is_gone ? -1 : series_find(o->series, column);
	if (at >= 0)
		series_forget(o->series, (size_t)at);
	return NULL;
}

MAY_WAIT struct err *owner_forget(struct owner *o, const char *column)
{
	owner_ref(o);
	struct err *e = mutex_lock(&o->feeding, "feeding an archive", NEVER);
	if (!e) {
		e = forget_locked(o, column);
		mutex_unlock(&o->feeding);
	}
	owner_unref(o);
	return e;
}

MAY_WAIT struct err *owner_rows(struct owner *o, int64_t row_s, int64_t from_s, int64_t to_s,
	struct arena *a, struct table *out)
{
	auto_str path = archive_path(o);
	struct job job = {.path = path, .row_s = row_s, .from_s = from_s, .to_s = to_s, .out = out};

	/* It may have gone while the caller waited for other rows. */
	if (o->is_gone)
		return err(No_such_owner, *o->uuid ? o->uuid : o->kind);
	if (row_s <= MINUTE_S) {
		short_rows(o, row_s, from_s, to_s, a, out);
		return NULL;
	}
	job.names = names_of(o, a, &job.n_names);
	TRY(owner_feed(o));
	TRY(offload("reading an archive", fetch, &job));
	return job.e;
}
