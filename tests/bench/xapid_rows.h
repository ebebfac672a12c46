/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rows of bench_xapid, by what they are about. Each round has a host of its own.
 */
#ifndef XENITH_TESTS_BENCH_XAPID_ROWS_H
#define XENITH_TESTS_BENCH_XAPID_ROWS_H

#include "common/vec.h"
#include "tests/bench/bench.h"
#include "tests/bench/xapid_client.h"

struct xapid_rows {
	vec_of(struct bench_row) v;
	struct arena arena; /* for what the rows point to */
};

/* Single calls, xapid_calls.c; what grows with the number of objects, xapid_records.c; what comes
 * all at once, xapid_storm.c. */
void xapid_calls(struct xapid_rows *rows);
void xapid_records(struct xapid_rows *rows);
void xapid_storm(struct xapid_rows *rows);

/* A round in a fiber of a loop. The host is the round's to begin; it is ended for it. */
typedef MAY_WAIT void (*xapid_round_fn)(struct bench_figures *out);
/* For a row's fn, with an xapid_round_fn as its arg. */
void xapid_round(void *arg, struct bench_figures *out);

#endif
