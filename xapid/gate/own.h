/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages sent from within xapid, as JSON: its own, as if root had sent them to the Unix socket,
 * so that they run on the host that they are for, have a task and stand in the audit; and those of
 * xe's commands, which run here too. Fibers.
 */
#ifndef XENITH_XAPID_GATE_OWN_H
#define XENITH_XAPID_GATE_OWN_H

#include "common/json_value.h"
#include "xapid/gate/gate.h"

/* Sends a message with PARAMS, an array, or NULL. *RESULT is the caller's (json_auto_t); RESULT may
 * be NULL. */
MAY_WAIT must_check struct err *own_call(const struct gate_peer *peer, const char *message,
	const json_t *params, struct arena *a, json_t **result);

/* A session of xapid's own, in A. */
MAY_WAIT must_check struct err *own_login(struct arena *a, const char **session);
/* Whoever waits for it is not cancelled meanwhile: no session stays behind. */
MAY_WAIT void own_logout(struct arena *a, const char *session);
/* Sends a message with that session; PARAMS (taken over; without the session) is an array, or NULL.
 * *OUT (or NULL for who does not want it) is the result if that is a string, else "". */
MAY_WAIT must_check struct err *own_send(struct arena *a, const char *session, const char *message,
	json_t *params, const char **out);

#endif
