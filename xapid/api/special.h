/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages that follow from the fields of a class, and do more than that says: VM.destroy goes to
 * xenopsd, VDI.create to smd, setting VM.is_a_template is an operation. Whoever serves the implicit
 * messages asks here first.
 */
#ifndef XENITH_XAPID_API_SPECIAL_H
#define XENITH_XAPID_API_SPECIAL_H

#include "xapid/gate/call.h"

/* ARGS and OUT as in implicit_serve. */
typedef MAY_WAIT struct err *(*special_fn)(struct call *c, const void *const *args, void *out);

/* NULL: the message does no more than its name says. */
special_fn special_find(const struct message *m);

#endif
