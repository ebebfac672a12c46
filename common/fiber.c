/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fibers: their life, the queue of the ready ones, and the one way to wait (fiber_park), on which
 * everything else that waits is built. Loop thread only; fiber_current and the tags answer in every
 * thread.
 */
#include "common/fiber.h"

#include "common/fiber_priv.h"
#include "common/loop.h"
#include "common/mem.h"
#include "core.gen.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#if HAVE_ASAN
#include <sanitizer/lsan_interface.h>
#endif

struct list fiber_all = LIST_INIT(fiber_all);

static struct list ready = LIST_INIT(ready);
static struct list this_round = LIST_INIT(this_round); /* those of ready when the round began */
static struct list yielded = LIST_INIT(yielded); /* ready again in the next turn */
static struct fiber_context loop_context;
static size_t n_fibers;
static uint64_t n_switches;
static struct fiber_longest longest;

static _Thread_local struct fiber *current;
static _Thread_local char thread_tag[FIBER_TAG_BYTES]; /* outside fibers */

never_returns void fiber_abort(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	auto_str message = xvasprintf(fmt, ap);
	va_end(ap);
	fprintf(stderr, "bug: fiber '%s': %s\n", current ? current->name : "(none)", message);
	abort();
}

struct fiber *fiber_current(void)
{
	return current;
}

const char *fiber_name(const struct fiber *f)
{
	return f->name;
}

size_t fiber_count(void)
{
	return n_fibers;
}

uint64_t fiber_switches(void)
{
	return n_switches;
}

/*
 * While a fiber runs, AddressSanitizer takes its stack for the thread's; so that a leak check in a
 * fiber (an exit, say) sees what main's frames hold, they are a root of their own.
 */
static void loop_stack_root(bool is_wanted)
{
#if HAVE_ASAN
	static char *from;
	static size_t size;

	if (is_wanted) {
		pthread_attr_t attr;
		void *bottom;

		pthread_getattr_np(pthread_self(), &attr);
		pthread_attr_getstack(&attr, &bottom, &size);
		pthread_attr_destroy(&attr);
		from = __builtin_frame_address(0);
		size -= (size_t)(from - (char *)bottom);
		__lsan_register_root_region(from, size);
	} else {
		__lsan_unregister_root_region(from, size);
	}
#endif
}

void fiber_init(void)
{
	assert(list_is_empty(&fiber_all));
	loop_stack_root(true);
	fiber_context_init_self(&loop_context);
	n_switches = 0;
}

/* ---- life ---- */

static void fiber_main(void)
{
	struct fiber *f = current;

	fiber_context_entered(&f->context, &loop_context);
	f->fn(f->arg);
	fiber_require(!f->masked, "ends with fiber_cancel_mask raised");
	fiber_require(!f->no_wait, "ends between no_wait_begin and no_wait_end");
	f->state = FIBER_ENDED;
	fiber_context_leave(&f->context, &loop_context);
}

static void wait_timed_out(struct timer *t)
{
	fiber_wake(container_of(t, struct fiber, timer), FIBER_TIMED_OUT);
}

static void copy_text(char *to, size_t size, const char *from)
{
	size_t len = strnlen(from, size - 1);

	memmove(to, from, len);
	to[len] = '\0';
}

struct err *fiber_spawn(struct fiber **out, fiber_fn fn, void *arg, const char *name_fmt, ...)
{
	va_list ap;

	fiber_require(loop_is_here(), "fiber_spawn outside the loop's thread");
	struct fiber_stack *stack = fiber_stack_get();
	if (!stack) {
		auto_str limit = xasprintf("%zu", n_fibers);

		return err_wrap(err(LIMIT_EXCEEDED, "fibers", limit), "mapping a stack: %s",
			strerrordesc_np(errno));
	}
	struct fiber *f = xnew(struct fiber);
	va_start(ap, name_fmt);
	if (!strcmp(name_fmt, "%s")) /* a fiber a call: vsnprintf would be most of a spawn */
		copy_text(f->name, sizeof(f->name), va_arg(ap, const char *));
	else
		vsnprintf(f->name, sizeof(f->name), name_fmt, ap);
	va_end(ap);
	f->tag = f->own_tag;
	copy_text(f->own_tag, sizeof(f->own_tag), fiber_tag());
	f->stack = stack;
	f->fn = fn;
	f->arg = arg;
	f->deadline = NEVER;
	timer_init(&f->timer, wait_timed_out);
	fiber_context_init(
		&f->context, stack->bottom, stack->size, fiber_stack_top_offset(stack), fiber_main);
	list_push_back(&fiber_all, &f->all);
	list_push_back(&ready, &f->link);
	n_fibers++;
	if (out)
		*out = f;
	return NULL;
}

