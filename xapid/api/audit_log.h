/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GET /audit_log: the audit (xapid/gate/audit.h) to whoever may read it.
 */
#ifndef XENITH_XAPID_API_AUDIT_LOG_H
#define XENITH_XAPID_API_AUDIT_LOG_H

/* Adds its route to the door. */
void audit_log_serve(void);

#endif
