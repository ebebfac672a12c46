/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/fiber_dump.c: every fiber is there, with what it waits for, since when and until when.
 */
#include "common/fiber.h"

#include "common/json.h"
#include "common/sbuf.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/test.h"

static struct cond never;

static void waits_for_godot(void *arg)
{
	fiber_set_tag("task-3");
	fiber_set_deadline(deadline_in(9 * NS_PER_S));
	err_free(cond_wait(&never, "Godot", deadline_in(5 * NS_PER_S)));
}

static void dump_fiber(void *arg)
{
	struct sbuf b = {0};
	struct json_writer w;
	struct fiber *f;

	cond_init(&never);
	clock_stop();
	CHECK_OK(fiber_yield()); /* a wait begins at its turn's time, and this turn's is older */
	CHECK_OK(fiber_spawn(&f, waits_for_godot, NULL, "vladimir"));
	CHECK_OK(fiber_yield());
	clock_step(2 * NS_PER_S);
	json_writer_init(&w, &b);
	fiber_dump(&w);
	assert_string_equal(sbuf_str(&b),
		"[{\"name\":\"test\",\"state\":\"running\"},"
		"{\"name\":\"vladimir\",\"state\":\"parked\",\"tag\":\"task-3\","
		"\"waits_for\":\"Godot\",\"for_ms\":2000,\"at_most_ms\":3000,"
		"\"deadline_ms\":7000}]");
	sbuf_fini(&b);
	fiber_cancel(f);
	clock_resume();
}

static void tells_what_each_waits_for(void **state)
{
	run_in_fiber(dump_fiber, NULL);
}

TEST_MAIN(TEST(tells_what_each_waits_for))
