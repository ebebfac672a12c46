/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/loop.c: descriptors, calls from other threads, deferred calls, signals, the end, and what
 * it says of a turn that takes too long.
 */
#include "common/loop.h"

#include "common/fiber.h"
#include "common/fiber_priv.h"
#include "core.gen.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>

/* ---- descriptors ---- */

struct fd_wait {
	int fd;
	unsigned events;
	int64_t deadline;
	const char *got; /* NULL: still waits */
	struct fiber *fiber;
};

static void fd_wait_main(void *arg)
{
	struct fd_wait *w = arg;
	auto_err e = fiber_wait_fd(w->fd, w->events, "a byte", w->deadline);

	w->got = e ? e->code : "OK";
	if (e)
		w->got = err_is(e, &ERR_TIMEOUT)       ? "TIMEOUT"
			: err_is(e, &ERR_CANCELLED)    ? "CANCELLED"
			: err_is(e, &ERR_SYSTEM_ERROR) ? "SYSTEM_ERROR"
						       : "other";
}

static void fd_wait_start(struct fd_wait *w)
{
	w->deadline = NEVER;
	CHECK_OK(fiber_spawn(&w->fiber, fd_wait_main, w, "waits for %d", w->fd));
	CHECK_OK(fiber_yield());
	assert_null(w->got);
}

static void until_got(struct fd_wait *w)
{
	while (!w->got)
		CHECK_OK(fiber_yield());
}

static void sockets(int fds[2])
{
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

static void fd_fiber(void *arg)
{
	int fds[2];
	sockets(fds);
	struct fd_wait reader = {.fd = fds[0], .events = FD_READABLE};
	struct fd_wait other = reader, both = {.fd = fds[0], .events = FD_READABLE | FD_WRITABLE};

	fd_wait_start(&reader);
	fd_wait_start(&other);
	CHECK_OK(fiber_wait_fd(both.fd, both.events, "either", NEVER)); /* it is writable */
	assert_null(reader.got);
	assert_int_equal(write(fds[1], "x", 1), 1);
	until_got(&reader);
	until_got(&other);
	assert_string_equal(reader.got, "OK");
	assert_string_equal(other.got, "OK");
	CHECK_OK(fiber_wait_fd(fds[0], FD_READABLE, "a byte", NEVER)); /* not read yet */

	char byte;
	assert_int_equal(read(fds[0], &byte, 1), 1);
	CHECK_ERR(fiber_wait_fd(fds[0], FD_READABLE, "a byte", deadline_in(NS_PER_MS)), TIMEOUT);
	reader.got = NULL;
	fd_wait_start(&reader);
	fiber_cancel(reader.fiber);
	until_got(&reader);
	assert_string_equal(reader.got, "CANCELLED");

	/* A peer that goes away makes it ready, too. */
	reader.got = NULL;
	fd_wait_start(&reader);
	close(fds[1]);
	until_got(&reader);
	assert_string_equal(reader.got, "OK");
	close(fds[0]);
}

static void waits_for_descriptors(void **state)
{
	run_in_fiber(fd_fiber, NULL);
}

static void bad_fd_fiber(void *arg)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	CHECK_ERR(fiber_wait_fd(fd, FD_READABLE, "nothing", NEVER), SYSTEM_ERROR);
	CHECK_ERR(fiber_wait_fd(-1, FD_READABLE, "nothing", NEVER), SYSTEM_ERROR);
	/* One that the kernel does not poll. */
	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	CHECK_ERR(fiber_wait_fd(fd, FD_READABLE, "a file", NEVER), SYSTEM_ERROR);
	close(fd);
}

static void refuses_bad_descriptors(void **state)
{
	run_in_fiber(bad_fd_fiber, NULL);
}

/* The number of a descriptor that somebody closed under a waiter goes to another file: who waits
 * for the new one is woken by it. */
static void reuse_fiber(void *arg)
{
	int old[2], fresh[2];
	sockets(old);
	struct fd_wait forgotten = {.fd = old[0], .events = FD_READABLE};

	fd_wait_start(&forgotten);
	int number = old[0];
	close(old[0]);
	sockets(fresh);
	struct fd_wait w = {.fd = number, .events = FD_READABLE};
	if (fresh[0] != number) {
		assert_int_equal(dup3(fresh[0], number, O_CLOEXEC), number);
		close(fresh[0]);
	}
	fd_wait_start(&w);
	assert_int_equal(write(fresh[1], "x", 1), 1);
	until_got(&w);
	assert_string_equal(w.got, "OK");
	if (!forgotten.got)
		fiber_cancel(forgotten.fiber);
	until_got(&forgotten);
	close(number);
	close(fresh[1]);
	close(old[1]);
}

