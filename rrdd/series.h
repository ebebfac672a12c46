/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The short archives of one owner (the host, a VM): a row each 5 seconds for ten minutes, and one
 * each minute for two hours, in one mapped file of the run directory. A sample is kept when
 * series_add returns: the kernel has it, whoever kills the daemon then. A daemon that was killed in
 * the middle of series_add finds what was there before, but for the oldest rows of all, whose place
 * the new ones take.
 *
 * A column is a data source. Of a counter its rate is kept. A row is numbered by its end, in steps
 * of 5 seconds since 1970. Loop thread; it does not block, since the file is memory.
 */
#ifndef XENITH_RRDD_SERIES_H
#define XENITH_RRDD_SERIES_H

#include "common/arena.h"
#include "common/dialect.h"
#include "common/err.h"
#include "common/vec.h"

#define STEP_S           5
#define ROWS             120 /* of either archive */
#define STEPS_A_MINUTE   12
#define HEARTBEAT_S      300 /* after so long without a sample nothing is known */
#define MAX_COLUMNS      1024
#define COLUMN_NAME_SIZE 64

enum column_kind {
	COLUMN_GAUGE,
	COLUMN_COUNTER, /* only grows, but for when it begins anew */
};

/* What is measured. Its strings are literals, or of the samples' arena. */
struct sample {
	const char *name;
	const char *units, *description;
	enum column_kind kind;
	double value;
	double max; /* a rate or value above it is taken for it; INFINITY: none */
};

struct samples {
	struct arena arena;
	int64_t taken_ns; /* on the monotonic clock */
	vec_of(struct sample) v;
};

struct column {
	char name[COLUMN_NAME_SIZE];
	char units[16];
	char description[104];
	double max;
	double raw[2]; /* the last sample, one for each bank (series.c) */
	uint32_t kind;
	uint32_t reserved;
};

struct series_head;
struct series {
	char *path; /* owned */
	struct series_head *head; /* mapped */
	size_t size; /* of the mapping */
};

/* Opens PATH, or makes it; one that is no series is made anew (a line in the log says so). */
must_check struct err *series_open(struct series **out, const char *path);
void series_close(struct series *s);
/* The same, and the file is gone. */
void series_remove(struct series *s);

/* Keeps samples at the row that ends at STEP; nothing when there is such a row already (but when
 * the clock was set back by over ten minutes, what was before is forgotten). What has no column
 * gets one; a column without a sample is NaN. */
must_check struct err *series_add(struct series *s, int64_t step, const struct samples *samples);

size_t series_n_columns(const struct series *s);
const struct column *series_column(const struct series *s, size_t i);
/* Nothing is known any more of what a column was; its next sample is kept again. */
void series_forget(struct series *s, size_t column);
/* The number of a column, or -1. */
int series_find(const struct series *s, const char *name);
/* The last row's; 0: there is none. */
int64_t series_last(const struct series *s);
/* The last sample of a column as it was measured; NaN: none. */
double series_raw(const struct series *s, size_t column);
/* A value, or NaN where nothing is known: STEP in steps, MINUTE in minutes since 1970. */
double series_value(const struct series *s, int64_t step, size_t column);
double series_minute(const struct series *s, int64_t minute, size_t column);

#endif
