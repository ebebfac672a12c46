/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GET and PUT /blob?ref=REF, or uuid=UUID: the bytes of a blob. Those of a public one are
 * everybody's to read.
 */
#ifndef XENITH_XAPID_API_BLOB_H
#define XENITH_XAPID_API_BLOB_H

/* Has the door serve it: before it opens. */
void blob_serve(void);

#endif