static void fiber_free(struct fiber *f)
{
	timer_disarm(&f->timer);
	list_remove(&f->link);
	list_remove(&f->all);
	fiber_context_fini(&f->context);
	fiber_stack_put(f->stack);
	free(f);
	n_fibers--;
}

void fiber_fini(void)
{
	struct fiber *f;

	while ((f = list_first(&fiber_all, struct fiber, all)))
		fiber_free(f);
	fiber_stack_fini();
	loop_stack_root(false);
}

/* ---- the turn ---- */

static void fiber_run(struct fiber *f)
{
	assert(f->state == FIBER_READY);
	f->state = FIBER_RUNNING;
	current = f;
	n_switches++;
	fiber_context_switch(&loop_context, &f->context);
	current = NULL;
	assert(f->state != FIBER_RUNNING);
}

/* Hundreds that have waited for long may be woken together, when their stacks have left the
 * processor's caches: the next one's comes while one runs. */
static void prefetch_first(const struct list *queue)
{
	enum { LINE = 64, LINES = 16 };
	const struct fiber *f = list_first(queue, struct fiber, link);
	const char *sp = f ? f->context.sp : NULL;

	for (size_t i = 0; sp && i < LINES; i++)
		__builtin_prefetch(sp + i * LINE, 1);
}

/* How long F ran, as far as the tick tells. */
static void note_time(const struct fiber *f, int64_t ns)
{
	if (ns > longest.ns) {
		longest.ns = ns;
		copy_text(longest.name, sizeof(longest.name), f->name);
	}
}

static void run_round(void)
{
	struct fiber *f;
	int64_t before = loop_tick_ns();

	list_splice_back(&this_round, &ready);
	while ((f = list_pop_front(&this_round, struct fiber, link))) {
		prefetch_first(&this_round);
		fiber_run(f);
		int64_t after = loop_tick_ns();
		note_time(f, after - before);
		before = after;
		if (f->state == FIBER_ENDED)
			fiber_free(f);
	}
}

/*
 * Those that are ready, and then, once, those that they have made ready: whoever reads a connection
 * starts a call or wakes the caller, and the answer need not wait for the kernel to be asked first.
 */
void fiber_run_ready(void)
{
	assert(!current && list_is_empty(&this_round));
	run_round();
	run_round();
	list_splice_back(&ready, &yielded);
}

bool fiber_any_ready(void)
{
	return !list_is_empty(&ready);
}

struct fiber_longest fiber_longest_take(void)
{
	struct fiber_longest taken = longest;

	longest = (struct fiber_longest){0};
	return taken;
}

/* ---- waiting ---- */

/* Switches to the loop; the fiber is queued wherever something finds it. */
static void park(struct fiber *f, enum fiber_state state)
{
	int saved_errno = errno; /* one a thread: others will set it meanwhile */
	void (*on_park)(void *arg) = take(f->on_park);

	if (on_park)
		on_park(f->on_park_arg);
	f->state = state;
	fiber_context_switch(&f->context, &loop_context);
	errno = saved_errno;
}

/* Why a wait that lasts until DEADLINE is not to begin at NOW; NULL if it is. */
static struct err *refusal(const struct fiber *f, int64_t deadline, int64_t now, const char *what)
{
	if (!f->masked) {
		if (loop_is_stopping())
			return err(SHUTTING_DOWN);
		if (f->is_cancelled)
			return err(CANCELLED);
		if (f->deadline < deadline)
			deadline = f->deadline;
	}
	return deadline <= now ? err(TIMEOUT, what) : NULL;
}

static struct fiber *require_may_wait(const char *what)
{
	struct fiber *f = current;

	fiber_require(f, "'%s' is waited for outside a fiber", what);
	fiber_require(
		!f->no_wait, "'%s' is waited for between no_wait_begin and no_wait_end", what);
	return f;
}

/* Parks F until something wakes it; the caller has looked at refusal. */
static enum fiber_wake park_until(
	struct fiber *f, const char *what, int64_t until, struct list *queue)
{
	f->waits_until = f->masked || until < f->deadline ? until : f->deadline;
	if (f->waits_until != NEVER)
		timer_arm(&f->timer, f->waits_until);
	f->waits_for = what;
	f->waits_since = loop_now();
	if (queue)
		list_push_back(queue, &f->link);
	park(f, FIBER_PARKED);
	f->waits_for = NULL;
	return f->woken_by;
}

