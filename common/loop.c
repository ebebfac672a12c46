/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The loop (loop.h): libevent's, a turn at a time, and between two turns everything that is ours.
 * One of the few files that know libevent. Runs on the thread that called loop_init; loop_post may
 * be called from any.
 *
 * A turn: what was posted, timers that are due, the fibers that are ready, what was deferred.
 * libevent's callbacks come before it, inside event_base_loop, and only mark fibers ready.
 */
#include "common/loop.h"

#include "common/fiber_priv.h"
#define LOG_MODULE "loop"
#include "common/log.h"
#include "common/mem.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define STALL_NS (50 * NS_PER_MS)

struct signal_handler {
	struct list link;
	struct event *event; /* owned */
	int fd; /* owned: a signalfd */
	void (*fn)(int signum);
	int signum;
	struct loop_call call; /* on its way to fn */
};

static struct {
	struct event_base *base; /* owned */
	bool is_running, is_stopping, is_out_of_time;
	int64_t now; /* when this turn began */
	int64_t grace_ns;
	struct timer grace;
	struct list deferred, signals;
	struct event *sleep_timer; /* owned; fires when the next of our timers is due, or earlier */
	int64_t sleep_until; /* what it is set to; NEVER: not set */
	struct list *fd_waits; /* owned; by descriptor: who waits for it */
	int n_fds;
	struct loop_counts counts;
	struct event *wake_event; /* owned */
} loop;

/* What other threads touch. */
static struct {
	pthread_mutex_t lock;
	struct list posts; /* guarded by lock */
	atomic_bool has_posts;
	atomic_bool clock_changed;
	atomic_int
		wake_fd; /* an eventfd; made once and never closed: threads may be about to write */
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER, .posts = LIST_INIT(shared.posts), .wake_fd = -1};

static _Thread_local bool is_loop_thread;

bool loop_is_here(void)
{
	return is_loop_thread;
}

bool loop_is_stopping(void)
{
	return loop.is_stopping;
}

int64_t loop_now(void)
{
	return loop.now;
}

int64_t loop_tick_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

struct event_base *loop_base(void)
{
	return loop.base;
}

struct loop_counts loop_counts(void)
{
	loop.counts.switches = fiber_switches();
	return loop.counts;
}

/* ---- from other threads ---- */

static void wake_loop(void)
{
	int fd = atomic_load(&shared.wake_fd);

	if (fd >= 0)
		eventfd_write(fd, 1);
}

void loop_post_call(struct loop_call *c)
{
	pthread_mutex_lock(&shared.lock);
	bool was_empty = list_is_empty(&shared.posts);
	list_push_back(&shared.posts, &c->link);
	atomic_store(&shared.has_posts, true);
	pthread_mutex_unlock(&shared.lock);
	/* Without the lock: the loop would wake up only to wait for it. */
	if (was_empty && !is_loop_thread)
		wake_loop();
}

void loop_post(void (*fn)(void *arg), void *arg)
{
	struct loop_call *c = xnew(struct loop_call);

	c->fn = fn;
	c->arg = arg;
	c->is_heap = true;
	loop_post_call(c);
}

static void clock_changed(void)
{
	atomic_store(&shared.clock_changed, true);
	wake_loop();
}

static void take_posts(struct list *out)
{
	list_init(out);
	if (!atomic_load(&shared.has_posts))
		return;
	pthread_mutex_lock(&shared.lock);
	list_splice_back(out, &shared.posts);
	atomic_store(&shared.has_posts, false);
	pthread_mutex_unlock(&shared.lock);
}

static void run_posts(void)
{
	struct list posts;
	struct loop_call *c;

	take_posts(&posts);
	while ((c = list_pop_front(&posts, struct loop_call, link))) {
		void (*fn)(void *arg) = c->fn;
		void *arg = c->arg;

		if (c->is_heap)
			free(c);
		fn(arg);
	}
}

/* ---- deferred calls ---- */

void loop_defer(struct deferred *d)
{
	fiber_require(is_loop_thread, "loop_defer outside the loop's thread");
	if (!list_is_linked(&d->link))
		list_push_back(&loop.deferred, &d->link);
}

void loop_defer_cancel(struct deferred *d)
{
	list_remove(&d->link);
}

static void run_deferred(void)
{
	struct list now = LIST_INIT(now);
	struct deferred *d;

	list_splice_back(&now, &loop.deferred);
	while ((d = list_pop_front(&now, struct deferred, link)))
		d->fn(d);
}

/* ---- signals ----
 * They are blocked and read from a descriptor, so no code runs amid other code; a thread sanitizer,
 * which keeps a handler back for the fiber it came upon, cannot lose one either. */

static void signal_block(int how, int signum)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signum);
	pthread_sigmask(how, &set, NULL);
}

static void signal_handle(void *arg)
{
	struct signal_handler *h = arg;

	h->fn(h->signum);
}

