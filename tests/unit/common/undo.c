/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/undo.c: what was pushed runs backwards unless committed, whatever fails or is cancelled.
 */
#include "common/undo.h"

#include "common/fiber.h"
#include "core.gen.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/test.h"

#include <string.h>

static char done[16]; /* a letter a step */

static void note(const char *letter)
{
	size_t n = strlen(done);

	done[n] = letter[0];
	done[n + 1] = '\0';
}

static struct err *notes(void *arg)
{
	note(arg);
	return NULL;
}

static struct err *fails(void *arg)
{
	note(arg);
	return err(INTERNAL_ERROR, "cannot be undone");
}

static struct err *waits(void *arg)
{
	TRY(fiber_yield());
	return notes(arg);
}

static char a[] = "a", b[] = "b", c[] = "c";

static struct err *three_steps(bool is_good)
{
	AUTO(undo_run) struct undo u = {0};

	done[0] = '\0';
	undo_push(&u, notes, a, "first");
	undo_push(&u, fails, b, "second");
	undo_push(&u, notes, c, "third");
	TRY(is_good ? NULL : err(CANCELLED));
	return undo_commit(&u);
}

static void runs_backwards(void **state)
{
	CHECK_ERR(three_steps(false), CANCELLED);
	assert_string_equal(done, "cba");
}

static void committed_is_forgotten(void **state)
{
	CHECK_OK(three_steps(true));
	assert_string_equal(done, "");
}

static void cancelled_fiber(void *arg)
{
	struct undo u = {0};

	done[0] = '\0';
	undo_push(&u, waits, a, "first");
	undo_push(&u, waits, b, "second");
	fiber_cancel(fiber_current());
	CHECK_ERR(fiber_check(), CANCELLED);
	undo_run(&u);
	assert_string_equal(done, "ba");
	CHECK_ERR(fiber_yield(), CANCELLED);
}

static void steps_may_wait_though_cancelled(void **state)
{
	run_in_fiber(cancelled_fiber, NULL);
}

static void stopped_fiber(void *arg)
{
	struct undo u = {0};

	done[0] = '\0';
	undo_push(&u, waits, a, "first");
	loop_stop();
	CHECK_ERR(fiber_yield(), SHUTTING_DOWN);
	undo_run(&u);
	assert_string_equal(done, "a");
}

static void steps_may_wait_though_stopped(void **state)
{
	run_in_fiber(stopped_fiber, NULL);
}

TEST_MAIN(TEST(runs_backwards), TEST(committed_is_forgotten), TEST(steps_may_wait_though_cancelled),
	TEST(steps_may_wait_though_stopped))
