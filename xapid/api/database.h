/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The whole database over HTTP, as the original's XML (xmldb/xmldb.h): GET /pool/xmldbdump gives
 * it, PUT restores it. A restore is checked first, with dry_run=true only that; then xapid begins
 * anew with it, as the master that it is.
 */
#ifndef XENITH_XAPID_API_DATABASE_H
#define XENITH_XAPID_API_DATABASE_H

/* Has the door serve it. */
void database_serve(void);

#endif
