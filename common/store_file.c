/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store's file (store_file.h); the only place that knows sqlite3. One connection, one thread at
 * a time, journal_mode WAL, synchronous FULL, locking_mode EXCLUSIVE, no memory mapping.
 *
 * A table is t_NAME (id, key, generation, value, checksum) with an index of its keys. The table
 * meta has one row that every transaction rewrites: the last generation, how many rows there are in
 * all and the sum of their checksums. A row that vanished or turned old cannot hide from that.
 */
#include "common/store_file.h"

#include "common/file.h"
#include "common/mem.h"
#include "core.gen.h"

#define LOG_MODULE "store"
#include "common/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define APPLICATION_ID 0x586e5374 /* "XnSt" */
#define META_PAGE      2
#define CACHE_KIB      4096
#define BACKUP_PAGES   64 /* copied between two commits */
#define PROBE_BYTES    (64 * 1024)

/* What the meta row says, always true of the whole file after a commit. */
struct digest {
	uint64_t generation;
	uint64_t rows;
	uint64_t sum; /* of the rows' checksums */
};

struct table {
	char *name; /* owned */
	sqlite3_stmt *find, *insert, *update, *drop;
};

struct store_file {
	char *path; /* owned, as those below */
	char *log_path;
	char *backup_path;
	const char *vfs;
	const struct store_schema *schema;
	int lock_fd;
	sqlite3 *db;
	struct table *tables; /* as in the schema */
	size_t n_tables;
	sqlite3_stmt *begin, *commit, *rollback, *set_meta;
	struct digest digest;
	size_t log_pages; /* written since the last checkpoint */
	bool is_restored;
	bool is_damaged; /* what the error of opening was about */
	char *problem; /* owned; what failed last */
	sqlite3 *backup_db;
	sqlite3_backup *backup;
};

/* ---- small things ---- */

static uint64_t mix(uint64_t h, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	uint64_t word;

	/* Each step can be reversed, so a change within one word always changes the result. */
	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&word, p, 8);
		h = (h ^ word) * 0x9e3779b97f4a7c15;
		h ^= h >> 32;
	}
	word = (uint64_t)n << 56;
	for (size_t i = 0; i < n; i++)
		word |= (uint64_t)p[i] << (8 * i);
	h = (h ^ word) * 0x9e3779b97f4a7c15;
	return h ^ h >> 29;
}

static uint64_t row_checksum(
	const char *table, const char *key, uint64_t generation, const void *value, size_t size)
{
	uint64_t h = mix(0, table, strlen(table));

	h = mix(h, key, strlen(key));
	h = mix(h, &generation, sizeof(generation));
	return mix(h, value, size);
}

static int unsigned_bind(sqlite3_stmt *st, int column, uint64_t value)
{
	return sqlite3_bind_int64(st, column, (sqlite3_int64)value);
}

static uint64_t unsigned_column(sqlite3_stmt *st, int column)
{
	return (uint64_t)sqlite3_column_int64(st, column);
}

static void finalize(sqlite3_stmt **st)
{
	sqlite3_finalize(*st);
	*st = NULL;
}

#define auto_stmt AUTO(finalize) sqlite3_stmt *

static void free_sqlite_text(char **text)
{
	sqlite3_free(*text);
}

#define auto_sql AUTO(free_sqlite_text) char *

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
static enum store_outcome judge(struct store_file *f, const char *what, int rc)
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

/* While opening: damage is told from what is merely in the way. */
static struct err *open_error(struct store_file *f, const char *what, int rc)
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

static struct err *damaged(struct store_file *f, const char *reason)
{
	f->is_damaged = true;
	return err(STORE_UNUSABLE, f->path, reason);
}

static struct err *run_sql(struct store_file *f, const char *sql)
{
	int rc = sqlite3_exec(f->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? NULL : open_error(f, sql, rc);
}

static struct err *prepare(struct store_file *f, sqlite3_stmt **out, const char *sql)
{
	int rc = sqlite3_prepare_v3(f->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);

	return rc == SQLITE_OK ? NULL : open_error(f, sql, rc);
}

/* The first column of the first row. */
static struct err *read_int(struct store_file *f, const char *sql, int64_t *out)
{
	auto_stmt st = NULL;

