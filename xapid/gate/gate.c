/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A call from its name to its result (gate.h): what the message is, who sends it and whether he
 * may, its arguments, the audit line, its task. How it is run is in job.c.
 */
#define LOG_MODULE "gate"

#include "xapid/gate/gate.h"

#include "common/fiber.h"
#include "common/mem.h"
#include "core.gen.h"
#include "xapid/db/db.h"
#include "xapid/gate/audit.h"
#include "xapid/gate/auth.h"
#include "xapid/gate/caller.h"
#include "xapid/gate/job.h"
#include "xapid/gate/order.h"
#include "xapid/gate/roles.h"
#include "xapid/gate/session.h"
#include "xapid/gate/system.h"
#include "xapid/gate/task.h"
#include "xapid/host/role.h"
#include "xapid/xapid.h"

#include "xenapi.gen.h"

#include <string.h>

/* ---- what is called ---- */

struct target {
	const char *name; /* without the prefix */
	const struct message *message;
	bool is_async;
	size_t n_sessions; /* parameters that are no arguments: 1, or 0 */
};

static bool strip(const char **name, const char *prefix)
{
	size_t len = strlen(prefix);

	if (strncmp(*name, prefix, len) != 0)
		return false;
	*name += len;
	return true;
}

static struct err *no_async(struct arena *a, const char *name)
{
	const char *why = arena_printf(a, "No async mode for this operation (rpc: %s)", name);

	return err_not_null(err_new(__FILE__, __LINE__, "Fault", 1, &why));
}

static struct err *find_target(const struct gate_request *rq, struct target *out)
{
	const char *name = rq->method;

	out->is_async = strip(&name, "Async.") || strip(&name, "InternalAsync.");
	out->name = name;
	out->message = message_resolve(name);
	if (!out->message || (out->is_async && !strchr(name, '.')))
		return err(MESSAGE_METHOD_UNKNOWN, rq->method);
	if (out->is_async && !out->message->is_async)
		return no_async(rq->arena, name);
	const struct method *m = out->message->method;
	out->n_sessions = m && m->flags & METHOD_SESSIONLESS ? 0 : 1;
	return args_check_count(out->message, name, (long)rq->n_params - (long)out->n_sessions);
}

/* ---- who calls ---- */

static struct err *check_session(struct job *j, const struct gate_request *rq)
{
	struct session *s;
	const char *ref;

	TRY(args_read(&type_string, "session_id", rq->form, &rq->params[0], j->c.call.arena, &ref));
	TRY(session_use(ref, &s));
	session_describe(s, &j->c);
	if (!j->c.message->is_read_only)
		j->originator = arena_strdup(j->c.call.arena, s->originator);
	return NULL;
}

static struct err *check_is_served(const struct job *j)
{
	const struct message *m = j->c.message;

	if (m->is_removed)
		return err(MESSAGE_REMOVED);
	if (m->method && m->method->flags & METHOD_INTRAPOOL && !j->c.is_pool)
		return err(INTERNAL_ERROR, "this message is for hosts of the pool alone");
	return NULL;
}

/* ---- with what ---- */

/* The argument NAME of a message that changes a map. */
static const void *map_arg(const struct job *j, size_t place, const char *name)
{
	const struct message *m = j->c.message;

	if (!m->method)
		return j->args[place];
	const struct type *in = m->method->in;
	for (uint32_t i = 0; i < in->n; i++)
		if (!strcmp(in->fields[i].name, name))
			return (const char *)j->in + in->fields[i].offset;
	return NULL;
}

/* A map is set as if each key in which it differs were added or removed. */
static struct err *check_map_set(struct job *j)
{
	const struct field *map = j->c.message->map;
	const char *const *self = map_arg(j, 0, "self");
	const struct string_map *will = map_arg(j, 1, "value");
	const struct db_row *row = self ? db_row(j->c.message->class, *self) : NULL;

	return row && will ? role_check_keys(&j->c, map, db_value(row, map), will) : NULL;
}

/* What the message would write into maps of which single keys have roles. */
static struct err *check_keys(struct job *j)
{
	const struct message *m = j->c.message;

	if (m->kind == MESSAGE_CREATE)
		return role_check_record(&j->c, m->class, db_blank_record(m->class), j->args[0]);
	if (!m->map)
		return NULL;
	if (m->map_change == MESSAGE_SET)
		return check_map_set(j);
	const char *const *key = map_arg(j, 1, "key");
	return key ? role_check_key(&j->c, m->map, *key) : role_check(&j->c);
}

static struct err *read_args(struct job *j, const struct args *args)
{
	const struct message *m = j->c.message;
	struct arena *a = j->c.call.arena;

	return m->method ? args_read_explicit(m, args, a, &j->in)
			 : args_read_implicit(m, args, a, j->args);
}

/* A role may hang on the key of a map, so those arguments are read before it is looked at. */
static struct err *check_role_and_read(struct job *j, const struct args *args)
{
	const struct message *m = j->c.message;
	bool hangs_on_key = m->map && m->map_change != MESSAGE_SET;
	bool is_sessionless = m->method && m->method->flags & METHOD_SESSIONLESS;

	if (!is_sessionless && !hangs_on_key)
		TRY(role_check(&j->c));
	TRY(read_args(j, args));
	return check_keys(j);
}

/* ---- the call ---- */

/* Everything of an Async one is in an arena of its own: it outlives the request. */
static struct job *job_new(const struct gate_request *rq, const struct target *t)
{
	struct arena own = {0};
	struct job *j = arena_new(t->is_async ? &own : rq->arena, struct job);

