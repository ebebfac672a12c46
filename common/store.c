/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store as the loop sees it (store.h): numbers, the queue's entrance, barriers, and what
 * follows from a full disk. The writer thread (store_writer.c) makes commits of the queue;
 * store_file.c is the file, store_log.c the log beside it.
 *
 *	store_put → end of the turn → queue → one commit, one sync → news → barriers, done, undo
 */
#include "common/store.h"

#include "common/fiber.h"
#include "common/loop.h"
#include "common/mem.h"
#include "common/store_writer.h"
#include "common/vec.h"
#include "core.gen.h"

#define LOG_MODULE "store"
#include "common/log.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#define PROBE_NS       (5 * NS_PER_S)
#define MAX_KEY_BYTES  1024
#define MAX_VALUE_SIZE (64UL * 1024 * 1024)

/* Numbers that were given to changes which then were taken back. */
struct undone_range {
	uint64_t first, last;
};

struct store {
	struct store_options options;
	char *path; /* owned */
	struct store_file *file; /* the writer's, once that runs */
	struct store_writer *writer; /* from the first change on */
	struct list changed; /* of struct store_change, in this turn of the loop; oldest first */
	struct deferred hand_over; /* gives them to the writer when the turn ends */
	uint64_t generation; /* the newest that was given */
	uint64_t settled; /* up to this all are durable or undone */
	vec_of(struct undone_range) undone; /* oldest first */
	char *read_only; /* owned; why, or NULL */
	struct timer probe;
	struct list barriers; /* of struct barrier, lowest generation first */
	struct backup_wait *backup; /* who waits for the one that runs; NULL: nobody */
	bool is_backing_up;
	struct cond backup_ended;
	atomic_bool is_posted; /* take_news is on its way */
	struct list orphan_link; /* closed while a post is on its way */
	bool is_restored;
	struct store_counts counts;
};

/* On the stack of the fiber that waits. */
struct barrier {
	struct list link;
	uint64_t generation;
	struct cond settled;
	bool is_settled;
};

struct backup_wait {
	struct cond ended;
	bool is_ended;
	struct err *e;
};

/* Closed while a post of theirs was on its way: it frees them. */
static struct list orphans = LIST_INIT(orphans);

static void take_news(void *arg);

/* ---- opening and closing ---- */

static void default_fatal(const char *why, void *owner)
{
	log_error("the store cannot be trusted any more, ending: %s", why);
	_exit(1);
}

static bool is_table_name(const char *name)
{
	if (!*name)
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && *name != '_')
			return false;
	return true;
}

static void ask_for_probe(struct timer *t)
{
	store_writer_probe(container_of(t, struct store, probe)->writer);
}

/* One batch a turn: who is woken by the same sync goes into the next one together. */
static void hand_over(struct deferred *d)
{
	struct store *s = container_of(d, struct store, hand_over);

	store_writer_add(s->writer, &s->changed);
}

struct err *store_open(struct store **out, const char *path, const struct store_options *options)
{
	struct store_file *file;

	for (const char *const *name = options->schema->tables; *name; name++)
		assert(is_table_name(*name));
	TRY(store_file_open(&file, path, options));
	struct store *s = xnew(struct store);
	s->options = *options;
	if (!s->options.on_fatal)
		s->options.on_fatal = default_fatal;
	if (!s->options.probe_ns)
		s->options.probe_ns = PROBE_NS;
	s->path = xstrdup(path);
	s->file = file;
	s->is_restored = store_file_is_restored(file);
	s->generation = s->settled = store_file_generation(file);
	list_init(&s->changed);
	s->hand_over.fn = hand_over;
	list_init(&s->barriers);
	cond_init(&s->backup_ended);
	timer_init(&s->probe, ask_for_probe);
	*out = s;
	return NULL;
}

static void free_store(struct store *s)
{
	cond_fini(&s->backup_ended);
	vec_fini(&s->undone);
	free(s->read_only);
	free(s->path);
	free(s);
}

void store_close(struct store *s)
{
	if (!s)
		return;
	if (s->writer) {
		timer_disarm(&s->probe);
		loop_defer_cancel(&s->hand_over);
		hand_over(&s->hand_over);
		store_writer_stop(s->writer);
		bool is_posted = atomic_load(&s->is_posted);
		take_news(s);
		timer_disarm(&s->probe);
		atomic_store(&s->is_posted, is_posted);
		store_writer_free(take(s->writer));
	} else {
		store_file_close(s->file);
	}
	assert(list_is_empty(&s->barriers));
	if (atomic_load(&s->is_posted))
		list_push_back(&orphans, &s->orphan_link);
	else
		free_store(s);
}

