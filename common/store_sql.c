/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The connection (store_sql.h): journal_mode WAL, synchronous FULL, locking_mode EXCLUSIVE, no
 * memory mapping; and what its failures mean.
 */
#include "common/store_sql.h"

#include "common/mem.h"
#include "core.gen.h"

#include <errno.h>
#include <string.h>

#define CACHE_KIB 4096

/* What the system said last of the main file and of the log. sqlite3_system_errno does not know it
 * when a COMMIT fails. */
static void last_errnos(struct store_file *f, int errnos[2])
{
	static const int files[] = {SQLITE_FCNTL_FILE_POINTER, SQLITE_FCNTL_JOURNAL_POINTER};

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		sqlite3_file *file = NULL;

		errnos[i] = 0;
		sqlite3_file_control(f->db, "main", files[i], &file);
		if (file && file->pMethods)
			file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &errnos[i]);
	}
}

static void set_problem(struct store_file *f, const char *what, int rc)
{
	int errnos[2] = {0};

	if (f->db)
		last_errnos(f, errnos);
	int errnum = errnos[0] ? errnos[0] : errnos[1];
	const char *system = errnum ? strerrordesc_np(errnum) : NULL;

	free(f->problem);
	f->problem = xasprintf(
		"%s: %s%s%s", what, sqlite3_errstr(rc), system ? ": " : "", system ? system : "");
}

static bool is_space_errno(int errnum)
{
	return errnum == ENOSPC || errnum == EDQUOT || errnum == EROFS || errnum == EFBIG;
}

/* Whether a write failed for want of space and nothing else. */
static bool is_about_space(struct store_file *f)
{
	int errnos[2];

	last_errnos(f, errnos);
	for (size_t i = 0; i < 2; i++)
		if (errnos[i] && !is_space_errno(errnos[i]))
			return false;
	return errnos[0] || errnos[1];
}

/*
 * What a failure means. Only a write that the system refused for want of room, before anything was
 * synced, leaves us knowing what is on the disk.
 */
enum store_outcome store_sql_judge(struct store_file *f, const char *what, int rc)
{
	set_problem(f, what, rc);
	if ((rc & 0xff) == SQLITE_NOMEM)
		abort(); /* as everywhere */
	if ((rc & 0xff) == SQLITE_FULL || (rc & 0xff) == SQLITE_READONLY)
		return STORE_NO_SPACE;
	if (rc == SQLITE_IOERR_WRITE && is_about_space(f))
		return STORE_NO_SPACE;
	return STORE_BROKEN;
}

struct err *store_sql_error(struct store_file *f, const char *what, int rc)
{
	set_problem(f, what, rc);
	switch (rc & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* a table or column that should be there is not */
		f->is_damaged = true;
		return err(STORE_UNUSABLE, f->path, f->problem);
	case SQLITE_BUSY:
		return err(STORE_UNUSABLE, f->path, "in use by another process");
	default:
		return err_errno(sqlite3_system_errno(f->db) ?: EIO, "%s: %s", f->path, f->problem);
	}
}

struct err *store_sql_damaged(struct store_file *f, const char *reason)
{
	f->is_damaged = true;
	return err(STORE_UNUSABLE, f->path, reason);
}

struct err *store_sql_run(struct store_file *f, const char *sql)
{
	int rc = sqlite3_exec(f->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? NULL : store_sql_error(f, sql, rc);
}

struct err *store_sql_prepare(struct store_file *f, sqlite3_stmt **out, const char *sql)
{
	int rc = sqlite3_prepare_v3(f->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);

	return rc == SQLITE_OK ? NULL : store_sql_error(f, sql, rc);
}

struct err *store_sql_read_int(struct store_file *f, const char *sql, int64_t *out)
{
	auto_stmt st = NULL;

	TRY(store_sql_prepare(f, &st, sql));
	int rc = sqlite3_step(st);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? store_sql_damaged(f, sql) : store_sql_error(f, sql, rc);
	*out = sqlite3_column_int64(st, 0);
	return NULL;
}

int store_sql_run_once(sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);

	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* ---- the connection ---- */

static int note_log_pages(void *arg, sqlite3 *db, const char *schema, int pages)
{
	struct store_file *f = arg;

	f->log_pages = (size_t)pages;
	return SQLITE_OK;
}

static struct err *set_pragmas(struct store_file *f)
{
	static const char *const settings[] = {
		"PRAGMA locking_mode = EXCLUSIVE",
		"PRAGMA trusted_schema = OFF",
		"PRAGMA cell_size_check = ON",
		"PRAGMA mmap_size = 0",
		"PRAGMA temp_store = MEMORY",
		"PRAGMA journal_mode = WAL",
		"PRAGMA synchronous = FULL",
		"PRAGMA wal_autocheckpoint = 0",
	};
	auto_sql cache = sqlite3_mprintf("PRAGMA cache_size = -%d", CACHE_KIB);
	int keeps_log = 1;

	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		TRY(store_sql_run(f, settings[i]));
	TRY(store_sql_run(f, cache));
	sqlite3_file_control(f->db, "main", SQLITE_FCNTL_PERSIST_WAL, &keeps_log);
	sqlite3_db_config(f->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_wal_hook(f->db, note_log_pages, f);
	return NULL;
}

struct err *store_sql_connect(struct store_file *f, const char *path, int flags)
{
	flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	int rc = sqlite3_open_v2(path, &f->db, flags, f->vfs);

	if (rc != SQLITE_OK)
		return store_sql_error(f, "open", rc);
	return set_pragmas(f);
}

void store_sql_disconnect(struct store_file *f)
{
	for (size_t i = 0; i < f->n_tables; i++) {
		store_sql_finalize(&f->tables[i].find);
		store_sql_finalize(&f->tables[i].insert);
		store_sql_finalize(&f->tables[i].update);
		store_sql_finalize(&f->tables[i].drop);
		free(f->tables[i].name);
	}
	free(f->tables);
	f->tables = NULL;
	f->n_tables = 0;
	store_sql_finalize(&f->begin);
	store_sql_finalize(&f->commit);
	store_sql_finalize(&f->rollback);
	store_sql_finalize(&f->set_meta);
	sqlite3_close(f->db);
	f->db = NULL;
}
