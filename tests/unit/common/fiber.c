/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/fiber.c, cond.c, mutex.c, fiber_group.c: who runs when, how waits end, and that what the
 * rules of fiber.h forbid aborts with a message.
 */
#include "common/fiber.h"

#include "common/fiber_priv.h"
#include "common/loop.h"
#include "common/mem.h"
#include "core.gen.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* ---- order ---- */

static char order[64];
static void note(const char *s)
{
	strncat(order, s, sizeof(order) - strlen(order) - 1);
}

static void *name_of(const char *s)
{
	return (void *)(uintptr_t)s;
}

static void notes_twice(void *arg)
{
	note(arg);
	CHECK_OK(fiber_yield());
	note(arg);
}

static void takes_turns_fiber(void *arg)
{
	order[0] = '\0';
	CHECK_OK(fiber_spawn(NULL, notes_twice, name_of("a"), "a"));
	CHECK_OK(fiber_spawn(NULL, notes_twice, name_of("b"), "b"));
	assert_string_equal(order, "");
	CHECK_OK(fiber_yield());
	assert_string_equal(order, "ab");
	CHECK_OK(fiber_yield());
	assert_string_equal(order, "abab");
	CHECK_OK(fiber_yield());
	assert_int_equal(fiber_count(), 1);
}

static void takes_turns(void **state)
{
	run_in_fiber(takes_turns_fiber, NULL);
}

static uint64_t turn_of_child, turn_of_grandchild;

static void notes_turn(void *arg)
{
	*(uint64_t *)arg = loop_counts().turns;
}

static void notes_turn_and_spawns(void *arg)
{
	notes_turn(arg);
	CHECK_OK(fiber_spawn(NULL, notes_turn, &turn_of_grandchild, "grandchild"));
}

static void same_turn_fiber(void *arg)
{
	CHECK_OK(fiber_yield()); /* who has yielded is among the first of a turn */
	uint64_t turn = loop_counts().turns;

	CHECK_OK(fiber_spawn(NULL, notes_turn_and_spawns, &turn_of_child, "child"));
	CHECK_OK(fiber_yield());
	assert_int_equal(loop_counts().turns, turn + 1);
	assert_int_equal(turn_of_child, turn);
	CHECK_OK(fiber_yield());
	assert_int_equal(turn_of_grandchild, turn + 1);
}

/* Whom a fiber makes ready runs in the same turn; whom that one makes ready, in the next. */
static void a_turn_goes_one_step_further(void **state)
{
	run_in_fiber(same_turn_fiber, NULL);
}

/* A fiber that makes itself ready again and again does not keep the loop from its other work. */
static bool timer_fired;
static void fire(struct timer *t)
{
	timer_fired = true;
}

static void busy_fiber(void *arg)
{
	struct timer t;

	timer_fired = false;
	timer_init(&t, fire);
	timer_arm(&t, deadline_in(NS_PER_MS));
	while (!timer_fired)
		CHECK_OK(fiber_yield());
}

static void a_busy_fiber_does_not_starve_timers(void **state)
{
	run_in_fiber(busy_fiber, NULL);
}

/* ---- errno ---- */

static void spoils_errno(void *arg)
{
	errno = 99;
}

static void keeps_errno_fiber(void *arg)
{
	errno = 7;
	CHECK_OK(fiber_spawn(NULL, spoils_errno, NULL, "spoiler"));
	errno = 7;
	CHECK_OK(fiber_yield());
	assert_int_equal(errno, 7);
}

static void keeps_errno(void **state)
{
	run_in_fiber(keeps_errno_fiber, NULL);
}

/* ---- how waits end ---- */

static void times_out_fiber(void *arg)
{
	struct cond c;

	cond_init(&c);
	clock_stop();
	int64_t began = clock_mono_ns();
	CHECK_ERR(cond_wait(&c, "nothing", began), TIMEOUT);
	CHECK_OK(fiber_spawn(NULL, step_clock, (void *)(intptr_t)(5 * NS_PER_S), "stepper"));
	CHECK_ERR(cond_wait(&c, "nothing", deadline_in(5 * NS_PER_S)), TIMEOUT);
	assert_true(clock_mono_ns() == began + 5 * NS_PER_S);
	cond_fini(&c);
	clock_resume();
}

static void times_out(void **state)
{
	run_in_fiber(times_out_fiber, NULL);
}

