/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store: tables of rows in one file, each row a key, a generation and a value. It knows no
 * classes; who owns the data keeps it in memory and gives every change to the store as well.
 *
 * A change is numbered at once and made durable later: a writer thread takes all changes that have
 * come together, writes them as one transaction and syncs once. Whoever tells the outside of a
 * change waits until its generation is durable (store_barrier). The file is sqlite3's: WAL, one
 * connection, synchronous FULL; it is seen in store*.c alone.
 *
 * When a commit fails for want of space, its changes and all behind them are taken back (the
 * owner's undo, last first), their barriers fail with STORE_READ_ONLY, and so does every change
 * until a probe finds that the file can be written again. When reading, writing or syncing the file
 * itself fails, nobody can know what is on the disk: no barrier is answered any more and the daemon
 * ends (on_fatal), to start again from the file.
 *
 * All functions are for the loop's thread unless they say otherwise.
 */
#ifndef XENITH_COMMON_STORE_H
#define XENITH_COMMON_STORE_H

#include "common/dialect.h"
#include "common/err.h"

struct store;
struct store_upgrade;

/* Takes a change back in the owner's memory; WHAT is what store_put was given. */
typedef void (*store_undo_fn)(void *what, uint64_t generation, void *owner);
/* The change is durable or was undone: WHAT is not needed any more. */
typedef void (*store_done_fn)(void *what, uint64_t generation, void *owner);

struct store_row {
	const char *key; /* NUL-terminated */
	uint64_t generation; /* of the change that wrote it */
	const void *value; /* never NULL */
	size_t size;
};
/* An error ends the walk and is returned by it. */
typedef struct err *(*store_row_fn)(const struct store_row *row, void *arg);

/* Brings the tables from the version before to the next one (store_upgrade_*). */
typedef struct err *(*store_step_fn)(struct store_upgrade *u);

struct store_schema {
	int version; /* 1 at first */
	const char *const *tables; /* names: letters, digits, underscores; NULL-terminated */
	const store_step_fn *steps; /* version - 1 of them: steps[0] leads from 1 to 2 */
};

struct store_options {
	const struct store_schema *schema; /* outlives the store */
	/* A damaged file is put aside and the newest copy that is whole taken instead (a loud line
	 * in the log says so, and store_is_restored); else it is refused. */
	bool restores_backup;
	store_undo_fn undo; /* or NULL */
	store_done_fn done; /* or NULL */
	/* From the writer's thread; must not return. Default: a line in the log and _exit(1). */
	void (*on_fatal)(const char *why, void *owner);
	void *owner;
	int64_t probe_ns; /* between two probes while read-only; 0: 5 s */
	const char *vfs; /* sqlite's VFS, for tests; NULL: the system's */
};

/*
 * Opens the file, makes it when nothing is there, brings an older one up to date (a copy is kept as
 * PATH.vN before). STORE_UNUSABLE: damaged, of a newer version, or in use. Every page and row is
 * checked. Blocks: at start-up, before the loop runs or on the pool.
 */
must_check struct err *store_open(
	struct store **out, const char *path, const struct store_options *options);
/* Writes what is queued, ends the thread and closes the file. Blocks. No fiber may wait. NULL is
 * fine. */
void store_close(struct store *s);
/* Calls FN for each row, in any order. At start-up, before the first change. Blocks. */
must_check struct err *store_load(struct store *s, const char *table, store_row_fn fn, void *arg);
/* Whether store_open had to take the backup. */
bool store_is_restored(const struct store *s);

/* Queues a change and gives it the next number. The value is copied. WHAT (or NULL) goes to undo
 * and done. STORE_READ_ONLY: refused, nothing was changed. */
must_check struct err *store_put(struct store *s, const char *table, const char *key,
	const void *value, size_t size, void *what, uint64_t *generation);
/* A key that is not there is fine. */
must_check struct err *store_delete(
	struct store *s, const char *table, const char *key, void *what, uint64_t *generation);

/* The number of the newest change; before the first: of the newest in the file. */
uint64_t store_generation(const struct store *s);
/* Everything up to this is durable, or was taken back. */
uint64_t store_durable(const struct store *s);
/* Waits until GENERATION is durable. STORE_READ_ONLY: it was taken back. */
MAY_WAIT must_check struct err *store_barrier(
	struct store *s, uint64_t generation, int64_t deadline);
/* NULL while it can be written, else why not. */
const char *store_read_only(const struct store *s);

/* A whole copy, durable, as PATH.backup: what restores_backup takes. Two older ones stay, as
 * PATH.backup.1 and .2, a day apart at least. On the pool; changes go on. */
MAY_WAIT must_check struct err *store_backup(struct store *s, int64_t deadline);

/* Counts, for `diagnostics`. */
struct store_counts {
	uint64_t changes, commits, checkpoints, undone;
	uint64_t largest_batch;
};
struct store_counts store_counts(const struct store *s);

/* ---- for a step of an upgrade ---- */
must_check struct err *store_upgrade_each(
	struct store_upgrade *u, const char *table, store_row_fn fn, void *arg);
must_check struct err *store_upgrade_put(struct store_upgrade *u, const char *table,
	const char *key, const void *value, size_t size);
must_check struct err *store_upgrade_delete(
	struct store_upgrade *u, const char *table, const char *key);

/* ---- for a tool ---- */
/* Looks through the whole file of a daemon that does not run, changing nothing; REPORT gets a line
 * for each finding. STORE_UNUSABLE when there is any. */
must_check struct err *store_fsck(
	const char *path, void (*report)(const char *line, void *arg), void *arg);
/* The same, and then calls FN for each row of a table. An error of FN's ends the walk. */
must_check struct err *store_look(const char *path, const char *table, store_row_fn fn, void *arg);

/* Makes a file at PATH of what FN puts, whole and durable; else nothing is there afterwards. What
 * was there goes. Blocks; any thread. */
struct store_maker;
typedef struct err *(*store_fill_fn)(struct store_maker *m, void *arg);
must_check struct err *store_make(
	const char *path, const struct store_schema *schema, store_fill_fn fn, void *arg);
must_check struct err *store_maker_put(
	struct store_maker *m, const char *table, const char *key, const void *value, size_t size);
/* Puts FROM, which store_make made, in the place of a file that nobody has open. There is always
 * one of the two, whole. The old one and its backups stay beside it, as PATH.replaced-N and the
 * like. Blocks. */
must_check struct err *store_replace(const char *path, const char *from);

#endif
