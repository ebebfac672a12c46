/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The messages of no class: system.listMethods and system.isAlive. No session comes first.
 */
#ifndef XENITH_XAPID_GATE_SYSTEM_H
#define XENITH_XAPID_GATE_SYSTEM_H

#include "xapid/gate/gate.h"

/* Whether it is to be one of them. */
bool system_is_one(const char *method);
must_check struct err *system_call(const struct gate_request *rq, struct gate_result *out);

#endif
