/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Archives of files and texts, for whoever wants to look at a host from afar.
 */
#ifndef XENITH_XAPID_API_ARCHIVE_H
#define XENITH_XAPID_API_ARCHIVE_H

#include "common/err.h"

enum archive_format { ARCHIVE_TAR, ARCHIVE_TAR_GZ, ARCHIVE_TAR_BZ2, ARCHIVE_ZIP };

struct archive_item {
	const char *name; /* in the archive */
	const char
		*path; /* a file, of which the last MOST bytes are taken; NULL: there is a text */
	uint64_t most;
	const char *text;
	size_t n;
};

/* Makes one in a file without a name, in DIR. A file that cannot be read is left out. */
MAY_WAIT must_check struct err *archive_make(enum archive_format format, const char *dir,
	const struct archive_item *items, size_t n, int *fd, uint64_t *size);

#endif
