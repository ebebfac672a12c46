/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which task of a daemon is which of the XenAPI. The fiber that waits for a task looks at it itself
 * when the stream tells that it has changed, so the stream never waits for it.
 */
#define LOG_MODULE "link"
#include "common/clock.h"
#include "common/codec.h"
#include "common/log.h"
#include "common/mem.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/gate/task.h"
#include "xapid/link/link.h"

#include "core.gen.h"
#include "xenapi.gen.h"

#include <string.h>

#define CANCEL_NS     (120 * NS_PER_S) /* that a daemon has to end what was cancelled */
#define FIRST_LOOK_NS (20 * NS_PER_MS) /* at a task of which nothing is told */
#define FORGET_NS     (100 * NS_PER_MS) /* after the first of a burst */
#define FORGET_MAX    32 /* at once */

/* One row of the table: a daemon's task, and the XenAPI's. On the stack of who waits. */
struct link_bound {
	const char *task;
	const char *ref; /* of the XenAPI's task */
	bool changed; /* since it was last looked at */
	bool cancel; /* somebody wants it to end */
	struct cond told;
};

void link_task_changed(struct link *l, const char *task)
{
	struct link_bound *b = map_get(&l->tasks, task);

	if (!b)
		return;
	b->changed = true;
	cond_broadcast(&b->told);
}

void link_tasks_look(struct link *l)
{
	map_for_each (slot, &l->tasks)
		link_task_changed(l, slot->key);
}

/* What task.cancel of a part does; that of a whole call cancels the call's fiber. */
static void cancel_part(const char *ref, void *arg)
{
	struct link_bound *b = arg;

	b->cancel = true;
	cond_broadcast(&b->told);
}

static void progress(const struct link_work *work, const struct link_bound *b, double done)
{
	if (work->part)
		xtask_progress(b->ref, done);
	if (work->call)
		call_progress(work->call, work->weight ? work->from + work->weight * done : done);
}

/* An error of a daemon's task as a value of ours. */
static struct err *failure(const struct core_task *task)
{
	if (task->state == CORE_TASK_STATE_CANCELLED)
		return err(CANCELLED);
	if (!task->error)
		return err(INTERNAL_ERROR, "a task failed without a reason");
	struct err *e = err_new(NULL, 0, task->error->code, task->error->params.n,
		(const char *const *)task->error->params.v);
	return *task->error->detail ? err_wrap(e, "%s", task->error->detail) : e;
}

/* Whether the daemon could not be asked, but may come back and know the task still. */
static bool is_absence(const struct err *e)
{
	return err_is(e, &ERR_CONNECTION_LOST) || err_is(e, &ERR_CONNECTION_REFUSED);
}

MAY_WAIT bool link_is_back(struct link *l, const struct err *e, int64_t deadline)
{
	if (!is_absence(e) || clock_mono_ns() > deadline)
		return false;
	/* The stream will see it too; until then it would only be asked in vain. */
	struct err *cut = fiber_sleep(20 * NS_PER_MS);
	if (!cut)
		cut = link_wait_up(l);
	bool is_back = !cut;
	err_free(cut);
	return is_back;
}

/* The task as it is now; a daemon that is away is waited for. */
static MAY_WAIT struct err *look(
	struct link *l, const char *id, struct arena *a, struct core_task *out)
{
	const struct core_task_stat_in in = {id};

	for (;;) {
		auto_err e = core_task_stat(l->client, &in, a, out, deadline_in(LINK_CALL_NS));
		if (err_is(e, &ERR_NO_SUCH_TASK))
			return err(CONNECTION_LOST, l->spec->daemon);
		if (!is_absence(e))
			return take(e);
		/* The stream will see it too; until then it would only be asked in vain. */
		TRY(fiber_sleep(20 * NS_PER_MS));
		TRY(link_wait_up(l));
	}
}

/* Asks for the task's end once; what comes of it the task tells. */
static MAY_WAIT void ask_to_end(struct link *l, const struct link_bound *b)
{
	auto_arena arena = {0};
	const struct core_task_cancel_in in = {b->task};
	auto_err e = core_task_cancel(l->client, &in, &arena, deadline_in(LINK_CALL_NS));

	if (e && !err_is(e, &ERR_NO_SUCH_TASK))
		log_err(LOG_INFO_, e, "cancelling %s", b->task);
}

/*
 * Until something is told of the task, or wanted of it. The end of most is told soon, and to look
 * before would be in vain; but what was told before anybody listened is not told again. What else
 * may end this wait ends the next one too.
 */
static MAY_WAIT void wait_for_first_word(struct link_bound *b)
{
	int64_t deadline = deadline_in(FIRST_LOOK_NS);
	struct err *e = NULL;

	while (!b->changed && !b->cancel && !e)
		e = cond_wait(&b->told, "a task of a daemon", deadline);
	err_free(e);
}

/* Until the task has ended, or cannot be known any more. */
static MAY_WAIT struct err *follow(struct link *l, const struct link_work *work,
	struct link_bound *b, struct arena *a, struct core_task *out)
{
	bool is_masked = false;
	int64_t deadline = NEVER;
	struct err *e = NULL;

	wait_for_first_word(b);
	for (;;) {
		b->changed = false;
		e = look(l, b->task, a, out);
		if (!e && out->state != CORE_TASK_STATE_RUNNING)
			break;
		if (!e) {
			progress(work, b, out->progress);
			while (!b->changed && !b->cancel && !e)
				e = cond_wait(&b->told, "a task of a daemon", deadline);
		}
		if ((err_is(e, &ERR_CANCELLED) || b->cancel) && !is_masked) {
			err_free(take(e));
			fiber_cancel_mask();
			is_masked = true;
			b->cancel = false;
			deadline = deadline_in(CANCEL_NS);
			ask_to_end(l, b);
		}
		b->cancel = false;
		if (e)
			break;
	}
	if (is_masked)
		fiber_cancel_unmask();
	return e;
}

