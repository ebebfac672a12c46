/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * To and from the file. What a turn changed is one batch: its deltas stay until the store says that
 * it is durable, or has it taken back. A row is kept whole, as JSON by the names of the IDL, what
 * holds its default left out:
 *
 *	table object: OpaqueRef:… → {"VM": {"uuid": …, "name_label": …}}
 *	table start:  count       → how many times the file was opened
 *
 * The generation of a run begins where no run before can have got to: at the count times 2^32.
 */
#include "common/clock.h"
#include "common/codec.h"
#include "common/mem.h"
#include "xapid/db/db_priv.h"

#include "core.gen.h"

#define LOG_MODULE "db"
#include "common/log.h"

#include <assert.h>
#include <string.h>

static const char *const tables[] = {DB_TABLE_OBJECT, DB_TABLE_START, NULL};
const struct store_schema db_schema = {.version = 1, .tables = tables};

/* ---- rows as text ---- */

static void encode(const struct db_class *c, const char *record, bool is_whole, struct sbuf *out)
{
	struct json_writer w;

	json_writer_init(&w, out);
	json_write_object(&w);
	json_write_name(&w, c->class->name);
	json_write_object(&w);
	for (uint32_t i = 0; i < c->class->n_fields; i++) {
		const struct field *f = c->fields[i].field;
		const void *value = record + f->offset;

		bool is_wanted =
			is_whole ? c->fields[i].link != LINK_COMPUTED : c->fields[i].is_kept;
		if (!is_wanted || codec_equal(f->type, value, (const char *)c->blank + f->offset))
			continue;
		json_write_name(&w, f->name);
		codec_write(f->type, value, 0, &w);
	}
	json_write_object_end(&w);
	json_write_object_end(&w);
}

void db_row_encode(const struct db_row *row, bool is_whole, struct sbuf *out)
{
	encode(row->class, row->record, is_whole, out);
}

void db_record_encode(const struct class *c, const void *record, struct sbuf *out)
{
	encode(db_class_of(c), record, false, out);
}

static struct err *damaged(const char *key, const char *why)
{
	auto_str reason = xasprintf("%s: %s", key, why);

	return err(STORE_UNUSABLE, DB_TABLE_OBJECT, reason);
}

/* Members that this version does not know are left out, and counted. */
static struct err *decode_members(struct db_class *c, struct json_reader *r, char *record)
{
	const char *name;
	size_t len;

	if (!json_enter_object(r))
		return damaged(c->class->name, "not an object");
	for (bool first = true; json_next_member(r, &first, &name, &len);) {
		auto_str field_name = xstrndup(name, len);
		const struct field *f = db_field_named(c->class, field_name);

		if (f) {
			TRY(codec_read(f->type, f->name, r, record + f->offset));
			continue;
		}
		if (!db.counts.unknown_fields++)
			db.unknown_field =
				arena_printf(&db.arena, "%s.%s", c->class->name, field_name);
		if (!json_skip(r, NULL))
			break;
	}
	return r->problem ? damaged(c->class->name, r->problem) : NULL;
}

struct err *db_row_decode(const char *ref, const char *text, size_t len, struct arena *a,
	struct db_class **class, char **record)
{
	struct json_reader r;
	const char *name;
	size_t name_len;
	bool first = true;

	json_reader_init(&r, text, len, a);
	if (!json_enter_object(&r) || !json_next_member(&r, &first, &name, &name_len))
		return damaged(ref, "not an object of a class");
	const struct class *c = db_class_named(arena_strndup(a, name, name_len), false);
	if (!c || !class_has_rows(c))
		return damaged(ref, "of a class that is not known");
	*class = db_class_of(c);
	*record = arena_alloc(a, c->record->size);
	memcpy(*record, (*class)->blank, c->record->size);
	return decode_members(*class, &r, *record);
}

/* ---- loading ---- */

static struct err *load_row(const struct store_row *kept, void *arg)
{
	struct list *rows = arg;
	auto_arena a = {0};
	struct db_class *c;
	char *record;

	TRY(db_row_decode(kept->key, kept->value, kept->size, &a, &c, &record));
	struct db_row *row = db_row_new(c, db_name_make(kept->key));
	for (uint32_t i = 0; i < c->class->n_fields; i++)
		db_value_copy(c->fields[i].field->type, record + c->fields[i].field->offset,
			db_place(row, &c->fields[i]));
	row->name->row = row;
	list_push_back(rows, &row->of_class);
	return NULL;
}

static void find_missing(const char *ref, const struct class *c, void *arg)
{
	if (!db_row(c, ref))
		*(const char **)arg = ref;
}

