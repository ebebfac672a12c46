/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pump threads (offload.h): one thread a pump, which posts its progress and its end to the loop. No
 * pool: a pump may run for hours.
 */
#include "common/fiber_priv.h"
#include "common/mem.h"
#include "common/offload.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>

struct pump {
	pthread_t thread;
	pump_fn fn;
	void *arg;
	char *name; /* owned */
	char tag[FIBER_TAG_BYTES];
	int cancel_fd; /* owned; an eventfd: readable once it is cancelled */
	atomic_bool is_cancelled;
	atomic_uint_least64_t done;
	atomic_bool is_posted; /* the loop is about to look at done */
	struct err *error; /* owned; the thread's until has_ended */
	/* the loop's */
	bool has_moved, has_ended;
	struct cond news;
};

/* On the loop. */
static void pump_moved(void *arg)
{
	struct pump *p = arg;

	atomic_store(&p->is_posted, false);
	p->has_moved = true;
	cond_signal(&p->news);
}

/* On the loop, after every pump_moved: posts keep their order. */
static void pump_ended(void *arg)
{
	struct pump *p = arg;

	p->has_ended = true;
	cond_signal(&p->news);
}

static void *pump_main(void *arg)
{
	struct pump *p = arg;

	fiber_set_tag(p->tag);
	p->error = p->fn(p, p->arg);
	loop_post(pump_ended, p);
	return NULL;
}

static void pump_free(struct pump *p)
{
	close_fdp(&p->cancel_fd);
	free(p->name);
	free(p);
}

struct err *pump_start(struct pump **out, pump_fn fn, void *arg, const char *name)
{
	fiber_require(loop_is_here(), "pump_start outside the loop's thread");
	struct pump *p = xnew(struct pump);
	p->fn = fn;
	p->arg = arg;
	p->name = xstrdup(name);
	cond_init(&p->news);
	snprintf(p->tag, sizeof(p->tag), "%s", fiber_tag());
	p->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int r = p->cancel_fd < 0 ? -errno : thread_start(&p->thread, name, pump_main, p);
	if (r < 0) {
		pump_free(p);
		return err_errno(-r, "starting the pump %s", name);
	}
	*out = p;
	return NULL;
}

void pump_progress(struct pump *p, uint64_t done)
{
	atomic_store(&p->done, done);
	if (!atomic_exchange(&p->is_posted, true))
		loop_post(pump_moved, p);
}

bool pump_is_cancelled(const struct pump *p)
{
	return atomic_load(&p->is_cancelled);
}

int pump_cancel_fd(const struct pump *p)
{
	return p->cancel_fd;
}

uint64_t pump_done(const struct pump *p)
{
	return atomic_load(&p->done);
}

void pump_cancel(struct pump *p)
{
	if (!atomic_exchange(&p->is_cancelled, true))
		eventfd_write(p->cancel_fd, 1);
}

/* Waits for news; a wait that ends otherwise cancels the pump, and the next ones are masked. */
MAY_WAIT static void wait_for_news(struct pump *p, bool *is_masked)
{
	struct err *e = cond_wait(&p->news, p->name, NEVER);

	if (!e)
		return;
	err_free(e);
	pump_cancel(p);
	fiber_cancel_mask();
	*is_masked = true;
}

struct err *pump_wait(struct pump *p, void (*on_progress)(uint64_t done, void *arg), void *arg)
{
	bool is_masked = false;

	while (!p->has_ended || p->has_moved) {
		if (p->has_moved) {
			p->has_moved = false;
			if (on_progress)
				on_progress(pump_done(p), arg);
		} else {
			wait_for_news(p, &is_masked);
		}
	}
	if (is_masked)
		fiber_cancel_unmask();
	pthread_join(p->thread, NULL);
	struct err *e = take(p->error);
	pump_free(p);
	return e;
}
