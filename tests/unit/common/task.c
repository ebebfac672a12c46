/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/task.c: how tasks end, what of them is told, progress in nested steps, and that they are
 * forgotten.
 */
#include "common/task.h"

#include "common/arena.h"
#include "common/clock.h"
#include "common/updates.h"
#include "core.gen.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>

#define IN_FIBER(name) \
	static void name##_fiber(void *arg); \
	static void name(void **state) \
	{ \
		run_in_fiber(name##_fiber, NULL); \
		task_fini(); \
		updates_fini(); \
	} \
	static void name##_fiber(void *arg)

static unsigned n_freed;
static void count_freed(void *arg)
{
	n_freed++;
}

static struct task *start(task_fn fn)
{
	struct task_spec spec = {.name = "a task", .fn = fn, .arg_free = count_freed};
	struct task *t = NULL;

	n_freed = 0;
	CHECK_OK(task_start(&spec, &t));
	return t;
}

static struct core_task look(const struct task *t, struct arena *a)
{
	struct core_task seen;

	task_describe(t, a, &seen);
	return seen;
}

static void until_ended(struct task *t)
{
	auto_arena a = {0};

	while (look(t, &a).state == CORE_TASK_STATE_RUNNING)
		CHECK_OK(fiber_yield());
}

static struct err *gives_a_result(struct task *t, void *arg)
{
	const char *text = "done \"it\"";

	assert_string_equal(fiber_tag(), task_id(t));
	task_set_result(t, &type_string, &text);
	return NULL;
}

IN_FIBER(ends_well)
{
	auto_arena a = {0};
	struct task *t = start(gives_a_result);

	assert_int_equal(look(t, &a).state, CORE_TASK_STATE_RUNNING);
	assert_null(look(t, &a).ended);
	CHECK_ERR(task_destroy(t), TASK_RUNNING);
	until_ended(t);
	struct core_task seen = look(t, &a);
	assert_int_equal(seen.state, CORE_TASK_STATE_DONE);
	assert_string_equal(seen.result->text, "\"done \\\"it\\\"\"");
	assert_true(seen.progress == 1);
	assert_non_null(seen.ended);
	assert_null(seen.error);
	assert_int_equal(n_freed, 1);
	assert_ptr_equal(task_find(seen.id), t);
	CHECK_OK(task_destroy(t));
	assert_null(task_find(seen.id));
	assert_int_equal(task_count(), 0);
}

static struct err *fails(struct task *t, void *arg)
{
	task_step_begin(t, 0.5, "the hard part");
	return err_wrap(err(NO_SUCH_TASK, "x"), "looking");
}

IN_FIBER(ends_badly)
{
	auto_arena a = {0};
	struct task *t = start(fails);

	until_ended(t);
	struct core_task seen = look(t, &a);
	assert_int_equal(seen.state, CORE_TASK_STATE_FAILED);
	assert_string_equal(seen.error->code, "NO_SUCH_TASK");
	assert_int_equal(seen.error->params.n, 1);
	assert_string_equal(seen.error->params.v[0], "x");
	assert_string_equal(seen.error->detail, "looking");
	assert_string_equal(seen.step, "the hard part");
	assert_null(seen.result);
}

static MAY_WAIT struct err *sleeps(struct task *t, void *arg)
{
	return fiber_sleep(1000 * NS_PER_S);
}

IN_FIBER(is_cancelled)
{
	auto_arena a = {0};
	struct task *t = start(sleeps);

	CHECK_OK(fiber_yield());
	task_cancel(t);
	until_ended(t);
	assert_int_equal(look(t, &a).state, CORE_TASK_STATE_CANCELLED);
	task_cancel(t); /* too late, and harmless */
	struct task *early = start(sleeps); /* cancelled before it began */
	task_cancel(early);
	until_ended(early);
	assert_int_equal(look(early, &a).state, CORE_TASK_STATE_CANCELLED);
}

static struct err *does_nothing(struct task *t, void *arg)
{
	return NULL;
}

static struct err *checks(struct task *t, void *arg)
{
	auto_err e = task_check(t);

	return e ? NULL : err(INTERNAL_ERROR, "not cancelled");
}

IN_FIBER(what_ends_well_is_done_though_cancelled)
{
	auto_arena a = {0};
	struct task *t = start(checks);

	task_cancel(t);
	until_ended(t);
	assert_int_equal(look(t, &a).state, CORE_TASK_STATE_DONE);
}

/* ---- progress ---- */

static double shown(const struct task *t)
{
	auto_arena a = {0};

	return look(t, &a).progress;
}

static void check_shown(const struct task *t, double expected)
{
	if (shown(t) < expected - 1e-9 || shown(t) > expected + 1e-9)
		fail_msg("progress is %g, expected %g", shown(t), expected);
}

static struct err *steps(struct task *t, void *arg)
{
	task_step_begin(t, 0.5, "first");
	task_progress(t, 0.5);
	check_shown(t, 0.25);
	task_step_begin(t, 0.5, "inside"); /* of what is half done */
	check_shown(t, 0.25);
	task_progress(t, 1);
	check_shown(t, 0.5);
	task_step_end(t);
	check_shown(t, 0.5);
	task_step_end(t);
	check_shown(t, 0.5);
	task_step_begin(t, 0.3, "second");
	check_shown(t, 0.5);
	task_progress(t, 7);
	check_shown(t, 0.8);
	task_progress(t, -1);
	check_shown(t, 0.5);
	task_step_end(t);
	check_shown(t, 0.8);
	for (int i = 0; i < 100; i++)
		task_step_begin(t, 0.5, "deeper");
	task_progress(t, 1);
	assert_true(shown(t) <= 1);
	for (int i = 0; i < 100; i++)
		task_step_end(t);
	return NULL;
}

IN_FIBER(steps_nest)
{
	auto_arena a = {0};
	struct task *t = start(steps);

	until_ended(t);
	assert_int_equal(look(t, &a).state, CORE_TASK_STATE_DONE);
	check_shown(t, 1);
}

static char token[64];

static MAY_WAIT size_t updates_since(struct arena *a)
{
	struct update *u;
	const char *next;
	size_t n;
	bool is_complete;

	CHECK_OK(
		updates_get(*token ? token : NULL, deadline_in(0), a, &u, &n, &next, &is_complete));
	snprintf(token, sizeof(token), "%s", next);
	return n;
}

/* When the time has come for what is told late. */
static MAY_WAIT size_t updates_later(struct arena *a)
{
	clock_step(50 * NS_PER_MS);
	CHECK_OK(fiber_yield());
	return updates_since(a);
}

static MAY_WAIT struct err *moves(struct task *t, void *arg)
{
	auto_arena a = {0};

	*token = '\0';
	clock_stop();
	assert_int_equal(updates_later(&a), 1); /* its beginning */
	task_progress(t, 0.005);
	assert_int_equal(updates_later(&a), 0);
	task_progress(t, 0.02);
	task_progress(t, 0.1);
	assert_int_equal(updates_since(&a), 0);
	assert_int_equal(updates_later(&a), 1);
	task_step_begin(t, 0.5, "step");
	task_step_end(t);
	clock_resume();
	task_add_subtask(t, "start", "task-1");
	assert_int_equal(updates_since(&a), 1);
	return NULL;
}

IN_FIBER(each_change_is_an_update)
{
	auto_arena a = {0};
	struct task *t = start(moves);

	until_ended(t);
	struct core_task seen = look(t, &a);
	assert_int_equal(seen.subtasks.n, 1);
	assert_string_equal(seen.subtasks.v[0].label, "start");
	assert_string_equal(seen.subtasks.v[0].id, "task-1");
	assert_int_equal(updates_since(&a), 1); /* its end */
}

/* ---- forgetting ---- */

IN_FIBER(forgotten_after_an_hour)
{
	clock_stop();
	until_ended(start(does_nothing));
	clock_step(1800 * NS_PER_S);
	CHECK_OK(fiber_yield());
	until_ended(start(does_nothing));
	clock_step(1799 * NS_PER_S);
	for (int i = 0; i < 5; i++)
		CHECK_OK(fiber_yield());
	assert_int_equal(task_count(), 2);
	clock_step(2 * NS_PER_S);
	while (task_count() == 2)
		CHECK_OK(fiber_yield());
	assert_int_equal(task_count(), 1);
	clock_step(3600 * NS_PER_S);
	while (task_count())
		CHECK_OK(fiber_yield());
	clock_resume();
}

IN_FIBER(the_newest_ten_thousand_are_kept)
{
	struct task *t = NULL;
	char first[64] = "";

	for (int i = 0; i < 10001; i++) {
		t = start(does_nothing);
		if (!i)
			strcpy(first, task_id(t)); /* lint: fits */
		until_ended(t);
	}
	assert_int_equal(task_count(), 10000);
	assert_null(task_find(first));
	assert_ptr_equal(task_find(task_id(t)), t);
}

TEST_MAIN(TEST(ends_well), TEST(ends_badly), TEST(is_cancelled),
	TEST(what_ends_well_is_done_though_cancelled), TEST(steps_nest),
	TEST(each_change_is_an_update), TEST(forgotten_after_an_hour),
	TEST(the_newest_ten_thousand_are_kept))
