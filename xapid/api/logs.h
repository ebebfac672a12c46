/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the logs of the host's daemons are: in files of a folder, or in the journal.
 */
#ifndef XENITH_XAPID_API_LOGS_H
#define XENITH_XAPID_API_LOGS_H

#include "common/arena.h"
#include "common/err.h"
#include "common/schema.h"

#include <sys/types.h>

/* The files that a pattern of the shell matches. */
struct string_list logs_glob(struct arena *a, const char *pattern);
/* The paths of their files; none where the journal has them. Blocks, for as long as a folder
 * takes. */
void logs_files(struct arena *a, struct string_list *out);
/* The newest LINES of the journal, of UNIT (or NULL: all of Xenith's). */
MAY_WAIT must_check struct err *logs_journal(
	struct arena *a, const char *unit, unsigned lines, const char **text, size_t *n);

#endif
