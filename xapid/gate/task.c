/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tasks of the XenAPI (task.h). What clients see is the row; what is here besides is how to cancel
 * it and when to forget it. One that has ended stays for 65 minutes, one that never ends a day.
 */
#define LOG_MODULE "task"

#include "xapid/gate/task.h"

#include "common/clock.h"
#include "common/list.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/map.h"
#include "common/mem.h"
#include "core.gen.h"
#include "xapid/db/db.h"
#include "xapid/gate/session.h"
#include "xapid/host/role.h"

#include "xenapi.gen.h"

#include <math.h>

#define KEEP_ENDED_NS   (65 * 60 * NS_PER_S)
#define KEEP_PENDING_NS (INT64_C(24) * 3600 * NS_PER_S)
/* Progress is told when it moved by this much. */
#define PROGRESS_STEP 0.01

struct xtask {
	char *ref; /* owned, as the user */
	char *user; /* who made it; "": xapid itself */
	void (*cancel)(const char *ref, void *arg); /* NULL: cannot, or it has ended */
	void *arg;
	bool is_cancelling;
	bool has_ended;
	bool is_adopted; /* the master's, and the message is run here */
	double progress; /* as the row has it */
	int64_t forget_at;
	struct list by_time; /* of pending or of ended; the next to forget comes first */
};

static struct {
	struct map by_ref; /* of struct xtask, owned */
	struct list pending, ended, adopted;
	struct timer forget;
} tasks;

/* A write that can fail in one way only: a client destroyed the task meanwhile. */
static void ignore_gone(struct err *e)
{
	if (e && !err_is(e, &ERR_HANDLE_INVALID))
		log_err(LOG_WARN_, e, "a task's row");
	err_free(e);
}

/* ---- forgetting ---- */

static void xtask_free(struct xtask *t)
{
	list_remove(&t->by_time);
	map_remove(&tasks.by_ref, t->ref);
	free(t->ref);
	free(t->user);
	free(t);
}

static int64_t next_to_forget(struct list *head)
{
	struct xtask *t = list_first(head, struct xtask, by_time);

	return t ? t->forget_at : NEVER;
}

static void arm_forget(void)
{
	int64_t pending = next_to_forget(&tasks.pending);
	int64_t ended = next_to_forget(&tasks.ended);

	timer_arm(&tasks.forget, pending < ended ? pending : ended);
}

static void forget_due(struct list *head)
{
	while (next_to_forget(head) <= clock_mono_ns()) {
		struct xtask *t = list_first(head, struct xtask, by_time);

		ignore_gone(db_delete(task, t->ref));
		xtask_free(t);
	}
}

static void forget(struct timer *timer)
{
	forget_due(&tasks.ended);
	forget_due(&tasks.pending);
	arm_forget();
}

/* ---- a new one ---- */

static struct err *make_row(const struct xtask_spec *spec, const char *ref)
{
	static enum xenapi_task_allowed_operations cancel = XENAPI_TASK_ALLOWED_OPERATIONS_CANCEL;
	struct xenapi_task row = db_blank(task);

	row.name_label = spec->name;
	row.name_description = spec->description ? spec->description : "";
	row.created = clock_real_ns() / NS_PER_S;
	row.status = XENAPI_TASK_STATUS_TYPE_PENDING;
	row.session = spec->session && db_find(session, spec->session) ? spec->session : REF_NULL;
	row.resident_on = host_here();
	row.type = "<none/>";
	row.subtask_of = spec->parent && db_find(task, spec->parent) ? spec->parent : REF_NULL;
	if (spec->cancel) {
		row.allowed_operations.v = &cancel;
		row.allowed_operations.n = 1;
	}
	return db_create_as(task, &row, ref);
}

struct err *xtask_create(const struct xtask_spec *spec, struct arena *a, const char **ref)
{
	char text[DB_REF_SIZE];
	const struct session *by = spec->session ? session_find(spec->session) : NULL;

