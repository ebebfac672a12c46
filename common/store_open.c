/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opening a store's file (store_file.h): it is locked, made when nothing is there, looked through,
 * restored when it is damaged and there is a copy, and brought up to date. Nothing is changed
 * before all has been checked.
 */
#include "common/store_sql.h"

#include "common/file.h"
#include "common/mem.h"
#include "core.gen.h"

#define LOG_MODULE "store"
#include "common/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/* ---- files ---- */

int store_sync_folder_of(const char *path)
{
	auto_str copy = xstrdup(path);

	return dir_sync(dirname(copy));
}

static int copy_bytes(int from, int to)
{
	static const size_t block = 256 * 1024;
	auto_str buf = xmalloc(block);
	ssize_t got;

	while ((got = read(from, buf, block)) > 0) {
		int r = write_all(to, buf, (size_t)got);

		if (r)
			return r;
	}
	return got < 0 ? -errno : 0;
}

/* TO is FROM's content whole or is not there; on the disk when this returns. */
static struct err *copy_file(const char *from, const char *to)
{
	auto_str new_path = xasprintf("%s.new", to);
	auto_fd in = open(from, O_RDONLY | O_CLOEXEC);
	auto_fd out = in < 0 ? -1 : open(new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (out < 0)
		return err_errno(errno, "copy %s to %s", from, to);
	int r = copy_bytes(in, out);
	if (!r && (fsync(out) || rename(new_path, to)))
		r = -errno;
	if (!r)
		return (r = store_sync_folder_of(to)) ? err_errno(-r, "sync the folder of %s", to)
						      : NULL;
	unlink(new_path);
	return err_errno(-r, "copy %s to %s", from, to);
}

/* Makes the file under another name, so that one that is there is always whole. */
static struct err *create(struct store_file *f)
{
	auto_str new_path = xasprintf("%s.new", f->path);
	const struct store_digest none = {0};
	auto_sql sql = sqlite3_mprintf(
		"PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; "
		"PRAGMA page_size = %d; PRAGMA application_id = %d;"
		"BEGIN; CREATE TABLE meta (id INTEGER PRIMARY KEY, generation INTEGER, "
		"rows INTEGER, sum INTEGER, checksum INTEGER, probe BLOB);"
		"INSERT INTO meta VALUES (1, 0, 0, 0, %lld, NULL); PRAGMA user_version = %d; "
		"COMMIT; PRAGMA journal_mode = WAL",
		STORE_PAGE_SIZE, STORE_APPLICATION_ID,
		(sqlite3_int64)store_rows_digest_checksum(&none), f->schema->version);
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXRESCODE;

	unlink(new_path);
	int rc = sqlite3_open_v2(new_path, &f->db, flags, f->vfs);
	struct err *e = rc == SQLITE_OK ? store_sql_run(f, sql) : store_sql_error(f, "create", rc);
	store_sql_disconnect(f);
	if (e)
		return e;
	if (chmod(new_path, 0600) || rename(new_path, f->path))
		return err_errno(errno, "create %s", f->path);
	int r = store_sync_folder_of(f->path);
	return r ? err_errno(-r, "sync the folder of %s", f->path) : NULL;
}

/* ---- checks ---- */

static struct err *quick_check(struct store_file *f)
{
	auto_stmt st = NULL;

	TRY(store_sql_prepare(f, &st, "PRAGMA quick_check(1)"));
	int rc = sqlite3_step(st);
	if (rc != SQLITE_ROW)
		return store_sql_error(f, "quick_check", rc);
	const char *verdict = (const char *)sqlite3_column_text(st, 0);
	return verdict && !strcmp(verdict, "ok") ? NULL
						 : store_sql_damaged(f, verdict ? verdict : "?");
}

static struct err *check_kind(struct store_file *f)
{
	int64_t id, version, page_size, meta_page;

	TRY(store_sql_read_int(f, "PRAGMA application_id", &id));
	TRY(store_sql_read_int(f, "PRAGMA page_size", &page_size));
	TRY(store_sql_read_int(
		f, "SELECT rootpage FROM sqlite_schema WHERE name = 'meta'", &meta_page));
	if (id != STORE_APPLICATION_ID || page_size != STORE_PAGE_SIZE ||
		meta_page != STORE_META_PAGE)
		return store_sql_damaged(f, "not a file of this store");
	TRY(store_sql_read_int(f, "PRAGMA user_version", &version));
	if (version > f->schema->version) {
		auto_str reason = xasprintf("it is of version %lld, newer than %d",
			(long long)version, f->schema->version);
		return err(STORE_UNUSABLE, f->path, reason);
	}
	return version < 1 ? store_sql_damaged(f, "no version") : NULL;
}

/* Makes sure that sqlite will see all of the log; lays one out when there is none. */
static struct err *make_log(struct store_file *f)
{
	int r = store_log_create(f->log_path, STORE_LOG_ANY);

