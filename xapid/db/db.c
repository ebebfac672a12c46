/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The database as a whole (db.h): its one instance, opening and closing.
 */
#include "xapid/db/db.h"

#include "common/mem.h"
#include "xapid/db/db_priv.h"

#include <assert.h>

struct db db;

struct err *db_open(const struct db_options *options)
{
	assert(!db.is_open);
	db = (struct db){.is_open = true, .form_bytes = options->form_bytes, .generation = 1};
	list_init(&db.changed);
	list_init(&db.unkept);
	list_init(&db.batches);
	list_init(&db.tombstones);
	list_init(&db.forms);
	cond_init(&db.watchers);
	db_classes_init();
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
	db_keep_close();
	free_rows();
	db_feed_fini();
	loop_defer_cancel(&db.turn_end);
	db_classes_fini();
	map_fini(&db.names);
	cond_fini(&db.watchers);
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