	TRY(make_row(spec, db_new_ref(text)));
	struct xtask *t = xnew(struct xtask);
	t->ref = xstrdup(text);
	t->user = xstrdup(by ? by->user : "");
	t->cancel = spec->cancel;
	t->arg = spec->arg;
	t->forget_at = deadline_in(KEEP_PENDING_NS);
	map_put(&tasks.by_ref, t->ref, t);
	list_push_back(&tasks.pending, &t->by_time);
	if (tasks.forget.at > t->forget_at)
		timer_arm(&tasks.forget, t->forget_at);
	*ref = arena_strdup(a, text);
	return NULL;
}

/* ---- one of the master's ---- */

void xtask_adopt(
	const char *ref, const char *user, void (*cancel)(const char *ref, void *arg), void *arg)
{
	if (map_has(&tasks.by_ref, ref))
		return;
	struct xtask *t = xnew(struct xtask);
	t->ref = xstrdup(ref);
	t->user = xstrdup(user);
	t->is_adopted = true;
	t->cancel = cancel;
	t->arg = arg;
	map_put(&tasks.by_ref, t->ref, t);
	list_push_back(&tasks.adopted, &t->by_time);
}

void xtask_let_go(const char *ref)
{
	struct xtask *t = map_get(&tasks.by_ref, ref);

	if (t && t->is_adopted)
		xtask_free(t);
}

/* ---- its progress and end ---- */

static struct xtask *pending(const char *ref)
{
	struct xtask *t = map_get(&tasks.by_ref, ref);

	return t && !t->has_ended ? t : NULL;
}

void xtask_progress(const char *ref, double fraction)
{
	struct xtask *t = pending(ref);

	if (!t || !(fraction >= 0) ||
		(fabs(fraction - t->progress) < PROGRESS_STEP && fraction < 1))
		return;
	t->progress = fraction < 1 ? fraction : 1;
	ignore_gone(db_write(task, ref, progress, t->progress));
}

static void note_end(struct xtask *t)
{
	t->has_ended = true;
	t->cancel = NULL;
	t->forget_at = deadline_in(KEEP_ENDED_NS);
	list_remove(&t->by_time);
	list_push_back(&tasks.ended, &t->by_time);
	if (tasks.forget.at > t->forget_at)
		timer_arm(&tasks.forget, t->forget_at);
}

/* What is the same however it ended. The status comes last: clients wait for it. */
static void end(struct xtask *t, enum xenapi_task_status_type status)
{
	note_end(t);
	ignore_gone(db_write(task, t->ref, progress, 1));
	ignore_gone(db_write(
		task, t->ref, allowed_operations, (struct xenapi_task_allowed_operations_list){0}));
	ignore_gone(db_write(
		task, t->ref, current_operations, (struct xenapi_task_allowed_operations_map){0}));
	ignore_gone(db_write(task, t->ref, finished, clock_real_ns() / NS_PER_S));
	ignore_gone(db_write(task, t->ref, status, status));
}

void xtask_succeed(const char *ref, const char *result)
{
	struct xtask *t = pending(ref);

	if (!t)
		return;
	ignore_gone(db_write(task, ref, result, result));
	end(t, XENAPI_TASK_STATUS_TYPE_SUCCESS);
}

static void set_error(const char *ref, const struct err *e)
{
	struct string_list info = {.n = 1 + e->n_params};

	info.v = xcalloc(info.n, sizeof(*info.v));
	info.v[0] = e->code;
	for (size_t i = 0; i < e->n_params; i++)
		info.v[1 + i] = e->params[i];
	ignore_gone(db_write(task, ref, error_info, info));
	free(info.v);
}

void xtask_fail(const char *ref, const struct err *e)
{
	struct xtask *t = pending(ref);
	bool is_cancel = err_is(e, &ERR_CANCELLED) || err_is(e, &ERR_TASK_CANCELLED);

	if (!t)
		return;
	if (err_is(e, &ERR_CANCELLED)) {
		auto_err cancelled = err(TASK_CANCELLED, ref);

		set_error(ref, cancelled);
	} else {
		set_error(ref, e);
	}
	end(t, is_cancel ? XENAPI_TASK_STATUS_TYPE_CANCELLED : XENAPI_TASK_STATUS_TYPE_FAILURE);
}