	TRY(prepare(f, &st, sql));
	int rc = sqlite3_step(st);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? damaged(f, sql) : open_error(f, sql, rc);
	*out = sqlite3_column_int64(st, 0);
	return NULL;
}

static int sync_folder_of(const char *path)
{
	auto_str copy = xstrdup(path);

	return dir_sync(dirname(copy));
}

/* ---- copies ---- */

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
		return (r = sync_folder_of(to)) ? err_errno(-r, "sync the folder of %s", to) : NULL;
	unlink(new_path);
	return err_errno(-r, "copy %s to %s", from, to);
}

/* ---- opening: the connection ---- */

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
		TRY(run_sql(f, settings[i]));
	TRY(run_sql(f, cache));
	sqlite3_file_control(f->db, "main", SQLITE_FCNTL_PERSIST_WAL, &keeps_log);
	sqlite3_db_config(f->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_wal_hook(f->db, note_log_pages, f);
	return NULL;
}

static struct err *connect_to(struct store_file *f, const char *path, int flags)
{
	flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	int rc = sqlite3_open_v2(path, &f->db, flags, f->vfs);

	if (rc != SQLITE_OK)
		return open_error(f, "open", rc);
	return set_pragmas(f);
}

static void disconnect(struct store_file *f)
{
	for (size_t i = 0; i < f->n_tables; i++) {
		finalize(&f->tables[i].find);
		finalize(&f->tables[i].insert);
		finalize(&f->tables[i].update);
		finalize(&f->tables[i].drop);
		free(f->tables[i].name);
	}
	free(f->tables);
	f->tables = NULL;
	f->n_tables = 0;
	finalize(&f->begin);
	finalize(&f->commit);
	finalize(&f->rollback);
	finalize(&f->set_meta);
	sqlite3_close(f->db);
	f->db = NULL;
}

/* ---- opening: tables ---- */

static struct err *prepare_table(struct store_file *f, struct table *t, const char *name)
{
	t->name = xstrdup(name);
	auto_sql create = sqlite3_mprintf(
		"CREATE TABLE IF NOT EXISTS \"t_%w\" (id INTEGER PRIMARY KEY, "
		"key TEXT NOT NULL UNIQUE, generation INTEGER NOT NULL, value BLOB NOT NULL, "
		"checksum INTEGER NOT NULL)",
		name);
	auto_sql find = sqlite3_mprintf("SELECT id, checksum FROM \"t_%w\" WHERE key = ?1", name);
	auto_sql insert = sqlite3_mprintf(
		"INSERT INTO \"t_%w\" (key, generation, value, checksum) VALUES (?1, ?2, ?3, ?4)",
		name);
	auto_sql update = sqlite3_mprintf(
		"UPDATE \"t_%w\" SET generation = ?2, value = ?3, checksum = ?4 WHERE id = ?1",
		name);
	auto_sql drop = sqlite3_mprintf("DELETE FROM \"t_%w\" WHERE id = ?1", name);
	TRY(run_sql(f, create));
	TRY(prepare(f, &t->find, find));
	TRY(prepare(f, &t->insert, insert));
	TRY(prepare(f, &t->update, update));
	return prepare(f, &t->drop, drop);
}

static struct err *prepare_all(struct store_file *f)
{
	const char *const *names = f->schema->tables;
	size_t n = 0;

	while (names[n])
		n++;
	f->tables = xcalloc(n + 1, sizeof(*f->tables));
	f->n_tables = n;
	for (size_t i = 0; i < n; i++)
		TRY(prepare_table(f, &f->tables[i], names[i]));
	TRY(prepare(f, &f->begin, "BEGIN IMMEDIATE"));
	TRY(prepare(f, &f->commit, "COMMIT"));
	TRY(prepare(f, &f->rollback, "ROLLBACK"));
	return prepare(f, &f->set_meta,
		"UPDATE meta SET generation = ?1, rows = ?2, sum = ?3, checksum = ?4 WHERE id = 1");
}

static uint64_t digest_checksum(const struct digest *d)
{
	return mix(1, d, sizeof(*d));
}

