/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tasks (task.h). A task is running until its function has returned; then it is kept for those who
 * ask for its result, and forgotten an hour later, or when too many have ended since. Ids hold the
 * id of the daemon's run, so that one of an earlier run is never mistaken. Loop thread only.
 */
#define LOG_MODULE "task"

#include "common/task.h"

#include "common/arena.h"
#include "common/clock.h"
#include "common/codec.h"
#include "common/fiber.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/updates.h"
#include "common/uuid.h"
#include "core.gen.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define KEEP_NS    (3600 * NS_PER_S)
#define KEEP_MAX   10000
#define TELL_NS    (50 * NS_PER_MS) /* within which watchers are told of progress */
#define STEP_DEPTH 16 /* steps in steps; a deeper one does not move the progress */

/* A step covers WIDTH of the whole task from BASE on, of which DONE (0 to 1) is done. */
struct step {
	double base, width, done;
	double weight; /* of the step around it */
	const char *name; /* owned */
};

struct task {
	char id[40];
	char *name; /* owned */
	struct list link; /* in all.tasks */
	struct list ended_link; /* in all.ended */
	struct fiber *fiber; /* NULL once it has ended */
	struct task_spec spec;
	enum core_task_state state;
	bool is_cancel_wanted;
	struct step steps[STEP_DEPTH]; /* steps[0] is the whole */
	unsigned n_steps; /* that have begun; may be more than are kept */
	double shown; /* the progress that watchers were, or are about to be, told of */
	struct timer tell; /* armed while they are not */
	int64_t created_s, ended_s; /* since 1970 */
	int64_t forget_at; /* of the clock that never jumps */
	char *result; /* JSON; owned, or NULL */
	struct err *e; /* owned, or NULL */
	struct {
		char *label, *id; /* owned */
	} * subtasks; /* owned */
	size_t n_subtasks;
};

static struct {
	bool is_there;
	uint64_t run; /* of this run of the daemon */
	uint64_t n_begun;
	struct map by_id;
	struct list tasks; /* in order of their beginning */
	struct list ended; /* in order of their end */
	size_t n_ended;
	struct timer forget; /* when the first of them is due */
} all;

static void forget_due(struct timer *t);

static void all_init(void)
{
	if (all.is_there)
		return;
	all.is_there = true;
	random_bytes(&all.run, sizeof(all.run));
	list_init(&all.tasks);
	list_init(&all.ended);
	timer_init(&all.forget, forget_due);
}

static void task_changed(const struct task *t)
{
	updates_add("task", t->id);
}

static void tell_due(struct timer *timer)
{
	task_changed(container_of(timer, struct task, tell));
}

/* Short work takes many steps: to tell of each would be more work than the steps are. */
static void task_moved(struct task *t)
{
	if (t->tell.at == NEVER)
		timer_arm(&t->tell, deadline_in(TELL_NS));
}

/* ---- the end ---- */

static void task_free(struct task *t)
{
	if (t->tell.at != NEVER)
		timer_disarm(&t->tell);
	list_remove(&t->link);
	if (list_is_linked(&t->ended_link)) {
		list_remove(&t->ended_link);
		all.n_ended--;
	}
	map_remove(&all.by_id, t->id);
	for (size_t i = 0; i < t->n_subtasks; i++) {
		free(t->subtasks[i].label);
		free(t->subtasks[i].id);
	}
	free(t->subtasks);
	for (size_t i = 0; i < STEP_DEPTH; i++)
		free((char *)t->steps[i].name);
	err_free(t->e);
	free(t->result);
	free(t->name);
	free(t);
}

static void forget(struct task *t)
{
	updates_remove("task", t->id);
	task_free(t);
}

static struct task *first_ended(void)
{
	return list_first(&all.ended, struct task, ended_link);
}

static void forget_due(struct timer *timer)
{
	struct task *t;

	while ((t = first_ended()) && t->forget_at <= clock_mono_ns())
		forget(t);
	if (t)
		timer_arm(&all.forget, t->forget_at);
}