static void survives_reuse_of_descriptors(void **state)
{
	run_in_fiber(reuse_fiber, NULL);
}

/* A thousand descriptors at once, all woken: the table grows under waiters. */
enum { N_PAIRS = 400 };
static int pairs[N_PAIRS][2];
static struct fd_wait waits[N_PAIRS];

static void many_fds_fiber(void *arg)
{
	for (int i = 0; i < N_PAIRS; i++) {
		sockets(pairs[i]);
		waits[i] = (struct fd_wait){.fd = pairs[i][0], .events = FD_READABLE};
		fd_wait_start(&waits[i]);
	}
	for (int i = 0; i < N_PAIRS; i++)
		assert_int_equal(write(pairs[i][1], "x", 1), 1);
	for (int i = 0; i < N_PAIRS; i++) {
		until_got(&waits[i]);
		assert_string_equal(waits[i].got, "OK");
		close(pairs[i][0]);
		close(pairs[i][1]);
	}
}

static void waits_for_many_descriptors(void **state)
{
	run_in_fiber(many_fds_fiber, NULL);
}

/* ---- calls from other threads ---- */

enum { N_THREADS = 4, N_POSTS = 5000 };
static struct poster {
	pthread_t thread;
	int n_sent, n_seen;
	bool is_out_of_order, was_elsewhere;
} posters[N_THREADS];

struct posted {
	struct poster *from;
	int number;
};
static struct posted posted[N_THREADS][N_POSTS];
static struct cond all_seen;
static int n_done;

static void seen(void *arg)
{
	struct posted *p = arg;

	p->from->is_out_of_order |= p->number != p->from->n_seen++;
	p->from->was_elsewhere |= !loop_is_here();
	if (p->number == N_POSTS - 1 && ++n_done == N_THREADS)
		cond_broadcast(&all_seen);
}

static void *poster_main(void *arg)
{
	struct poster *from = arg;
	size_t i = (size_t)(from - posters);

	for (int n = 0; n < N_POSTS; n++) {
		posted[i][n] = (struct posted){.from = from, .number = n};
		loop_post(seen, &posted[i][n]);
	}
	return NULL;
}

static void posts_fiber(void *arg)
{
	cond_init(&all_seen);
	n_done = 0;
	for (int i = 0; i < N_THREADS; i++)
		pthread_create(&posters[i].thread, NULL, poster_main, &posters[i]);
	while (n_done < N_THREADS)
		CHECK_OK(cond_wait(&all_seen, "all posts", NEVER));
	for (int i = 0; i < N_THREADS; i++) {
		pthread_join(posters[i].thread, NULL);
		assert_int_equal(posters[i].n_seen, N_POSTS);
		assert_false(posters[i].is_out_of_order || posters[i].was_elsewhere);
	}
}

static void takes_posts_from_threads(void **state)
{
	run_in_fiber(posts_fiber, NULL);
}

/* While nothing happens the loop does not turn. */
static void wake_up(void *c)
{
	cond_signal(c);
}

static void *posts_later(void *c)
{
	struct timespec a_while = {.tv_nsec = 30 * 1000 * 1000};

	nanosleep(&a_while, NULL);
	loop_post(wake_up, c);
	return NULL;
}

static void idle_fiber(void *arg)
{
	pthread_t thread;
	struct cond c;

	cond_init(&c);
	uint64_t before = loop_counts().turns;
	pthread_create(&thread, NULL, posts_later, &c);
	CHECK_OK(cond_wait(&c, "a post", deadline_in(3600 * NS_PER_S)));
	assert_in_range(loop_counts().turns - before, 1, 3);
	pthread_join(thread, NULL);
	assert_true(loop_counts().switches > 0);
}

static void sleeps_while_idle(void **state)
{
	run_in_fiber(idle_fiber, NULL);
}

/* ---- deferred ---- */