static int write_digest(struct store_file *f, const struct digest *d)
{
	unsigned_bind(f->set_meta, 1, d->generation);
	unsigned_bind(f->set_meta, 2, d->rows);
	unsigned_bind(f->set_meta, 3, d->sum);
	unsigned_bind(f->set_meta, 4, digest_checksum(d));
	int rc = sqlite3_step(f->set_meta);
	sqlite3_reset(f->set_meta);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Makes the file under another name, so that one that is there is always whole. */
static struct err *create(struct store_file *f)
{
	auto_str new_path = xasprintf("%s.new", f->path);
	const struct digest none = {0};
	auto_sql sql = sqlite3_mprintf(
		"PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; "
		"PRAGMA page_size = %d; PRAGMA application_id = %d;"
		"BEGIN; CREATE TABLE meta (id INTEGER PRIMARY KEY, generation INTEGER, "
		"rows INTEGER, sum INTEGER, checksum INTEGER, probe BLOB);"
		"INSERT INTO meta VALUES (1, 0, 0, 0, %lld, NULL); PRAGMA user_version = %d; "
		"COMMIT; PRAGMA journal_mode = WAL",
		STORE_PAGE_SIZE, APPLICATION_ID, (sqlite3_int64)digest_checksum(&none),
		f->schema->version);
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXRESCODE;

	unlink(new_path);
	int rc = sqlite3_open_v2(new_path, &f->db, flags, f->vfs);
	struct err *e = rc == SQLITE_OK ? run_sql(f, sql) : open_error(f, "create", rc);
	disconnect(f);
	if (e)
		return e;
	if (chmod(new_path, 0600) || rename(new_path, f->path))
		return err_errno(errno, "create %s", f->path);
	int r = sync_folder_of(f->path);
	return r ? err_errno(-r, "sync the folder of %s", f->path) : NULL;
}

/* ---- opening: checks ---- */

static struct err *quick_check(struct store_file *f)
{
	auto_stmt st = NULL;

	TRY(prepare(f, &st, "PRAGMA quick_check(1)"));
	int rc = sqlite3_step(st);
	if (rc != SQLITE_ROW)
		return open_error(f, "quick_check", rc);
	const char *verdict = (const char *)sqlite3_column_text(st, 0);
	return verdict && !strcmp(verdict, "ok") ? NULL : damaged(f, verdict ? verdict : "?");
}

/* Takes the row that ST stands at apart; an error when it is not what was written. */
static struct err *read_row(
	struct store_file *f, const char *table, sqlite3_stmt *st, struct store_row *row)
{
	*row = (struct store_row){
		.key = (const char *)sqlite3_column_text(st, 0),
		.generation = unsigned_column(st, 1),
		.value = sqlite3_column_blob(st, 2) ?: "",
		.size = (size_t)sqlite3_column_bytes(st, 2),
	};
	uint64_t checksum = unsigned_column(st, 3);
	if (!row->key || strlen(row->key) != (size_t)sqlite3_column_bytes(st, 0) ||
		row_checksum(table, row->key, row->generation, row->value, row->size) != checksum) {
		auto_str reason = xasprintf(
			"row %s of table %s is damaged", row->key ? row->key : "?", table);
		return damaged(f, reason);
	}
	return NULL;
}

/* What a walk adds up. */
struct walk {
	struct digest digest;
	uint64_t pairs; /* of keys and ids, in any order */
};

static uint64_t pair_sum(const char *key, sqlite3_int64 id)
{
	return mix(mix(2, &id, sizeof(id)), key, strlen(key));
}

static struct err *walk_table(
	struct store_file *f, const char *table, store_row_fn fn, void *arg, struct walk *w)
{
	auto_stmt st = NULL;
	auto_sql sql = sqlite3_mprintf("SELECT key, generation, value, checksum, id FROM \"t_%w\" "
				       "NOT INDEXED ORDER BY id",
		table);
	int rc;

	TRY(prepare(f, &st, sql));
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct store_row row;

		TRY(read_row(f, table, st, &row));
		w->digest.rows++;
		w->digest.sum += unsigned_column(st, 3);
		if (row.generation > w->digest.generation)
			w->digest.generation = row.generation;
		w->pairs += pair_sum(row.key, sqlite3_column_int64(st, 4));
		if (fn)
			TRY(fn(&row, arg));
	}
	return rc == SQLITE_DONE ? NULL : open_error(f, sql, rc);
}

/* The index has the keys that the table has, and in order: else rows would not be found. */
static struct err *check_index(struct store_file *f, const char *table, uint64_t pairs)
{
	auto_stmt st = NULL;
	auto_str last = xstrdup("");
	auto_sql sql = sqlite3_mprintf("SELECT key, id FROM \"t_%w\" INDEXED BY "
				       "\"sqlite_autoindex_t_%w_1\" ORDER BY key",
		table, table);
	int rc;

	TRY(prepare(f, &st, sql));
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		const char *key = (const char *)sqlite3_column_text(st, 0);

