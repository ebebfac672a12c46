/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The documents that clients read, in the forms that rrdtool and XenServer gave them: the whole RRD
 * of an owner, and what was measured since a time. A number is the same text in XML and JSON, where
 * it stands in quotes. Long ones yield now and then. Fibers.
 */
#ifndef XENITH_RRDD_DOCUMENT_H
#define XENITH_RRDD_DOCUMENT_H

#include "common/sbuf.h"
#include "common/vec.h"
#include "rrdd/owner.h"

/* Columns of one owner in a document of updates. */
struct updates_part {
	const char *kind, *uuid;
	struct table table;
};

struct updates {
	int64_t first_s, row_s;
	size_t n_rows;
	const char *consolidation; /* "AVERAGE" */
	vec_of(struct updates_part) parts; /* whose tables all have these rows */
};

MAY_WAIT must_check struct err *document_updates(
	const struct updates *u, enum rrd_format format, struct sbuf *out);

/* One archive of a whole RRD; the first has rows of STEP_S. */
struct dump {
	int64_t last_s;
	size_t n_columns;
	const struct column *columns; /* copies */
	const double *raw; /* the last sample of each */
	struct table archives[4];
};

MAY_WAIT must_check struct err *document_dump(
	const struct dump *d, enum rrd_format format, struct sbuf *out);

/* "0.5000", "NaN", "Infinity": as both documents have it. */
void document_number(double v, struct sbuf *out);

#endif