static void own_deadline_fiber(void *arg)
{
	struct cond c;

	cond_init(&c);
	clock_stop();
	assert_true(fiber_deadline() == NEVER);
	assert_true(fiber_set_deadline(deadline_in(NS_PER_S)) == NEVER);
	CHECK_OK(fiber_check());
	CHECK_OK(fiber_spawn(NULL, step_clock, (void *)(intptr_t)NS_PER_S, "stepper"));
	CHECK_ERR(cond_wait(&c, "nothing", NEVER), TIMEOUT);
	CHECK_ERR(fiber_check(), TIMEOUT);
	CHECK_ERR(fiber_sleep(1), TIMEOUT);
	CHECK_ERR(fiber_yield(), TIMEOUT);
	/* Clean-up may wait: masked, only the deadline of the wait counts. */
	fiber_cancel_mask();
	CHECK_OK(fiber_check());
	CHECK_OK(fiber_yield());
	CHECK_OK(fiber_spawn(NULL, step_clock, (void *)(intptr_t)NS_PER_S, "stepper"));
	CHECK_OK(fiber_sleep(NS_PER_S));
	CHECK_ERR(cond_wait(&c, "nothing", clock_mono_ns()), TIMEOUT);
	fiber_cancel_unmask();
	fiber_set_deadline(NEVER);
	CHECK_OK(fiber_check());
	cond_fini(&c);
	clock_resume();
}

static void own_deadline(void **state)
{
	run_in_fiber(own_deadline_fiber, NULL);
}

struct waiter {
	struct cond c;
	const char *result;
	bool masks;
};

static void waits_on(void *arg)
{
	struct waiter *w = arg;

	if (w->masks)
		fiber_cancel_mask();
	auto_err e = cond_wait(&w->c, "a signal", NEVER);
	w->result = !e                          ? "OK"
		: err_is(e, &ERR_CANCELLED)     ? "CANCELLED"
		: err_is(e, &ERR_SHUTTING_DOWN) ? "SHUTTING_DOWN"
						: "other";
	if (w->masks)
		fiber_cancel_unmask();
}

static void cancel_fiber(void *arg)
{
	struct waiter w = {0};
	struct fiber *f;

	cond_init(&w.c);
	/* while it waits */
	CHECK_OK(fiber_spawn(&f, waits_on, &w, "waiter"));
	CHECK_OK(fiber_yield());
	fiber_cancel(f);
	assert_true(fiber_is_cancelled(f));
	CHECK_OK(fiber_yield());
	assert_string_equal(w.result, "CANCELLED");
	assert_false(cond_signal(&w.c));
	/* before its first wait */
	w.result = NULL;
	CHECK_OK(fiber_spawn(&f, waits_on, &w, "waiter"));
	fiber_cancel(f);
	CHECK_OK(fiber_yield());
	assert_string_equal(w.result, "CANCELLED");
	/* masked: by the signal alone */
	w.result = NULL;
	w.masks = true;
	CHECK_OK(fiber_spawn(&f, waits_on, &w, "waiter"));
	CHECK_OK(fiber_yield());
	fiber_cancel(f);
	CHECK_OK(fiber_yield());
	assert_null(w.result);
	assert_true(cond_signal(&w.c));
	CHECK_OK(fiber_yield());
	assert_string_equal(w.result, "OK");
}

static void cancels(void **state)
{
	run_in_fiber(cancel_fiber, NULL);
}

/* A signal is never lost: who has got it keeps it, who was cancelled before does not swallow it. */
static void no_signal_is_lost_fiber(void *arg)
{
	struct waiter first = {0};
	struct fiber *f;

	cond_init(&first.c);
	CHECK_OK(fiber_spawn(&f, waits_on, &first, "first"));
	CHECK_OK(fiber_yield());
	assert_true(cond_signal(&first.c));
	fiber_cancel(f);
	CHECK_OK(fiber_yield());
	assert_string_equal(first.result, "OK");

	CHECK_OK(fiber_spawn(&f, waits_on, &first, "first"));
	CHECK_OK(fiber_yield());
	fiber_cancel(f);
	assert_false(cond_signal(&first.c));
	CHECK_OK(fiber_yield());
	assert_string_equal(first.result, "CANCELLED");
}

static void no_signal_is_lost(void **state)
{
	run_in_fiber(no_signal_is_lost_fiber, NULL);
}

static void stop_post(void *arg)
{
	loop_stop();
}

static void signal_post(void *c)
{
	cond_signal(c);
}

static void stops_then_signals(void *c)
{
	loop_post(stop_post, NULL);
	loop_post(signal_post, c);
}

static void stop_ends_waits(void **state)
{
	struct waiter plain = {0}, masked = {.masks = true};

	cond_init(&plain.c);
	cond_init(&masked.c);
	loop_init();
	CHECK_OK(fiber_spawn(NULL, waits_on, &plain, "plain"));
	CHECK_OK(fiber_spawn(NULL, waits_on, &masked, "masked"));
	CHECK_OK(fiber_spawn(NULL, stops_then_signals, &masked.c, "stopper"));
	loop_run(NS_PER_S);
	assert_string_equal(plain.result, "SHUTTING_DOWN");
	assert_string_equal(masked.result, "OK");
	loop_fini();
}