		if (!key || strcmp(last, key) >= 0)
			return damaged(f, "keys are out of order");
		free(take(last));
		last = xstrdup(key);
		pairs -= pair_sum(key, sqlite3_column_int64(st, 1));
	}
	if (rc != SQLITE_DONE)
		return open_error(f, sql, rc);
	return pairs ? damaged(f, "an index is not of its table") : NULL;
}

struct err *store_file_each(struct store_file *f, const char *table, store_row_fn fn, void *arg)
{
	struct walk ignored = {0};

	return walk_table(f, table, fn, arg, &ignored);
}

static struct err *read_digest(struct store_file *f, struct digest *d)
{
	auto_stmt st = NULL;

	TRY(prepare(f, &st, "SELECT generation, rows, sum, checksum FROM meta WHERE id = 1"));
	int rc = sqlite3_step(st);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? damaged(f, "the meta row is missing")
					 : open_error(f, "meta", rc);
	*d = (struct digest){
		unsigned_column(st, 0), unsigned_column(st, 1), unsigned_column(st, 2)};
	return unsigned_column(st, 3) == digest_checksum(d) ? NULL
							    : damaged(f, "the meta row is damaged");
}

static struct err *check_table(struct store_file *f, const char *table, struct walk *w)
{
	w->pairs = 0;
	TRY(walk_table(f, table, NULL, NULL, w));
	return check_index(f, table, w->pairs);
}

/* Every table that is in the file, also one that no schema knows any more. */
static struct err *check_rows(struct store_file *f)
{
	struct walk w = {0};
	auto_stmt st = NULL;
	int rc;

	TRY(read_digest(f, &f->digest));
	TRY(prepare(f, &st,
		"SELECT substr(name, 3) FROM sqlite_schema "
		"WHERE type = 'table' AND name GLOB 't_*'"));
	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		TRY(check_table(f, (const char *)sqlite3_column_text(st, 0), &w));
	if (rc != SQLITE_DONE)
		return open_error(f, "sqlite_schema", rc);
	if (w.digest.rows != f->digest.rows || w.digest.sum != f->digest.sum ||
		w.digest.generation > f->digest.generation)
		return damaged(f, "rows are missing or of another time");
	return NULL;
}

static struct err *check_kind(struct store_file *f)
{
	int64_t id, version, page_size, meta_page;

	TRY(read_int(f, "PRAGMA application_id", &id));
	TRY(read_int(f, "PRAGMA page_size", &page_size));
	TRY(read_int(f, "SELECT rootpage FROM sqlite_schema WHERE name = 'meta'", &meta_page));
	if (id != APPLICATION_ID || page_size != STORE_PAGE_SIZE || meta_page != META_PAGE)
		return damaged(f, "not a file of this store");
	TRY(read_int(f, "PRAGMA user_version", &version));
	if (version > f->schema->version) {
		auto_str reason = xasprintf("it is of version %lld, newer than %d",
			(long long)version, f->schema->version);
		return err(STORE_UNUSABLE, f->path, reason);
	}
	return version < 1 ? damaged(f, "no version") : NULL;
}

/* Makes sure that sqlite will see all of the log; lays one out when there is none. */
static struct err *make_log(struct store_file *f)
{
	int r = store_log_create(f->log_path, STORE_LOG_ANY);

	if (!r)
		r = sync_folder_of(f->log_path);
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
		return damaged(f, "not a file of this store");
	return NULL;
}

static struct err *open_checked(struct store_file *f)
{
	enum store_log_state state;
	uint64_t closed_at;

	TRY(check_head(f));
	TRY(store_log_inspect(f->log_path, META_PAGE, &state, &closed_at));
	if (state == STORE_LOG_DAMAGED)
		return damaged(f, "the log beside it is damaged");
	if (state == STORE_LOG_MISSING)
		TRY(make_log(f));
	TRY(connect_to(f, f->path, 0));
	TRY(quick_check(f));
	TRY(check_kind(f));
	TRY(check_rows(f));
	if (state == STORE_LOG_MISSING && f->digest.generation)
		log_warn("%s had no log beside it: what was only there is lost", f->path);
	if (state == STORE_LOG_CLEAN && closed_at != STORE_LOG_ANY &&
		closed_at != f->digest.generation)
		return damaged(f, "it is not what was closed together with the log beside it");
	return NULL;
}

/* ---- upgrades ---- */

struct store_upgrade {
	struct store_file *file;
	struct digest digest;
};

static struct table *find_table(struct store_file *f, const char *name)
{
	for (size_t i = 0; i < f->n_tables; i++)
		if (!strcmp(f->tables[i].name, name))
			return &f->tables[i];
	return NULL;
}