static struct err *woken_early(enum fiber_wake why, const char *what)
{
	switch (why) {
	case FIBER_WOKEN:
		return NULL;
	case FIBER_TIMED_OUT:
		return err(TIMEOUT, what);
	case FIBER_CANCELLED:
		return err(CANCELLED);
	case FIBER_STOPPING:
		return err(SHUTTING_DOWN);
	}
	abort();
}

struct err *fiber_park(const char *what, int64_t deadline, struct list *queue)
{
	struct fiber *f = require_may_wait(what);

	TRY(refusal(f, deadline, loop_now(), what));
	return woken_early(park_until(f, what, deadline, queue), what);
}

void fiber_wake(struct fiber *f, enum fiber_wake why)
{
	fiber_require(loop_is_here(), "a fiber is woken outside the loop's thread");
	if (f->state != FIBER_PARKED)
		return;
	list_remove(&f->link);
	timer_disarm(&f->timer);
	f->state = FIBER_READY;
	f->woken_by = why;
	list_push_back(&ready, &f->link);
}

struct err *fiber_yield(void)
{
	struct fiber *f = require_may_wait("a turn");

	TRY(refusal(f, NEVER, loop_now(), "a turn"));
	list_push_back(&yielded, &f->link);
	park(f, FIBER_READY);
	return NULL;
}

struct err *fiber_sleep(int64_t ns)
{
	struct fiber *f = require_may_wait("sleep");
	int64_t until = deadline_in(ns);
	bool is_cut_short = !f->masked && f->deadline < until;

	if (ns <= 0)
		return fiber_yield();
	TRY(refusal(f, NEVER, loop_now(), "sleep"));
	enum fiber_wake why = park_until(f, "sleep", until, NULL);
	return why == FIBER_TIMED_OUT && !is_cut_short ? NULL : woken_early(why, "sleep");
}

void fiber_on_park(void (*fn)(void *arg), void *arg)
{
	fiber_require(current, "fiber_on_park outside a fiber");
	current->on_park = fn;
	current->on_park_arg = arg;
}

void fiber_rename(const char *name)
{
	fiber_require(current, "fiber_rename outside a fiber");
	copy_text(current->name, sizeof(current->name), name);
}

/* ---- cancellation and deadlines ---- */

void fiber_cancel(struct fiber *f)
{
	fiber_require(loop_is_here(), "fiber_cancel outside the loop's thread");
	f->is_cancelled = true;
	if (f->awaits && f->masked == 1)
		fiber_group_cancel(f->awaits);
	if (!f->masked)
		fiber_wake(f, FIBER_CANCELLED);
}

bool fiber_is_cancelled(const struct fiber *f)
{
	return f->is_cancelled;
}

void fiber_stop_all(void)
{
	list_for_each (f, &fiber_all, struct fiber, all) {
		if (!f->masked)
			fiber_wake(f, FIBER_STOPPING);
	}
}

void fiber_cancel_mask(void)
{
	fiber_require(current, "fiber_cancel_mask outside a fiber");
	current->masked++;
}

void fiber_cancel_unmask(void)
{
	fiber_require(current && current->masked, "fiber_cancel_unmask without fiber_cancel_mask");
	current->masked--;
}

int64_t fiber_set_deadline(int64_t deadline)
{
	fiber_require(current, "fiber_set_deadline outside a fiber");
	int64_t before = current->deadline;
	current->deadline = deadline;
	return before;
}

int64_t fiber_deadline(void)
{
	return current ? current->deadline : NEVER;
}

struct err *fiber_check(void)
{
	fiber_require(current, "fiber_check outside a fiber");
	int64_t now = current->deadline == NEVER ? 0 : clock_mono_ns();
	return refusal(current, NEVER, now, "the deadline");
}

void no_wait_begin(void)
{
	if (current)
		current->no_wait++;
}

void no_wait_end(void)
{
	if (current) {
		fiber_require(current->no_wait, "no_wait_end without no_wait_begin");
		current->no_wait--;
	}
}

/* ---- the tag ---- */

void fiber_set_tag(const char *tag)
{
	copy_text(current ? current->own_tag : thread_tag, FIBER_TAG_BYTES, tag);
	if (current)
		current->tag = current->own_tag;
}

void fiber_lend_tag(const char *tag)
{
	fiber_require(current, "fiber_lend_tag outside a fiber");
	current->tag = tag;
}

const char *fiber_tag(void)
{
	return current ? current->tag : thread_tag;
}
