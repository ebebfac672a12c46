/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The metrics over HTTP: /rrd_updates, /vm_rrd, /host_rrd and their older names with an s.
 */
#ifndef XENITH_XAPID_API_RRD_H
#define XENITH_XAPID_API_RRD_H

/* Has the door serve them: before it opens. */
void rrd_serve(void);

#endif
