/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store's file from the inside, for those of common/store*.c that speak sqlite3: store_sql.c
 * (the connection and what its failures mean), store_rows.c (tables and what they add up to),
 * store_open.c (checks, upgrades, restoring) and store_file.c (commits, checkpoints, backups).
 */
#ifndef XENITH_COMMON_STORE_SQL_H
#define XENITH_COMMON_STORE_SQL_H

#include "common/store_file.h"

#include <sqlite3.h>

#define STORE_APPLICATION_ID 0x586e5374 /* "XnSt" */
#define STORE_META_PAGE      2

/* What the meta row says, always true of the whole file after a commit. */
struct store_digest {
	uint64_t generation;
	uint64_t rows;
	uint64_t sum; /* of the rows' checksums */
};

struct store_table {
	char *name; /* owned */
	sqlite3_stmt *find, *insert, *update, *drop;
};

/* What a walk adds up. */
struct store_walk {
	struct store_digest digest;
	uint64_t pairs; /* of keys and ids, in any order */
};

struct store_file {
	char *path; /* owned, as those below */
	char *log_path;
	char *backup_path;
	const char *vfs;
	const struct store_schema *schema;
	int lock_fd;
	sqlite3 *db;
	struct store_table *tables; /* as in the schema */
	size_t n_tables;
	sqlite3_stmt *begin, *commit, *rollback, *set_meta;
	struct store_digest digest;
	size_t log_pages; /* written since the last checkpoint */
	bool is_restored;
	bool is_damaged; /* what the error of opening was about */
	char *problem; /* owned; what failed last */
	sqlite3 *backup_db;
	sqlite3_backup *backup;
};

static inline int store_sql_bind(sqlite3_stmt *st, int column, uint64_t value)
{
	return sqlite3_bind_int64(st, column, (sqlite3_int64)value);
}

static inline uint64_t store_sql_column(sqlite3_stmt *st, int column)
{
	return (uint64_t)sqlite3_column_int64(st, column);
}

static inline void store_sql_finalize(sqlite3_stmt **st)
{
	sqlite3_finalize(*st);
	*st = NULL;
}

static inline void store_sql_free_text(char **text)
{
	sqlite3_free(*text);
}

#define auto_stmt AUTO(store_sql_finalize) sqlite3_stmt *
#define auto_sql  AUTO(store_sql_free_text) char *

/* ---- store_sql.c ---- */

/* FLAGS: more of sqlite3_open_v2's. Sets all that the store relies on. */
must_check struct err *store_sql_connect(struct store_file *f, const char *path, int flags);
void store_sql_disconnect(struct store_file *f);
must_check struct err *store_sql_run(struct store_file *f, const char *sql);
must_check struct err *store_sql_prepare(struct store_file *f, sqlite3_stmt **out, const char *sql);
/* The first column of the first row. */
must_check struct err *store_sql_read_int(struct store_file *f, const char *sql, int64_t *out);
/* Runs a statement that gives no rows, to its end. */
int store_sql_run_once(sqlite3_stmt *st);
/* What a failure RC of a commit or checkpoint means. */
enum store_outcome store_sql_judge(struct store_file *f, const char *what, int rc);
/* While opening: damage is told from what is merely in the way. */
must_check struct err *store_sql_error(struct store_file *f, const char *what, int rc);
must_check struct err *store_sql_damaged(struct store_file *f, const char *reason);

/* ---- store_rows.c ---- */

/* Makes the schema's tables that are not there, and the statements. */
must_check struct err *store_rows_prepare(struct store_file *f);
/* NULL when the schema has none of that name. */
struct store_table *store_rows_table(struct store_file *f, const char *name);
/* These give sqlite's result. */
int store_rows_put(struct store_table *t, const char *key, uint64_t generation, const void *value,
	size_t size, struct store_digest *d);
int store_rows_delete(struct store_table *t, const char *key, struct store_digest *d);
int store_rows_write_digest(struct store_file *f, const struct store_digest *d);
uint64_t store_rows_digest_checksum(const struct store_digest *d);
/* Takes the row that ST stands at apart; an error when it is not what was written. */
must_check struct err *store_rows_read(
	struct store_file *f, const char *table, sqlite3_stmt *st, struct store_row *row);
must_check struct err *store_rows_walk(
	struct store_file *f, const char *table, store_row_fn fn, void *arg, struct store_walk *w);
/* Every table that is in the file, also one that no schema knows any more. */
must_check struct err *store_rows_check(struct store_file *f);

/* ---- store_open.c ---- */

int store_sync_folder_of(const char *path);
/* The copies beside the file: 0 is the newest, PATH.backup. For the caller to free. */
#define STORE_BACKUPS 3
char *store_backup_name(const struct store_file *f, unsigned n);

#endif
