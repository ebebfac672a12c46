/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The database as a whole (db.h): its one instance, opening and closing.
 */
#include "xapid/db/db.h"

#include "common/diagnostics.h"
#include "common/mem.h"
#include "common/shared.h"
#include "xapid/db/db_priv.h"

#include <assert.h>

struct db db;

/* For `diagnostics`. */
static void describe(struct json_writer *w)
{
	struct db_counts counts = db_counts();

	json_write_object(w);
	json_member_int(w, "generation", (int64_t)db.generation);
	json_member_int(w, "rows", (int64_t)counts.rows);
	json_member_int(w, "changes", (int64_t)counts.deltas);
	json_member_int(w, "batches_undone", (int64_t)counts.undone);
	json_member_int(w, "tombstones", (int64_t)db.n_tombstones);
	json_member_int(w, "form_bytes", (int64_t)counts.form_bytes);
	json_member_int(w, "form_hits", (int64_t)counts.form_hits);
	json_member_int(w, "form_misses", (int64_t)counts.form_misses);
	json_member_int(w, "form_old_bytes", (int64_t)shared_old_bytes());
	json_member_int(w, "commits", (int64_t)counts.store.commits);
	json_member_int(w, "checkpoints", (int64_t)counts.store.checkpoints);
	json_member_int(w, "largest_batch", (int64_t)counts.store.largest_batch);
	json_member_bool(w, "was_restored", db.store && store_is_restored(db.store));
	json_write_object_end(w);
}

static struct diagnostics_section section = {.name = "database", .write = describe};

MAY_WAIT struct err *db_open(const struct db_options *options)
{
	assert(!db.is_open);
	db = (struct db){.is_open = true, .form_bytes = options->form_bytes, .generation = 1};
	list_init(&db.changed);
	list_init(&db.unkept);
	list_init(&db.batches);
	list_init(&db.tombstones);
	db_forms_init();
	cond_init(&db.watchers);
	cond_init(&db.woken);
	db_classes_init();
	diagnostics_add(&section);
	struct err *e = db_keep_open(options);
	if (e)
		db_close();
	return e;
}

static void free_rows(void)
{
	for (size_t i = 0; i < db.n_classes; i++) {
		struct db_row *row;

		while ((row = list_pop_front(&db.classes[i].rows, struct db_row, of_class))) {
			row->name->row = NULL;
			db_row_free(row);
		}
	}
}

void db_close(void)
{
	if (!db.is_open)
		return;
	diagnostics_remove(&section);
	db_copy_end();
	db_keep_close();
	free_rows();
	db_feed_fini();
	db_forms_fini();
	loop_defer_cancel(&db.turn_end);
	loop_defer_cancel(&db.wake);
	db_classes_fini();
	map_fini(&db.names);
	memset(db.recent, 0, sizeof(db.recent));
	cond_fini(&db.watchers);
	cond_fini(&db.woken);
	arena_fini(&db.arena);
	db.is_open = false;
}

struct db_counts db_counts(void)
{
	struct db_counts counts = db.counts;

	if (db.store)
		counts.store = store_counts(db.store);
	return counts;
}
