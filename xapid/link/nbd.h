/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client of an NBD server on this host (smd starts one for who copies into a VDI): writes, many
 * under way at a time, and nothing else. The fixed newstyle of the protocol, the export without a
 * name. One fiber at a time.
 */
#ifndef XENITH_XAPID_LINK_NBD_H
#define XENITH_XAPID_LINK_NBD_H

#include "common/dialect.h"
#include "common/err.h"

struct nbd;

/* Connects to the server whose socket PATH is. */
MAY_WAIT must_check struct err *nbd_open(const char *path, struct nbd **out);
/* Says good-bye; what was not flushed may not be on the disk. NULL is fine. */
void nbd_close(struct nbd *n);
/* The bytes that the export has. */
uint64_t nbd_size(const struct nbd *n);
/* Puts LEN bytes at OFFSET; zeroes are made holes if the server can. An error may be that of an
 * earlier write. */
MAY_WAIT must_check struct err *nbd_write(
	struct nbd *n, uint64_t offset, const void *bytes, uint32_t len);
/* All that was written is on the disk. */
MAY_WAIT must_check struct err *nbd_flush(struct nbd *n);

#endif