void xtask_ended_there(const char *ref)
{
	struct xtask *t = pending(ref);
	const struct xenapi_task *row = db_find(task, ref);

	if (t && row && row->status != XENAPI_TASK_STATUS_TYPE_PENDING &&
		row->status != XENAPI_TASK_STATUS_TYPE_CANCELLING)
		note_end(t);
}

struct err *xtask_set_status(const char *ref, enum xenapi_task_status_type status)
{
	struct xtask *t = pending(ref);

	if (!t)
		return NULL;
	if (status != XENAPI_TASK_STATUS_TYPE_PENDING &&
		status != XENAPI_TASK_STATUS_TYPE_CANCELLING) {
		note_end(t);
		TRY(db_write(task, ref, finished, clock_real_ns() / NS_PER_S));
	}
	return db_write(task, ref, status, status);
}

static void destroy_one(const char *ref)
{
	struct xtask *t = map_get(&tasks.by_ref, ref);

	if (t)
		xtask_free(t);
	ignore_gone(db_delete(task, ref));
}

/* A part of it that has ended; NULL: none. */
static const char *ended_part(const char *ref)
{
	const struct xenapi_task *row = db_find(task, ref);

	for (size_t i = 0; row && i < row->subtasks.n; i++) {
		if (!pending(row->subtasks.v[i]))
			return row->subtasks.v[i];
	}
	return NULL;
}

void xtask_destroy(const char *ref)
{
	auto_str whole = xstrdup(ref);
	const char *part;

	while ((part = ended_part(whole))) {
		auto_str gone = xstrdup(part);

		destroy_one(gone);
	}
	destroy_one(whole);
}

/* ---- cancelling ---- */

const char *xtask_user(const char *ref)
{
	const struct xtask *t = map_get(&tasks.by_ref, ref);

	return t ? t->user : "";
}

bool xtask_is_pending(const char *ref)
{
	return pending(ref);
}

bool xtask_is_free(const char *ref)
{
	const struct xtask *t = pending(ref);

	return t && !t->cancel;
}

bool xtask_is_cancelling(const char *ref)
{
	const struct xtask *t = pending(ref);

	return t && t->is_cancelling;
}

struct err *xtask_cancel(const char *ref, const char *by)
{
	struct xtask *t = pending(ref);

	if (!t || t->is_cancelling)
		return NULL;
	t->is_cancelling = true;
	TRY(db_map_put(task, ref, current_operations, by, XENAPI_TASK_ALLOWED_OPERATIONS_CANCEL));
	if (t->cancel)
		t->cancel(ref, t->arg);
	return NULL;
}

struct err *xtask_set_cancel(const char *ref, void (*cancel)(const char *ref, void *arg), void *arg)
{
	struct xtask *t = pending(ref);

	if (!t)
		return NULL;
	t->cancel = cancel;
	t->arg = arg;
	return db_set_add(task, ref, allowed_operations, XENAPI_TASK_ALLOWED_OPERATIONS_CANCEL);
}

void xtask_uncancellable(const char *ref)
{
	struct xtask *t = pending(ref);

	if (t)
		t->cancel = NULL;
}

/* ---- start and end ---- */

void xtask_start(void)
{
	list_init(&tasks.pending);
	list_init(&tasks.ended);
	list_init(&tasks.adopted);
	timer_init(&tasks.forget, forget);
}

void xtask_stop(void)
{
	struct xtask *t;

	if (!tasks.pending.next)
		return;
	while ((t = list_first(&tasks.pending, struct xtask, by_time)) ||
		(t = list_first(&tasks.ended, struct xtask, by_time)) ||
		(t = list_first(&tasks.adopted, struct xtask, by_time)))
		xtask_free(t);
	timer_disarm(&tasks.forget);
	map_fini(&tasks.by_ref);
}