struct err *store_load(struct store *s, const char *table, store_row_fn fn, void *arg)
{
	assert(!s->writer);
	return store_file_each(s->file, table, fn, arg);
}

bool store_is_restored(const struct store *s)
{
	return s->is_restored;
}

/* ---- changes ---- */

/* From the writer's thread: at most one post is on its way. */
static void on_news(void *arg)
{
	struct store *s = arg;

	if (!atomic_exchange(&s->is_posted, true))
		loop_post(take_news, s);
}

static struct err *start_writer(struct store *s)
{
	const struct store_writer_options options = {
		.file = s->file,
		.on_news = on_news,
		.arg = s,
		.on_fatal = s->options.on_fatal,
		.owner = s->options.owner,
	};

	return s->writer ? NULL : store_writer_start(&s->writer, &options);
}

static unsigned table_index(const struct store *s, const char *table)
{
	const char *const *names = s->options.schema->tables;

	for (unsigned i = 0; names[i]; i++)
		if (!strcmp(names[i], table))
			return i;
	assert(!"a table of the schema");
	abort();
}

/* A change that could fail alone would take its batch along: all that can be wrong is seen here. */
static struct err *check_change(struct store *s, const char *key, size_t size)
{
	if (s->read_only)
		return err(STORE_READ_ONLY, s->read_only);
	if (!*key || strlen(key) > MAX_KEY_BYTES)
		return err(INVALID_VALUE, "key", "empty or too long");
	if (size > MAX_VALUE_SIZE)
		return err(LIMIT_EXCEEDED, "size of a row", "64 MiB");
	return NULL;
}

static struct store_change *new_change(const char *key, const void *value, size_t size, void *what)
{
	size_t key_size = strlen(key) + 1;
	struct store_change *c = xmalloc(sizeof(*c) + key_size + size);

	*c = (struct store_change){.what = what, .size = size};
	memcpy(c->key, key, key_size);
	c->value = c->key + key_size;
	if (size)
		memcpy(c->key + key_size, value, size);
	return c;
}

static uint64_t add_change(struct store *s, const char *table, struct store_change *c)
{
	c->table = table_index(s, table);
	c->generation = ++s->generation;
	s->counts.changes++;
	list_push_back(&s->changed, &c->link);
	loop_defer(&s->hand_over);
	return s->generation;
}

struct err *store_put(struct store *s, const char *table, const char *key, const void *value,
	size_t size, void *what, uint64_t *generation)
{
	TRY(check_change(s, key, size));
	TRY(start_writer(s));
	*generation = add_change(s, table, new_change(key, value, size, what));
	return NULL;
}

struct err *store_delete(
	struct store *s, const char *table, const char *key, void *what, uint64_t *generation)
{
	TRY(check_change(s, key, 0));
	TRY(start_writer(s));
	struct store_change *c = new_change(key, NULL, 0, what);
	c->is_delete = true;
	*generation = add_change(s, table, c);
	return NULL;
}

uint64_t store_generation(const struct store *s)
{
	return s->generation;
}

uint64_t store_durable(const struct store *s)
{
	return s->settled;
}

const char *store_read_only(const struct store *s)
{
	return s->read_only;
}

/* ---- news from the writer ---- */

static void settle(struct store *s, uint64_t generation)
{
	s->settled = generation;
	while (!list_is_empty(&s->barriers)) {
		struct barrier *b = list_first(&s->barriers, struct barrier, link);

		if (b->generation > generation)
			return;
		list_remove(&b->link);
		b->is_settled = true;
		cond_signal(&b->settled);
	}
}

static void finish_done(struct store *s, struct list *done)
{
	struct store_change *c;
	uint64_t last = s->settled;

	while ((c = list_pop_front(done, struct store_change, link))) {
		last = c->generation;
		if (s->options.done)
			s->options.done(c->what, c->generation, s->options.owner);
		free(c);
	}
	settle(s, last);
}

/* The last first, so that each finds what it had changed as it had left it. */
static void undo_all(struct store *s, struct list *undone)
{
	while (!list_is_empty(undone)) {
		struct store_change *c = list_entry(undone->prev, struct store_change, link);

		list_remove(&c->link);
		if (s->options.undo)
			s->options.undo(c->what, c->generation, s->options.owner);
		if (s->options.done)
			s->options.done(c->what, c->generation, s->options.owner);
		s->counts.undone++;
		free(c);
	}
}

