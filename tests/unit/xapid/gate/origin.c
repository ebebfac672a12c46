/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xapid/gate/origin.h: whom failed logins slow down, by how much, and when that is forgotten.
 */
#include "xapid/gate/origin.h"

#include "tests/unit/common/runtime.h"

#define HERE  "192.0.2.1"
#define PAUSE (ORIGIN_WAIT_MS * NS_PER_MS)

/* An attempt in a fiber of its own. */
struct attempt {
	const char *address;
	bool fails;
	bool is_done, was_let_in;
};

static MAY_WAIT void try_once(void *arg)
{
	struct attempt *t = arg;
	struct origin *o;

	CHECK_OK(origin_enter(t->address, &o));
	t->was_let_in = o;
	if (o)
		origin_leave(o, t->fails);
	t->is_done = true;
}

static MAY_WAIT void turn(void)
{
	CHECK_OK(fiber_yield());
	CHECK_OK(fiber_yield());
}

static MAY_WAIT void begin(struct attempt *t)
{
	CHECK_OK(fiber_spawn(NULL, try_once, t, "attempt"));
	turn();
}

/* One that fails, at once. */
static MAY_WAIT void fail_once(const char *address)
{
	struct attempt t = {.address = address, .fails = true};

	begin(&t);
	assert_true(t.is_done && t.was_let_in);
}

static MAY_WAIT void fail_often(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		fail_once(HERE);
		clock_step(ORIGIN_MOST_MS * NS_PER_MS);
	}
}

static MAY_WAIT void step(int64_t ns)
{
	clock_step(ns);
	turn();
}

/* The next one from ADDRESS has to wait for exactly so long. */
static MAY_WAIT void waits(const char *address, int64_t ns)
{
	struct attempt t = {.address = address};

	begin(&t);
	assert_int_equal(t.is_done, ns == 0);
	if (!t.is_done) {
		step(ns - 1);
		assert_false(t.is_done);
		step(1);
	}
	assert_true(t.is_done && t.was_let_in);
}

static MAY_WAIT void pauses(void *arg)
{
	for (unsigned i = 0; i < ORIGIN_FREE; i++)
		fail_once(HERE);
	waits(HERE, 0);
	fail_once(HERE);
	waits(HERE, PAUSE);
	waits(HERE, PAUSE);
	step(PAUSE);
	fail_once(HERE);
	waits(HERE, 2 * PAUSE);
	waits("192.0.2.2", 0);
}

static MAY_WAIT void no_longer_than(void *arg)
{
	fail_often(7);
	fail_once(HERE);
	waits(HERE, ORIGIN_MOST_MS * NS_PER_MS);
}

static MAY_WAIT void forgiven(void *arg)
{
	for (unsigned i = 0; i <= ORIGIN_FREE; i++)
		fail_once(HERE);
	step(ORIGIN_FORGIVEN * NS_PER_S);
	waits(HERE, 0);
	fail_once(HERE);
	waits(HERE, PAUSE);
}

/* Of a network of IPv6 every address is anybody's. */
static MAY_WAIT void networks(void *arg)
{
	for (unsigned i = 0; i <= ORIGIN_FREE; i++)
		fail_once("2001:db8::1");
	waits("2001:db8:0:1::1", 0);
	waits("2001:db8::abcd:2", PAUSE);
	for (unsigned i = 0; i <= ORIGIN_FREE; i++)
		fail_once("::ffff:192.0.2.7");
	waits("::ffff:192.0.2.8", 0);
}

/* So many at once, and the next when one of them ends. */
static MAY_WAIT void at_once(void *arg)
{
	struct origin *running[ORIGIN_AT_ONCE];
	struct attempt t = {.address = HERE};

	for (size_t i = 0; i < ORIGIN_AT_ONCE; i++)
		CHECK_OK(origin_enter(HERE, &running[i]));
	begin(&t);
	assert_false(t.is_done);
	waits("192.0.2.2", 0);
	origin_leave(running[0], false);
	turn();
	assert_true(t.was_let_in);
	struct attempt late = {.address = HERE};
	CHECK_OK(origin_enter(HERE, &running[0]));
	begin(&late);
	step(ORIGIN_PATIENCE * NS_PER_S);
	assert_true(late.is_done && !late.was_let_in);
	for (size_t i = 0; i < ORIGIN_AT_ONCE; i++)
		origin_leave(running[i], false);
}

/* Who comes when the queue is long, or would have to wait too long in it, is sent away. */
static MAY_WAIT void too_many(void *arg)
{
	static struct attempt queue[ORIGIN_QUEUE];
	struct attempt more = {.address = HERE};
	unsigned n_let_in = 0;

	fail_often(7);
	fail_once(HERE);
	for (size_t i = 0; i < ORIGIN_QUEUE; i++) {
		queue[i] = (struct attempt){.address = HERE, .fails = true};
		begin(&queue[i]);
	}
	begin(&more);
	assert_true(more.is_done && !more.was_let_in);
	for (unsigned i = 0; i < ORIGIN_PATIENCE; i++)
		step(NS_PER_S);
	for (size_t i = 0; i < ORIGIN_QUEUE; i++) {
		assert_true(queue[i].is_done);
		n_let_in += queue[i].was_let_in;
	}
	assert_int_equal(n_let_in, ORIGIN_PATIENCE * 1000 / ORIGIN_MOST_MS);
}

/* What there is to know of origins does not grow for ever. */
static MAY_WAIT void bounded(void *arg)
{
	char address[32];

	for (unsigned i = 0; i <= ORIGIN_FREE; i++)
		fail_once(HERE);
	for (unsigned i = 0; i < ORIGIN_MOST_KEPT; i++) {
		struct origin *o;

		snprintf(address, sizeof(address), "10.0.%u.%u", i >> 8, i & 255);
		CHECK_OK(origin_enter(address, &o));
		origin_leave(o, true);
	}
	waits(HERE, 0);
}

static MAY_WAIT void with_clock(void *arg)
{
	void (**fn)(void *unused) = arg;

	clock_stop();
	(*fn)(NULL);
	clock_resume();
	origins_stop();
}

#define CLOCK_TEST(name) \
	static void test_##name(void **state) \
	{ \
		void (*fn)(void *unused) = name; \
\
		run_in_fiber(with_clock, &fn); \
	}

CLOCK_TEST(pauses)
CLOCK_TEST(no_longer_than)
CLOCK_TEST(forgiven)
CLOCK_TEST(networks)
CLOCK_TEST(at_once)
CLOCK_TEST(too_many)
CLOCK_TEST(bounded)

TEST_MAIN(TEST(test_pauses), TEST(test_no_longer_than), TEST(test_forgiven), TEST(test_networks),
	TEST(test_at_once), TEST(test_too_many), TEST(test_bounded))