/* ---- forgetting ---- */

/*
 * A task that has ended is forgotten by the daemon. Nobody waits for that, and what is done
 * meanwhile goes first: a burst of them costs little more than one. One that is missed stays for an
 * hour.
 */
struct forgotten {
	struct link *link;
	char *task; /* owned */
};

static MAY_WAIT struct err *forget_one(void *arg)
{
	const struct forgotten *f = arg;
	auto_arena arena = {0};
	const struct core_task_destroy_in in = {f->task};
	auto_err e = core_task_destroy(f->link->client, &in, &arena, deadline_in(LINK_CALL_NS));

	if (e && !err_is(e, &ERR_NO_SUCH_TASK))
		log_err(LOG_DEBUG_, e, "forgetting %s", f->task);
	return NULL;
}

static MAY_WAIT void forget_some(struct link *l)
{
	struct forgotten some[FORGET_MAX];
	struct fiber_group group;
	struct err *e = NULL;
	size_t n = 0;

	fiber_group_init(&group);
	while (n < FORGET_MAX && l->ended.n && !e) {
		some[n] = (struct forgotten){l, vec_pop(&l->ended)};
		e = fiber_group_spawn(&group, forget_one, &some[n], "forget %s", some[n].task);
		n++;
	}
	err_free(e);
	err_free(fiber_group_wait(&group));
	while (n)
		free(some[--n].task);
}

static MAY_WAIT void run_forget(void *arg)
{
	struct link *l = arg;
	auto_err e = fiber_sleep(FORGET_NS);

	while (!e && l->ended.n) {
		forget_some(l);
		e = fiber_check();
	}
	while (l->ended.n)
		free(vec_pop(&l->ended));
	vec_fini(&l->ended);
	l->is_forgetting = false;
}

static void forget(struct link *l, const char *task)
{
	if (!l->is_forgetting) {
		auto_err e = fiber_spawn(NULL, run_forget, l, "forget %s", l->spec->daemon);
		if (e)
			return;
	}
	l->is_forgetting = true;
	vec_push(&l->ended, xstrdup(task));
}

static struct err *result_of(
	const struct core_task *task, const struct type *result, struct arena *a, void *out)
{
	if (task->state != CORE_TASK_STATE_DONE)
		return failure(task);
	if (!result)
		return NULL;
	if (!task->result)
		return err(INTERNAL_ERROR, "a task ended without its result");
	return codec_decode(result, "result", task->result->text, task->result->len, a, out);
}

/* The task of the XenAPI that stands for it; a part is made, and ended in the end. */
static struct err *bind(
	struct link *l, const struct link_work *work, struct link_bound *b, struct arena *a)
{
	const struct xtask_spec spec = {
		.name = work->part,
		.description = b->task,
		.session = work->call ? call_session(work->call) : NULL,
		.parent = work->call ? call_task(work->call) : NULL,
		.cancel = cancel_part,
		.arg = b,
	};

	if (work->part)
		TRY(xtask_create(&spec, a, &b->ref));
	else
		b->ref = call_task(work->call);
	cond_init(&b->told);
	map_put(&l->tasks, b->task, b);
	return NULL;
}

/* A part is there to be looked at beside its whole. Without one that stays it goes: nobody else
 * would destroy it. */
static void end_part(const struct link_work *work, const char *part, const struct err *e)
{
	const char *whole = work->call ? call_task(work->call) : NULL;

	if (e)
		xtask_fail(part, e);
	else
		xtask_succeed(part, "");
	if (!whole || !db_find(task, whole))
		xtask_destroy(part);
}

MAY_WAIT struct err *link_await(struct link *l, const struct link_work *work, const char *task,
	const struct type *result, struct arena *a, void *out)
{
	struct link_bound b = {.task = task};
	struct core_task end;

	TRY(bind(l, work, &b, a));
	struct err *e = follow(l, work, &b, a, &end);
	map_remove(&l->tasks, task);
	cond_fini(&b.told);
	if (!e) {
		e = result_of(&end, result, a, out);
		forget(l, task);
	}
	if (!e)
		progress(work, &b, 1);
	if (work->part)
		end_part(work, b.ref, e);
	return e;
}

/* ---- tasks that a former xapid began ---- */

struct orphan {
	struct link *link;
	char *id, *name; /* owned */
};

static MAY_WAIT void adopt(void *arg)
{
	struct orphan *o = arg;
	auto_arena arena = {0};
	const struct link_work work = {.part = o->name};
	auto_err e = link_await(o->link, &work, o->id, NULL, &arena, NULL);

	if (e)
		log_err(LOG_INFO_, e, "%s, begun before the start", o->name);
	free(o->id);
	free(o->name);
	free(o);
}

MAY_WAIT struct err *link_tasks_resync(struct link *l)
{
	auto_arena arena = {0};
	struct core_task_list list;

	TRY(core_task_list(l->client, &arena, &list, deadline_in(LINK_CALL_NS)));
	link_tasks_look(l);
	for (size_t i = 0; i < list.n; i++) {
		const struct core_task *task = &list.v[i];

		bool is_wanted = task->state == CORE_TASK_STATE_RUNNING || l->n_resyncs == 1;
		if (!is_wanted || map_has(&l->tasks, task->id))
			continue;
		struct orphan *o = xnew(struct orphan);
		*o = (struct orphan){l, xstrdup(task->id), xstrdup(task->name)};
		TRY(fiber_spawn(NULL, adopt, o, "adopt %s", o->id));
	}
	return NULL;
}
