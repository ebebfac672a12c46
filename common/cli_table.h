/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A list of records as a table, for cli_show.c.
 */
#ifndef XENITH_COMMON_CLI_TABLE_H
#define XENITH_COMMON_CLI_TABLE_H

#include "common/sbuf.h"
#include "common/schema.h"

/* T is a list of records. Nothing is written for an empty one. WIDTH 0: as wide as it gets. */
void cli_table(
	const struct type *t, const void *list, unsigned indent, unsigned width, struct sbuf *out);

#endif
