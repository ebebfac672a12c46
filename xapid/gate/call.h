/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a handler knows of the call that it serves, and what it does with it: who calls, the task
 * that tells of it, how far it is. A handler gets a struct call (common/rpc.h), as every handler in
 * the tree; here it is always part of a struct xapi_call.
 */
#ifndef XENITH_XAPID_GATE_CALL_H
#define XENITH_XAPID_GATE_CALL_H

#include "common/rpc.h"
#include "xapid/db/db.h"
#include "xapid/gate/gate.h"
#include "xapid/gate/message.h"

struct fiber;

struct xapi_call {
	struct call call;
	const struct message *message; /* NULL in a handler of HTTP's */
	enum gate_form form; /* that the result goes out in */
	/* The result as bytes, a whole value in this form, in the call's arena: from a server that
	 * has them at hand, instead of a value. */
	struct json_text wire;
	struct shared_run long_part; /* and what is sent in the middle of it, where it lies */
	size_t long_part_at;
	const char *name; /* as the log has it: "VM.start", "Async.VM.start", "http/get_export" */
	struct gate_peer peer;
	const char *session; /* its ref; REF_NULL in a sessionless message */
	const char *task; /* the ref of its task; REF_NULL: it has none */
	const char *user; /* the name that was logged in with; "" where there is none */
	const char *subject; /* ref, or REF_NULL */
	const char *role; /* of the model's roles */
	bool is_root; /* a local superuser: everything is allowed */
	bool is_pool; /* another host of the pool */
	/* The answer tells of nothing older than what was seen after this generation, for
	 * db_barrier: where the call began, or where a handler looked anew after a wait. */
	uint64_t since;
};

static inline struct xapi_call *xapi_call(struct call *c)
{
	return container_of(c, struct xapi_call, call);
}

/* The refs of the session and of the task; REF_NULL: none. */
static inline const char *call_session(struct call *c)
{
	return xapi_call(c)->session;
}

static inline const char *call_task(struct call *c)
{
	return xapi_call(c)->task;
}

/* Whether the caller has at least this role. */
bool call_has_role(struct call *c, const char *role);

/* 0 to 1; told at most once a turn. */
void call_progress(struct call *c, double fraction);

/*
 * A cancel point: TASK_CANCELLED[task] once task.cancel was called. That cancels the fiber too, so
 * every wait of the call ends with CANCELLED; the gate makes TASK_CANCELLED of what comes out, so
 * handlers and plans need not.
 */
must_check struct err *call_check(struct call *c);

/*
 * Serves every message that has no handler of its own (xapid/api/implicit.c). ARGS has a pointer to
 * a value of each type in message->args; of CREATE that is a whole record, blank where the client
 * said nothing. OUT is a value of message->result, or the server sets c->wire.
 */
MAY_WAIT must_check struct err *implicit_serve(
	struct xapi_call *c, const void *const *args, void *out);

#endif
