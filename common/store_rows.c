/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tables and rows (store_sql.h). A table is t_NAME (id, key, generation, value, checksum) with an
 * index of its keys. The table meta has one row that every transaction rewrites: the last
 * generation, how many rows there are in all and the sum of their checksums. A row that vanished or
 * turned old cannot hide from that.
 */
#include "common/store_sql.h"

#include "common/mem.h"
#include "core.gen.h"

#include <string.h>

/* ---- checksums ---- */

static uint64_t mix(uint64_t h, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	uint64_t word;

	/* Each step can be reversed, so a change within one word always changes the result. */
	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&word, p, 8);
		h = (h ^ word) * 0x9e3779b97f4a7c15;
		h ^= h >> 32;
	}
	word = (uint64_t)n << 56;
	for (size_t i = 0; i < n; i++)
		word |= (uint64_t)p[i] << (8 * i);
	h = (h ^ word) * 0x9e3779b97f4a7c15;
	return h ^ h >> 29;
}

static uint64_t row_checksum(
	const char *table, const char *key, uint64_t generation, const void *value, size_t size)
{
	uint64_t h = mix(0, table, strlen(table));

	h = mix(h, key, strlen(key));
	h = mix(h, &generation, sizeof(generation));
	return mix(h, value, size);
}

/* ---- tables ---- */

static struct err *prepare_table(struct store_file *f, struct store_table *t, const char *name)
{
	t->name = xstrdup(name);
	auto_sql create = sqlite3_mprintf(
		"CREATE TABLE IF NOT EXISTS \"t_%w\" (id INTEGER PRIMARY KEY, "
		"key TEXT NOT NULL UNIQUE, generation INTEGER NOT NULL, value BLOB NOT NULL, "
		"checksum INTEGER NOT NULL)",
		name);
	auto_sql find = sqlite3_mprintf("SELECT id, checksum FROM \"t_%w\" WHERE key = ?1", name);
	auto_sql insert = sqlite3_mprintf(
		"INSERT INTO \"t_%w\" (key, generation, value, checksum) VALUES (?1, ?2, ?3, ?4)",
		name);
	auto_sql update = sqlite3_mprintf(
		"UPDATE \"t_%w\" SET generation = ?2, value = ?3, checksum = ?4 WHERE id = ?1",
		name);
	auto_sql drop = sqlite3_mprintf("DELETE FROM \"t_%w\" WHERE id = ?1", name);
	TRY(store_sql_run(f, create));
	TRY(store_sql_prepare(f, &t->find, find));
	TRY(store_sql_prepare(f, &t->insert, insert));
	TRY(store_sql_prepare(f, &t->update, update));
	return store_sql_prepare(f, &t->drop, drop);
}

struct err *store_rows_prepare(struct store_file *f)
{
	const char *const *names = f->schema->tables;
	size_t n = 0;

	while (names[n])
		n++;
	f->tables = xcalloc(n + 1, sizeof(*f->tables));
	f->n_tables = n;
	for (size_t i = 0; i < n; i++)
		TRY(prepare_table(f, &f->tables[i], names[i]));
	TRY(store_sql_prepare(f, &f->begin, "BEGIN IMMEDIATE"));
	TRY(store_sql_prepare(f, &f->commit, "COMMIT"));
	TRY(store_sql_prepare(f, &f->rollback, "ROLLBACK"));
	return store_sql_prepare(f, &f->set_meta,
		"UPDATE meta SET generation = ?1, rows = ?2, sum = ?3, checksum = ?4 WHERE id = 1");
}

uint64_t store_rows_digest_checksum(const struct store_digest *d)
{
	return mix(1, d, sizeof(*d));
}

