/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store's file while it is open (store_file.h): commits, checkpoints, probes, backups. One
 * connection, one thread at a time.
 */
#include "common/store_file.h"

#include "common/mem.h"
#include "common/store_sql.h"
#include "core.gen.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#define BACKUP_PAGES 64 /* copied between two commits */
#define PROBE_BYTES  (64 * 1024)
#define BEGIN_BYTES  8
#define BACKUP_AGE_S 86400

bool store_file_is_restored(const struct store_file *f)
{
	return f->is_restored;
}

uint64_t store_file_generation(const struct store_file *f)
{
	return f->digest.generation;
}

const char *store_file_problem(const struct store_file *f)
{
	return f->problem ? f->problem : "";
}

struct err *store_file_each(struct store_file *f, const char *table, store_row_fn fn, void *arg)
{
	struct store_walk ignored = {0};

	return store_rows_walk(f, table, fn, arg, &ignored);
}

/* ---- commits ---- */

static int apply(struct store_file *f, const struct store_change *c, struct store_digest *d)
{
	struct store_table *t = &f->tables[c->table];

	d->generation = c->generation;
	return c->is_delete ? store_rows_delete(t, c->key, d)
			    : store_rows_put(t, c->key, c->generation, c->value, c->size, d);
}

static int apply_all(struct store_file *f, const struct list *changes, struct store_digest *d)
{
	list_for_each (c, changes, struct store_change, link) {
		int rc = apply(f, c, d);

		if (rc != SQLITE_OK)
			return rc;
	}
	int rc = store_rows_write_digest(f, d);
	return rc == SQLITE_OK ? store_sql_run_once(f->commit) : rc;
}

/* After a failure: the transaction is gone, or nothing is certain any more. */
static enum store_outcome roll_back(struct store_file *f, enum store_outcome outcome)
{
	if (outcome == STORE_NO_SPACE && !sqlite3_get_autocommit(f->db) &&
		store_sql_run_once(f->rollback) != SQLITE_OK)
		return STORE_BROKEN;
	return outcome;
}

enum store_outcome store_file_commit(struct store_file *f, const struct list *changes)
{
	struct store_digest d = f->digest;
	int rc = store_sql_run_once(f->begin);

	if (rc == SQLITE_OK)
		rc = apply_all(f, changes, &d);
	if (rc != SQLITE_OK)
		return roll_back(f, store_sql_judge(f, "commit", rc));
	f->digest = d;
	return STORE_DONE;
}

size_t store_file_log_pages(const struct store_file *f)
{
	return f->log_pages;
}

bool store_file_log_is_full(const struct store_file *f)
{
	return f->log_pages >= STORE_LOG_PAGES * 3 / 4;
}

enum store_outcome store_file_checkpoint(struct store_file *f)
{
	int in_log = 0, in_file = 0;
	int rc = sqlite3_wal_checkpoint_v2(
		f->db, NULL, SQLITE_CHECKPOINT_RESTART, &in_log, &in_file);

	if (rc != SQLITE_OK)
		return store_sql_judge(f, "checkpoint", rc);
	if (in_log == in_file)
		f->log_pages = 0;
	return STORE_DONE;
}

/* Writes the meta row alone, with a blob of random BYTES in it. */
static int commit_probe(struct store_file *f, int bytes)
{
	auto_sql sql =
		sqlite3_mprintf("UPDATE meta SET probe = randomblob(%d) WHERE id = 1", bytes);

	return sqlite3_exec(f->db, sql, NULL, NULL, NULL);
}

/*
 * A commit that changes nothing that anybody reads. sqlite writes a page only when its bytes have
 * changed, hence a new random value each time. It is also the last commit in the log now: the one
 * whose damage could not be told from a power cut (store_log.c) has nothing that could be lost.
 */
enum store_outcome store_file_begin_log(struct store_file *f)
{
	int rc = commit_probe(f, BEGIN_BYTES);

	return rc == SQLITE_OK ? STORE_DONE : roll_back(f, store_sql_judge(f, "begin the log", rc));
}

enum store_outcome store_file_probe(struct store_file *f)
{
	if (store_file_checkpoint(f) == STORE_BROKEN)
		return STORE_BROKEN;
	int rc = commit_probe(f, PROBE_BYTES);
	if (rc == SQLITE_OK)
		rc = commit_probe(f, 0);
	if (rc != SQLITE_OK)
		return roll_back(f, store_sql_judge(f, "probe", rc));
	/* Also what a full disk left in the log is out of the way then. */
	return store_file_checkpoint(f);
}

/* ---- backups ---- */

struct err *store_file_backup_begin(struct store_file *f)
{
	auto_str new_path = xasprintf("%s.new", f->backup_path);
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;

	assert(!f->backup);
	unlink(new_path);
	int rc = sqlite3_open_v2(new_path, &f->backup_db, flags, f->vfs);
	if (rc == SQLITE_OK)
		f->backup = sqlite3_backup_init(f->backup_db, "main", f->db, "main");
	if (f->backup)
		return NULL;
	auto_str text = xasprintf("%s: %s", new_path, sqlite3_errmsg(f->backup_db));
	store_file_backup_abort(f);
	return err(SYSTEM_ERROR, text, "EIO");
}

/* The older copies are a day apart at least, so that not all are of one bad hour. */
static void rotate_backups(struct store_file *f)
{
	auto_str newer = store_backup_name(f, 1);
	struct stat st;

	if (!stat(newer, &st) && time(NULL) - st.st_mtime < BACKUP_AGE_S)
		return;
	for (unsigned n = STORE_BACKUPS - 1; n; n--) {
		auto_str from = store_backup_name(f, n - 1);
		auto_str to = store_backup_name(f, n);

		rename(from, to);
	}
}

/* The copy is whole: give it its name. */
static struct err *finish_backup(struct store_file *f)
{
	auto_str new_path = xasprintf("%s.new", f->backup_path);

	int rc = sqlite3_backup_finish(take(f->backup));
	if (rc == SQLITE_OK)
		rc = sqlite3_close(f->backup_db);
	if (rc != SQLITE_OK)
		return err(SYSTEM_ERROR, sqlite3_errstr(rc), "EIO");
	f->backup_db = NULL;
	auto_fd fd = open(new_path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && !fchmod(fd, 0600) && !fsync(fd))
		rotate_backups(f);
	else
		return err_errno(errno, "finish %s", f->backup_path);
	if (rename(new_path, f->backup_path))
		return err_errno(errno, "finish %s", f->backup_path);
	int r = store_sync_folder_of(f->backup_path);
	return r ? err_errno(-r, "sync the folder of %s", f->backup_path) : NULL;
}

struct err *store_file_backup_step(struct store_file *f, bool *is_finished)
{
	int rc = sqlite3_backup_step(f->backup, BACKUP_PAGES);

	*is_finished = rc != SQLITE_OK;
	if (rc == SQLITE_OK)
		return NULL;
	struct err *e =
		rc == SQLITE_DONE ? finish_backup(f) : err(SYSTEM_ERROR, sqlite3_errstr(rc), "EIO");
	if (e)
		store_file_backup_abort(f);
	return e;
}

void store_file_backup_abort(struct store_file *f)
{
	auto_str new_path = xasprintf("%s.new", f->backup_path);

	if (!f->backup_db)
		return;
	sqlite3_backup_finish(take(f->backup));
	sqlite3_close(f->backup_db);
	f->backup_db = NULL;
	unlink(new_path);
}
