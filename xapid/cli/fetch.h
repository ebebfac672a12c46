/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What xe fetches from a host, or brings to it, for a command: a file over HTTP, on a connection of
 * its own. Fibers; files are read and written as they come.
 */
#ifndef XENITH_XAPID_CLI_FETCH_H
#define XENITH_XAPID_CLI_FETCH_H

#include "common/arena.h"
#include "common/err.h"

struct stream;

struct fetch {
	const char *path; /* and query */
	int fd; /* of the file */
	uint64_t size; /* PUT: of the file */
	/* Where it is instead ("http://…"), in the arena; NULL: this was it. */
	const char *location;
	bool is_put;
};

/* BAD_REQUEST with what the host said when it did not want to. */
MAY_WAIT must_check struct err *fetch_run(struct fetch *f, struct stream *s, struct arena *a);

#endif
