/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store's writer thread (store_writer.h). It takes the whole queue, makes one commit of it,
 * which is one sync, and reports; while it syncs, the next batch gathers. When there was nothing to
 * do for a moment it tidies up: it brings the log into the main file and begins it anew. Then it
 * sleeps until there is something to do.
 *
 * After a commit that failed for want of space it halts: the loop takes back all that is queued,
 * and refuses more, until a probe went well. After any other failure it calls on_fatal and reports
 * nothing any more.
 */
#include "common/store_writer.h"

#include "common/mem.h"

#define LOG_MODULE "store"
#include "common/log.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

/*
 * Without work, before it tidies up. The log could also just grow until it is full; a daemon that
 * was killed would then start some milliseconds later. But the last commit in a log is the one
 * whose damage is not noticed (store_log.c), and who copies the main file alone misses what is in
 * the log. So while the daemon has nothing to do, nothing is in the log alone.
 *
 * To tidy up takes four syncs, and a commit that comes right then waits for two of them. When calls
 * come at random, one in e * IDLE_MS / (time to tidy up) meets that at worst: with the 3 ms of a
 * usual disk one in 600, which no 99th percentile sees. It is no round number: scripts sleep for
 * such.
 */
#define IDLE_MS 700

struct store_writer {
	struct store_writer_options options;
	pthread_t thread;

	pthread_mutex_t lock; /* guards all that follows */
	pthread_cond_t work;
	struct list queue; /* of struct store_change, oldest first */
	struct store_news news;
	bool is_waiting; /* on work */
	bool is_halted; /* no space: the queue stays as it is */
	bool wants_probe, wants_backup, wants_end;
	bool has_ended;

	/* of the thread alone */
	bool is_backing_up;
	bool is_tidy; /* since the last commit; or it cannot be, before the next one */
};

/* Leaves the lock first: a thread that wakes up with it taken would only sleep once more. */
static void unlock_and_wake(struct store_writer *w)
{
	bool is_waiting = w->is_waiting;

	pthread_mutex_unlock(&w->lock);
	if (is_waiting)
		pthread_cond_signal(&w->work);
}

static bool has_work(const struct store_writer *w)
{
	return (!w->is_halted && !list_is_empty(&w->queue)) || w->wants_probe || w->wants_backup ||
		w->wants_end || w->is_backing_up;
}

static struct timespec idle_end(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += IDLE_MS * 1000000L;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}

/* Under the lock. False: nothing came for a while, and it could tidy up. */
static bool wait_for_work(struct store_writer *w)
{
	bool is_forever = w->is_tidy || w->is_halted;
	struct timespec end = idle_end();
	int r = 0;

	w->is_waiting = true;
	while (!has_work(w) && r != ETIMEDOUT)
		r = is_forever ? pthread_cond_wait(&w->work, &w->lock)
			       : pthread_cond_timedwait(&w->work, &w->lock, &end);
	w->is_waiting = false;
	return has_work(w);
}

/* The process ends here, before anybody is told of anything. */
static void die(struct store_writer *w)
{
	w->options.on_fatal(store_file_problem(w->options.file), w->options.owner);
	abort(); /* on_fatal must not return */
}

/* Of what nobody waits for: without space the next commit finds out itself. */
static void judge(struct store_writer *w, enum store_outcome outcome)
{
	if (outcome == STORE_BROKEN)
		die(w);
	if (outcome == STORE_NO_SPACE)
		log_rl(LOG_WARN_, "%s", store_file_problem(w->options.file));
}

/* If it cannot be done, what is in the log is safe there; only the log grows. */
static void checkpoint(struct store_writer *w)
{
	judge(w, store_file_checkpoint(w->options.file));
	pthread_mutex_lock(&w->lock);
	w->news.checkpoints++;
	pthread_mutex_unlock(&w->lock);
}

/* Once after the last of some commits, not again and again: an idle daemon does nothing. Work that
 * has come after the first half goes before the other one. */
static void tidy_up(struct store_writer *w)
{
	if (store_file_log_pages(w->options.file))
		checkpoint(w);
	bool is_in_file = !store_file_log_pages(w->options.file);
	pthread_mutex_lock(&w->lock);
	bool is_waited_for = has_work(w);
	pthread_mutex_unlock(&w->lock);
	if (is_in_file && is_waited_for)
		return;
	if (is_in_file)
		judge(w, store_file_begin_log(w->options.file));
	w->is_tidy = true;
}

static size_t count(const struct list *l)
{
	size_t n = 0;

	for (const struct list *at = l->next; at != l; at = at->next)
		n++;
	return n;
}

static void report_commit(struct store_writer *w, struct list *batch, size_t n)
{
	list_splice_back(&w->news.done, batch);
	w->news.commits++;
	if (n > w->news.largest_batch)
		w->news.largest_batch = n;
}

static void report_no_space(struct store_writer *w, struct list *batch)
{
	w->is_halted = true;
	list_splice_back(&w->news.undone, batch);
	w->news.problem = xstrdup(store_file_problem(w->options.file));
}