static enum core_task_state state_of(const struct task *t, const struct err *e)
{
	if (!e)
		return CORE_TASK_STATE_DONE;
	return t->is_cancel_wanted && err_is(e, &ERR_CANCELLED) ? CORE_TASK_STATE_CANCELLED
								: CORE_TASK_STATE_FAILED;
}

/* Takes E. */
static void task_end(struct task *t, struct err *e)
{
	timer_disarm(&t->tell);
	t->fiber = NULL;
	t->state = state_of(t, e);
	t->e = e;
	t->ended_s = clock_real_ns() / NS_PER_S;
	t->forget_at = deadline_in(KEEP_NS);
	if (t->state == CORE_TASK_STATE_DONE) {
		t->n_steps = 1;
		t->steps[0].done = 1;
	}
	list_push_back(&all.ended, &t->ended_link);
	if (!all.n_ended++)
		timer_arm(&all.forget, t->forget_at);
	task_changed(t);
	if (all.n_ended > KEEP_MAX)
		forget(first_ended());
}

static void task_run(void *arg)
{
	struct task *t = arg;
	struct task_spec spec = t->spec;

	fiber_set_tag(t->id);
	log_debug("%s begins", t->name);
	struct err *e = spec.fn(t, spec.arg);
	if (e)
		log_info("%s failed: %s", t->name, err_text(e));
	else
		log_debug("%s is done", t->name);
	if (spec.arg_free)
		spec.arg_free(spec.arg);
	task_end(t, e);
}

/* ---- the beginning ---- */

struct err *task_start(const struct task_spec *spec, struct task **out)
{
	all_init();
	struct task *t = xnew(struct task);
	snprintf(t->id, sizeof(t->id), "task-%08" PRIx32 "-%" PRIu64, (uint32_t)all.run,
		++all.n_begun);
	struct err *e = fiber_spawn(&t->fiber, task_run, t, "%s %s", t->id, spec->name);
	if (e) {
		free(t);
		return e;
	}
	timer_init(&t->tell, tell_due);
	t->name = xstrdup(spec->name);
	t->spec = *spec;
	t->state = CORE_TASK_STATE_RUNNING;
	t->steps[0].width = 1;
	t->n_steps = 1;
	t->created_s = clock_real_ns() / NS_PER_S;
	map_put(&all.by_id, t->id, t);
	list_push_back(&all.tasks, &t->link);
	task_moved(t);
	*out = t;
	return NULL;
}

const char *task_id(const struct task *t)
{
	return t->id;
}

/* ---- progress ---- */

/* The innermost step that is kept. */
static struct step *innermost(struct task *t)
{
	return &t->steps[(t->n_steps < STEP_DEPTH ? t->n_steps : STEP_DEPTH) - 1];
}

static double progress_of(const struct task *t)
{
	const struct step *s = innermost((struct task *)t);
	double whole = s->base + s->width * s->done;

	return whole > 1 ? 1 : whole;
}

/* Tells the watchers when it moved by a hundredth. */
static void progress_moved(struct task *t)
{
	double now = progress_of(t);

	if (now - t->shown < 0.01 && t->shown - now < 0.01)
		return;
	t->shown = now;
	task_moved(t);
}

void task_progress(struct task *t, double fraction)
{
	if (t->n_steps > STEP_DEPTH)
		return;
	innermost(t)->done = fraction < 0 ? 0 : fraction > 1 ? 1 : fraction;
	progress_moved(t);
}

void task_step_begin(struct task *t, double weight, const char *name)
{
	if (t->n_steps++ >= STEP_DEPTH)
		return;
	const struct step *around = &t->steps[t->n_steps - 2];
	struct step *s = &t->steps[t->n_steps - 1];
	free((char *)s->name);
	*s = (struct step){.base = around->base + around->width * around->done,
		.width = around->width * weight,
		.weight = weight,
		.name = xstrdup(name)};
	task_moved(t);
}

void task_step_end(struct task *t)
{
	assert(t->n_steps > 1);
	if (--t->n_steps >= STEP_DEPTH)
		return;
	struct step *around = &t->steps[t->n_steps - 1];
	around->done += t->steps[t->n_steps].weight;
	if (around->done > 1)
		around->done = 1;
	progress_moved(t);
}

