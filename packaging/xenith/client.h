/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client of the XenAPI: JSON-RPC over HTTP on the Unix socket of a private directory's xapid,
 * where who may connect is root. One connection, one call at a time; fibers only.
 */
#ifndef XENITH_PACKAGING_XENITH_CLIENT_H
#define XENITH_PACKAGING_XENITH_CLIENT_H

#include "common/arena.h"
#include "common/json_value.h"

struct stream;

/* A zeroed one is not connected. */
struct client {
	const char *dir; /* borrowed */
	struct stream *stream; /* owned */
	const char *session; /* in the arena */
	struct arena arena; /* what was answered: until the client is closed */
	json_t *values; /* likewise: an array that keeps them */
};

/* Connects to the xapid of DIR, which must outlive C, and logs in. */
MAY_WAIT must_check struct err *client_open(struct client *c, const char *dir);
/* Logs out. Harmless on one that was not opened. */
MAY_WAIT void client_close(struct client *c);

/*
 * One call: PARAMS (an array, or NULL; given away) without the session. *RESULT lives as long as C.
 * The error is what the XenAPI answered, and its detail says which call it was.
 */
MAY_WAIT must_check struct err *client_call(
	struct client *c, const char *message, json_t *params, json_t **result);
/* The same of a call that answers with a string, a reference say. RESULT may be NULL. */
MAY_WAIT must_check struct err *client_call_string(
	struct client *c, const char *message, json_t *params, const char **result);

/* A PUT of the first SIZE bytes of a file to TARGET, "/path?query", over its own connection. */
MAY_WAIT must_check struct err *client_put(
	struct client *c, const char *target, int fd, uint64_t size);

/* Whether a call has answered with this reference to say that there is none. */
bool client_is_null(const char *ref);

#endif