static int n_deferred, ready_when_deferred;
static int n_ready;
static void deferred_fn(struct deferred *d)
{
	n_deferred++;
	ready_when_deferred = n_ready;
}

static void counts_ready(void *arg)
{
	n_ready++;
}

static void defer_fiber(void *arg)
{
	struct deferred d = {.fn = deferred_fn}, taken_back = {.fn = deferred_fn};

	n_deferred = n_ready = 0;
	CHECK_OK(fiber_spawn(NULL, counts_ready, NULL, "later in this turn"));
	CHECK_OK(fiber_yield());
	loop_defer(&d);
	loop_defer(&d);
	loop_defer(&taken_back);
	loop_defer_cancel(&taken_back);
	assert_int_equal(n_deferred, 0);
	CHECK_OK(fiber_yield());
	assert_int_equal(n_deferred, 1);
	assert_int_equal(ready_when_deferred, 1);
	CHECK_OK(fiber_yield());
	assert_int_equal(n_deferred, 1);
	loop_defer_cancel(&d); /* harmless */
}

static void defers_to_the_end_of_the_turn(void **state)
{
	run_in_fiber(defer_fiber, NULL);
}

/* ---- signals ---- */

static struct cond signalled;
static int last_signum;

static void signal_seen(int signum)
{
	last_signum = signum;
	cond_broadcast(&signalled);
}

static void signal_fiber(void *arg)
{
	cond_init(&signalled);
	CHECK_OK(loop_on_signal(SIGUSR1, signal_seen));
	kill(getpid(), SIGUSR1);
	CHECK_OK(cond_wait(&signalled, "SIGUSR1", NEVER));
	assert_int_equal(last_signum, SIGUSR1);
}

static void takes_signals(void **state)
{
	run_in_fiber(signal_fiber, NULL);
}

static atomic_bool is_spinning, is_sent;

static void *sends_amid(void *arg)
{
	while (!atomic_load(&is_spinning))
		sched_yield();
	kill(getpid(), SIGUSR1);
	atomic_store(&is_sent, true);
	return NULL;
}

/* While the fiber computes, and then it waits for what only the signal brings: a thread sanitizer
 * kept a handler back until that very fiber went on. */
static void amid_fiber(void *arg)
{
	pthread_t sender;

	last_signum = 0;
	cond_init(&signalled);
	CHECK_OK(loop_on_signal(SIGUSR1, signal_seen));
	assert_int_equal(thread_start(&sender, "sender", sends_amid, NULL), 0);
	atomic_store(&is_spinning, true);
	while (!atomic_load(&is_sent))
		;
	CHECK_OK(cond_wait(&signalled, "SIGUSR1", NEVER));
	assert_int_equal(last_signum, SIGUSR1);
	pthread_join(sender, NULL);
}

static void takes_a_signal_that_came_amid_a_fiber(void **state)
{
	run_in_fiber(amid_fiber, NULL);
}

/* ---- the clock ---- */

static struct cond has_slept;
static bool is_awake;

static void sleeper(void *arg)
{
	CHECK_OK(fiber_sleep(3600 * NS_PER_S));
	is_awake = true;
	cond_signal(&has_slept);
}

/* Not all the way: the loop has to sleep again, and for less than it meant to. */
static void *steps_from_afar(void *arg)
{
	clock_step(3600 * NS_PER_S - 20 * NS_PER_MS);
	return NULL;
}

/* The loop already sleeps, for an hour; a step of the running clock wakes it. */
static void step_fiber(void *arg)
{
	pthread_t thread;

	cond_init(&has_slept);
	is_awake = false;
	CHECK_OK(fiber_spawn(NULL, sleeper, NULL, "sleeper"));
	CHECK_OK(fiber_sleep(NS_PER_MS));
	assert_false(is_awake);
	pthread_create(&thread, NULL, steps_from_afar, NULL);
	while (!is_awake)
		CHECK_OK(cond_wait(&has_slept, "the sleeper", NEVER));
	pthread_join(thread, NULL);
}

static void follows_a_step_of_the_clock(void **state)
{
	run_in_fiber(step_fiber, NULL);
}

static void real_sleep_fiber(void *arg)
{
	int64_t began = clock_mono_ns();

	CHECK_OK(fiber_sleep(20 * NS_PER_MS));
	assert_true(clock_mono_ns() - began >= 20 * NS_PER_MS);
}

