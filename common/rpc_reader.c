/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fiber that serves the connections (rpc_conn.h), one after another, as bytes come: what it
 * touches stays in the processor's cache, and a connection that waits costs no fiber. When it has
 * to wait for one of them, or a call does, it becomes that one's, and another serves the rest. Loop
 * thread only.
 */
#define LOG_MODULE "rpc"

#include "common/log.h"
#include "common/loop.h"
#include "common/rpc_conn.h"

#define RETRY_AFTER (100 * NS_PER_MS)

static struct list ready = LIST_INIT(ready); /* connections that are to be served */
static struct list busy = LIST_INIT(busy); /* the same, in the next turn */
static struct fiber *reader; /* NULL: there is none */
static struct cond work = {LIST_INIT(work.waiters)}; /* it waits on */
static bool is_wanted;
static struct timer retry;

static bool has_work(void)
{
	return !list_is_empty(&ready) || !list_is_empty(&busy);
}

static void reader_run(void *arg);
static void wake_reader(void);

static void try_again(struct timer *t)
{
	wake_reader();
}

/* Makes sure that somebody looks at what is ready. */
static void wake_reader(void)
{
	if (reader) {
		cond_signal(&work);
		return;
	}
	auto_err e = fiber_spawn(&reader, reader_run, NULL, "connections");
	if (!e)
		return;
	log_rl(LOG_WARN_, "connections wait: %s", err_text(e));
	if (!retry.fn)
		timer_init(&retry, try_again);
	timer_arm(&retry, deadline_in(RETRY_AFTER));
}

/* Whether this fiber is to go on: as the reader that it is, or, when a call has ended on it, in the
 * place of one that could not be had. */
static bool is_reader_still(void)
{
	if (fiber_is_cancelled(fiber_current())) /* with a call that closed its connection */
		return false;
	if (!reader && has_work()) {
		reader = fiber_current();
		fiber_rename("connections");
		fiber_set_deadline(NEVER);
	}
	return reader == fiber_current();
}

static void about_to_wait(void *arg)
{
	const struct rpc_conn *c = arg;

	rpc_reader_leave(c->name);
}

void rpc_reader_serves(struct rpc_conn *c)
{
	fiber_on_park(about_to_wait, c);
}

static MAY_WAIT void serve(struct rpc_conn *c)
{
	rpc_conn_ref(c);
	rpc_reader_serves(c);
	bool has_more = rpc_conn_serve(c);
	fiber_on_park(NULL, NULL);
	if (has_more && reader == fiber_current())
		list_push_back(&busy, &c->ready);
	else if (has_more)
		rpc_reader_wake(c);
	rpc_conn_unref(c);
}

/* Until something is to be done; an error: this fiber is to end. */
static MAY_WAIT struct err *wait_for_work(void)
{
	if (list_is_empty(&busy))
		return cond_wait(&work, "a connection with something to read", NEVER);
	TRY(fiber_yield());
	list_splice_back(&ready, &busy);
	return NULL;
}

static void reader_run(void *arg)
{
	struct rpc_conn *c;

	fiber_set_tag(""); /* it was perhaps made by a call */
	while (is_reader_still()) {
		c = list_pop_front(&ready, struct rpc_conn, ready);
		if (c) {
			serve(c);
			continue;
		}
		auto_err e = is_wanted ? wait_for_work() : NULL;
		if (!is_wanted || e)
			break;
	}
	if (reader != fiber_current())
		return;
	reader = NULL;
	if (has_work()) {
		list_splice_back(&ready, &busy);
		wake_reader();
	}
}

void rpc_reader_wake(struct rpc_conn *c)
{
	is_wanted = true;
	if (!list_is_linked(&c->ready))
		list_push_back(&ready, &c->ready);
	wake_reader();
}

void rpc_reader_leave(const char *name)
{
	fiber_rename(name);
	if (reader != fiber_current())
		return;
	reader = NULL;
	if (has_work())
		wake_reader();
}

void rpc_reader_end(void)
{
	is_wanted = false;
	cond_signal(&work);
}
