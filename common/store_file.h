/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store's file, for common/store*.c alone: what is on the disk and how it gets there. Nothing
 * here knows of fibers or the loop; a file belongs to one thread at a time (first the one that
 * opens and loads, then the writer).
 */
#ifndef XENITH_COMMON_STORE_FILE_H
#define XENITH_COMMON_STORE_FILE_H

#include "common/list.h"
#include "common/store.h"

struct store_file;

/* A queued change; one allocation. */
struct store_change {
	struct list link;
	uint64_t generation;
	void *what; /* the owner's */
	unsigned table; /* index into the schema's tables */
	bool is_delete;
	size_t size; /* of the value */
	const void *value; /* inside this allocation, as the key */
	char key[];
};

enum store_outcome {
	STORE_DONE,
	STORE_NO_SPACE, /* nothing was changed; may work later */
	STORE_BROKEN, /* nobody knows what is on the disk now */
};

/* Takes the lock, checks everything, restores and upgrades as the options say. */
must_check struct err *store_file_open(
	struct store_file **out, const char *path, const struct store_options *options);
/* Brings everything into the main file and marks the log as closed cleanly, if that works. */
void store_file_close(struct store_file *f);
bool store_file_is_restored(const struct store_file *f);
/* Of the last commit. */
uint64_t store_file_generation(const struct store_file *f);
must_check struct err *store_file_each(
	struct store_file *f, const char *table, store_row_fn fn, void *arg);

/* All of the list, or nothing, in one transaction that is on the disk when this returns. */
enum store_outcome store_file_commit(struct store_file *f, const struct list *changes);
/* Whether there is space again: tries what a commit and a checkpoint need. */
enum store_outcome store_file_probe(struct store_file *f);
/* What failed last, for people. */
const char *store_file_problem(const struct store_file *f);

/* Pages in the log that are not in the main file yet. */
size_t store_file_log_pages(const struct store_file *f);
/* Whether the log is about to outgrow what was laid out for it. */
bool store_file_log_is_full(const struct store_file *f);
enum store_outcome store_file_checkpoint(struct store_file *f);
/* After a checkpoint: begins the log anew. Else the next commit has to, which takes it a second
 * sync, of the log's new head. */
enum store_outcome store_file_begin_log(struct store_file *f);

/* A copy as PATH.backup, some pages a step so that commits come between. */
must_check struct err *store_file_backup_begin(struct store_file *f);
must_check struct err *store_file_backup_step(struct store_file *f, bool *is_finished);
void store_file_backup_abort(struct store_file *f);

/* ---- the log beside the file (store_log.c) ---- */

#define STORE_PAGE_SIZE 4096
/* The log is laid out once, so that a commit never waits for the file system to find room. One that
 * is shorter has lost its end: a later version may lay out less, not more. */
#define STORE_LOG_PAGES 2048

enum store_log_state {
	STORE_LOG_MISSING,
	STORE_LOG_CLEAN, /* closed cleanly, at *GENERATION, or STORE_LOG_ANY */
	STORE_LOG_IN_USE, /* its writer was killed; sqlite replays it */
	STORE_LOG_DAMAGED, /* what was synced in it cannot be read any more */
};

/* The mark of a log that was made for a file that was there before it. */
#define STORE_LOG_ANY UINT64_MAX

/* META_PAGE: the page that every transaction writes exactly once. */
must_check struct err *store_log_inspect(
	const char *path, uint32_t meta_page, enum store_log_state *state, uint64_t *generation);
/* Overwrites the log's head: sqlite takes the log as empty, store_log_inspect as clean. */
int store_log_mark_clean(const char *path, uint64_t generation);
/* Makes the log, laid out and marked clean. */
int store_log_create(const char *path, uint64_t generation);

#endif
