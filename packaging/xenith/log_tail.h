/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The last lines of a log file, for a terminal: after a failed start, and for `xenith logs`.
 */
#ifndef XENITH_PACKAGING_XENITH_LOG_TAIL_H
#define XENITH_PACKAGING_XENITH_LOG_TAIL_H

#include "common/dialect.h"

#include <stdio.h>

/* Prints the last N lines of PATH to TO, each after PREFIX; 0 or -errno. *END (or NULL) is how much
 * of the file has been printed: where log_tail_more goes on. */
int log_tail(const char *path, long n, const char *prefix, FILE *to, off_t *end);
/* Prints the whole lines that were added since *END. A file that became shorter is begun anew. */
int log_tail_more(const char *path, const char *prefix, FILE *to, off_t *end);

#endif
