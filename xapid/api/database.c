/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Backup and restore of the database by HTTP clients (database.h). Fibers.
 */
#define LOG_MODULE "db"

#include "xapid/api/database.h"

#include "common/daemon.h"
#include "common/fiber.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/offload.h"
#include "xapid/db/db.h"
#include "xapid/door/door.h"
#include "xapid/gate/call.h"
#include "xapid/host/role.h"
#include "xapid/xmldb/xmldb.h"

#include "core.gen.h"

#include <string.h>

#define LOGGED_NOTES 100

/* ---- backup ---- */

static MAY_WAIT struct err *serve_dump(struct exchange *x)
{
	auto_sbuf text = {0};

	/* What is not durable yet may be taken back. */
	TRY(db_barrier(db_generation(), NEVER));
	xmldb_dump(&text);
	exchange_begin(x, 200, "application/octet-stream", (int64_t)sbuf_len(&text));
	return exchange_write(x, sbuf_data(&text), sbuf_len(&text));
}

/* ---- restore ---- */

struct restore {
	struct sbuf text;
	struct xmldb db;
	struct xmldb_import how;
	const char *host;
	char *path; /* owned */
	struct xmldb_content content;
	struct err *e; /* of what the pool did */
};

static void restore_fini(struct restore *r)
{
	sbuf_fini(&r->text);
	xmldb_fini(&r->db);
	free(r->path);
	err_free(r->e);
}

/* Some clients do not know the length before and end by closing: the text shows whether it is
 * whole. */
static MAY_WAIT struct err *read_body(struct exchange *x, struct sbuf *text)
{
	const char *bytes;
	size_t n;

	for (;;) {
		struct err *e = exchange_read(x, &bytes, &n);

		if (err_is(e, &ERR_CONNECTION_LOST)) {
			err_free(e);
			return NULL;
		}
		TRY(e);
		if (!n)
			return NULL;
		sbuf_add(text, bytes, n);
		if (sbuf_len(text) > XMLDB_SIZE_MAX)
			return err(LIMIT_EXCEEDED, "size of a database", "128 MiB");
	}
}

static void load(void *arg)
{
	struct restore *r = arg;

	r->e = xmldb_load(sbuf_data(&r->text), sbuf_len(&r->text), &r->how, &r->db, &r->host);
}

static void make(void *arg)
{
	struct restore *r = arg;

	r->e = xmldb_make_restored(r->path, &r->content);
}

static void log_notes(const struct xmldb *db)
{
	for (size_t i = 0; i < db->notes.n && i < LOGGED_NOTES; i++)
		log_warn("restoring the database: %s", db->notes.v[i]);
}

static void answer(struct exchange *x, const struct xmldb *db)
{
	auto_sbuf text = {0};

	for (size_t i = 0; i < db->notes.n; i++)
		sbuf_printf(&text, "%s\n", db->notes.v[i]);
	exchange_reply(x, 200, "text/plain", sbuf_data(&text), sbuf_len(&text));
}

static MAY_WAIT struct err *restore(struct exchange *x, struct restore *r, bool is_dry_run)
{
	TRY(read_body(x, &r->text));
	TRY(offload("reading a database", load, r));
	TRY(take(r->e));
	if (strcmp(r->host, own_role.host) != 0)
		return err(RESTORE_TARGET_MGMT_IF_NOT_IN_BACKUP);
	if (is_dry_run) {
		answer(x, &r->db);
		return NULL;
	}
	r->content = (struct xmldb_content){
		xmldb_keep(&r->db), r->db.rows.n, db_start_of(db_generation())};
	TRY(offload("writing a database", make, r));
	TRY(take(r->e));
	log_notes(&r->db);
	log_warn("the database is restored: %zu objects; beginning anew with it", r->db.rows.n);
	answer(x, &r->db);
	role_begin_anew();
	return NULL;
}

static MAY_WAIT struct err *serve_restore(struct exchange *x)
{
	const char *dry_run = http_query(&x->request, x->arena, "dry_run");
	AUTO(restore_fini)
	struct restore r = {
		.how = {.host = own_role.host},
		.path = xasprintf("%s/xapid.db", daemon_paths()->state),
	};

	if (own_role.is_member)
		return err(HOST_IS_SLAVE, own_role.master);
	return restore(x, &r, dry_run && !strcmp(dry_run, "true"));
}

void database_serve(void)
{
	static const struct route routes[] = {
		{
			.method = "GET",
			.path = "/pool/xmldbdump",
			.action = "get_pool_xml_db_sync",
			.role = "pool-admin",
			.fn = serve_dump,
		},
		{
			.method = "PUT",
			.path = "/pool/xmldbdump",
			.action = "put_pool_xml_db_sync",
			.role = "pool-admin",
			.fn = serve_restore,
		},
	};

	door_add_routes(routes, ARRAY_LEN(routes));
}