	j->arena = own;
	struct arena *a = t->is_async ? &j->arena : rq->arena;
	j->c = (struct xapi_call){
		.call = {.method = t->message->method, .arena = a},
		.message = t->message,
		.form = t->is_async ? GATE_XML : rq->form,
		.name = arena_strdup(a, rq->method),
		.peer = {.origin = rq->peer.origin,
			.address = arena_strdup(a, rq->peer.address ? rq->peer.address : ""),
			.user_agent =
				arena_strdup(a, rq->peer.user_agent ? rq->peer.user_agent : "")},
		.session = REF_NULL,
		.task = REF_NULL,
		.user = "",
		.subject = REF_NULL,
		.role = "",
	};
	return j;
}

static struct err *admit(struct job *j, const struct gate_request *rq, const struct target *t)
{
	const struct args args = {
		.form = rq->form,
		.v = rq->params + t->n_sessions,
		.n = rq->n_params - t->n_sessions,
	};

	if (t->n_sessions) {
		TRY(check_session(j, rq));
		TRY(caller_register(&j->c.peer));
	}
	TRY(check_is_served(j));
	struct err *e = check_role_and_read(j, &args);
	/* The audit tells what it was that somebody may not do. */
	if (err_is(e, &ERR_RBAC_PERMISSION_DENIED) && !j->c.message->is_read_only && !j->in &&
		!j->args[0])
		err_free(read_args(j, &args));
	return e;
}

/* Tasks and events do not tell of themselves. */
static bool shows_as_task(const struct message *m)
{
	return m->is_async && m->class != &xenapi_class_task && m->class != &xenapi_class_event;
}

static MAY_WAIT struct err *run_with_task(struct job *j, const struct gate_request *rq)
{
	TRY(job_make_task(j, j->c.name, rq->subtask_of));
	struct err *e = job_run_apart(j);
	xtask_destroy(j->c.task);
	return e;
}

static MAY_WAIT struct err *run(struct job *j, const struct gate_request *rq)
{
	if (rq->task_id && xtask_is_pending(rq->task_id)) {
		j->c.task = rq->task_id;
		return job_run(j);
	}
	if (shows_as_task(j->c.message))
		return run_with_task(j, rq);
	return job_run(j);
}

static struct err *begin_async(
	struct job *j, const struct gate_request *rq, struct gate_result *out)
{
	const char **task = arena_alloc(rq->arena, sizeof(*task));
	struct err *e = job_make_task(j, j->c.name, rq->subtask_of);

	if (e) {
		struct arena own = j->arena;

		audit_ended(j, e);
		arena_fini(&own);
		return e;
	}
	*task = arena_strdup(rq->arena, j->c.task);
	TRY(job_run_later(j));
	*out = (struct gate_result){.type = &type_string, .value = task};
	return NULL;
}

struct err *gate_call(const struct gate_request *rq, struct gate_result *out)
{
	struct target t;
	bool is_here = true;

	if (system_is_one(rq->method)) {
		TRY(caller_admit(&rq->peer, CALLER_COST_READ, rq->arena));
		return system_call(rq, out);
	}
	TRY(find_target(rq, &t));
	if (own_role.is_member)
		TRY(order_check_member(rq, t.message, &is_here));
	if (!is_here)
		return order_relay(rq, out);
	TRY(caller_admit(&rq->peer, caller_cost(t.message), rq->arena));
	struct job *j = job_new(rq, &t);
	struct err *e = admit(j, rq, &t);
	if (e) {
		audit_ended(j, e);
		if (t.is_async) {
			struct arena own = j->arena;

			arena_fini(&own);
		}
		return e;
	}
	if (rq->on_read)
		rq->on_read(rq->on_read_arg);
	if (t.is_async)
		return begin_async(j, rq, out);
	e = run(j, rq);
	if (e && !j->was_run)
		audit_ended(j, e);
	if (!e)
		*out = job_result(j);
	return e;
}

static void write_wire(const struct gate_result *r, struct sbuf *out)
{
	sbuf_add(out, r->wire.text, r->long_part_at);
	if (r->hole)
		*r->hole = sbuf_len(out);
	else
		shared_run_copy(&r->long_part, out);
	sbuf_add(out, r->wire.text + r->long_part_at, r->wire.len - r->long_part_at);
}

void gate_write(const struct gate_result *r, enum gate_form form, struct sbuf *out)
{
	if (!r->type)
		write_wire(r, out);
	else if (r->type->kind == TYPE_VOID)
		sbuf_adds(out, form == GATE_XML ? "<value></value>" : "\"\"");
	else
		db_form_write(
			r->type, r->value, form == GATE_XML ? DB_FORM_XML : DB_FORM_JSON, out);
}

/* ---- what handlers use of it ---- */

void call_progress(struct call *c, double fraction)
{
	xtask_progress(call_task(c), fraction);
}

struct err *call_check(struct call *c)
{
	if (xtask_is_cancelling(call_task(c)))
		return err(TASK_CANCELLED, call_task(c));
	return fiber_check();
}

/* ---- start and end ---- */

struct err *gate_start(void)
{
	session_start();
	xtask_start();
	auth_start();
	TRY(job_withhold(xapid_conf.withheld));
	return auth_load_pool_secret();
}

void gate_stop(void)
{
	session_stop();
	xtask_stop();
	auth_stop();
	callers_stop();
	message_forget();
}