/* ---- mutex ---- */

static struct mutex m;
static int inside;

static void locks(void *arg)
{
	CHECK_OK(mutex_lock(&m, "the mutex", NEVER));
	assert_int_equal(inside++, 0);
	CHECK_OK(fiber_yield());
	inside--;
	note(arg);
	mutex_unlock(&m);
}

static void mutex_fiber(void *arg)
{
	order[0] = '\0';
	mutex_init(&m);
	CHECK_OK(mutex_lock(&m, "the mutex", NEVER));
	CHECK_OK(fiber_spawn(NULL, locks, name_of("1"), "1"));
	CHECK_OK(fiber_spawn(NULL, locks, name_of("2"), "2"));
	CHECK_OK(fiber_spawn(NULL, locks, name_of("3"), "3"));
	CHECK_OK(fiber_yield());
	mutex_unlock(&m);
	/* Handed over already, so this one comes last. */
	CHECK_OK(mutex_lock(&m, "the mutex", NEVER));
	assert_string_equal(order, "123");
	mutex_unlock(&m);
	mutex_fini(&m);
}

static void mutex_is_fair(void **state)
{
	run_in_fiber(mutex_fiber, NULL);
}

/* ---- names and tags ---- */

static void tagged_child(void *arg)
{
	assert_string_equal(fiber_tag(), "task-1");
	fiber_set_tag("task-2");
	*(bool *)arg = true;
}

static void tags_fiber(void *arg)
{
	char long_tag[200];
	bool has_run = false;
	struct fiber *f;

	assert_string_equal(fiber_tag(), "");
	strcpy(long_tag, "task-1"); /* lint: fits */
	fiber_lend_tag(long_tag);
	assert_ptr_equal(fiber_tag(), long_tag);
	fiber_set_tag(long_tag);
	long_tag[0] = 'x';
	CHECK_OK(fiber_spawn(&f, tagged_child, &has_run, "child %d of %s", 7, "test"));
	assert_string_equal(fiber_name(f), "child 7 of test");
	CHECK_OK(fiber_yield());
	assert_true(has_run);
	assert_string_equal(fiber_tag(), "task-1");
	memset(long_tag, 'x', sizeof(long_tag));
	long_tag[sizeof(long_tag) - 1] = '\0';
	fiber_set_tag(long_tag);
	assert_int_equal(strlen(fiber_tag()), 63);
	fiber_set_tag(fiber_tag() + 60);
	assert_string_equal(fiber_tag(), "xxx");
}

static void tags_are_inherited(void **state)
{
	run_in_fiber(tags_fiber, NULL);
}

/* ---- many ---- */

/* What a program of any size may hold under ThreadSanitizer is less. */
enum { MANY = HAVE_TSAN ? 1000 : 10000 };

static struct cond crowd;
static int n_awake;

static void stands_in_crowd(void *arg)
{
	CHECK_OK(cond_wait(&crowd, "the crowd", NEVER));
	n_awake++;
}

static long resident_kib(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	assert_int_equal(fscanf(f, "%*d %ld", &pages), 1);
	fclose(f);
	return pages * (getpagesize() / 1024);
}

static void many_fiber(void *arg)
{
	long before = resident_kib();

	cond_init(&crowd);
	for (int i = 0; i < MANY; i++)
		CHECK_OK(fiber_spawn(NULL, stands_in_crowd, NULL, "one of many"));
	CHECK_OK(fiber_yield());
	if (!HAVE_ASAN && !HAVE_TSAN)
		assert_in_range(resident_kib() - before, 0, 60 * 1024);
	clock_stop();
	cond_broadcast(&crowd);
	while (n_awake < MANY)
		CHECK_OK(fiber_yield());
	assert_int_equal(fiber_count(), 1);
	/* For the next crowd, which may come soon; then not all of them. */
	assert_true(fiber_stack_count() > MANY);
	for (int i = 0; i < 2 + MANY / 256; i++) {
		clock_step(NS_PER_S);
		CHECK_OK(fiber_yield());
	}
	clock_resume();
	assert_true(fiber_stack_count() <= 300);
}

static void ten_thousand_fit_in_60_mib(void **state)
{
	run_in_fiber(many_fiber, NULL);
	assert_int_equal(fiber_stack_count(), 0);
}