/* What is referred to and was not kept, or is gone, is not referred to. */
static void forget_missing(struct db_row *row, struct db_field *f)
{
	const struct type *t = f->field->type;

	if (!f->holds_refs || f->field->flags & FIELD_DANGLING)
		return;
	for (;;) {
		auto_arena a = {0};
		_Alignas(8) char value[DB_VALUE_SIZE], copy[DB_VALUE_SIZE];
		const char *missing = NULL;

		db_value_each_ref(t, db_place(row, f), find_missing, &missing);
		if (!missing)
			return;
		db_value_without(t, db_place(row, f), missing, &a, value);
		db_value_copy(t, value, copy);
		db_value_drop(t, db_place(row, f));
		memcpy(db_place(row, f), copy, t->size);
	}
}

static struct err *load_start(const struct store_row *kept, void *arg)
{
	auto_str text = xstrndup(kept->value, kept->size);

	*(uint64_t *)arg = strtoull(text, NULL, 10);
	return NULL;
}

/* Durable before anybody is told of a generation. With a full disk it cannot be, and one of this
 * run may come again in the next: better than not to start. */
static MAY_WAIT struct err *count_start(uint64_t starts)
{
	auto_str text = xasprintf("%llu", (unsigned long long)starts);
	uint64_t stored;

	TRY(store_put(db.store, DB_TABLE_START, DB_START_COUNT, text, strlen(text), NULL, &stored));
	struct err *e = store_barrier(db.store, stored, NEVER);
	if (!err_is(e, &ERR_STORE_READ_ONLY))
		return e;
	log_warn("this start is not counted: %s", err_text(e));
	err_free(e);
	return NULL;
}

#define YEAR_2026 INT64_C(1767225600) /* seconds since 1970 */

/* Nobody restores a copy twice in a second. */
uint64_t db_starts_by_clock(void)
{
	int64_t seconds = clock_real_ns() / NS_PER_S - YEAR_2026;

	return seconds < 0 ? 0 : seconds < INT32_MAX ? (uint64_t)seconds : INT32_MAX;
}

static MAY_WAIT struct err *load(void)
{
	struct list rows = LIST_INIT(rows);
	uint64_t starts = 0;

	TRY(store_load(db.store, DB_TABLE_START, load_start, &starts));
	/* A copy knows nothing of the runs that came after it. */
	if (store_is_restored(db.store) && starts < db_starts_by_clock())
		starts = db_starts_by_clock();
	db.generation = db.tombstones_from = ++starts << 32;
	struct err *e = store_load(db.store, DB_TABLE_OBJECT, load_row, &rows);
	while (!list_is_empty(&rows)) {
		struct db_row *row = list_pop_front(&rows, struct db_row, of_class);

		for (uint32_t i = 0; i < row->class->class->n_fields; i++)
			forget_missing(row, &row->class->fields[i]);
		db_row_insert(row);
	}
	TRY(e);
	if (db.counts.unknown_fields)
		log_warn("%llu fields of the file are not known to this version (%s is one): an "
			 "object that changes loses them",
			(unsigned long long)db.counts.unknown_fields, db.unknown_field);
	return count_start(starts);
}

/* ---- handing over ---- */

struct err *db_keep_check(bool is_kept)
{
	if (!is_kept || !db.store || db.is_undoing || !store_read_only(db.store))
		return NULL;
	return err(STORE_READ_ONLY, store_read_only(db.store));
}

void db_keep_again(struct db_row *row)
{
	if (!db.store || db.is_undoing || list_is_linked(&row->unkept))
		return;
	list_push_back(&db.unkept, &row->unkept);
	db_turn();
}

void db_keep_add(const struct db_delta *d)
{
	db.kept = db.generation;
	if (!db.store || db.is_undoing) {
		struct db_delta done = *d;

		db_delta_done(&done);
		return;
	}
	if (!db.batch) {
		db.batch = xnew(struct db_batch);
		db.batch->since = d->row->generation - 1;
	}
	vec_push(&db.batch->deltas, *d);
	db_keep_again(d->row);
}

static struct err *put(struct db_row *row, void *what, uint64_t *stored)
{
	auto_sbuf b = {0};

	if (row->name->row != row)
		return store_delete(db.store, DB_TABLE_OBJECT, row->name->text, what, stored);
	db_row_encode(row, false, &b);
	return store_put(db.store, DB_TABLE_OBJECT, row->name->text, sbuf_data(&b), sbuf_len(&b),
		what, stored);
}

static void undo_batch(struct db_batch *b)
{
	db.is_undoing = true;
	while (b->deltas.n)
		db_delta_undo(&vec_pop(&b->deltas));
	db.is_undoing = false;
	db.undone[db.n_undone++ % ARRAY_LEN(db.undone)] =
		(struct db_undone){b->since, db.generation};
	db.counts.undone++;
}