	if (!r)
		r = store_sync_folder_of(f->log_path);
	return r ? err_errno(-r, "create %s", f->log_path) : NULL;
}

/* Before sqlite sees it: an empty file, say, is a new database to it. */
static struct err *check_head(struct store_file *f)
{
	static const char magic[16] = "SQLite format 3";
	static const char wal_version[2] = {2, 2};
	char head[100];
	auto_fd fd = open(f->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(errno, "open %s", f->path);
	ssize_t got = pread(fd, head, sizeof(head), 0);
	if (got < 0)
		return err_errno(errno, "read %s", f->path);
	if (got < (ssize_t)sizeof(head) || memcmp(head, magic, sizeof(magic)) != 0 ||
		memcmp(head + 18, wal_version, sizeof(wal_version)) != 0)
		return store_sql_damaged(f, "not a file of this store");
	return NULL;
}

static struct err *open_checked(struct store_file *f)
{
	enum store_log_state state;
	uint64_t closed_at;

	TRY(check_head(f));
	TRY(store_log_inspect(f->log_path, STORE_META_PAGE, &state, &closed_at));
	if (state == STORE_LOG_DAMAGED)
		return store_sql_damaged(f, "the log beside it is damaged");
	if (state == STORE_LOG_MISSING)
		TRY(make_log(f));
	TRY(store_sql_connect(f, f->path, 0));
	TRY(quick_check(f));
	TRY(check_kind(f));
	TRY(store_rows_check(f));
	if (state == STORE_LOG_MISSING && f->digest.generation)
		log_warn("%s had no log beside it: what was only there is lost", f->path);
	if (state == STORE_LOG_CLEAN && closed_at != STORE_LOG_ANY &&
		closed_at != f->digest.generation)
		return store_sql_damaged(
			f, "it is not what was closed together with the log beside it");
	return NULL;
}

/* ---- upgrades ---- */

struct store_upgrade {
	struct store_file *file;
	struct store_digest digest;
};

struct err *store_upgrade_put(
	struct store_upgrade *u, const char *table, const char *key, const void *value, size_t size)
{
	struct store_table *t = store_rows_table(u->file, table);

	assert(t);
	int rc = store_rows_put(t, key, u->digest.generation, value, size, &u->digest);
	return rc == SQLITE_OK ? NULL : store_sql_error(u->file, "upgrade", rc);
}

struct err *store_upgrade_delete(struct store_upgrade *u, const char *table, const char *key)
{
	struct store_table *t = store_rows_table(u->file, table);

	assert(t);
	int rc = store_rows_delete(t, key, &u->digest);
	return rc == SQLITE_OK ? NULL : store_sql_error(u->file, "upgrade", rc);
}

/* One row a query: the step may change the table that it walks. */
struct err *store_upgrade_each(
	struct store_upgrade *u, const char *table, store_row_fn fn, void *arg)
{
	auto_str key = xstrdup("");
	auto_stmt st = NULL;
	auto_sql sql = sqlite3_mprintf("SELECT key, generation, value, checksum FROM \"t_%w\" "
				       "WHERE key > ?1 ORDER BY key LIMIT 1",
		table);
	int rc;

	TRY(store_sql_prepare(u->file, &st, sql));
	for (;;) {
		struct store_row row;

		sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
		rc = sqlite3_step(st);
		if (rc != SQLITE_ROW)
			return rc == SQLITE_DONE ? NULL : store_sql_error(u->file, sql, rc);
		TRY(store_rows_read(u->file, table, st, &row));
		free(take(key));
		key = xstrdup(row.key);
		auto_str value = xmalloc(row.size + 1);
		memcpy(value, row.value, row.size);
		row.key = key;
		row.value = value;
		sqlite3_reset(st);
		TRY(fn(&row, arg));
	}
}

static struct err *run_steps(struct store_file *f, int version)
{
	struct store_upgrade u = {.file = f, .digest = f->digest};

	u.digest.generation++;
	for (; version < f->schema->version; version++)
		TRY_CTX(f->schema->steps[version - 1](&u), "upgrading %s from version %d", f->path,
			version);
	int rc = store_rows_write_digest(f, &u.digest);
	if (rc != SQLITE_OK)
		return store_sql_error(f, "upgrade", rc);
	auto_sql sql = sqlite3_mprintf("PRAGMA user_version = %d", f->schema->version);
	TRY(store_sql_run(f, sql));
	TRY(store_sql_run(f, "COMMIT"));
	f->digest = u.digest;
	return NULL;
}

/* The tables of the present schema are there already; the rows still have their old shape. */
static struct err *upgrade(struct store_file *f)
{
	int64_t version;

