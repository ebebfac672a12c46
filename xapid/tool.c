/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What xapid does with its database while it does not serve it (xapid.h): takes over the one of the
 * original toolstack, and looks through its own.
 */
#define LOG_MODULE "db"

#include "common/daemon.h"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/store.h"
#include "xapid/db/db.h"
#include "xapid/host/role.h"
#include "xapid/xapid.h"
#include "xapid/xmldb/xmldb.h"

#include "core.gen.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define INVENTORY     "/etc/xensource-inventory"
#define INVENTORY_MAX ((size_t)64 << 10)

/* ---- import ---- */

/* The uuid that an installation of the original gave this host; for the caller to free. */
static char *inventory_host(void)
{
	static const char key[] = "INSTALLATION_UUID='";
	auto_str text = NULL;

	if (file_read(INVENTORY, INVENTORY_MAX, &text, NULL) < 0)
		return xstrdup("");
	const char *found = strstr(text, key);
	const char *uuid = found ? found + sizeof(key) - 1 : "";
	return xstrndup(uuid, strcspn(uuid, "'\n"));
}

static bool exists(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

/* What is in the way of a database at PATH. */
static struct err *check_place(const char *path, bool is_forced)
{
	int r = dir_make(daemon_paths()->state, 0750);

	if (r)
		return err_errno(-r, "making %s", daemon_paths()->state);
	TRY(role_load());
	if (own_role.is_member)
		return err(INVALID_VALUE, "xapid.role",
			"this host is a member of a pool, whose database is its master's");
	if (exists(path) && !is_forced)
		return err(INVALID_VALUE, path, "there is a database; --force replaces it");
	return NULL;
}

static void print_notes(const struct xmldb *db)
{
	for (size_t i = 0; i < db->notes.n; i++)
		printf("%s\n", db->notes.v[i]);
	if (db->n_notes > db->notes.n)
		printf("and %zu more\n", db->n_notes - db->notes.n);
}

static struct err *take_starts(const struct store_row *row, void *arg)
{
	auto_str text = xstrndup(row->value, row->size);

	*(uint64_t *)arg = strtoull(text, NULL, 10);
	return NULL;
}

/* Of the database that is replaced. */
static uint64_t starts_of(const char *path)
{
	uint64_t starts = 0;

	if (!exists(path))
		return 0;
	auto_err e = store_look(path, DB_TABLE_START, take_starts, &starts);
	return e ? db_starts_by_clock() : starts;
}

static struct err *import(
	const char *path, const char *text, size_t len, const struct xmldb_import *how)
{
	AUTO(xmldb_fini) struct xmldb db = {0};
	auto_str new_path = xasprintf("%s.import", path);
	const char *host;

	TRY(xmldb_load(text, len, how, &db, &host));
	const struct xmldb_content content = {xmldb_keep(&db), db.rows.n, starts_of(path)};
	TRY(xmldb_make_file(new_path, &content));
	struct err *e = store_replace(path, new_path);
	if (e)
		unlink(new_path);
	TRY(e);
	TRY(role_write(NULL, "", host));
	print_notes(&db);
	printf("%zu objects are in %s; this host is %s.\n", db.rows.n, path, host);
	return NULL;
}

static MAY_WAIT struct err *read_and_import(const char *path, const char *file, bool is_forced)
{
	auto_str host = inventory_host();
	const struct xmldb_import how = {.accepts_newer = is_forced, .host = host};
	const struct db_options in_memory = {0};
	auto_str text = NULL;
	size_t len;

	TRY(check_place(path, is_forced));
	int r = file_read(file, XMLDB_SIZE_MAX, &text, &len);
	if (r < 0)
		return err_errno(-r, "reading %s", file);
	TRY(db_open(&in_memory));
	struct err *e = import(path, text, len, &how);
	db_close();
	return err_wrap(e, "%s", file);
}

static MAY_WAIT struct err *import_file(const char *file, bool is_forced)
{
	auto_str path = xasprintf("%s/xapid.db", daemon_paths()->state);
	struct err *e = read_and_import(path, file, is_forced);

	role_fini();
	return e;
}

/* ---- fsck ---- */

static void print_finding(const char *line, void *arg)
{
	printf("%s\n", line);
	++*(size_t *)arg;
}

static MAY_WAIT struct err *look_through(const char *file, bool is_forced)
{
	auto_str own = xasprintf("%s/xapid.db", daemon_paths()->state);
	const char *path = file ? file : own;
	const struct db_options in_memory = {0};
	size_t n = 0, n_rows = 0;

	TRY(db_open(&in_memory));
	struct err *e = db_fsck(path, print_finding, &n, &n_rows);
	db_close();
	TRY(e);
	if (!n) {
		printf("%s: %zu objects, all well\n", path, n_rows);
		return NULL;
	}
	auto_str found = xasprintf("%zu findings", n);
	return err(STORE_UNUSABLE, path, found);
}

const struct daemon_tool xapid_tools[] = {
	{"import-xml-db", "FILE",
		"take over the database of the original toolstack (xe pool-dump-database), report "
		"what is not taken as it stands, and end",
		import_file},
	{"fsck", "[FILE]", "look through the database, or this file, and end", look_through},
	{0},
};