static void free_batch(struct db_batch *b)
{
	vec_for_each (i, &b->deltas)
		db_delta_done(&b->deltas.v[i]);
	vec_fini(&b->deltas);
	list_remove(&b->link);
	free(b);
}

/* What this turn changed is not with the store yet. */
static void undo_turn(void)
{
	struct db_batch *b = take(db.batch);

	while (!list_is_empty(&db.unkept))
		list_remove(db.unkept.next);
	if (!b)
		return;
	undo_batch(b);
	free_batch(b);
}

void db_keep_flush(void)
{
	struct db_batch *b = db.batch;
	void *what = b;

	if (!b)
		return;
	while (!list_is_empty(&db.unkept)) {
		struct db_row *row = list_first(&db.unkept, struct db_row, unkept);
		struct err *e = put(row, what, &b->stored);

		if (e) {
			/* The store refuses from one turn to the next, never within one. */
			assert(what);
			log_warn("taking back what could not be kept: %s", err_text(e));
			err_free(e);
			undo_turn();
			return;
		}
		list_remove(&row->unkept);
		what = NULL;
	}
	db.batch = NULL;
	list_push_back(&db.batches, &b->link);
}

/* ---- what became of it ---- */

static void on_undo(void *what, uint64_t generation, void *owner)
{
	if (!what)
		return;
	undo_turn();
	undo_batch(what);
}

static void on_done(void *what, uint64_t generation, void *owner)
{
	if (what)
		free_batch(what);
}

static bool is_undone_since(uint64_t since)
{
	for (size_t i = 0; i < ARRAY_LEN(db.undone); i++)
		if (db.undone[i].until > since)
			return true;
	return false;
}

struct err *db_barrier_here(uint64_t since, int64_t deadline)
{
	db_keep_flush();
	if (db_is_copy()) {
		db_copy_flush();
		TRY(db_copy_barrier(deadline));
		return is_undone_since(since) ? err(STORE_READ_ONLY, "the master refused it")
					      : NULL;
	}
	if (!db.store)
		return NULL;
	if (!list_is_empty(&db.batches)) {
		const struct db_batch *newest = list_entry(db.batches.prev, struct db_batch, link);

		TRY(store_barrier(db.store, newest->stored, deadline));
	}
	if (is_undone_since(since))
		return err(STORE_READ_ONLY, store_read_only(db.store) ?: "a change was taken back");
	return NULL;
}

struct err *db_barrier(uint64_t since, int64_t deadline)
{
	uint64_t kept = db.kept;

	TRY(db_barrier_here(since, deadline));
	return db.await_copies ? db.await_copies(kept, deadline) : NULL;
}

void db_set_await_copies(
	MAY_WAIT struct err *(*await_copies)(uint64_t generation, int64_t deadline))
{
	db.await_copies = await_copies;
}

const char *db_read_only(void)
{
	return db.store ? store_read_only(db.store) : NULL;
}

/* ---- copies beside the file ---- */

#define FIRST_BACKUP_NS (10 * NS_PER_S) /* when it is sure that the start went well */

static MAY_WAIT void keep_backups(void *arg)
{
	int64_t interval = (int64_t)(intptr_t)arg;
	struct err *e = fiber_sleep(interval < FIRST_BACKUP_NS ? interval : FIRST_BACKUP_NS);
	uint64_t kept = 0;

	while (!e) {
		uint64_t now = store_generation(db.store);
		auto_err failed =
			now == kept || db_read_only() ? NULL : store_backup(db.store, NEVER);

		if (failed && !err_is(failed, &ERR_SHUTTING_DOWN))
			log_err(LOG_WARN_, failed, "the database has no new copy beside it");
		kept = failed ? 0 : now;
		e = fiber_sleep(interval);
	}
	err_free(e);
}

/* ---- opening ---- */

MAY_WAIT struct err *db_keep_open(const struct db_options *options)
{
	const struct store_options store_options = {
		.schema = &db_schema,
		.restores_backup = true,
		.undo = on_undo,
		.done = on_done,
		.on_fatal = options->on_fatal,
		.probe_ns = options->probe_ns,
		.vfs = options->vfs,
	};

	if (!options->path)
		return NULL;
	TRY(store_open(&db.store, options->path, &store_options));
	TRY(load());
	if (!options->backup_ns)
		return NULL;
	return fiber_spawn(NULL, keep_backups, (void *)(intptr_t)options->backup_ns, "backups");
}

void db_keep_close(void)
{
	db_keep_flush();
	store_close(take(db.store));
}
