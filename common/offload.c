/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pool of threads (offload.h). Fibers queue jobs that live on their stacks; a pool thread takes
 * the oldest, runs it and posts the fiber's wake-up to the loop. A fiber never leaves a job that a
 * thread has begun.
 */
#include "common/offload.h"

#include "common/fiber_priv.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define MAX_THREADS 64

struct job {
	struct list link; /* queued: in pool.queue */
	void (*fn)(void *arg);
	void *arg;
	struct loop_call end; /* on its way back */
	struct cond ended;
	bool has_begun; /* guarded by pool.lock */
	bool has_ended; /* the loop's */
	char tag[FIBER_TAG_BYTES];
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct list queue; /* all from here guarded by lock */
	unsigned n_queued, n_idle;
	bool is_ending;
	/* the loop's */
	unsigned n_threads, max_threads;
	pthread_t threads[MAX_THREADS];
} pool = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.work = PTHREAD_COND_INITIALIZER,
	.queue = LIST_INIT(pool.queue),
	.max_threads = 4,
};

/* On the loop. */
static void job_ended(void *arg)
{
	struct job *j = arg;

	j->has_ended = true;
	cond_signal(&j->ended);
}

/* The next job, begun; NULL when the pool ends. */
static struct job *next_job(void)
{
	pthread_mutex_lock(&pool.lock);
	pool.n_idle++;
	while (list_is_empty(&pool.queue) && !pool.is_ending)
		pthread_cond_wait(&pool.work, &pool.lock);
	pool.n_idle--;
	struct job *j = list_pop_front(&pool.queue, struct job, link);
	if (j) {
		j->has_begun = true;
		pool.n_queued--;
	}
	pthread_mutex_unlock(&pool.lock);
	return j;
}

static void *pool_main(void *arg)
{
	struct job *j;

	while ((j = next_job())) {
		fiber_set_tag(j->tag);
		j->fn(j->arg);
		loop_post_call(&j->end); /* from here on the fiber may take J away */
	}
	return NULL;
}

int thread_start(pthread_t *out, const char *name, void *(*fn)(void *arg), void *arg)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int r = -pthread_create(out, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r == 0) {
		char kernels_name[16]; /* it takes no longer ones */

		snprintf(kernels_name, sizeof(kernels_name), "%s", name);
		pthread_setname_np(*out, kernels_name);
	}
	return r;
}

/* Starts one more thread; an error only when there is none at all. */
static struct err *pool_grow(bool is_needed)
{
	if (!is_needed || pool.n_threads >= pool.max_threads)
		return NULL;
	int r = thread_start(&pool.threads[pool.n_threads], "pool", pool_main, NULL);
	if (r == 0)
		pool.n_threads++;
	else if (pool.n_threads == 0)
		return err_errno(-r, "starting a thread");
	return NULL;
}

/* Whether more is queued than there are threads free. */
static bool queue_push(struct job *j)
{
	pthread_mutex_lock(&pool.lock);
	list_push_back(&pool.queue, &j->link);
	bool is_needed = ++pool.n_queued > pool.n_idle;
	pthread_mutex_unlock(&pool.lock);
	pthread_cond_signal(&pool.work);
	return is_needed;
}

/* Takes the job back if no thread has begun it. */
static bool queue_remove(struct job *j)
{
	pthread_mutex_lock(&pool.lock);
	bool was_queued = !j->has_begun;
	if (was_queued) {
		list_remove(&j->link);
		pool.n_queued--;
	}
	pthread_mutex_unlock(&pool.lock);
	return was_queued;
}

MAY_WAIT static void wait_until_ended(struct job *j, const char *what)
{
	fiber_cancel_mask();
	while (!j->has_ended)
		err_free(cond_wait(&j->ended, what, NEVER));
	fiber_cancel_unmask();
}

struct err *offload(const char *what, void (*fn)(void *arg), void *arg)
{
	struct job j = {.fn = fn, .arg = arg};

	fiber_require(fiber_current(), "offload outside a fiber");
	TRY(fiber_check());
	cond_init(&j.ended);
	j.end = (struct loop_call){.fn = job_ended, .arg = &j};
	snprintf(j.tag, sizeof(j.tag), "%s", fiber_tag());
	struct err *e = pool_grow(queue_push(&j));
	if (!e)
		e = cond_wait(&j.ended, what, NEVER);
	if (e && queue_remove(&j))
		return e;
	err_free(e);
	wait_until_ended(&j, what);
	return NULL;
}

void offload_set_threads(unsigned n)
{
	pool.max_threads = n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : n;
}

void offload_fini(void)
{
	pthread_mutex_lock(&pool.lock);
	pool.is_ending = true;
	pthread_cond_broadcast(&pool.work);
	pthread_mutex_unlock(&pool.lock);
	while (pool.n_threads > 0)
		pthread_join(pool.threads[--pool.n_threads], NULL);
	pthread_mutex_lock(&pool.lock);
	pool.is_ending = false;
	list_init(&pool.queue); /* of fibers that were abandoned */
	pool.n_queued = 0;
	pthread_mutex_unlock(&pool.lock);
}
