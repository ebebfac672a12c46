/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What helps to find a fault, as an archive: GET /system-status (entries; output: tar, tar.bz2,
 * zip) and GET /host_logs_download (tar.gz), of this host or, with host=REF-OR-UUID, of another
 * one.
 */
#ifndef XENITH_XAPID_API_REPORT_H
#define XENITH_XAPID_API_REPORT_H

/* Has the door serve them: before it opens. */
void report_serve(void);

#endif