/*
 * What was changed in vain is taken back. That is a change itself and takes a number, which is as
 * durable as what was there before: who reads from now on need not wait, who has read what was
 * taken back must not answer.
 */
static void finish_undone(struct store *s, struct list *undone)
{
	struct undone_range range = {.last = s->generation};

	if (list_is_empty(undone))
		return;
	list_splice_back(undone, &s->changed);
	range.first = list_first(undone, struct store_change, link)->generation;
	vec_push(&s->undone, range);
	undo_all(s, undone);
	settle(s, ++s->generation);
}

static void become_read_only(struct store *s, char *problem)
{
	if (!s->read_only)
		log_error("%s is READ-ONLY until there is space: %s", s->path, problem);
	free(s->read_only);
	s->read_only = problem;
	timer_arm(&s->probe, deadline_in(s->options.probe_ns));
}

static void become_writable(struct store *s)
{
	log_info("%s can be written again", s->path);
	free(take(s->read_only));
}

static void end_backup(struct store *s, struct err *e)
{
	struct backup_wait *w = take(s->backup);

	s->is_backing_up = false;
	if (w) {
		w->is_ended = true;
		w->e = e;
		cond_signal(&w->ended);
	} else {
		if (e)
			log_warn("%s: backup: %s", s->path, err_text(e));
		err_free(e);
	}
	cond_broadcast(&s->backup_ended);
}

static void take_news(void *arg)
{
	struct store *s = arg;
	struct store_news news;

	if (list_is_linked(&s->orphan_link)) {
		list_remove(&s->orphan_link);
		free_store(s);
		return;
	}
	atomic_store(&s->is_posted, false);
	store_writer_news(s->writer, &news);
	s->counts.commits = news.commits;
	s->counts.checkpoints = news.checkpoints;
	s->counts.largest_batch = news.largest_batch;
	finish_done(s, &news.done);
	/* Read-only before anything runs that could put. */
	if (news.problem)
		become_read_only(s, news.problem);
	finish_undone(s, &news.undone);
	if (news.is_writable_again)
		become_writable(s);
	if (news.is_backup_ended)
		end_backup(s, news.backup_error);
}

/* ---- barriers ---- */

static bool is_undone(const struct store *s, uint64_t generation)
{
	vec_for_each (i, &s->undone)
		if (generation >= s->undone.v[i].first && generation <= s->undone.v[i].last)
			return true;
	return false;
}

static struct err *verdict(const struct store *s, uint64_t generation)
{
	if (!is_undone(s, generation))
		return NULL;
	return err(STORE_READ_ONLY, s->read_only ? s->read_only : "it was taken back");
}

/* Nearly always at the end. */
static void add_barrier(struct store *s, struct barrier *b)
{
	struct list *at = &s->barriers;

	while (at->prev != &s->barriers &&
		list_entry(at->prev, struct barrier, link)->generation > b->generation)
		at = at->prev;
	list_insert_before(at, &b->link);
}

MAY_WAIT struct err *store_barrier(struct store *s, uint64_t generation, int64_t deadline)
{
	struct barrier b = {.generation = generation};
	struct err *e = NULL;

	assert(generation <= s->generation);
	if (generation <= s->settled)
		return verdict(s, generation);
	cond_init(&b.settled);
	add_barrier(s, &b);
	while (!b.is_settled && !e)
		e = cond_wait(&b.settled, "store", deadline);
	list_remove(&b.link);
	cond_fini(&b.settled);
	if (!b.is_settled)
		return e;
	err_free(e);
	return verdict(s, generation);
}

/* ---- the rest ---- */

MAY_WAIT struct err *store_backup(struct store *s, int64_t deadline)
{
	struct backup_wait w = {.is_ended = false};
	struct err *e = NULL;

	while (s->is_backing_up)
		TRY(cond_wait(&s->backup_ended, "another backup", deadline));
	TRY(start_writer(s));
	s->is_backing_up = true;
	s->backup = &w;
	cond_init(&w.ended);
	store_writer_backup(s->writer);
	while (!w.is_ended && !e)
		e = cond_wait(&w.ended, "backup", deadline);
	cond_fini(&w.ended);
	if (w.is_ended) {
		err_free(e);
		return w.e;
	}
	s->backup = NULL; /* it goes on without us */
	return e;
}

struct store_counts store_counts(const struct store *s)
{
	return s->counts;
}