/* Several of one kind count as one. */
static bool signal_take(struct signal_handler *h)
{
	struct signalfd_siginfo info;
	bool came = false;

	while (read(h->fd, &info, sizeof(info)) == sizeof(info))
		came = true;
	return came;
}

/* Inside libevent; what is ours runs in the turn. */
static void signal_came(evutil_socket_t fd, short events, void *arg)
{
	struct signal_handler *h = arg;

	if (signal_take(h) && !list_is_linked(&h->call.link))
		loop_post_call(&h->call);
}

static void signal_free(struct signal_handler *h)
{
	signal_take(h); /* not to be killed by one that came late */
	signal_block(SIG_UNBLOCK, h->signum);
	event_free(h->event);
	close(h->fd);
	free(h);
}

struct err *loop_on_signal(int signum, void (*fn)(int signum))
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signum);
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_errno(errno, "handling signal %d", signum);
	struct signal_handler *h = xnew(struct signal_handler);
	*h = (struct signal_handler){.fd = fd, .fn = fn, .signum = signum};
	h->call = (struct loop_call){.fn = signal_handle, .arg = h};
	h->event = event_new(loop.base, fd, EV_READ | EV_PERSIST, signal_came, h);
	fiber_require(h->event && event_add(h->event, NULL) == 0, "no event for a signal");
	signal_block(SIG_BLOCK, signum);
	list_push_back(&loop.signals, &h->link);
	return NULL;
}

/* ---- descriptors ---- */

struct fd_wait {
	struct list link; /* in loop.fd_waits[fd] */
	struct event event;
	struct fiber *fiber;
};

static void fd_is_ready(evutil_socket_t fd, short events, void *arg)
{
	struct fd_wait *w = arg;

	fiber_wake(w->fiber, FIBER_WOKEN);
}

static struct list *waits_of_fd(int fd)
{
	if (fd >= loop.n_fds) {
		int n = fd < 32 ? 64 : 2 * fd;
		struct list *grown = xcalloc((size_t)n, sizeof(*grown));

		for (int i = 0; i < n; i++) {
			list_init(&grown[i]);
			if (i < loop.n_fds)
				list_splice_back(&grown[i], &loop.fd_waits[i]);
		}
		free(loop.fd_waits);
		loop.fd_waits = grown;
		loop.n_fds = n;
	}
	return &loop.fd_waits[fd];
}

/*
 * A descriptor may have been closed while others wait for it, and its number given to another file.
 * The kernel has then forgotten it, but libevent believes it registered. So whoever comes to a
 * descriptor that has waiters registers all of them anew.
 */
static int fd_waits_add(struct list *waits, struct fd_wait *w)
{
	list_for_each (other, waits, struct fd_wait, link)
		event_del(&other->event);
	int r = event_add(&w->event, NULL) < 0 ? -errno : 0;
	list_for_each (other, waits, struct fd_wait, link) {
		if (event_add(&other->event, NULL) < 0)
			fiber_wake(other->fiber,
				FIBER_WOKEN); /* its own call will tell it what is wrong */
	}
	return r;
}

struct err *fiber_wait_fd(int fd, unsigned events, const char *what, int64_t deadline)
{
	struct fd_wait w = {.fiber = fiber_current()};
	short wanted = (short)((events & FD_READABLE ? EV_READ : 0) |
		(events & FD_WRITABLE ? EV_WRITE : 0));

	fiber_require(w.fiber, "'%s' is waited for outside a fiber", what);
	assert(wanted);
	if (fd < 0)
		return err_errno(EBADF, "waiting for %s", what);
	struct list *waits = waits_of_fd(fd);
	event_assign(&w.event, loop.base, fd, wanted, fd_is_ready, &w);
	int r = fd_waits_add(waits, &w);
	if (r < 0)
		return err_errno(-r, "waiting for %s", what);
	list_push_back(waits, &w.link);
	struct err *e = fiber_park(what, deadline, NULL);
	event_del(&w.event);
	list_remove(&w.link);
	return e;
}

/* ---- life ---- */

static void woken(evutil_socket_t fd, short events, void *arg)
{
}

static void slept(evutil_socket_t fd, short events, void *arg)
{
	loop.sleep_until = NEVER;
}

static void grace_over(struct timer *t)
{
	loop.is_out_of_time = true;
}

/* A failed epoll_ctl is told to the caller, which reads errno; libevent would print it besides. */
static void drop_message(int severity, const char *message)
{
}

