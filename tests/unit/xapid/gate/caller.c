/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xapid/gate/caller.h: whom a request counts for, how long it waits, and when it is refused.
 */
#include "xapid/gate/caller.h"

#include "core.gen.h"
#include "tests/unit/common/runtime.h"
#include "xapid/db/db.h"
#include "xapid/xapid.h"

#include <string.h>

static const char *make_limit(double burst, double rate)
{
	struct xenapi_rate_limit row = db_blank(rate_limit);
	const char *ref = NULL;

	row.burst_size = burst;
	row.fill_rate = rate;
	CHECK_OK(db_create(rate_limit, &row, &ref));
	return ref;
}

static const char *make_caller(const char *agent, const char *address, const char *limit)
{
	struct xenapi_caller row = db_blank(caller);
	const char *ref = NULL;

	row.user_agent = agent;
	row.client_ip = address;
	row.rate_limit = limit;
	CHECK_OK(db_create(caller, &row, &ref));
	return ref;
}

static MAY_WAIT struct err *ask(const char *agent, double cost)
{
	struct arena a = {0};
	const struct gate_peer peer = {GATE_TCP, "192.0.2.1", agent};
	struct err *e = caller_admit(&peer, cost, &a);

	arena_fini(&a);
	return e;
}

/* ---- whom it counts for ---- */

static MAY_WAIT void patterns_say_who_is_one(void *arg)
{
	static const char *const patterns[][3] = {
		/* agent, address, whether "tool/1.2" at 192.0.2.1 is one */
		{"tool/1.2", "192.0.2.1", "yes"},
		{"tool/*", "", "yes"},
		{"", "192.0.2.*", "yes"},
		{"*", "192.0.2.1", "yes"},
		{"tool", "", ""},
		{"tool/1.2*", "192.0.2", ""},
		{"tool/1.2 ", "", ""},
		{"other", "192.0.2.1", ""},
	};

	CHECK_OK(ask("tool/1.2", 3)); /* before there is anybody */
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++)
		make_caller(patterns[i][0], patterns[i][1], REF_NULL);
	CHECK_OK(ask("tool/1.2", 3));
	CHECK_OK(ask("tool/1.2", 4));
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		struct caller_usage u = caller_usage(caller_find(patterns[i][0], patterns[i][1]));

		assert_int_equal(u.calls, *patterns[i][2] ? 2 : 0);
		assert_true(u.tokens == (*patterns[i][2] ? 7 : 0));
	}
	assert_null(caller_find("tool/1.2", ""));
}

/* The bucket of each is as large as its place in the order. */
static MAY_WAIT void the_most_specific_one_limits(void *arg)
{
	make_caller("t*", "", make_limit(2, 1e-6));
	make_caller("tool/*", "", make_limit(1, 1e-6));
	make_caller("", "192.0.2.1", REF_NULL);
	CHECK_OK(ask("tool/1", 1));
	CHECK_ERR(ask("tool/1", 1), LIMIT_EXCEEDED);
	CHECK_OK(ask("toad", 1));
	CHECK_OK(ask("toad", 1));
	CHECK_ERR(ask("toad", 1), LIMIT_EXCEEDED);
	make_caller("tool/1", "192.0.2.1", make_limit(1, 1e-6));
	CHECK_OK(ask("tool/1", 1));
	CHECK_ERR(ask("tool/1", 1), LIMIT_EXCEEDED);
	CHECK_ERR(ask("tool/2", 1), LIMIT_EXCEEDED);
}

/* ---- how long it waits ---- */

struct asker {
	double cost;
	bool is_done;
	struct err *e;
};

static MAY_WAIT void ask_once(void *arg)
{
	struct asker *a = arg;

	a->e = ask("tool", a->cost);
	a->is_done = true;
}

static MAY_WAIT void turn(void)
{
	CHECK_OK(fiber_yield());
	CHECK_OK(fiber_yield());
}

static MAY_WAIT void begin(struct asker *a)
{
	CHECK_OK(fiber_spawn(NULL, ask_once, a, "asker"));
	turn();
}

static MAY_WAIT void step(int64_t ms)
{
	clock_step(ms * NS_PER_MS);
	turn();
}

/* 2 a second, 4 at once: the fifth waits half a second, who costs 20 until the bucket is full. */
static MAY_WAIT void whoever_is_too_quick_waits(void *arg)
{
	struct asker fifth = {.cost = 1}, dear = {.cost = 20}, late = {.cost = 1};

	make_caller("tool", "", make_limit(4, 2));
	for (int i = 0; i < 4; i++)
		CHECK_OK(ask("tool", 1));
	begin(&fifth);
	begin(&dear);
	assert_false(fifth.is_done || dear.is_done);
	step(510);
	assert_true(fifth.is_done);
	step(1900);
	assert_false(dear.is_done);
	step(100);
	assert_true(dear.is_done);
	/* whose price others pay: 16 below nothing is 8.5 seconds for one */
	begin(&late);
	step(8000);
	assert_false(late.is_done);
	step(600);
	assert_true(late.is_done);
	CHECK_OK(fifth.e);
	CHECK_OK(dear.e);
	CHECK_OK(late.e);
}

/* What is refused takes nothing. */
static MAY_WAIT void too_long_a_wait_is_refused(void *arg)
{
	struct asker next = {.cost = 1};

	make_caller("tool", "", make_limit(1, 0.11));
	CHECK_OK(ask("tool", 1));
	begin(&next); /* in 9 seconds */
	for (int i = 0; i < 5; i++)
		CHECK_ERR(ask("tool", 1), LIMIT_EXCEEDED);
	step(9500);
	assert_true(next.is_done);
	CHECK_OK(next.e);
	/* a process of this host's root is counted and never held */
	struct arena a = {0};
	const struct gate_peer here = {GATE_UNIX, "", "tool"};
	for (int i = 0; i < 5; i++)
		CHECK_OK(caller_admit(&here, 1, &a));
	arena_fini(&a);
	assert_int_equal(caller_usage(caller_find("tool", "")).calls, 12);
}

static MAY_WAIT void with_db(void *arg)
{
	void (**fn)(void *unused) = arg;

	xapid_conf.caller_wait_ns = 10 * NS_PER_S;
	CHECK_OK(db_open(&(struct db_options){0}));
	clock_stop();
	(*fn)(NULL);
	clock_resume();
	callers_stop();
	db_close();
}

#define CLOCK_TEST(name) \
	static void test_##name(void **state) \
	{ \
		void (*fn)(void *unused) = name; \
\
		run_in_fiber(with_db, &fn); \
	}

CLOCK_TEST(patterns_say_who_is_one)
CLOCK_TEST(the_most_specific_one_limits)
CLOCK_TEST(whoever_is_too_quick_waits)
CLOCK_TEST(too_long_a_wait_is_refused)

TEST_MAIN(TEST(test_patterns_say_who_is_one), TEST(test_the_most_specific_one_limits),
	TEST(test_whoever_is_too_quick_waits), TEST(test_too_long_a_wait_is_refused))
