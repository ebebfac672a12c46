/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The contents of a VDI over HTTP: PUT /import_raw_vdi?vdi=REF-OR-UUID[&format=raw], with a
 * content-length of at most the VDI's size. What lies behind the body stays as it was.
 */
#ifndef XENITH_XAPID_API_IMPORT_VDI_H
#define XENITH_XAPID_API_IMPORT_VDI_H

/* Has the door serve it: before it opens. */
void import_vdi_serve(void);

#endif
