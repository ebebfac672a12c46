/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What changed: the rows in the order of their newest change, the deleted ones as long as there are
 * not too many, and those who wait. Watchers are woken once a turn, whatever happened in it; many
 * of them over several turns, so that others need not wait until all have been told.
 */
#include "common/mem.h"
#include "xapid/db/db_priv.h"

#define MAX_TOMBSTONES 16384
#define WAKES_A_TURN   100

struct tombstone {
	struct list link; /* db.tombstones */
	struct db_tombstone t;
};

/* ---- the end of a turn ---- */

/* Some of those who have news. */
static void wake_some(struct deferred *d)
{
	for (int i = 0; i < WAKES_A_TURN; i++)
		if (!cond_signal(&db.woken))
			return;
	if (!list_is_empty(&db.woken.waiters))
		loop_defer(d);
}

static void turn_end(struct deferred *d)
{
	db_keep_flush();
	db_copy_flush();
	if (db.is_news) {
		db.is_news = false;
		list_splice_back(&db.woken.waiters, &db.watchers.waiters);
		db.wake.fn = wake_some;
		if (!list_is_linked(&db.wake.link))
			wake_some(&db.wake);
	}
	vec_for_each (i, &db.buried)
		free(db.buried.v[i]);
	db.buried.n = 0;
	db_forms_turn_end();
}

void db_turn(void)
{
	if (list_is_linked(&db.turn_end.link))
		return;
	db.turn_end.fn = turn_end;
	loop_defer(&db.turn_end);
}

void db_bury(void *p)
{
	if (!p)
		return;
	vec_push(&db.buried, p);
	db_turn();
}

/* ---- changes ---- */

void db_feed_touch(struct db_row *row)
{
	row->generation = row->class->generation = ++db.generation;
	list_remove(&row->changed);
	list_push_back(&db.changed, &row->changed);
	db_form_drop(row);
	db.counts.deltas++;
	db.is_news = true;
	db_turn();
}

static void forget_oldest(void)
{
	struct tombstone *t = list_pop_front(&db.tombstones, struct tombstone, link);

	db.n_tombstones--;
	db.tombstones_from = t->t.deleted;
	free(t->t.ref);
	free(t);
}

void db_feed_deleted(struct db_row *row)
{
	struct tombstone *t = xnew(struct tombstone);

	db_feed_touch(row);
	list_remove(&row->changed);
	t->t = (struct db_tombstone){
		.class = row->class->class,
		.ref = xstrdup(row->name->text),
		.created = row->created,
		.deleted = row->generation,
	};
	list_push_back(&db.tombstones, &t->link);
	if (++db.n_tombstones > MAX_TOMBSTONES)
		forget_oldest();
}

void db_feed_undeleted(const struct db_row *row)
{
	for (struct list *l = db.tombstones.prev; l != &db.tombstones; l = l->prev) {
		struct tombstone *t = list_entry(l, struct tombstone, link);

		if (t->t.deleted != row->generation)
			continue;
		list_remove(&t->link);
		db.n_tombstones--;
		free(t->t.ref);
		free(t);
		return;
	}
}

void db_feed_fini(void)
{
	while (db.n_tombstones)
		forget_oldest();
	vec_for_each (i, &db.buried)
		free(db.buried.v[i]);
	vec_fini(&db.buried);
}

uint64_t db_generation(void)
{
	return db.generation;
}

uint64_t db_class_generation(const struct class *c)
{
	return db_class_of(c)->generation;
}

uint64_t db_row_generation(const struct db_row *row)
{
	return row->generation;
}

uint64_t db_row_created(const struct db_row *row)
{
	return row->created;
}

struct db_row *db_first_change(uint64_t since)
{
	struct list *link = &db.changed;

	while (link->prev != &db.changed &&
		list_entry(link->prev, struct db_row, changed)->generation > since)
		link = link->prev;
	return link == &db.changed ? NULL : list_entry(link, struct db_row, changed);
}

struct db_row *db_next_change(const struct db_row *row)
{
	if (row->changed.next == &db.changed)
		return NULL;
	return list_entry(row->changed.next, struct db_row, changed);
}

const struct db_tombstone *db_first_tombstone(uint64_t since)
{
	struct list *link = &db.tombstones;

	while (link->prev != &db.tombstones &&
		list_entry(link->prev, struct tombstone, link)->t.deleted > since)
		link = link->prev;
	return link == &db.tombstones ? NULL : &list_entry(link, struct tombstone, link)->t;
}

const struct db_tombstone *db_next_tombstone(const struct db_tombstone *t)
{
	const struct tombstone *whole = container_of(t, struct tombstone, t);

	if (whole->link.next == &db.tombstones)
		return NULL;
	return &list_entry(whole->link.next, struct tombstone, link)->t;
}

uint64_t db_tombstones_from(void)
{
	return db.tombstones_from;
}

/* ---- waiting ---- */

struct err *db_wait_change(uint64_t since, int64_t deadline)
{
	uint64_t wakes = db.wakes;

	while (db.generation <= since && db.wakes == wakes)
		TRY(cond_wait(&db.watchers, "a change of the database", deadline));
	return NULL;
}

void db_wake(void)
{
	db.wakes++;
	db.is_news = true;
	db_turn();
}