struct err *task_check(struct task *t)
{
	return fiber_check();
}

void task_set_result(struct task *t, const struct type *type, const void *value)
{
	struct sbuf text = {0};

	assert(!t->result);
	if (type->kind == TYPE_VOID)
		return;
	codec_encode(type, value, &text);
	t->result = sbuf_take(&text);
}

void task_add_subtask(struct task *t, const char *label, const char *id)
{
	t->subtasks = xrealloc(t->subtasks, t->n_subtasks + 1, sizeof(*t->subtasks));
	t->subtasks[t->n_subtasks].label = xstrdup(label);
	t->subtasks[t->n_subtasks++].id = xstrdup(id);
	task_changed(t);
}

void task_cancel(struct task *t)
{
	if (!t->fiber)
		return;
	t->is_cancel_wanted = true;
	fiber_cancel(t->fiber);
}

/* ---- looking at them ---- */

struct task *task_find(const char *id)
{
	return map_get(&all.by_id, id);
}

struct err *task_destroy(struct task *t)
{
	if (t->fiber)
		return err(TASK_RUNNING, t->id);
	forget(t);
	return NULL;
}

size_t task_count(void)
{
	return all.by_id.n;
}

const struct task *task_next(const struct task *t)
{
	if (!all.is_there)
		return NULL;
	const struct list *next = t ? t->link.next : all.tasks.next;
	return next == &all.tasks ? NULL : list_entry(next, struct task, link);
}

static void describe_error(const struct err *e, struct arena *a, struct core_task *out)
{
	struct core_error_value *value = arena_new(a, struct core_error_value);

	value->code = arena_strdup(a, e->code);
	value->params.v = arena_calloc(a, e->n_params, sizeof(*value->params.v));
	value->params.n = e->n_params;
	for (size_t i = 0; i < e->n_params; i++)
		value->params.v[i] = arena_strdup(a, e->params[i]);
	value->detail = arena_strdup(a, e->detail ?: "");
	out->error = value;
}

static void describe_result(const char *json, struct arena *a, struct core_task *out)
{
	size_t len = strlen(json);

	out->result = arena_new(a, struct json_text);
	*out->result = (struct json_text){arena_strndup(a, json, len), len};
}

static void describe_subtasks(const struct task *t, struct arena *a, struct core_task *out)
{
	out->subtasks.v = arena_calloc(a, t->n_subtasks, sizeof(*out->subtasks.v));
	out->subtasks.n = t->n_subtasks;
	for (size_t i = 0; i < t->n_subtasks; i++) {
		out->subtasks.v[i].label = arena_strdup(a, t->subtasks[i].label);
		out->subtasks.v[i].id = arena_strdup(a, t->subtasks[i].id);
	}
}

void task_describe(const struct task *t, struct arena *a, struct core_task *out)
{
	const char *step = innermost((struct task *)t)->name;

	*out = (struct core_task){.id = arena_strdup(a, t->id),
		.name = arena_strdup(a, t->name),
		.state = t->state,
		.progress = progress_of(t),
		.step = arena_strdup(a, step ?: ""),
		.created = t->created_s};
	describe_subtasks(t, a, out);
	if (t->result)
		describe_result(t->result, a, out);
	if (t->e)
		describe_error(t->e, a, out);
	if (!t->fiber) {
		out->ended = arena_new(a, int64_t);
		*out->ended = t->ended_s;
	}
}

void task_fini(void)
{
	struct task *t;

	if (!all.is_there)
		return;
	while ((t = list_first(&all.tasks, struct task, link))) {
		if (t->fiber && t->spec.arg_free) /* abandoned: it will not do so itself */
			t->spec.arg_free(t->spec.arg);
		task_free(t);
	}
	if (loop_is_here()) /* else the loop has ended, and its timers with it */
		timer_disarm(&all.forget);
	map_fini(&all.by_id);
	memset(&all, 0, sizeof(all));
}
