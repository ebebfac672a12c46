/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The commits of bare_commit.h. The log is laid out before by as many commits again, and written
 * over from its start.
 */
#include "tests/bench/bare_commit.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ROWS = 1000, ROW = 300 };

static void run(sqlite3 *db, const char *sql)
{
	char *why = NULL;

	bare_must(sqlite3_exec(db, sql, NULL, NULL, &why) == SQLITE_OK, why ? why : sql);
}

static void put(sqlite3_stmt *st, unsigned i, unsigned round)
{
	char key[32], value[ROW + 1];

	snprintf(key, sizeof(key), "OpaqueRef:%08u", i * 7919 % ROWS);
	snprintf(value, sizeof(value), "%0*u", ROW, round);
	sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_blob(st, 2, value, ROW, SQLITE_STATIC);
	bare_must(sqlite3_step(st) == SQLITE_DONE, "a commit");
	sqlite3_reset(st);
}

static void measure(sqlite3 *db, unsigned n, struct bare_figures *out)
{
	long *ns = calloc(n, sizeof(*ns));
	sqlite3_stmt *st;

	bare_must(ns, "memory");
	run(db,
		"PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; "
		"PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; "
		"CREATE TABLE t (id INTEGER PRIMARY KEY, key TEXT UNIQUE, value BLOB); BEGIN");
	bare_must(sqlite3_prepare_v2(db,
			  "INSERT INTO t (key, value) VALUES (?1, ?2) "
			  "ON CONFLICT (key) DO UPDATE SET value = ?2",
			  -1, &st, NULL) == SQLITE_OK,
		"preparing");
	for (unsigned i = 0; i < ROWS; i++)
		put(st, i, 0);
	run(db, "COMMIT");
	for (unsigned i = 0; i < n; i++)
		put(st, i, 1);
	run(db, "PRAGMA wal_checkpoint(RESTART)");
	for (unsigned i = 0; i < n; i++) {
		long began = bare_now_ns();

		put(st, i, i + 2);
		ns[i] = bare_now_ns() - began;
	}
	bare_figures(ns, n, out);
	sqlite3_finalize(st);
	free(ns);
}

void bare_commit(const char *folder, unsigned n, struct bare_figures *out)
{
	char dir[512], path[600];
	sqlite3 *db;

	snprintf(dir, sizeof(dir), "%s/bench-commit-XXXXXX", folder);
	bare_must(mkdtemp(dir) != NULL, dir);
	snprintf(path, sizeof(path), "%s/db", dir);
	bare_must(sqlite3_open(path, &db) == SQLITE_OK, path);
	measure(db, n, out);
	sqlite3_close(db);
	unlink(path);
	rmdir(dir);
}
