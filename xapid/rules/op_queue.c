/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What op_queue.h promises. A queue is there while somebody waits for its object. Who waits for an
 * operation on another object than his own, a drive for its disk say, stands in that one's queue.
 */
#include "xapid/rules/op_queue.h"

#include "common/clock.h"
#include "common/diagnostics.h"
#include "common/fiber.h"
#include "common/list.h"
#include "common/map.h"
#include "common/mem.h"

#include <string.h>

#define WAIT_NS (INT64_C(7200) * NS_PER_S) /* as long as the original waits */

struct queue {
	char *ref; /* owned */
	struct list waiters; /* the first came first */
	struct cond changed; /* of those who watch */
	size_t n_watching;
};

/* On the stack of the fiber that waits. */
struct waiter {
	const struct op_wish *wish;
	struct op *op; /* what it is to have */
	struct queue *queue; /* NULL: it has been served */
	struct list place;
	uint64_t arrival;
	struct err *e; /* owned: why it cannot begin any more; NULL: it has begun */
	struct cond served;
};

static struct {
	struct map queues; /* by reference; owned */
	uint64_t n_arrivals, n_served, n_looks; /* for `diagnostics` */
	size_t n_waiting;
} all;

/* ---- queues ---- */

static struct queue *queue_at(const char *ref)
{
	struct queue *q = map_get(&all.queues, ref);

	if (q)
		return q;
	q = xnew(struct queue);
	q->ref = xstrdup(ref);
	list_init(&q->waiters);
	cond_init(&q->changed);
	map_put(&all.queues, ref, q);
	return q;
}

static void queue_let_go(struct queue *q)
{
	if (q->n_watching || !list_is_empty(&q->waiters))
		return;
	map_remove(&all.queues, q->ref);
	cond_fini(&q->changed);
	free(q->ref);
	free(q);
}

/* One that has waited elsewhere keeps its place before those who came later. */
static void join(struct waiter *w, struct queue *q)
{
	struct list *at = &q->waiters;

	while (at->prev != &q->waiters &&
		list_entry(at->prev, struct waiter, place)->arrival > w->arrival)
		at = at->prev;
	list_insert_before(at, &w->place);
	w->queue = q;
}

/* ---- whose turn it is ---- */

static struct err *begin(const struct waiter *w)
{
	const struct op_wish *wish = w->wish;

	all.n_looks++;
	return op_begin_now(w->op, wish->rules, wish->ref, wish->what, wish->task);
}

static void serve(struct waiter *w, struct err *e)
{
	w->e = e;
	w->queue = NULL;
	list_remove(&w->place);
	all.n_served++;
	cond_signal(&w->served);
}

/* Begins what it can; the answer is whether what is in its way is on this object still. */
static bool look(struct waiter *w)
{
	struct queue *q = w->queue;
	struct err *e = begin(w);

	if (!op_is_in_the_way(e)) {
		serve(w, e);
		return false;
	}
	const char *in_the_way = e->params[1];
	bool stays = !strcmp(in_the_way, q->ref);
	if (!stays) {
		list_remove(&w->place);
		join(w, queue_at(in_the_way));
	}
	err_free(e);
	return stays;
}

/* What one may not begin, nobody behind him may who wants the same. */
static void look_at_all(struct queue *q)
{
	uint64_t excluded = 0;

	list_for_each_safe (w, &q->waiters, struct waiter, place) {
		bool is_own = !strcmp(w->wish->ref, q->ref);
		uint64_t bit = OP_BIT(w->wish->what);

		if (is_own && (excluded & bit))
			continue;
		if (look(w) && is_own)
			excluded |= bit;
	}
}

void op_queue_serve(const char *ref)
{
	struct queue *q = map_get(&all.queues, ref);

	if (!q)
		return;
	cond_broadcast(&q->changed);
	look_at_all(q);
	queue_let_go(q);
}

/* ---- waiting ---- */

/* Its wait has ended otherwise. It may have been its turn at the same time. */
static void give_up(struct waiter *w)
{
	struct queue *q = w->queue;

	if (q) {
		list_remove(&w->place);
		queue_let_go(q);
		return;
	}
	if (!w->e)
		op_end(w->op);
	err_free(w->e);
}

MAY_WAIT struct err *op_queue_wait(
	struct op *op, const struct op_wish *wish, const char *in_the_way)
{
	struct waiter w = {.wish = wish, .op = op, .arrival = ++all.n_arrivals};

	cond_init(&w.served);
	join(&w, queue_at(in_the_way));
	all.n_waiting++;
	struct err *e = cond_wait(&w.served, "another operation", deadline_in(WAIT_NS));
	all.n_waiting--;
	if (!e)
		e = w.e;
	else
		give_up(&w);
	cond_fini(&w.served);
	return e;
}

MAY_WAIT struct err *op_queue_watch(const char *ref)
{
	struct queue *q = queue_at(ref);

	q->n_watching++;
	struct err *e = cond_wait(&q->changed, "another operation", deadline_in(WAIT_NS));
	q->n_watching--;
	queue_let_go(q);
	return e;
}

/* ---- who looks in ---- */

size_t op_waiters(const char *ref)
{
	const struct queue *q = map_get(&all.queues, ref);
	size_t n = 0;

	if (!q)
		return 0;
	for (const struct list *l = q->waiters.next; l != &q->waiters; l = l->next)
		n++;
	return n;
}

static void describe(struct json_writer *w)
{
	json_write_object(w);
	json_member_int(w, "waiting", (int64_t)all.n_waiting);
	json_member_int(w, "waits", (int64_t)all.n_arrivals);
	json_member_int(w, "served", (int64_t)all.n_served);
	json_member_int(w, "looks", (int64_t)all.n_looks);
	json_write_object_end(w);
}

static struct diagnostics_section section = {.name = "operations", .write = describe};

void op_start(void)
{
	diagnostics_add(&section);
}

void op_stop(void)
{
	diagnostics_remove(&section);
	map_fini(&all.queues);
}
