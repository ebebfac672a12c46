/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The gate: the one way from the door to the messages of the XenAPI. It finds out what a message's
 * name means, checks session, role and arguments, writes the audit line, makes the task, runs the
 * handler, waits until what the handler saw and changed is durable, and gives back a value with its
 * type. It knows nothing of HTTP and of framing; the door knows nothing of classes.
 *
 * Everything here runs in the fiber of the request. What the gate answers with is an error as
 * XenAPI has it (code and parameters), for the door to frame.
 */
#ifndef XENITH_XAPID_GATE_GATE_H
#define XENITH_XAPID_GATE_GATE_H

#include "common/arena.h"
#include "common/err.h"
#include "common/sbuf.h"
#include "common/schema.h"
#include "common/shared.h"

struct xml_node;
struct xapi_call;

/* How a request came in. */
enum gate_origin {
	GATE_TCP, /* plain */
	GATE_TLS,
	GATE_UNIX, /* a process of root's on this host: trusted, whatever it logs in with */
};

/* A wire form: of parameters as they came, of results as they go. */
enum gate_form { GATE_XML, GATE_JSON };

/* One positional parameter, not decoded yet; of the request's form. */
struct gate_param {
	const struct xml_node *xml; /* GATE_XML: a <value> */
	struct json_text json; /* GATE_JSON */
};

/* What is known of the other side. */
struct gate_peer {
	enum gate_origin origin;
	const char *address; /* numeric, "" on a Unix socket */
	const char *user_agent; /* "" when it said none */
};

struct gate_request {
	struct gate_peer peer;
	enum gate_form form;
	const char *method; /* "VM.start", "VM_start", "Async.VM.start", "system.listMethods", … */
	const struct gate_param *params; /* the session first, where there is one */
	size_t n_params;
	struct json_text text; /* GATE_XML: the whole call as it came */
	const char *task_id; /* of the header of that name, or NULL: the task to use */
	const char *subtask_of; /* the same: the task that this one is a part of */
	struct arena *arena; /* for the result; outlives the writing of it */
	/* What the parameters came in is needed no more: called once they have been read, before
	 * the call is run. Or not at all. NULL: nobody cares. */
	void (*on_read)(void *arg);
	void *on_read_arg;
};

/* A value to be written: by the tables, or as the bytes that are at hand. */
struct gate_result {
	const struct type *type; /* NULL: there are bytes */
	const void *value; /* of TYPE; in the request's arena, or constant */
	struct json_text wire; /* a whole value in the form of the request; in its arena */
	/* What belongs at a place of the wire form, and is too long to be copied; owned. */
	struct shared_run long_part;
	size_t long_part_at;
	size_t *hole; /* where the writer is told to leave it out; NULL: it is copied after all */
	bool is_bare; /* XML-RPC: without the struct that says Success (system.listMethods) */
};

/* One call, from its name to its durable result. OUT is set on success, for the caller to end. */
MAY_WAIT must_check struct err *gate_call(const struct gate_request *rq, struct gate_result *out);
static inline void gate_result_fini(struct gate_result *r)
{
	shared_run_fini(&r->long_part);
}

/* Adds the result to OUT: a <value> of XML-RPC, or a value of JSON. */
void gate_write(const struct gate_result *r, enum gate_form form, struct sbuf *out);

/* ---- HTTP handlers: whoever streams bytes, and is no message ---- */

/* What a request brought to say who it is from; NULL: it did not. Tried in this order; on a Unix
 * socket none is needed. */
struct gate_credentials {
	const char *session_id;
	const char *pool_secret;
	const char *user, *password; /* of Basic authentication: a session for this request alone */
};

/* What a request wants. All of it is borrowed until gate_leave. */
struct gate_entry {
	struct gate_peer peer;
	struct gate_credentials cred;
	const char *action; /* of its handler: "get_export", … */
	const char *role; /* the least that may; NULL: whoever can say who he is */
	const char *query; /* as it came, for the audit; or NULL */
	const char *task_id; /* the task that the handler will complete; NULL: it gets a new one */
	const char *subtask_of; /* or NULL */
};

/*
 * Admits a request. SESSION_INVALID, SESSION_AUTHENTICATION_FAILED: 401; RBAC_PERMISSION_DENIED:
 * 403. OUT is what handlers of messages have too (call.h), in ARENA; gate_leave ends it and
 * completes its task with E (NULL: success, and RESULT, or NULL, is its result). E stays the
 * caller's.
 */
MAY_WAIT must_check struct err *gate_enter(
	const struct gate_entry *entry, struct arena *arena, struct xapi_call **out);
MAY_WAIT void gate_leave(
	struct xapi_call *c, const struct err *e, const struct gate_result *result);
/* The same where the client was sent to another host: a task of the client's goes on there. */
void gate_pass_on(struct xapi_call *c);

/* ---- several hosts ---- */

/* What the gate asks where a pool has several hosts (xapid/forward). */
struct gate_router {
	/* At the master: the host that is to run the message, whose arguments are IN or ARGS; NULL,
	 * or this one: here. */
	MAY_WAIT struct err *(*place)(
		struct xapi_call *c, const void *in, const void *const *args, const char **host);
	/* Has it run there. IN and OUT as in struct gate_order. */
	MAY_WAIT struct err *(*run)(
		struct xapi_call *c, const char *host, struct json_text in, struct json_text *out);
	/* At a member: who a session of the master's is of; into C. SESSION_INVALID,
	 * CANNOT_CONTACT_HOST. */
	MAY_WAIT struct err *(*describe)(const char *session, struct xapi_call *c);
	/* At a member: has the master serve a request; OUT is a value of the request's form. */
	MAY_WAIT struct err *(*relay)(const struct gate_request *rq, struct json_text *out);
};
void gate_set_router(const struct gate_router *r);

/* A message that the master has a member run: it has let the caller in already. */
struct gate_order {
	const char *message;
	struct json_text in; /* the arguments: an object by name, of an implicit one an array */
	const char *session, *task; /* refs */
	const char *user, *subject, *role;
	bool is_root;
	struct arena *arena; /* for the result */
};
/* OUT: a value of the message's result. */
MAY_WAIT must_check struct err *gate_obey(const struct gate_order *o, struct json_text *out);

/* ---- start and end ---- */

/* After the database was opened: no session and no task of before is there any more. */
MAY_WAIT must_check struct err *gate_start(void);
/* Ends all sessions; calls that wait end with SESSION_INVALID. */
void gate_stop(void);

#endif
