/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Running one call (job.h).
 */
#define LOG_MODULE "gate"

#include "xapid/gate/job.h"

#include "common/fiber.h"
#include "common/log.h"
#include "common/mem.h"
#include "core.gen.h"
#include "xapid/db/db.h"
#include "xapid/gate/audit.h"
#include "xapid/gate/order.h"
#include "xapid/gate/session.h"
#include "xapid/gate/task.h"
#include "xapid/host/role.h"
#include "xapid/xapid.h"

#include "xenapi.gen.h"

#include <string.h>

static const struct gate_router *router;

void gate_set_router(const struct gate_router *r)
{
	router = r;
}

const struct gate_router *job_router(void)
{
	return router;
}

/* ---- its task ---- */

static void cancel_fiber(const char *ref, void *arg)
{
	struct job *j = arg;

	if (j->fiber)
		fiber_cancel(j->fiber);
}

struct err *job_make_task(struct job *j, const char *name, const char *parent)
{
	const struct xtask_spec spec = {
		.name = name,
		.session = j->c.session,
		.parent = parent,
		.cancel = cancel_fiber,
		.arg = j,
	};

	TRY(xtask_create(&spec, j->c.call.arena, &j->c.task));
	j->owns_task = true;
	audit_begun(j);
	return NULL;
}

/* ---- its run ---- */

/* The message that nobody gets; NULL: there is none. */
static const struct message *withheld;

struct err *job_withhold(const char *name)
{
	withheld = *name ? message_resolve(name) : NULL;
	return withheld || !*name ? NULL : err(MESSAGE_METHOD_UNKNOWN, name);
}

/* Under either spelling of its name. */
static bool is_withheld(const struct message *m)
{
	return withheld && m->kind == withheld->kind && m->class == withheld->class &&
		m->method == withheld->method && m->field == withheld->field;
}

static MAY_WAIT struct err *serve_here(struct job *j)
{
	const struct message *m = j->c.message;

	if (is_withheld(m))
		return err(NOT_IMPLEMENTED, xapid_conf.withheld);
	if (!m->method)
		return implicit_serve(&j->c, j->args, j->out);
	method_fn handler = xenapi_service.handlers[m->handler];
	return handler ? handler(&j->c.call, j->in, j->out) : err(NOT_IMPLEMENTED, m->method->name);
}

static MAY_WAIT struct err *serve(struct job *j)
{
	const char *host = NULL;

	if (!router || own_role.is_member)
		return serve_here(j);
	TRY(router->place(&j->c, j->in, j->args, &host));
	if (!host || !strcmp(host, host_here()))
		return serve_here(j);
	return order_serve_there(j, host, router);
}

/* What comes of a cancelled task is that, whatever the wait said that ended first. */
static struct err *as_seen_by_client(struct job *j, struct err *e)
{
	if (!err_is(e, &ERR_CANCELLED) || !xtask_is_cancelling(j->c.task))
		return e;
	err_free(e);
	return err(TASK_CANCELLED, j->c.task);
}

/* A member serves these whether it has found its master or not, and whoever has logged in to it
 * alone. */
static bool needs_no_master(const struct job *j)
{
	const struct method *method = j->c.message->method;
	const struct session *s = j->c.session ? session_find(j->c.session) : NULL;

	if (!own_role.is_member)
		return false;
	return (s && s->is_local) ||
		(method && method->flags & (METHOD_EMERGENCY | METHOD_SESSIONLESS));
}

struct err *job_run(struct job *j)
{
	if (j->c.message->result)
		j->out = arena_alloc(
			j->c.call.arena, j->c.message->result->size + sizeof(max_align_t));
	j->c.since = db_generation();
	bool has_barrier = !needs_no_master(j); /* which a logout would not tell any more */
	struct err *e = as_seen_by_client(j, serve(j));
	/* Before it waits: nothing that a short call changed is durable without its line. */
	audit_ended(j, e);
	j->was_run = true;
	if (!e && has_barrier) {
		fiber_cancel_mask();
		e = db_barrier(j->c.since, NEVER);
		fiber_cancel_unmask();
		if (e)
			audit_ended(j, e);
	}
	if (e)
		shared_run_fini(&j->c.long_part);
	return e;
}

static MAY_WAIT struct err *run_member(void *arg)
{
	struct job *j = arg;

	fiber_set_tag(j->c.task);
	j->fiber = fiber_current();
	struct err *e = job_run(j);
	j->fiber = NULL;
	return e;
}

struct err *job_run_apart(struct job *j)
{
	struct fiber_group group;

	fiber_group_init(&group);
	TRY(fiber_group_spawn(&group, run_member, j, "%s", j->c.name));
	return fiber_group_wait(&group);
}

/* ---- later ---- */

static void job_free(struct job *j)
{
	struct arena a = j->arena; /* the job is in it */

	arena_fini(&a);
}

static void end_task(struct job *j, const struct err *e)
{
	if (e) {
		xtask_fail(j->c.task, e);
		return;
	}
	AUTO(gate_result_fini) struct gate_result result = job_result(j);
	auto_sbuf text = {0};
	gate_write(&result, GATE_XML, &text);
	xtask_succeed(j->c.task, sbuf_str(&text));
}

static void run_later(void *arg)
{
	struct job *j = arg;

	fiber_set_tag(j->c.task);
	j->fiber = fiber_current();
	auto_err e = job_run(j);
	j->fiber = NULL;
	if (e)
		log_err(LOG_INFO_, e, "%s", j->c.name);
	end_task(j, e);
	job_free(j);
}

struct err *job_run_later(struct job *j)
{
	struct err *e = fiber_spawn(&j->fiber, run_later, j, "%s", j->c.name);

	if (e) {
		xtask_destroy(j->c.task);
		job_free(j);
	}
	return e;
}

struct gate_result job_result(struct job *j)
{
	if (j->c.wire.text)
		return (struct gate_result){.wire = j->c.wire,
			.long_part = shared_run_take(&j->c.long_part),
			.long_part_at = j->c.long_part_at};
	return (struct gate_result){.type = j->c.message->result, .value = j->out};
}
