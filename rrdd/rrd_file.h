/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The long archives of one owner, in a file of librrd's: a row each hour for a week, and one each
 * day for a year, made of its minutes. A feed replaces the file as a whole, so that a kill leaves
 * the old or the new one. The functions block: they are for the pool. Nothing else includes librrd.
 *
 * librrd has names of at most 19 letters, ours are longer: a column's name there is made of its
 * name's beginning and a hash.
 */
#ifndef XENITH_RRDD_RRD_FILE_H
#define XENITH_RRDD_RRD_FILE_H

#include "common/dialect.h"
#include "common/err.h"

#define MINUTE_S 60
#define HOUR_S   3600
#define DAY_S    86400

/* A table of values: rows follow each other, ROW_S apart. */
struct table {
	int64_t first_s; /* the end of the first row, since 1970 */
	int64_t row_s;
	size_t n_rows;
	size_t n_columns;
	const char *const *names; /* of the columns; borrowed */
	double *values; /* owned; row after row; NaN: not known */
};
static inline double *table_row(const struct table *t, size_t row)
{
	return t->values + row * t->n_columns;
}
void table_fini(struct table *t);

/* The end of the last minute that the file knows of; 0: there is no file. */
must_check struct err *rrd_file_last(const char *path, int64_t *out);
/* Adds minutes behind the last one; the file is made, and gets new columns, as need be. */
must_check struct err *rrd_file_feed(const char *path, const struct table *minutes);
/* Without this column, if the file has it. */
must_check struct err *rrd_file_drop(const char *path, const char *column);
/* The rows of ROW_S (an hour or a day) that end in (FROM_S, TO_S], of the columns NAMES. All NaN
 * where there is no file. */
must_check struct err *rrd_file_fetch(const char *path, int64_t row_s, int64_t from_s, int64_t to_s,
	const char *const *names, size_t n_names, struct table *out);

#endif