static void commit(struct store_writer *w, struct list *batch)
{
	enum store_outcome outcome = store_file_commit(w->options.file, batch);
	size_t n = count(batch);

	if (outcome == STORE_BROKEN)
		die(w);
	w->is_tidy = false;
	pthread_mutex_lock(&w->lock);
	if (outcome == STORE_DONE)
		report_commit(w, batch, n);
	else
		report_no_space(w, batch);
	pthread_mutex_unlock(&w->lock);
	w->options.on_news(w->options.arg);
	if (store_file_log_is_full(w->options.file))
		checkpoint(w);
}

static void probe(struct store_writer *w)
{
	enum store_outcome outcome = store_file_probe(w->options.file);

	if (outcome == STORE_BROKEN)
		die(w);
	w->is_tidy = false;
	pthread_mutex_lock(&w->lock);
	if (outcome == STORE_DONE) {
		w->is_halted = false;
		w->news.is_writable_again = true;
	} else {
		free(w->news.problem);
		w->news.problem = xstrdup(store_file_problem(w->options.file));
	}
	pthread_mutex_unlock(&w->lock);
	w->options.on_news(w->options.arg);
}

static void back_up(struct store_writer *w)
{
	bool is_ended = true;
	struct err *e = w->is_backing_up ? NULL : store_file_backup_begin(w->options.file);

	if (!e)
		e = store_file_backup_step(w->options.file, &is_ended);
	w->is_backing_up = !is_ended;
	if (!is_ended)
		return;
	pthread_mutex_lock(&w->lock);
	w->news.is_backup_ended = true;
	w->news.backup_error = e;
	pthread_mutex_unlock(&w->lock);
	w->options.on_news(w->options.arg);
}

/* What is to be done now, taken over under the lock. */
struct round {
	struct list batch;
	bool is_idle, probes, backs_up, ends;
};

static void take_round(struct store_writer *w, struct round *round)
{
	*round = (struct round){.batch = LIST_INIT(round->batch)};
	pthread_mutex_lock(&w->lock);
	round->is_idle = !wait_for_work(w);
	if (!w->is_halted)
		list_splice_back(&round->batch, &w->queue);
	round->probes = w->wants_probe;
	round->backs_up = w->wants_backup || w->is_backing_up;
	round->ends = w->wants_end;
	w->wants_probe = w->wants_backup = false;
	pthread_mutex_unlock(&w->lock);
}

static void *run(void *arg)
{
	struct store_writer *w = arg;
	struct round round;

	pthread_setname_np(pthread_self(), "store");
	do {
		take_round(w, &round);
		if (!list_is_empty(&round.batch))
			commit(w, &round.batch);
		if (round.probes)
			probe(w);
		if (round.backs_up)
			back_up(w);
		if (round.is_idle)
			tidy_up(w);
	} while (!round.ends);
	store_file_close(w->options.file);
	return NULL;
}

/* Signals are for the loop's thread. */
static int start_thread(struct store_writer *w)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int r = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

struct err *store_writer_start(
	struct store_writer **out, const struct store_writer_options *options)
{
	struct store_writer *w = xnew(struct store_writer);
	pthread_condattr_t attr;

	w->options = *options;
	w->is_tidy = true;
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->work, &attr);
	pthread_condattr_destroy(&attr);
	list_init(&w->queue);
	list_init(&w->news.done);
	list_init(&w->news.undone);
	int r = start_thread(w);
	if (r) {
		w->has_ended = true;
		store_writer_free(w);
		return err_errno(r, "start the store's thread");
	}
	*out = w;
	return NULL;
}

void store_writer_stop(struct store_writer *w)
{
	pthread_mutex_lock(&w->lock);
	w->wants_end = true;
	unlock_and_wake(w);
	pthread_join(w->thread, NULL);
	w->has_ended = true;
}

void store_writer_free(struct store_writer *w)
{
	assert(w->has_ended && list_is_empty(&w->queue));
	free(w->news.problem);
	err_free(w->news.backup_error);
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

void store_writer_add(struct store_writer *w, struct list *changes)
{
	pthread_mutex_lock(&w->lock);
	list_splice_back(&w->queue, changes);
	unlock_and_wake(w);
}

void store_writer_probe(struct store_writer *w)
{
	pthread_mutex_lock(&w->lock);
	w->wants_probe = true;
	unlock_and_wake(w);
}

void store_writer_backup(struct store_writer *w)
{
	pthread_mutex_lock(&w->lock);
	w->wants_backup = true;
	unlock_and_wake(w);
}

void store_writer_news(struct store_writer *w, struct store_news *news)
{
	pthread_mutex_lock(&w->lock);
	*news = w->news;
	list_init(&news->done);
	list_init(&news->undone);
	list_splice_back(&news->done, &w->news.done);
	list_splice_back(&news->undone, &w->news.undone);
	if (w->is_halted)
		list_splice_back(&news->undone, &w->queue);
	w->news.problem = NULL;
	w->news.is_writable_again = w->news.is_backup_ended = false;
	w->news.backup_error = NULL;
	pthread_mutex_unlock(&w->lock);
}
