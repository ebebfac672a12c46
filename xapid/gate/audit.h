/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The audit: a line for every call that is to change something, of whoever sent it, in a file of
 * its own (audit_file.h), written before the call is answered, and before what a short call changed
 * is durable. What takes long has two lines: when it begins and when it ends. A line is JSON:
 *
 *	{"time":"2027-03-01T12:00:00.123Z","verdict":"ALLOWED","outcome":"OK","call":"VM.start",
 *	 "args":{"vm":"OpaqueRef:…","start_paused":false},"user":"root","subject":"","role":
 *	 "pool-admin","originator":"xe","from":"tcp","address":"192.0.2.1","agent":"…","task":"…"}
 *
 * The verdict is ALLOWED or DENIED; the outcome OK, BEGUN, or the code of an error. Secrets are
 * masked: whatever the model calls one, whatever is called like one, and references of sessions.
 */
#ifndef XENITH_XAPID_GATE_AUDIT_H
#define XENITH_XAPID_GATE_AUDIT_H

#include "xapid/gate/job.h"

#define AUDIT_LINE_BEGINS "{\"time\":\""

/* It was let in, and begins. */
void audit_begun(const struct job *j);
/* E: why it failed, or was not let in; NULL: it was done. */
void audit_ended(const struct job *j, const struct err *e);

/* The same of a request that is no message; those that merely read what everybody may are left out,
 * unless they were refused. */
void audit_request_begun(const struct xapi_call *c, const struct gate_entry *entry);
void audit_request_ended(
	const struct xapi_call *c, const struct gate_entry *entry, const struct err *e);

#endif