/* Runs a statement that gives no rows, to its end. */
static int run_once(sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);

	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Takes what KEY has now, if it is there, out of the digest. *ID: of the row, or 0. */
static int forget_row(struct table *t, const char *key, struct digest *d, sqlite3_int64 *id)
{
	sqlite3_bind_text(t->find, 1, key, -1, SQLITE_STATIC);
	int rc = sqlite3_step(t->find);
	*id = 0;
	if (rc == SQLITE_ROW) {
		*id = sqlite3_column_int64(t->find, 0);
		d->rows--;
		d->sum -= unsigned_column(t->find, 1);
	}
	sqlite3_reset(t->find);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int delete_row(struct table *t, const char *key, struct digest *d)
{
	sqlite3_int64 id;
	int rc = forget_row(t, key, d, &id);

	if (rc != SQLITE_OK || !id)
		return rc;
	sqlite3_bind_int64(t->drop, 1, id);
	return run_once(t->drop);
}

static int put_row(struct table *t, const char *key, uint64_t generation, const void *value,
	size_t size, struct digest *d)
{
	uint64_t checksum = row_checksum(t->name, key, generation, value, size);
	sqlite3_int64 id;
	int rc = forget_row(t, key, d, &id);

	if (rc != SQLITE_OK)
		return rc;
	sqlite3_stmt *st = id ? t->update : t->insert;
	if (id)
		sqlite3_bind_int64(st, 1, id);
	else
		sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
	unsigned_bind(st, 2, generation);
	sqlite3_bind_blob64(st, 3, size ? value : "", size, SQLITE_STATIC);
	unsigned_bind(st, 4, checksum);
	d->rows++;
	d->sum += checksum;
	return run_once(st);
}

struct err *store_upgrade_put(
	struct store_upgrade *u, const char *table, const char *key, const void *value, size_t size)
{
	struct table *t = find_table(u->file, table);

	assert(t);
	int rc = put_row(t, key, u->digest.generation, value, size, &u->digest);
	return rc == SQLITE_OK ? NULL : open_error(u->file, "upgrade", rc);
}

struct err *store_upgrade_delete(struct store_upgrade *u, const char *table, const char *key)
{
	struct table *t = find_table(u->file, table);

	assert(t);
	int rc = delete_row(t, key, &u->digest);
	return rc == SQLITE_OK ? NULL : open_error(u->file, "upgrade", rc);
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

	TRY(prepare(u->file, &st, sql));
	for (;;) {
		struct store_row row;

		sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
		rc = sqlite3_step(st);
		if (rc != SQLITE_ROW)
			return rc == SQLITE_DONE ? NULL : open_error(u->file, sql, rc);
		TRY(read_row(u->file, table, st, &row));
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
	int rc = write_digest(f, &u.digest);
	if (rc != SQLITE_OK)
		return open_error(f, "upgrade", rc);
	auto_sql sql = sqlite3_mprintf("PRAGMA user_version = %d", f->schema->version);
	TRY(run_sql(f, sql));
	TRY(run_sql(f, "COMMIT"));
	f->digest = u.digest;
	return NULL;
}

/* The tables of the present schema are there already; the rows still have their old shape. */
static struct err *upgrade(struct store_file *f)
{
	int64_t version;

	TRY(read_int(f, "PRAGMA user_version", &version));
	if (version == f->schema->version)
		return NULL;
	auto_str kept = xasprintf("%s.v%lld", f->path, (long long)version);
	if (store_file_checkpoint(f) != STORE_DONE)
		return err(STORE_UNUSABLE, f->path, f->problem);
	TRY(copy_file(f->path, kept));
	log_info("%s: upgrading from version %lld to %d; a copy is kept as %s", f->path,
		(long long)version, f->schema->version, kept);
	TRY(run_sql(f, "BEGIN IMMEDIATE"));
	struct err *e = run_steps(f, (int)version);
	if (e && !sqlite3_get_autocommit(f->db))
		sqlite3_exec(f->db, "ROLLBACK", NULL, NULL, NULL);
	return e;
}

/* ---- opening: all of it ---- */

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

static struct err *open_or_create(struct store_file *f)
{
	bool is_new = !exists(f->path);

	f->is_damaged = false;
	if (is_new && (exists(f->log_path) || exists(f->backup_path)))
		return damaged(f, "it is missing, but not what belongs to it");
	if (is_new)
		TRY(create(f));
	TRY(open_checked(f));
	TRY(prepare_all(f));
	return upgrade(f);
}

/* Puts what is there out of the way, under a name that is not taken. */
static struct err *put_aside(const char *path)
{
	auto_str aside = NULL;

	for (unsigned n = 1; !aside || exists(aside); n++) {
		free(take(aside));
		aside = xasprintf("%s.damaged-%u", path, n);
	}
	if (rename(path, aside) && errno != ENOENT)
		return err_errno(errno, "rename %s to %s", path, aside);
	return NULL;
}

static struct err *restore(struct store_file *f, struct err *why)
{
	auto_err reason = why;

	log_error("%s IS DAMAGED (%s): RESTORING %s; all changes since that copy are lost. The "
		  "damaged file is kept beside it.",
		f->path, err_text(reason), f->backup_path);
	disconnect(f);
	/* The log first: a file without a log is taken as it is, a log without its file is not. */
	TRY(put_aside(f->log_path));
	TRY(put_aside(f->path));
	TRY(copy_file(f->backup_path, f->path));
	TRY(open_or_create(f));
	f->is_restored = true;
	return NULL;
}

static void free_file(struct store_file **fp)
{
	struct store_file *f = *fp;

	if (!f)
		return;
	store_file_backup_abort(f);
	disconnect(f);
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
	if (e && f->is_damaged && options->restores_backup && exists(f->backup_path))
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
	disconnect(f);
	int r = is_whole ? store_log_mark_clean(f->log_path, f->digest.generation) : 0;
	if (r)
		log_warn("%s: %s", f->log_path, strerrordesc_np(-r));
	free_file(&f);
}

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

/* ---- commits ---- */

static int apply(struct store_file *f, const struct store_change *c, struct digest *d)
{
	struct table *t = &f->tables[c->table];

	d->generation = c->generation;
	return c->is_delete ? delete_row(t, c->key, d)
			    : put_row(t, c->key, c->generation, c->value, c->size, d);
}

static int apply_all(struct store_file *f, const struct list *changes, struct digest *d)
{
	list_for_each (c, changes, struct store_change, link) {
		int rc = apply(f, c, d);

		if (rc != SQLITE_OK)
			return rc;
	}
	int rc = write_digest(f, d);
	return rc == SQLITE_OK ? run_once(f->commit) : rc;
}

/* After a failure: the transaction is gone, or nothing is certain any more. */
static enum store_outcome roll_back(struct store_file *f, enum store_outcome outcome)
{
	if (outcome == STORE_NO_SPACE && !sqlite3_get_autocommit(f->db) &&
		run_once(f->rollback) != SQLITE_OK)
		return STORE_BROKEN;
	return outcome;
}

enum store_outcome store_file_commit(struct store_file *f, const struct list *changes)
{
	struct digest d = f->digest;
	int rc = run_once(f->begin);

	if (rc == SQLITE_OK)
		rc = apply_all(f, changes, &d);
	if (rc != SQLITE_OK)
		return roll_back(f, judge(f, "commit", rc));
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
		return judge(f, "checkpoint", rc);
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

enum store_outcome store_file_probe(struct store_file *f)
{
	if (store_file_checkpoint(f) == STORE_BROKEN)
		return STORE_BROKEN;
	int rc = commit_probe(f, PROBE_BYTES);
	if (rc == SQLITE_OK)
		rc = commit_probe(f, 0);
	if (rc != SQLITE_OK)
		return roll_back(f, judge(f, "probe", rc));
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
	if (fd < 0 || fchmod(fd, 0600) || fsync(fd) || rename(new_path, f->backup_path))
		return err_errno(errno, "finish %s", f->backup_path);
	int r = sync_folder_of(f->backup_path);
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

/* ---- looking through a file ---- */

struct err *store_fsck(const char *path, void (*report)(const char *line, void *arg), void *arg)
{
	static const char *const no_tables[] = {NULL};
	const struct store_schema any = {.version = INT32_MAX, .tables = no_tables};
	const struct store_options options = {.schema = &any};
	auto_str copy = xasprintf("%s.fsck", path);
	AUTO(free_file) struct store_file *f = new_file(path, &options);

	TRY(take_lock(f));
	AUTO(free_file) struct store_file *look = new_file(copy, &options);
	TRY(copy_file(f->path, look->path));
	struct err *e = exists(f->log_path) ? copy_file(f->log_path, look->log_path) : NULL;
	if (!e)
		e = open_checked(look);
	if (e)
		report(err_text(e), arg);
	disconnect(look);
	unlink(look->path);
	unlink(look->log_path);
	return e;
}
