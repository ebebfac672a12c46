/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tasks: long work that a client watches, waits for and cancels. A call that the IDL marks `task`
 * answers with the task's id at once; its handler goes on in a fiber with call->task. TASK.stat,
 * list, cancel and destroy are served here, for every daemon; each change is an update (updates.h)
 * of class "task": the end at once, all else within 50 ms.
 */
#ifndef XENITH_COMMON_TASK_H
#define XENITH_COMMON_TASK_H

#include "common/dialect.h"
#include "common/err.h"
#include "common/schema.h"

struct arena;
struct task;

/* FN(ARG) runs in a fiber of its own, tagged with the task's id. The task keeps the result (as
 * JSON) or error until it is destroyed, or for an hour after its end; of tasks that have ended, the
 * newest 10,000 are kept. */
typedef MAY_WAIT struct err *(*task_fn)(struct task *t, void *arg);

struct task_spec {
	const char *name; /* "VM.start 3f2a…" */
	task_fn fn;
	void *arg;
	void (*arg_free)(void *arg); /* when the task has ended, or NULL */
};
must_check struct err *task_start(const struct task_spec *spec, struct task **out);

const char *task_id(const struct task *t);
/* 0 to 1 of the step that is being done; watchers are told when it moved by a hundredth. */
void task_progress(struct task *t, double fraction);
/* What follows is WEIGHT of the whole: progress of 0 to 1 is mapped into it. Steps nest. */
void task_step_begin(struct task *t, double weight, const char *name);
void task_step_end(struct task *t);
/* A cancel point: CANCELLED when somebody asked for it. */
must_check struct err *task_check(struct task *t);
/* Text of the type RESULT as JSON; set once, before FN returns. */
void task_set_result(struct task *t, const struct type *type, const void *value);
/* A task that another daemon runs for this one: shown as a subtask. */
void task_add_subtask(struct task *t, const char *label, const char *id);
/* Asks the task to end: its fiber is cancelled. Nothing when it has ended. */
void task_cancel(struct task *t);
/* NULL when there is none. Borrowed: until the fiber waits. */
struct task *task_find(const char *id);
/* Forgets one that has ended: TASK_RUNNING of another. */
must_check struct err *task_destroy(struct task *t);
size_t task_count(void);
/* Everything about one, as TASK.stat tells it; copied into the arena. */
struct core_task;
void task_describe(const struct task *t, struct arena *a, struct core_task *out);
/* The oldest (T is NULL), or the one that began after T; NULL: no more. */
const struct task *task_next(const struct task *t);
/* At shutdown and in tests: forget all. */
void task_fini(void);

#endif