static void never_wakes_early(void **state)
{
	run_in_fiber(real_sleep_fiber, NULL);
}

/* ---- the end ---- */

static void abandoned_main(void *arg)
{
	struct cond c;

	cond_init(&c);
	fiber_cancel_mask();
	err_free(cond_wait(&c, "the last trump", NEVER));
}

static void abandoning_fiber(void *arg)
{
	CHECK_OK(fiber_spawn(NULL, abandoned_main, NULL, "stubborn"));
	CHECK_OK(fiber_yield());
}

static void abandons(void)
{
	struct run_in_fiber r = {.fn = abandoning_fiber};

	loop_init();
	err_free(fiber_spawn(NULL, run_in_fiber_main, &r, "test"));
	loop_run(NS_PER_MS);
	loop_fini();
}

static void names_who_does_not_end(void **state)
{
	static char text[4096];
	int status;

	run_in_child(abandons, text, sizeof(text), &status);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_non_null(strstr(text, "stubborn"));
	assert_non_null(strstr(text, "the last trump"));
}

static void spawns_clean_up(void *arg)
{
	loop_stop();
	CHECK_ERR(fiber_yield(), SHUTTING_DOWN);
	CHECK_ERR(fiber_sleep(1), SHUTTING_DOWN);
	CHECK_ERR(fiber_check(), SHUTTING_DOWN);
	CHECK_OK(fiber_spawn(NULL, counts_ready, NULL, "clean-up"));
}

static void runs_what_is_spawned_at_the_end(void **state)
{
	n_ready = 0;
	run_in_fiber(spawns_clean_up, NULL);
	assert_int_equal(n_ready, 1);
}

/* ---- turns that take too long ---- */

static void spins(void *arg)
{
	struct timespec began, now;

	clock_gettime(CLOCK_MONOTONIC, &began);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - began.tv_sec) * NS_PER_S + now.tv_nsec - began.tv_nsec <
		80 * NS_PER_MS);
}

static void stall_fiber(void *arg)
{
	uint64_t before = loop_counts().stalls;

	CHECK_OK(fiber_spawn(NULL, counts_ready, NULL, "quick one"));
	CHECK_OK(fiber_spawn(NULL, spins, NULL, "sluggard"));
	CHECK_OK(fiber_spawn(NULL, counts_ready, NULL, "other quick one"));
	CHECK_OK(fiber_yield());
	CHECK_OK(fiber_yield());
	if (loop_counts().stalls == before)
		abort();
}

static void stalls(void)
{
	run_in_fiber(stall_fiber, NULL);
}

static void names_who_stalls_the_loop(void **state)
{
	static char text[4096];
	int status;

	run_in_child(stalls, text, sizeof(text), &status);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_non_null(strstr(text, "a turn of the loop took"));
	assert_non_null(strstr(text, "in fiber sluggard"));
}

/* ---- what is forbidden ---- */

static void runs_loop(void *arg)
{
	loop_run(0);
}

static void nested(void)
{
	run_in_fiber(runs_loop, NULL);
}

static void waits_in_timer(struct timer *t)
{
	err_free(fiber_yield());
}

static void timer_that_waits_fiber(void *arg)
{
	struct timer t;

	timer_init(&t, waits_in_timer);
	timer_arm(&t, clock_mono_ns());
	err_free(fiber_sleep(NS_PER_MS));
}

static void timer_that_waits(void)
{
	run_in_fiber(timer_that_waits_fiber, NULL);
}

static void dies_when_misused(void **state)
{
	check_dies(nested, "loop_run inside the loop");
	check_dies(timer_that_waits, "waited for outside a fiber");
}

TEST_MAIN(TEST(waits_for_descriptors), TEST(refuses_bad_descriptors),
	TEST(survives_reuse_of_descriptors), TEST(waits_for_many_descriptors),
	TEST(takes_posts_from_threads), TEST(sleeps_while_idle),
	TEST(defers_to_the_end_of_the_turn), TEST(takes_signals),
	TEST(takes_a_signal_that_came_amid_a_fiber), TEST(follows_a_step_of_the_clock),
	TEST(never_wakes_early), TEST(names_who_does_not_end),
	TEST(runs_what_is_spawned_at_the_end), TEST(names_who_stalls_the_loop),
	TEST(dies_when_misused))
