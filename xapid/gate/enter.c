/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests that are no messages (gate.h): who they are from, whether he may, and the task that
 * tells of what the handler does.
 */
#include "common/fiber.h"
#include "core.gen.h"
#include "xapid/gate/audit.h"
#include "xapid/gate/auth.h"
#include "xapid/gate/call.h"
#include "xapid/gate/caller.h"
#include "xapid/gate/job.h"
#include "xapid/gate/roles.h"
#include "xapid/gate/session.h"
#include "xapid/gate/task.h"
#include "xapid/host/role.h"

#include "xenapi.gen.h"

#define MOST_ROLE "pool-admin"

struct entered {
	struct xapi_call c;
	const struct gate_entry *entry;
	bool owns_task; /* nobody waits for it: the answer tells all */
	bool owns_session; /* it was made for this request */
	struct fiber *fiber; /* of the request, to be cancelled */
};

/* ---- who it is ---- */

static void set_root(struct xapi_call *c, bool is_pool)
{
	c->role = MOST_ROLE;
	c->is_root = true;
	c->is_pool = is_pool;
}

static MAY_WAIT struct err *log_in(struct entered *x, const struct gate_credentials *cred)
{
	struct auth_account account;
	struct session *s;

	TRY(auth_check(x->c.peer.address, cred->user, (struct secret){cred->password}, &account));
	const struct session_spec spec = {
		.user = cred->user,
		.originator = "",
		.role = account.role,
		.is_root = account.is_root,
		.subject = account.subject,
	};
	TRY(session_new(&spec, &s));
	x->owns_session = true;
	session_describe(s, &x->c);
	return NULL;
}

/* A session of the master's, as he knows it; where he is away, as far as the copy tells. */
static MAY_WAIT struct err *identify_there(struct entered *x, const char *session)
{
	const struct gate_router *r = job_router();
	auto_err e = r ? r->describe(session, &x->c) : err(CANNOT_CONTACT_HOST, own_role.master);

	return err_is(e, &ERR_CANNOT_CONTACT_HOST) ? session_describe_copied(session, &x->c)
						   : take(e);
}

static MAY_WAIT struct err *identify(struct entered *x, const struct gate_credentials *cred)
{
	struct session *s;

	if (x->c.peer.origin == GATE_UNIX) {
		set_root(&x->c, false);
		return NULL;
	}
	if (cred->session_id && own_role.is_member && !session_find(cred->session_id))
		return identify_there(x, cred->session_id);
	if (cred->session_id) {
		TRY(session_use(cred->session_id, &s));
		session_describe(s, &x->c);
		return NULL;
	}
	if (cred->pool_secret && auth_is_pool_secret(cred->pool_secret)) {
		set_root(&x->c, true);
		return NULL;
	}
	if (cred->user && cred->password)
		return log_in(x, cred);
	return err(SESSION_INVALID, "");
}

/* ---- its task ---- */

/* At a member: a task of the master's that the client was sent here with. Who cancels it is sent
 * here as well. */
static bool take_task(const char *ref)
{
	const struct xenapi_task *task = own_role.is_member ? db_find(task, ref) : NULL;

	if (!task || task->status != XENAPI_TASK_STATUS_TYPE_PENDING)
		return false;
	const struct xenapi_session *by = db_find(session, task->session);
	auto_err e = db_write(task, ref, resident_on, host_here());
	if (!e)
		xtask_adopt(ref, by ? by->auth_user_name : "", NULL, NULL);
	return !e;
}

/* Whether the request completes the task that it names: one that a client made for it, and not
 * that of a call or of another request, which have their own end. */
static bool claims(const char *ref)
{
	return xtask_is_pending(ref) ? xtask_is_free(ref) : take_task(ref);
}

static void cancel_request(const char *ref, void *arg)
{
	struct entered *x = arg;

	fiber_cancel(x->fiber);
}

static struct err *choose_task(struct entered *x)
{
	const char *task_id = x->entry->task_id;
	const struct xtask_spec spec = {
		.name = x->c.name,
		.session = x->c.session,
		.parent = x->entry->subtask_of,
		.cancel = cancel_request,
		.arg = x,
	};

	x->owns_task = !task_id || !claims(task_id);
	if (x->owns_task)
		return xtask_create(&spec, x->c.call.arena, &x->c.task);
	x->c.task = arena_strdup(x->c.call.arena, task_id);
	return xtask_set_cancel(task_id, cancel_request, x);
}

/* ---- in and out ---- */

static void end_session(struct entered *x)
{
	struct session *s = x->owns_session ? session_find(x->c.session) : NULL;

	if (s)
		session_end(s);
}

static MAY_WAIT struct err *enter(struct entered *x)
{
	TRY(caller_admit(&x->c.peer, CALLER_COST_WORK, x->c.call.arena));
	TRY(identify(x, &x->entry->cred));
	TRY(caller_register(&x->c.peer));
	TRY(role_check_action(&x->c, x->entry->action, x->entry->role));
	return choose_task(x);
}

struct err *gate_enter(const struct gate_entry *entry, struct arena *arena, struct xapi_call **out)
{
	struct entered *x = arena_new(arena, struct entered);

	x->entry = entry;
	x->fiber = fiber_current();
	x->c = (struct xapi_call){
		.call = {.arena = arena},
		.form = GATE_XML,
		.name = arena_printf(arena, "http/%s", entry->action),
		.peer = entry->peer,
		.session = REF_NULL,
		.task = REF_NULL,
		.user = "",
		.subject = REF_NULL,
		.role = "",
		.since = db_generation(),
	};
	struct err *e = enter(x);
	if (e) {
		audit_request_ended(&x->c, entry, e);
		end_session(x);
		return e;
	}
	audit_request_begun(&x->c, entry);
	*out = &x->c;
	return NULL;
}

void gate_leave(struct xapi_call *c, const struct err *e, const struct gate_result *result)
{
	struct entered *x = container_of(c, struct entered, c);
	auto_sbuf text = {0};

	audit_request_ended(c, x->entry, e);
	xtask_uncancellable(c->task);
	if (e) {
		xtask_fail(c->task, e);
	} else {
		if (result)
			gate_write(result, GATE_XML, &text);
		xtask_succeed(c->task, sbuf_str(&text));
	}
	if (x->owns_task)
		xtask_destroy(c->task);
	else
		xtask_let_go(c->task);
	end_session(x);
}

void gate_pass_on(struct xapi_call *c)
{
	struct entered *x = container_of(c, struct entered, c);

	xtask_uncancellable(c->task);
	if (x->owns_task)
		xtask_destroy(c->task);
	end_session(x);
}
