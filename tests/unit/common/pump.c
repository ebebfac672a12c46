/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/pump.c: a pump reports its progress and its end, and is cancelled with who waits for it.
 */
#include "common/fiber.h"
#include "common/offload.h"
#include "core.gen.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/test.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

static char seen_tag[64];

static struct err *counts(struct pump *p, void *arg)
{
	snprintf(seen_tag, sizeof(seen_tag), "%s", fiber_tag());
	for (uint64_t i = 1; i <= 100000; i++)
		pump_progress(p, i);
	return arg ? err(INTERNAL_ERROR, "as asked") : NULL;
}

static uint64_t last_done;
static void progressed(uint64_t done, void *arg)
{
	assert_true(done >= last_done);
	last_done = done;
	++*(uint64_t *)arg;
}

static void counting_fiber(void *arg)
{
	struct pump *p;
	uint64_t n_calls = 0;

	last_done = 0;
	fiber_set_tag("export-1");
	CHECK_OK(pump_start(&p, counts, NULL, "counter"));
	CHECK_OK(pump_wait(p, progressed, &n_calls));
	assert_int_equal(last_done, 100000);
	assert_true(n_calls >= 1 && n_calls <= 100000);
	assert_string_equal(seen_tag, "export-1");

	CHECK_OK(pump_start(&p, counts, seen_tag, "counter"));
	CHECK_ERR(pump_wait(p, NULL, NULL), INTERNAL_ERROR);
}

static void reports_progress_and_end(void **state)
{
	run_in_fiber(counting_fiber, NULL);
}

/* ---- cancelling ---- */

static struct err *sits_on_fd(struct pump *p, void *arg)
{
	struct pollfd pfd = {.fd = pump_cancel_fd(p), .events = POLLIN};

	pump_progress(p, 1);
	while (poll(&pfd, 1, -1) < 1)
		;
	return pump_is_cancelled(p) ? err(CANCELLED) : NULL;
}

static void waiter_main(void *arg)
{
	struct pump *p;
	bool *has_ended = arg;

	CHECK_OK(pump_start(&p, sits_on_fd, NULL, "sitter"));
	CHECK_ERR(pump_wait(p, NULL, NULL), CANCELLED);
	*has_ended = true;
}

static void cancelling_fiber(void *arg)
{
	struct pump *p;
	struct fiber *f;
	bool has_ended = false;

	CHECK_OK(pump_start(&p, sits_on_fd, NULL, "sitter"));
	while (pump_done(p) == 0)
		CHECK_OK(fiber_yield());
	pump_cancel(p);
	CHECK_ERR(pump_wait(p, NULL, NULL), CANCELLED);

	CHECK_OK(fiber_spawn(&f, waiter_main, &has_ended, "waiter"));
	CHECK_OK(fiber_yield());
	CHECK_OK(fiber_yield());
	assert_false(has_ended);
	fiber_cancel(f);
	while (!has_ended)
		CHECK_OK(fiber_yield());
}

static void is_cancelled_with_its_waiter(void **state)
{
	run_in_fiber(cancelling_fiber, NULL);
}

static void stopping_fiber(void *arg)
{
	bool has_ended = false;

	CHECK_OK(fiber_spawn(NULL, waiter_main, &has_ended, "waiter"));
	CHECK_OK(fiber_yield());
	loop_stop();
	fiber_cancel_mask();
	while (!has_ended)
		CHECK_OK(fiber_yield());
	fiber_cancel_unmask();
}

static void is_cancelled_at_shutdown(void **state)
{
	run_in_fiber(stopping_fiber, NULL);
}

TEST_MAIN(TEST(reports_progress_and_end), TEST(is_cancelled_with_its_waiter),
	TEST(is_cancelled_at_shutdown))
