/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is known of a companion process on disk, and how a process is told from a later one of the
 * same number. For companion.c alone.
 */
#ifndef XENITH_COMMON_COMPANION_RECORD_H
#define XENITH_COMMON_COMPANION_RECORD_H

#include "common/arena.h"
#include "common/dialect.h"
#include "common/err.h"

#include <sys/types.h>

struct companion_record {
	int64_t pid;
	int64_t start_time; /* clock ticks since boot */
	const char *boot_id; /* start times of another boot say nothing */
};

/* Of DIR and NAME, for the caller to free. */
char *companion_record_path(const char *dir, const char *name);

/* The text of a record, for the caller to free. */
char *companion_record_text(const struct companion_record *r, const char *const *argv);
/* Strings go to the arena. PATH is for the error (STORE_UNUSABLE). */
must_check struct err *companion_record_parse(const char *path, const char *text, size_t len,
	struct arena *a, struct companion_record *out);

/* When the process began: 0, or -errno when there is none such. */
must_check int process_start_time(pid_t pid, int64_t *out);
/* This boot's, in the arena. */
must_check struct err *boot_id_read(struct arena *a, const char **out);

#endif