int store_rows_write_digest(struct store_file *f, const struct store_digest *d)
{
	store_sql_bind(f->set_meta, 1, d->generation);
	store_sql_bind(f->set_meta, 2, d->rows);
	store_sql_bind(f->set_meta, 3, d->sum);
	store_sql_bind(f->set_meta, 4, store_rows_digest_checksum(d));
	int rc = sqlite3_step(f->set_meta);
	sqlite3_reset(f->set_meta);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

struct store_table *store_rows_table(struct store_file *f, const char *name)
{
	for (size_t i = 0; i < f->n_tables; i++)
		if (!strcmp(f->tables[i].name, name))
			return &f->tables[i];
	return NULL;
}

/* ---- changes ---- */

/* Takes what KEY has now, if it is there, out of the digest. *ID: of the row, or 0. */
static int forget_row(
	struct store_table *t, const char *key, struct store_digest *d, sqlite3_int64 *id)
{
	sqlite3_bind_text(t->find, 1, key, -1, SQLITE_STATIC);
	int rc = sqlite3_step(t->find);
	*id = 0;
	if (rc == SQLITE_ROW) {
		*id = sqlite3_column_int64(t->find, 0);
		d->rows--;
		d->sum -= store_sql_column(t->find, 1);
	}
	sqlite3_reset(t->find);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int store_rows_delete(struct store_table *t, const char *key, struct store_digest *d)
{
	sqlite3_int64 id;
	int rc = forget_row(t, key, d, &id);

	if (rc != SQLITE_OK || !id)
		return rc;
	sqlite3_bind_int64(t->drop, 1, id);
	return store_sql_run_once(t->drop);
}

int store_rows_put(struct store_table *t, const char *key, uint64_t generation, const void *value,
	size_t size, struct store_digest *d)
{
	uint64_t checksum = row_checksum(t->name, key, generation, value, size);
	sqlite3_int64 id;
	int rc = forget_row(t, key, d, &id);

	if (rc != SQLITE_OK)
		return rc;
	sqlite3_stmt *st = id ? t->update : t->insert;
	if (id)
		sqlite3_bind_int64(st, 1, id);
	else
		sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
	store_sql_bind(st, 2, generation);
	sqlite3_bind_blob64(st, 3, size ? value : "", size, SQLITE_STATIC);
	store_sql_bind(st, 4, checksum);
	d->rows++;
	d->sum += checksum;
	return store_sql_run_once(st);
}

/* ---- checks ---- */

struct err *store_rows_read(
	struct store_file *f, const char *table, sqlite3_stmt *st, struct store_row *row)
{
	*row = (struct store_row){
		.key = (const char *)sqlite3_column_text(st, 0),
		.generation = store_sql_column(st, 1),
		.value = sqlite3_column_blob(st, 2) ?: "",
		.size = (size_t)sqlite3_column_bytes(st, 2),
	};
	uint64_t checksum = store_sql_column(st, 3);
	if (!row->key || strlen(row->key) != (size_t)sqlite3_column_bytes(st, 0) ||
		row_checksum(table, row->key, row->generation, row->value, row->size) != checksum) {
		auto_str reason = xasprintf(
			"row %s of table %s is damaged", row->key ? row->key : "?", table);
		return store_sql_damaged(f, reason);
	}
	return NULL;
}

static uint64_t pair_sum(const char *key, sqlite3_int64 id)
{
	return mix(mix(2, &id, sizeof(id)), key, strlen(key));
}

struct err *store_rows_walk(
	struct store_file *f, const char *table, store_row_fn fn, void *arg, struct store_walk *w)
{
	auto_stmt st = NULL;
	auto_sql sql = sqlite3_mprintf("SELECT key, generation, value, checksum, id FROM \"t_%w\" "
				       "NOT INDEXED ORDER BY id",
		table);
	int rc;

	TRY(store_sql_prepare(f, &st, sql));
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct store_row row;

		TRY(store_rows_read(f, table, st, &row));
		w->digest.rows++;
		w->digest.sum += store_sql_column(st, 3);
		if (row.generation > w->digest.generation)
			w->digest.generation = row.generation;
		w->pairs += pair_sum(row.key, sqlite3_column_int64(st, 4));
		if (fn)
			TRY(fn(&row, arg));
	}
	return rc == SQLITE_DONE ? NULL : store_sql_error(f, sql, rc);
}

/* The index has the keys that the table has, and in order: else rows would not be found. */
static struct err *check_index(struct store_file *f, const char *table, uint64_t pairs)
{
	auto_stmt st = NULL;
	auto_str last = xstrdup("");
	auto_sql sql = sqlite3_mprintf("SELECT key, id FROM \"t_%w\" INDEXED BY "
				       "\"sqlite_autoindex_t_%w_1\" ORDER BY key",
		table, table);
	int rc;

	TRY(store_sql_prepare(f, &st, sql));
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		const char *key = (const char *)sqlite3_column_text(st, 0);

		if (!key || strcmp(last, key) >= 0)
			return store_sql_damaged(f, "keys are out of order");
		free(take(last));
		last = xstrdup(key);
		pairs -= pair_sum(key, sqlite3_column_int64(st, 1));
	}
	if (rc != SQLITE_DONE)
		return store_sql_error(f, sql, rc);
	return pairs ? store_sql_damaged(f, "an index is not of its table") : NULL;
}

static struct err *read_digest(struct store_file *f, struct store_digest *d)
{
	auto_stmt st = NULL;

	TRY(store_sql_prepare(
		f, &st, "SELECT generation, rows, sum, checksum FROM meta WHERE id = 1"));
	int rc = sqlite3_step(st);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? store_sql_damaged(f, "the meta row is missing")
					 : store_sql_error(f, "meta", rc);
	*d = (struct store_digest){
		store_sql_column(st, 0), store_sql_column(st, 1), store_sql_column(st, 2)};
	return store_sql_column(st, 3) == store_rows_digest_checksum(d)
		? NULL
		: store_sql_damaged(f, "the meta row is damaged");
}

static struct err *check_table(struct store_file *f, const char *table, struct store_walk *w)
{
	w->pairs = 0;
	TRY(store_rows_walk(f, table, NULL, NULL, w));
	return check_index(f, table, w->pairs);
}

struct err *store_rows_check(struct store_file *f)
{
	struct store_walk w = {0};
	auto_stmt st = NULL;
	int rc;

	TRY(read_digest(f, &f->digest));
	TRY(store_sql_prepare(f, &st,
		"SELECT substr(name, 3) FROM sqlite_schema "
		"WHERE type = 'table' AND name GLOB 't_*'"));
	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		TRY(check_table(f, (const char *)sqlite3_column_text(st, 0), &w));
	if (rc != SQLITE_DONE)
		return store_sql_error(f, "sqlite_schema", rc);
	if (w.digest.rows != f->digest.rows || w.digest.sum != f->digest.sum ||
		w.digest.generation > f->digest.generation)
		return store_sql_damaged(f, "rows are missing or of another time");
	return NULL;
}
