/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The runtime as a whole: fibers that do what chance says (wait, signal, lock, sleep, offload, wait
 * for descriptors, spawn groups, cancel each other), on a clock that is stopped and stepped. Every
 * wait ends, with a reason that holds; a mutex has one owner; at the end nobody is left. Each seed
 * is a point.
 */
#include "common/fiber.h"
#include "common/fiber_priv.h"
#include "common/loop.h"
#include "common/offload.h"
#include "core.gen.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/points.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <sys/socket.h>

enum { N_ACTORS = 24, N_ACTS = 60, N_CONDS = 3, N_SEEDS = 400 };

static struct cond conds[N_CONDS];
static struct mutex lock;
static int n_inside;
static int fds[2];
static uint64_t chance_state;

static struct actor {
	struct fiber *fiber; /* NULL: it has ended */
	bool was_cancelled;
} actors[N_ACTORS];

static unsigned chance(unsigned n)
{
	chance_state = chance_state * UINT64_C(6364136223846793005) + 1442695040888963407U;
	return (unsigned)(chance_state >> 33) % n;
}

static int64_t some_deadline(void)
{
	return chance(4) ? deadline_in(1 + chance(50)) : NEVER;
}

/* An error that this wait may have given, on a stopped clock. */
static void check_reason(const struct actor *a, struct err *e, int64_t deadline)
{
	if (err_is(e, &ERR_CANCELLED))
		assert_true(a->was_cancelled);
	else if (err_is(e, &ERR_TIMEOUT))
		assert_true(clock_mono_ns() >= deadline || clock_mono_ns() >= fiber_deadline());
	else if (e)
		assert_true(err_is(e, &ERR_SHUTTING_DOWN) && loop_is_stopping());
	err_free(e);
}

static void waits(const struct actor *a)
{
	int64_t deadline = some_deadline();

	check_reason(a, cond_wait(&conds[chance(N_CONDS)], "chance", deadline), deadline);
}

static void locks(const struct actor *a)
{
	int64_t deadline = some_deadline();
	struct err *e = mutex_lock(&lock, "the lock", deadline);

	if (!e) {
		assert_int_equal(n_inside++, 0);
		check_reason(a, fiber_yield(), NEVER);
		assert_int_equal(--n_inside, 0);
		mutex_unlock(&lock);
	}
	check_reason(a, e, deadline);
}

static void waits_fd(const struct actor *a)
{
	int64_t deadline = deadline_in(1 + chance(50));
	char byte;

	if (chance(2) && write(fds[0], "x", 1) < 0)
		assert_int_equal(errno, EAGAIN);
	struct err *e = fiber_wait_fd(fds[1], FD_READABLE, "a byte", deadline);
	if (!e && read(fds[1], &byte, 1) < 0) /* another one may have come first */
		assert_int_equal(errno, EAGAIN);
	check_reason(a, e, deadline);
}

static void adds_one(void *arg)
{
	++*(int *)arg;
}

static void offloads(const struct actor *a)
{
	int n = 0;
	struct err *e = offload("adding", adds_one, &n);

	assert_int_equal(n, e ? 0 : 1);
	check_reason(a, e, NEVER);
}

static struct err *sleeps(void *arg)
{
	return fiber_sleep(1 + chance(20));
}

static void groups(const struct actor *a)
{
	struct fiber_group g;

	fiber_group_init(&g);
	for (unsigned n = chance(4); n > 0; n--)
		err_free(fiber_group_spawn(&g, sleeps, NULL, "member"));
	check_reason(a, fiber_group_wait(&g), NEVER);
	assert_true(list_is_empty(&g.members));
}

static void cancels(void)
{
	struct actor *a = &actors[chance(N_ACTORS)];

	if (a->fiber) {
		a->was_cancelled = true;
		fiber_cancel(a->fiber);
	}
}

static void acts(struct actor *a)
{
	switch (chance(20)) {
	case 0:
	case 1:
		cond_broadcast(&conds[chance(N_CONDS)]);
		break;
	case 2:
	case 3:
	case 4:
		cond_signal(&conds[chance(N_CONDS)]);
		break;
	case 5:
		if (chance(8) == 0)
			cancels();
		break;
	case 6:
	case 7:
		clock_step(chance(30));
		break;
	case 8:
		fiber_set_deadline(chance(3) ? NEVER : deadline_in(chance(100)));
		break;
	case 9:
	case 10:
		check_reason(a, fiber_sleep(chance(30)), NEVER);
		break;
	case 11:
	case 12:
		locks(a);
		break;
	case 13:
		groups(a);
		break;
	case 14:
		offloads(a);
		break;
	case 15:
	case 16:
		waits_fd(a);
		break;
	default:
		waits(a);
	}
}

static void actor_main(void *arg)
{
	struct actor *a = arg;

	for (int n = 0; n < N_ACTS; n++) {
		bool masks = chance(8) == 0;

		if (masks)
			fiber_cancel_mask();
		if (masks) /* a masked wait needs another end */
			check_reason(a, fiber_sleep(chance(10)), NEVER);
		else
			acts(a);
		if (masks)
			fiber_cancel_unmask();
	}
	a->fiber = NULL;
}

static bool anybody_left(void)
{
	for (int i = 0; i < N_ACTORS; i++) {
		if (actors[i].fiber)
			return true;
	}
	return false;
}

/* Wakes whoever waits, and moves the clock, until all have ended; now and then it stops the loop
 * while they are at it. */
static void director(void *arg)
{
	bool stops_early = chance(3) == 0;

	clock_stop();
	for (int i = 0; i < N_ACTORS; i++) {
		actors[i].was_cancelled = false;
		CHECK_OK(fiber_spawn(&actors[i].fiber, actor_main, &actors[i], "actor %d", i));
	}
	fiber_cancel_mask();
	for (int n = 0; anybody_left(); n++) {
		if (stops_early && n == 100)
			loop_stop();
		cond_signal(&conds[chance(N_CONDS)]);
		clock_step(1);
		CHECK_OK(fiber_yield());
	}
	fiber_cancel_unmask();
	for (int i = 0; i < N_CONDS; i++)
		cond_fini(&conds[i]);
	mutex_fini(&lock);
	clock_resume();
}

static void play(uint64_t seed)
{
	chance_state = seed;
	n_inside = 0;
	for (int i = 0; i < N_CONDS; i++)
		cond_init(&conds[i]);
	mutex_init(&lock);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	run_in_fiber(director, NULL);
	assert_int_equal(fiber_count(), 0);
	offload_fini();
	close(fds[0]);
	close(fds[1]);
}

static void every_wait_ends_with_a_reason(void **state)
{
	struct points p = points_begin("seeds of fibers", N_SEEDS);

	for (size_t i; points_next(&p, &i);)
		play(i);
}

TEST_MAIN(TEST(every_wait_ends_with_a_reason))
