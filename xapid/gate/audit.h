/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The audit: a line in the log (module "audit") for every call that is to change something, of
 * whoever sent it, and what came of it.
 */
#ifndef XENITH_XAPID_GATE_AUDIT_H
#define XENITH_XAPID_GATE_AUDIT_H

#include "xapid/gate/job.h"

/* E: why it failed; NULL: it was done, or of an Async one, begun. */
void audit(const struct job *j, const struct err *e);

#endif
