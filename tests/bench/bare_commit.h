/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a commit costs by sqlite alone: a row of 300 bytes overwritten by its key, with a log that
 * is synced each time (WAL, synchronous = FULL). No code of the project.
 */
#ifndef XENITH_TESTS_BENCH_BARE_COMMIT_H
#define XENITH_TESTS_BENCH_BARE_COMMIT_H

#include "tests/bench/bare_http.h"

/* N times, in a file in FOLDER that is gone afterwards. */
void bare_commit(const char *folder, unsigned n, struct bare_figures *out);

#endif