void loop_init(void)
{
	struct event_config *config = event_config_new();

	fiber_require(!loop.base, "loop_init twice");
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigaction(SIGPIPE, &ignore, NULL); /* a peer that has gone is an error of the write */
	event_set_log_callback(drop_message);
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	loop.base = event_base_new_with_config(config);
	event_config_free(config);
	if (atomic_load(&shared.wake_fd) < 0)
		atomic_store(&shared.wake_fd, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	int wake_fd = atomic_load(&shared.wake_fd);
	fiber_require(loop.base && wake_fd >= 0, "no event loop: %s", strerrordesc_np(errno));
	/* Edge-triggered: each write wakes the loop once, and nobody has to read the counter. */
	loop.wake_event = event_new(loop.base, wake_fd, EV_READ | EV_PERSIST | EV_ET, woken, NULL);
	event_add(loop.wake_event, NULL);
	loop.sleep_timer = evtimer_new(loop.base, slept, NULL);
	loop.sleep_until = NEVER;
	list_init(&loop.deferred);
	list_init(&loop.signals);
	timer_init(&loop.grace, grace_over);
	loop.is_stopping = loop.is_out_of_time = false;
	loop.counts = (struct loop_counts){0};
	loop.now = clock_mono_ns();
	is_loop_thread = true;
	clock_on_change(clock_changed);
	fiber_init();
	fiber_guard_init();
}

static void free_posts(void)
{
	struct list posts;
	struct loop_call *c;

	take_posts(&posts);
	while ((c = list_pop_front(&posts, struct loop_call, link))) {
		if (c->is_heap)
			free(c);
	}
}

void loop_fini(void)
{
	struct signal_handler *h;

	fiber_require(is_loop_thread && !loop.is_running, "loop_fini while the loop runs");
	clock_on_change(NULL);
	free_posts();
	for (int i = 0; i < loop.n_fds; i++) { /* of abandoned fibers */
		struct fd_wait *w;

		while ((w = list_pop_front(&loop.fd_waits[i], struct fd_wait, link)))
			event_del(&w->event);
	}
	free(take(loop.fd_waits));
	loop.n_fds = 0;
	fiber_guard_fini();
	fiber_fini();
	timer_fini();
	while ((h = list_pop_front(&loop.signals, struct signal_handler, link)))
		signal_free(h);
	event_free(take(loop.sleep_timer));
	event_free(take(loop.wake_event));
	event_base_free(take(loop.base));
	is_loop_thread = false;
}

void loop_stop(void)
{
	fiber_require(is_loop_thread, "loop_stop outside the loop's thread");
	if (loop.is_stopping)
		return;
	loop.is_stopping = true;
	if (loop.is_running)
		timer_arm(&loop.grace, deadline_in(loop.grace_ns));
	fiber_stop_all();
}

/* ---- the turn ---- */

static void report_stall(int64_t ns)
{
	struct fiber_longest longest = fiber_longest_take();

	if (ns <= STALL_NS)
		return;
	loop.counts.stalls++;
	log_warn("a turn of the loop took %lld ms, of these %lld ms in %s%s",
		(long long)(ns / NS_PER_MS), (long long)(longest.ns / NS_PER_MS),
		longest.ns ? "fiber " : "no fiber", longest.name);
}

static void run_turn(void)
{
	int64_t began = loop_tick_ns();

	loop.counts.turns++;
	loop.now = clock_mono_ns();
	run_posts();
	timer_run_due(loop.now);
	fiber_run_ready();
	run_deferred();
	report_stall(loop_tick_ns() - began);
}

static bool must_not_sleep(void)
{
	return fiber_any_ready() || !list_is_empty(&loop.deferred) ||
		atomic_load(&shared.has_posts);
}

/* Has libevent wake us when our next timer is due. One that fires too early does no harm, so it is
 * only ever moved forward. */
static void set_sleep_timer(void)
{
	int64_t next = clock_is_stopped() ? NEVER : timer_next();

	if (atomic_exchange(&shared.clock_changed, false))
		loop.sleep_until = NEVER;
	if (next >= loop.sleep_until)
		return;
	int64_t ns = next - clock_mono_ns();
	if (ns < 0)
		ns = 0;
	struct timeval tv = {.tv_sec = ns / NS_PER_S, .tv_usec = ns % NS_PER_S / 1000 + 1};
	event_add(loop.sleep_timer, &tv);
	loop.sleep_until = next;
}

static bool is_over(void)
{
	return loop.is_stopping && (fiber_count() == 0 || loop.is_out_of_time);
}

static void name_the_abandoned(void)
{
	list_for_each (f, &fiber_all, struct fiber, all)
		log_warn("abandoned at the end: fiber %s, waiting for %s", f->name,
			f->waits_for ? f->waits_for : "nothing");
}

void loop_run(int64_t grace_ns)
{
	fiber_require(is_loop_thread && !loop.is_running && !fiber_current(),
		"loop_run inside the loop, or on another thread");
	loop.is_running = true;
	loop.grace_ns = grace_ns;
	if (loop.is_stopping)
		timer_arm(&loop.grace, deadline_in(grace_ns));
	for (run_turn(); !is_over(); run_turn()) {
		if (!must_not_sleep()) {
			set_sleep_timer();
			event_base_loop(loop.base, EVLOOP_ONCE);
		} else {
			event_base_loop(loop.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		}
	}
	timer_disarm(&loop.grace);
	loop.is_running = false;
	name_the_abandoned();
}
