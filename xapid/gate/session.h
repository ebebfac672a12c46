/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sessions: who is logged in. Each is a row of class session, for clients to see, and what the gate
 * has to know at each call. They end with a logout, after a day without a call, when there are too
 * many of one user or originator, and with xapid. Their references cannot be guessed.
 */
#ifndef XENITH_XAPID_GATE_SESSION_H
#define XENITH_XAPID_GATE_SESSION_H

#include "common/err.h"
#include "common/list.h"
#include "common/vec.h"

struct session {
	char *ref; /* owned, as the three below */
	char *user;
	char *subject; /* ref, or REF_NULL */
	char *originator;
	const char *role; /* of the model's roles */
	bool is_root; /* a local superuser */
	bool is_pool; /* another host of the pool */
	bool is_local; /* of this host alone: no row tells of it */
	int64_t used; /* clock_mono_ns of the newest call */
	double tokens; /* calls that it may make at once */
	int64_t noted; /* when last_active of the row was written */
	struct list by_use; /* the one that was used longest ago comes first */
	/* What event.register asked for, in lower case, and what event.next has told of. */
	vec_of(char *) registered;
	uint64_t told;
};

struct session_spec {
	const char *user;
	const char *originator;
	const char *role;
	bool is_root;
	bool is_pool;
	bool is_local; /* of this host alone, and not in the database */
	const char *subject; /* ref; NULL: none */
};

/* Makes one; the oldest ones of the same user or originator end if there are too many. */
must_check struct err *session_new(const struct session_spec *spec, struct session **out);
/* SESSION_INVALID[ref]; LIMIT_EXCEEDED: it makes too many calls. It counts as used now. Borrowed:
 * until the fiber waits. */
must_check struct err *session_use(const char *ref, struct session **out);
/* The same without using it; for a call that waits. */
must_check struct err *session_check(const char *ref);
/* NULL when there is none. */
struct session *session_find(const char *ref);
/* The one that was used longest ago (S is NULL), or the one behind it; NULL: no more. */
const struct session *session_next(const struct session *s);
/* Those of a subject have this role from now on; NULL: they end. */
void session_set_role(const char *subject, const char *role);
/* Who calls, for CALL and those that it asks; copied into its arena. */
struct xapi_call;
void session_describe(const struct session *s, struct xapi_call *call);
/* The same of a session of the master's, on a member, as far as the database tells. */
must_check struct err *session_describe_copied(const char *ref, struct xapi_call *call);
/* Logs it out: calls that wait end. */
void session_end(struct session *s);

void session_start(void);
/* All end. */
void session_stop(void);

/* How many there may be of one user, or one originator. */
#define SESSION_MAX_ALIKE 500
/* How long one lives that is not used. */
#define SESSION_IDLE_NS (INT64_C(24) * 3600 * NS_PER_S)

#endif
