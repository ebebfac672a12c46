/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/fiber_group.c: a group is awaited whole, gives its first error, and is cancelled with who
 * waits for it.
 */
#include "common/fiber.h"

#include "core.gen.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/test.h"

struct work {
	int64_t sleep_ns;
	bool fails;
	bool has_ended, was_cancelled;
};

static struct err *works(void *arg)
{
	struct work *w = arg;
	struct err *e = fiber_sleep(w->sleep_ns);

	w->was_cancelled = err_is(e, &ERR_CANCELLED);
	w->has_ended = true;
	if (!e && w->fails)
		e = err(INTERNAL_ERROR, "as asked");
	return e;
}

static void start(struct fiber_group *g, struct work *w, size_t n)
{
	fiber_group_init(g);
	for (size_t i = 0; i < n; i++)
		CHECK_OK(fiber_group_spawn(g, works, &w[i], "work %zu", i));
}

static void steps_hour(void *arg)
{
	clock_step(3600 * NS_PER_S);
}

static void waits_fiber(void *arg)
{
	struct fiber_group g;
	struct work good[3] = {{.sleep_ns = 3}, {.sleep_ns = 1}, {.sleep_ns = 2}};
	struct work bad[3] = {{.sleep_ns = 3}, {.sleep_ns = 1, .fails = true}, {.sleep_ns = 2}};

	start(&g, NULL, 0);
	CHECK_OK(fiber_group_wait(&g));
	start(&g, good, 3);
	CHECK_OK(fiber_group_wait(&g));
	assert_true(good[0].has_ended && good[1].has_ended && good[2].has_ended);
	start(&g, bad, 3);
	CHECK_ERR(fiber_group_wait(&g), INTERNAL_ERROR);
	assert_true(bad[0].has_ended && bad[1].has_ended && bad[2].has_ended);
}

static void waits_for_all(void **state)
{
	run_in_fiber(waits_fiber, NULL);
}

struct waiter {
	struct work work[2];
	bool masks;
	int64_t deadline;
	char code[32];
	bool has_ended;
};

/* The group lives on this stack. */
static void waiter_main(void *arg)
{
	struct waiter *w = arg;
	struct fiber_group g;

	start(&g, w->work, 2);
	if (w->deadline)
		fiber_set_deadline(w->deadline);
	if (w->masks)
		fiber_cancel_mask();
	auto_err e = fiber_group_wait(&g);
	if (w->masks)
		fiber_cancel_unmask();
	if (e)
		snprintf(w->code, sizeof(w->code), "%s", e->code);
	w->has_ended = true;
}

static void until_ended(struct waiter *w)
{
	while (!w->has_ended)
		CHECK_OK(fiber_yield());
}

#define HOUR (3600 * NS_PER_S)

static void cancelled_fiber(void *arg)
{
	struct waiter w = {.work = {{.sleep_ns = HOUR}, {.sleep_ns = HOUR}}}, early = w, masked = w;
	struct fiber *f;

	clock_stop();
	CHECK_OK(fiber_spawn(&f, waiter_main, &w, "waiter"));
	CHECK_OK(fiber_yield());
	CHECK_OK(fiber_yield());
	fiber_cancel(f);
	until_ended(&w);
	assert_true(w.work[0].was_cancelled && w.work[1].was_cancelled);
	assert_string_equal(w.code, "CANCELLED");

	CHECK_OK(fiber_spawn(&f, waiter_main, &early, "cancelled before it waits"));
	fiber_cancel(f);
	until_ended(&early);
	assert_true(early.work[0].was_cancelled && early.work[1].was_cancelled);

	masked.masks = true; /* clean-up in a group is not cut short */
	CHECK_OK(fiber_spawn(&f, waiter_main, &masked, "masked"));
	CHECK_OK(fiber_yield());
	CHECK_OK(fiber_yield());
	fiber_cancel(f);
	steps_hour(NULL);
	until_ended(&masked);
	assert_false(masked.work[0].was_cancelled || masked.work[1].was_cancelled);
	assert_string_equal(masked.code, "");
	clock_resume();
}

static void passes_cancellation_on(void **state)
{
	run_in_fiber(cancelled_fiber, NULL);
}

static void late_fiber(void *arg)
{
	struct waiter w = {.work = {{.sleep_ns = HOUR}, {.sleep_ns = HOUR}}};

	clock_stop();
	w.deadline = deadline_in(HOUR / 2);
	CHECK_OK(fiber_spawn(NULL, waiter_main, &w, "waiter"));
	CHECK_OK(fiber_yield());
	CHECK_OK(fiber_yield());
	clock_step(HOUR / 2);
	until_ended(&w);
	assert_true(w.work[0].was_cancelled && w.work[1].was_cancelled);
	assert_string_equal(w.code, "TIMEOUT");
	clock_resume();
}

static void its_waiters_deadline_ends_it(void **state)
{
	run_in_fiber(late_fiber, NULL);
}

static void stopped_fiber(void *arg)
{
	struct waiter w = {.work = {{.sleep_ns = HOUR}, {.sleep_ns = HOUR}}};

	CHECK_OK(fiber_spawn(NULL, waiter_main, &w, "waiter"));
	CHECK_OK(fiber_yield());
	CHECK_OK(fiber_yield());
	loop_stop();
	fiber_cancel_mask();
	until_ended(&w);
	fiber_cancel_unmask();
	assert_string_equal(w.code, "SHUTTING_DOWN");
}

static void ends_at_shutdown(void **state)
{
	run_in_fiber(stopped_fiber, NULL);
}

TEST_MAIN(TEST(waits_for_all), TEST(passes_cancellation_on), TEST(its_waiters_deadline_ends_it),
	TEST(ends_at_shutdown))