static void crowded_fiber(void *arg)
{
	struct rlimit small = {.rlim_cur = 200 << 20, .rlim_max = 200 << 20};
	struct err *e = NULL;
	int n = 0;

	setrlimit(RLIMIT_AS, &small);
	cond_init(&crowd);
	while (!e && n < 10000) {
		e = fiber_spawn(NULL, stands_in_crowd, NULL, "one of many");
		n++;
	}
	if (!err_is(e, &ERR_LIMIT_EXCEEDED) || n < 10)
		abort();
	err_free(e);
	/* All is well for those that are there. */
	CHECK_OK(fiber_yield());
	cond_broadcast(&crowd);
	CHECK_OK(fiber_yield());
	CHECK_OK(fiber_spawn(NULL, stands_in_crowd, NULL, "one more"));
	CHECK_OK(fiber_yield());
	cond_broadcast(&crowd);
	CHECK_OK(fiber_yield());
	fprintf(stderr, "refused after some, and went on\n");
}

static void crowded(void)
{
	run_in_fiber(crowded_fiber, NULL);
}

/* Sanitizers need more address space than that. */
static maybe_unused void spawn_fails_when_the_kernel_gives_no_stack(void **state)
{
	static char text[4096];
	int status;

	run_in_child(crowded, text, sizeof(text), &status);
	assert_non_null(strstr(text, "and went on"));
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- what is forbidden ---- */

static void no_wait_fiber(void *arg)
{
	no_wait_begin();
	err_free(fiber_sleep(NS_PER_S));
}

static void no_wait(void)
{
	run_in_fiber(no_wait_fiber, NULL);
}

static void balanced_fiber(void *arg)
{
	no_wait_begin();
	no_wait_begin();
	no_wait_end();
	no_wait_end();
	CHECK_OK(fiber_yield());
}

static void masked_fiber(void *arg)
{
	fiber_cancel_mask();
}

static void ends_masked(void)
{
	run_in_fiber(masked_fiber, NULL);
}

static void outside(void)
{
	loop_init();
	err_free(fiber_sleep(1));
}

static void *thread_main(void *arg)
{
	err_free(fiber_spawn(NULL, balanced_fiber, NULL, "nowhere"));
	return NULL;
}

static void elsewhere(void)
{
	pthread_t t;

	loop_init();
	pthread_create(&t, NULL, thread_main, NULL);
	pthread_join(t, NULL);
}

static unsigned n_parks;

static void count_park(void *arg)
{
	assert_string_equal(arg, "duty");
	n_parks++;
}

static void tells_once_that_it_parks_fiber(void *arg)
{
	n_parks = 0;
	fiber_on_park(count_park, name_of("duty"));
	fiber_on_park(NULL, NULL);
	CHECK_OK(fiber_yield());
	assert_int_equal(n_parks, 0);
	fiber_on_park(count_park, name_of("duty"));
	CHECK_OK(fiber_check());
	assert_int_equal(n_parks, 0);
	CHECK_OK(fiber_sleep(1));
	CHECK_OK(fiber_sleep(1));
	CHECK_OK(fiber_yield());
	assert_int_equal(n_parks, 1);
	/* a wait that is refused does not park */
	fiber_on_park(count_park, name_of("duty"));
	fiber_cancel(fiber_current());
	CHECK_ERR(fiber_sleep(1), CANCELLED);
	assert_int_equal(n_parks, 1);
	fiber_rename("other");
	assert_string_equal(fiber_name(fiber_current()), "other");
}

static void tells_once_that_it_parks(void **state)
{
	run_in_fiber(tells_once_that_it_parks_fiber, NULL);
}

static void relock_fiber(void *arg)
{
	mutex_init(&m);
	err_free(mutex_lock(&m, "the mutex", NEVER));
	err_free(mutex_lock(&m, "the mutex", NEVER));
}

static void relock(void)
{
	run_in_fiber(relock_fiber, NULL);
}

static void dies_when_misused(void **state)
{
	run_in_fiber(balanced_fiber, NULL);
	check_dies(no_wait, "'sleep' is waited for between no_wait_begin and no_wait_end");
	check_dies(ends_masked, "ends with fiber_cancel_mask raised");
	check_dies(outside, "'sleep' is waited for outside a fiber");
	check_dies(elsewhere, "fiber_spawn outside the loop's thread");
	check_dies(relock, "locks a mutex that it holds");
}

#if HAVE_ASAN || HAVE_TSAN
#define TESTS_OF_PLAIN_BUILDS
#else
#define TESTS_OF_PLAIN_BUILDS TEST(spawn_fails_when_the_kernel_gives_no_stack),
#endif

TEST_MAIN(TESTS_OF_PLAIN_BUILDS TEST(takes_turns), TEST(a_turn_goes_one_step_further),
	TEST(a_busy_fiber_does_not_starve_timers), TEST(keeps_errno), TEST(times_out),
	TEST(own_deadline), TEST(cancels), TEST(no_signal_is_lost), TEST(stop_ends_waits),
	TEST(mutex_is_fair), TEST(tells_once_that_it_parks), TEST(tags_are_inherited),
	TEST(ten_thousand_fit_in_60_mib), TEST(dies_when_misused))
