/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a text to a file that a database can be opened from (xmldb.h). Which host of the pool this
 * one is nobody can read off the text: whoever asks says it, else it is the pool's master, from
 * which such a text comes.
 */
#define LOG_MODULE "db"

#include "xapid/xmldb/xmldb.h"

#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/store.h"
#include "xapid/db/db.h"
#include "xapid/host/fresh.h"

#include "core.gen.h"
#include "xenapi.gen.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>

/* ---- reading ---- */

static struct err *check_version(struct xmldb *db, bool accepts_newer)
{
	bool is_newer = db->schema_major > XMLDB_SCHEMA_MAJOR ||
		(db->schema_major == XMLDB_SCHEMA_MAJOR && db->schema_minor > XMLDB_SCHEMA_MINOR);

	if (!is_newer)
		return NULL;
	if (!accepts_newer)
		return err(RESTORE_INCOMPATIBLE_VERSION);
	xmldb_note(db, "its schema is %lld.%lld, newer than %d.%d: what is new in it is left out",
		(long long)db->schema_major, (long long)db->schema_minor, XMLDB_SCHEMA_MAJOR,
		XMLDB_SCHEMA_MINOR);
	return NULL;
}

/* The roles are the model's, with the same references everywhere; a text may have them or not. */
static void put_own_roles(struct xmldb *db)
{
	size_t n = 0;

	vec_for_each (i, &db->rows)
		if (db->rows.v[i].class != &xenapi_class_role)
			db->rows.v[n++] = db->rows.v[i];
	db->rows.n = n;
	for (size_t i = 0; i < fresh_n_roles; i++) {
		struct xenapi_role *role = arena_new(&db->arena, struct xenapi_role);
		char ref[DB_REF_SIZE];

		fresh_role(i, role, ref);
		vec_push(&db->rows,
			(struct xmldb_row){.class = &xenapi_class_role,
				.ref = arena_strdup(&db->arena, ref),
				.record = role});
	}
}

static const struct xenapi_host *host_of(const struct xmldb *db, const char *ref)
{
	vec_for_each (i, &db->rows)
		if (db->rows.v[i].class == &xenapi_class_host && !strcmp(db->rows.v[i].ref, ref))
			return db->rows.v[i].record;
	return NULL;
}

static const struct xenapi_host *host_with_uuid(const struct xmldb *db, const char *uuid)
{
	vec_for_each (i, &db->rows) {
		const struct xenapi_host *host = db->rows.v[i].record;

		if (db->rows.v[i].class == &xenapi_class_host && !strcmp(host->uuid, uuid))
			return host;
	}
	return NULL;
}

static struct err *choose_host(struct xmldb *db, const char *wanted, const char **out)
{
	const struct xenapi_host *host = wanted && *wanted ? host_with_uuid(db, wanted) : NULL;

	vec_for_each (i, &db->rows) {
		const struct xenapi_pool *pool = db->rows.v[i].record;

		if (!host && pool && db->rows.v[i].class == &xenapi_class_pool)
			host = host_of(db, pool->master);
	}
	if (!host || !*host->uuid)
		return err(INVALID_VALUE, "table pool", "its master is not in it");
	*out = host->uuid;
	return NULL;
}

struct err *xmldb_load(const char *text, size_t len, const struct xmldb_import *how,
	struct xmldb *db, const char **host)
{
	TRY(xmldb_read(text, len, db));
	TRY(check_version(db, how->accepts_newer));
	put_own_roles(db);
	TRY(xmldb_settle(db));
	return choose_host(db, how->host, host);
}

/* ---- writing ---- */

struct xmldb_kept *xmldb_keep(struct xmldb *db)
{
	struct xmldb_kept *kept = arena_calloc(&db->arena, db->rows.n, sizeof(*kept));

	vec_for_each (i, &db->rows) {
		const struct xmldb_row *row = &db->rows.v[i];
		auto_sbuf text = {0};

		db_record_encode(row->class, row->record, &text);
		kept[i] = (struct xmldb_kept){.ref = row->ref,
			.text = arena_strndup(&db->arena, sbuf_data(&text), sbuf_len(&text)),
			.len = sbuf_len(&text)};
	}
	return kept;
}

static struct err *put_content(struct store_maker *m, void *arg)
{
	const struct xmldb_content *content = arg;
	auto_str starts = xasprintf("%llu", (unsigned long long)content->starts);

	for (size_t i = 0; i < content->n; i++)
		TRY(store_maker_put(m, DB_TABLE_OBJECT, content->rows[i].ref, content->rows[i].text,
			content->rows[i].len));
	return store_maker_put(m, DB_TABLE_START, DB_START_COUNT, starts, strlen(starts));
}

struct err *xmldb_make_file(const char *path, const struct xmldb_content *content)
{
	return store_make(path, &db_schema, put_content, (void *)content);
}

/* ---- at the next start ---- */

static char *restored_name(const char *path)
{
	return xasprintf("%s.restored", path);
}

struct err *xmldb_make_restored(const char *path, const struct xmldb_content *content)
{
	auto_str new_path = xasprintf("%s.import", path);
	auto_str restored = restored_name(path);

	TRY(xmldb_make_file(new_path, content));
	if (rename(new_path, restored)) {
		struct err *e = err_errno(errno, "rename %s", new_path);

		unlink(new_path);
		return e;
	}
	auto_str copy = xstrdup(path);
	int r = dir_sync(dirname(copy));
	return r ? err_errno(-r, "sync the folder of %s", restored) : NULL;
}

struct err *xmldb_take_restored(const char *path)
{
	auto_str restored = restored_name(path);

	if (access(restored, F_OK) < 0)
		return NULL;
	log_warn("%s takes the place of %s, which is kept beside it", restored, path);
	return store_replace(path, restored);
}