	TRY(store_sql_read_int(f, "PRAGMA user_version", &version));
	if (version == f->schema->version)
		return NULL;
	auto_str kept = xasprintf("%s.v%lld", f->path, (long long)version);
	if (store_file_checkpoint(f) != STORE_DONE)
		return err(STORE_UNUSABLE, f->path, f->problem);
	TRY(copy_file(f->path, kept));
	log_info("%s: upgrading from version %lld to %d; a copy is kept as %s", f->path,
		(long long)version, f->schema->version, kept);
	TRY(store_sql_run(f, "BEGIN IMMEDIATE"));
	struct err *e = run_steps(f, (int)version);
	if (e && !sqlite3_get_autocommit(f->db))
		sqlite3_exec(f->db, "ROLLBACK", NULL, NULL, NULL);
	return e;
}

/* ---- all of it ---- */

static struct err *take_lock(struct store_file *f)
{
	auto_str lock_path = xasprintf("%s.lock", f->path);

	f->lock_fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (f->lock_fd < 0)
		return err_errno(errno, "open %s", lock_path);
	if (!flock(f->lock_fd, LOCK_EX | LOCK_NB))
		return NULL;
	if (errno == EWOULDBLOCK)
		return err(STORE_UNUSABLE, f->path, "in use by another process");
	return err_errno(errno, "lock %s", lock_path);
}

static bool exists(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

char *store_backup_name(const struct store_file *f, unsigned n)
{
	return n ? xasprintf("%s.%u", f->backup_path, n) : xstrdup(f->backup_path);
}

static bool has_backup(const struct store_file *f)
{
	for (unsigned n = 0; n < STORE_BACKUPS; n++) {
		auto_str backup = store_backup_name(f, n);

		if (exists(backup))
			return true;
	}
	return false;
}

static struct err *open_or_create(struct store_file *f)
{
	bool is_new = !exists(f->path);

	f->is_damaged = false;
	if (is_new && (exists(f->log_path) || has_backup(f)))
		return store_sql_damaged(f, "it is missing, but not what belongs to it");
	if (is_new)
		TRY(create(f));
	TRY(open_checked(f));
	TRY(store_rows_prepare(f));
	return upgrade(f);
}

/* A name beside PATH that is not taken, for what it was. */
static char *free_name(const char *path, const char *what)
{
	char *name = NULL;

	for (unsigned n = 1; !name || exists(name); n++) {
		free(name);
		name = xasprintf("%s.%s-%u", path, what, n);
	}
	return name;
}

/* Puts what is there, if anything, out of the way. */
static struct err *put_aside(const char *path, const char *what)
{
	auto_str aside = free_name(path, what);

	if (rename(path, aside) && errno != ENOENT)
		return err_errno(errno, "rename %s to %s", path, aside);
	return NULL;
}

static struct err *restore_from(struct store_file *f, const char *backup, struct err *why)
{
	auto_err reason = why;

	log_error("%s IS DAMAGED (%s): RESTORING %s; all changes since that copy are lost. The "
		  "damaged file is kept beside it.",
		f->path, err_text(reason), backup);
	store_sql_disconnect(f);
	/* The log first: a file without a log is taken as it is, a log without its file is not. */
	TRY(put_aside(f->log_path, "damaged"));
	TRY(put_aside(f->path, "damaged"));
	TRY(copy_file(backup, f->path));
	TRY(open_or_create(f));
	f->is_restored = true;
	return NULL;
}

/* The newest copy, or an older one when that is damaged too. */
static struct err *restore(struct store_file *f, struct err *why)
{
	struct err *e = why;

	for (unsigned n = 0; n < STORE_BACKUPS && e && f->is_damaged; n++) {
		auto_str backup = store_backup_name(f, n);

		if (exists(backup))
			e = restore_from(f, backup, e);
	}
	return e;
}

static void free_file(struct store_file **fp)
{
	struct store_file *f = *fp;

	if (!f)
		return;
	store_file_backup_abort(f);
	store_sql_disconnect(f);
	close_fdp(&f->lock_fd);
	free(f->path);
	free(f->log_path);
	free(f->backup_path);
	free(f->problem);
	free(f);
}

static struct store_file *new_file(const char *path, const struct store_options *options)
{
	struct store_file *f = xnew(struct store_file);

	f->path = xstrdup(path);
	f->log_path = xasprintf("%s-wal", path);
	f->backup_path = xasprintf("%s.backup", path);
	f->vfs = options->vfs;
	f->schema = options->schema;
	f->lock_fd = -1;
	return f;
}

struct err *store_file_open(
	struct store_file **out, const char *path, const struct store_options *options)
{
	AUTO(free_file) struct store_file *f = new_file(path, options);

	TRY(take_lock(f));
	struct err *e = open_or_create(f);
	if (e && f->is_damaged && options->restores_backup)
		e = restore(f, e);
	TRY_CTX(e, "opening %s", path);
	/* What a killed run left in the log goes into the file: then it is there twice. */
	if (store_file_checkpoint(f) == STORE_BROKEN)
		return err(STORE_UNUSABLE, path, f->problem);
	*out = take(f);
	return NULL;
}

void store_file_close(struct store_file *f)
{
	if (!f)
		return;
	store_file_backup_abort(f);
	bool is_whole = store_file_checkpoint(f) == STORE_DONE && !f->log_pages;
	store_sql_disconnect(f);
	int r = is_whole ? store_log_mark_clean(f->log_path, f->digest.generation) : 0;
	if (r)
		log_warn("%s: %s", f->log_path, strerrordesc_np(-r));
	free_file(&f);
}

/* ---- looking through a file ---- */

static const char *const no_tables[] = {NULL};
static const struct store_schema any_schema = {.version = INT32_MAX, .tables = no_tables};

/* At a copy, since sqlite may write when it reads. */
static struct err *look(struct store_file *f, const char *table, store_row_fn fn, void *arg)
{
	struct store_walk ignored = {0};

	TRY(open_checked(f));
	return table ? store_rows_walk(f, table, fn, arg, &ignored) : NULL;
}

struct err *store_look(const char *path, const char *table, store_row_fn fn, void *arg)
{
	const struct store_options options = {.schema = &any_schema};
	auto_str copy = xasprintf("%s.fsck", path);
	AUTO(free_file) struct store_file *f = new_file(path, &options);

	if (!exists(path))
		return err_errno(ENOENT, "open %s", path);
	auto_str lock_path = xasprintf("%s.lock", path);
	bool had_lock = exists(lock_path);
	TRY(take_lock(f));
	AUTO(free_file) struct store_file *copied = new_file(copy, &options);
	TRY(copy_file(f->path, copied->path));
	unlink(copied->log_path); /* of one that was killed */
	struct err *e = exists(f->log_path) ? copy_file(f->log_path, copied->log_path) : NULL;
	if (!e)
		e = look(copied, table, fn, arg);
	store_sql_disconnect(copied);
	unlink(copied->path);
	unlink(copied->log_path);
	if (!had_lock)
		unlink(lock_path);
	return e;
}

struct err *store_fsck(const char *path, void (*report)(const char *line, void *arg), void *arg)
{
	struct err *e = store_look(path, NULL, NULL, NULL);

	if (e)
		report(err_text(e), arg);
	return e;
}

/* ---- another in its place ---- */

/* The file stays where it is, and is there under another name too; so is its log, unless all that
 * is in it is in the file. */
static struct err *keep_old(struct store_file *f)
{
	auto_str kept = free_name(f->path, "replaced");
	auto_str kept_log = xasprintf("%s-wal", kept);
	auto_err damage = open_checked(f);
	bool is_whole = !damage && store_file_checkpoint(f) == STORE_DONE;

	store_sql_disconnect(f);
	if (link(f->path, kept))
		return err_errno(errno, "link %s to %s", f->path, kept);
	if (!is_whole && rename(f->log_path, kept_log) && errno != ENOENT)
		return err_errno(errno, "rename %s to %s", f->log_path, kept_log);
	return NULL;
}

struct err *store_replace(const char *path, const char *from)
{
	const struct store_options options = {.schema = &any_schema};
	AUTO(free_file) struct store_file *f = new_file(path, &options);

	TRY(take_lock(f));
	for (unsigned n = 0; n < STORE_BACKUPS; n++) {
		auto_str backup = store_backup_name(f, n);

		TRY(put_aside(backup, "replaced"));
	}
	if (exists(f->path))
		TRY(keep_old(f));
	if (unlink(f->log_path) && errno != ENOENT)
		return err_errno(errno, "remove %s", f->log_path);
	/* A file without its log is taken as it is, so both are fine now. */
	if (rename(from, f->path))
		return err_errno(errno, "rename %s to %s", from, f->path);
	int r = store_sync_folder_of(f->path);
	return r ? err_errno(-r, "sync the folder of %s", f->path) : make_log(f);
}
