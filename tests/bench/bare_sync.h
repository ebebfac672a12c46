/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What it costs to have something on the disk: 4 KiB overwritten in place in a file that was laid
 * out before, and synced. No code of the project.
 */
#ifndef XENITH_TESTS_BENCH_BARE_SYNC_H
#define XENITH_TESTS_BENCH_BARE_SYNC_H

#include "tests/bench/bare_http.h"

/* N times, in a file in FOLDER that is gone afterwards. */
void bare_sync(const char *folder, unsigned n, struct bare_figures *out);

#endif
