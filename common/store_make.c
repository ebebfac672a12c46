/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A store's file made in one go, for a tool or an import (store.h): rows come, are committed some
 * at a time, and the file is looked through at the end. What is cut short leaves nothing that
 * anybody takes for a file.
 */
#include "common/store_sql.h"

#include "common/mem.h"
#include "core.gen.h"

#include <assert.h>
#include <string.h>

#define BATCH 1024 /* rows a commit */

struct store_maker {
	struct store_file *file;
	struct list changes; /* struct store_change.link */
	size_t n_changes;
	uint64_t generation;
};

/* ---- rows ---- */

static void free_changes(struct store_maker *m)
{
	struct store_change *c;

	while ((c = list_pop_front(&m->changes, struct store_change, link)))
		free(c);
	m->n_changes = 0;
}

static struct err *commit(struct store_maker *m)
{
	enum store_outcome outcome =
		m->n_changes ? store_file_commit(m->file, &m->changes) : STORE_DONE;

	free_changes(m);
	if (outcome == STORE_DONE)
		outcome = store_file_checkpoint(m->file);
	return outcome == STORE_DONE
		? NULL
		: err(STORE_UNUSABLE, m->file->path, store_file_problem(m->file));
}

struct err *store_maker_put(
	struct store_maker *m, const char *table, const char *key, const void *value, size_t size)
{
	const struct store_table *t = store_rows_table(m->file, table);
	size_t key_size = strlen(key) + 1;
	struct store_change *c = xmalloc(sizeof(*c) + key_size + size);

	assert(t);
	*c = (struct store_change){.generation = ++m->generation,
		.table = (unsigned)(t - m->file->tables),
		.size = size};
	memcpy(c->key, key, key_size);
	c->value = memcpy(c->key + key_size, value, size);
	list_push_back(&m->changes, &c->link);
	return ++m->n_changes < BATCH ? NULL : commit(m);
}

/* ---- the file ---- */

static void remove_beside(const char *path, const char *ending)
{
	auto_str beside = xasprintf("%s%s", path, ending);

	unlink(beside);
}

static struct err *fill(
	const char *path, const struct store_schema *schema, store_fill_fn fn, void *arg)
{
	const struct store_options options = {.schema = schema};
	struct store_maker m = {.changes = LIST_INIT(m.changes)};

	TRY(store_file_open(&m.file, path, &options));
	m.generation = store_file_generation(m.file);
	struct err *e = fn(&m, arg);
	if (!e)
		e = commit(&m);
	free_changes(&m);
	store_file_close(m.file);
	return e;
}

static void ignore(const char *line, void *arg)
{
}

struct err *store_make(
	const char *path, const struct store_schema *schema, store_fill_fn fn, void *arg)
{
	static const char *const endings[] = {"", "-wal", ".new", ".new-wal"};

	for (size_t i = 0; i < ARRAY_LEN(endings); i++)
		remove_beside(path, endings[i]);
	struct err *e = fill(path, schema, fn, arg);
	if (!e)
		e = store_fsck(path, ignore, NULL);
	for (size_t i = e ? 0 : 1; i < ARRAY_LEN(endings); i++)
		remove_beside(path, endings[i]);
	remove_beside(path, ".lock");
	return e;
}
