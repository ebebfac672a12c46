/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reports on a host (report.h). An entry that cannot be had says why in its place; nothing that is
 * secret is in one: passwords of the database and of configuration files are masked, sessions and
 * secrets left out. One is made at a time.
 */
#include "xapid/api/report.h"

#include "common/clock.h"
#include "common/codec.h"
#include "common/daemon.h"
#include "common/fiber.h"
#include "common/file.h"
#include "common/mem.h"
#include "common/rpc.h"
#include "common/vec.h"
#include "xapid/api/archive.h"
#include "xapid/api/logs.h"
#include "xapid/api/redirect.h"
#include "xapid/db/db.h"
#include "xapid/gate/audit_file.h"
#include "xapid/gate/call.h"
#include "xapid/link/xenopsd.h"
#include "xapid/plan/plan.h"

#include "core.gen.h"
#include "xenapi.gen.h"

#include <glob.h>
#include <string.h>

#define FILE_MOST     ((uint64_t)16 * 1024 * 1024) /* of each log, its newest bytes */
#define JOURNAL_LINES 200000
#define CONF_MAX      ((size_t)1024 * 1024)
#define ASK_NS        (10 * NS_PER_S)
#define ROWS_A_TURN   64

static const char *const daemons[] = {"xapid", "xenopsd", "smd", "networkd", "rrdd"};

struct report {
	struct arena *arena;
	vec_of(struct archive_item) items;
};

typedef MAY_WAIT struct err *(*entry_fn)(struct report *r);

/* ---- items ---- */

static void add_text(struct report *r, const char *name, const char *text, size_t n)
{
	vec_push(&r->items, (struct archive_item){.name = name, .text = text, .n = n});
}

static void add_file(struct report *r, const char *folder, const char *path)
{
	const char *slash = strrchr(path, '/');

	vec_push(&r->items,
		(struct archive_item){
			.name = arena_printf(r->arena, "%s%s", folder, slash ? slash : path),
			.path = path,
			.most = FILE_MOST});
}

/* In the place of what could not be had. E is consumed. */
static void add_failure(struct report *r, const char *name, struct err *e)
{
	auto_err failed = e;
	const char *text = arena_printf(r->arena, "%s\n", err_text(failed));

	add_text(r, name, text, strlen(text));
}

/* ---- entries ---- */

static MAY_WAIT struct err *add_logs(struct report *r)
{
	struct string_list files;
	const char *text = NULL;
	size_t n = 0;

	logs_files(r->arena, &files);
	for (size_t i = 0; i < files.n; i++)
		add_file(r, "logs", files.v[i]);
	if (files.n)
		return NULL;
	TRY(logs_journal(r->arena, NULL, JOURNAL_LINES, &text, &n));
	add_text(r, "logs/journal.log", text, n);
	return NULL;
}

static MAY_WAIT struct err *add_audit(struct report *r)
{
	const char *path = arena_printf(r->arena, "%s/xapid-audit.log", daemon_paths()->state);

	add_file(r, "audit", path);
	for (int i = 1; i <= AUDIT_FILES_MAX; i++)
		add_file(r, "audit", arena_printf(r->arena, "%s.%d", path, i));
	return NULL;
}

/* "password = x" becomes "password = ***". */
static const char *masked(struct arena *a, char *text)
{
	auto_sbuf out = {0};

	for (char *line; (line = strsep(&text, "\n"));) {
		char *equals = strchr(line, '=');

		if (equals)
			*equals = '\0';
		bool is_secret = equals && codec_is_secret_name(line);
		sbuf_adds(&out, line);
		if (equals)
			sbuf_printf(&out, "=%s", is_secret ? " ***" : equals + 1);
		if (text)
			sbuf_addc(&out, '\n');
	}
	return arena_strdup(a, sbuf_str(&out));
}

static MAY_WAIT struct err *add_conf(struct report *r, const char *path)
{
	const char *name = path + strlen(daemon_paths()->etc) + 1;
	auto_str text = NULL;

	name = arena_printf(r->arena, "config/%s", name);
	auto_err e = file_load(path, CONF_MAX, &text, NULL);
	if (e) {
		add_failure(r, name, take(e));
		return NULL;
	}
	const char *shown = masked(r->arena, text);
	add_text(r, name, shown, strlen(shown));
	return NULL;
}

static MAY_WAIT struct err *add_config(struct report *r)
{
	static const char *const patterns[] = {"*.conf", "*.conf.d/*.conf"};

	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		struct string_list found = logs_glob(r->arena,
			arena_printf(r->arena, "%s/%s", daemon_paths()->etc, patterns[i]));

		for (size_t k = 0; k < found.n; k++)
			TRY(add_conf(r, found.v[k]));
	}
	return NULL;
}

/* All but sessions, whose references let somebody in, and secrets. */
static bool is_shown(const struct class *class)
{
	return class != &xenapi_class_session && class != &xenapi_class_secret;
}

static void put_row(const struct db_row *row, struct sbuf *out)
{
	sbuf_printf(out, "{\"class\":\"%s\",\"ref\":\"%s\",\"fields\":", db_class(row)->name,
		db_ref(row));
	db_dump_fields(row, out);
	sbuf_adds(out, "}\n");
}

/* Some at a time: what goes meanwhile is left out. */
static MAY_WAIT struct err *put_class(const struct class *class, struct arena *a, struct sbuf *out)
{
	const char **refs = arena_calloc(a, db_count_of(class) + 1, sizeof(*refs));
	size_t n = 0;

	db_for_each_of (class, row)
		refs[n++] = arena_strdup(a, db_ref(row));
	for (size_t i = 0; i < n; i++) {
		const struct db_row *row = db_row(class, refs[i]);

		if (row)
			put_row(row, out);
		if (i % ROWS_A_TURN == ROWS_A_TURN - 1)
			TRY(fiber_yield());
	}
	return NULL;
}

static MAY_WAIT struct err *add_database(struct report *r)
{
	auto_sbuf out = {0};

	for (uint32_t i = 0; i < xenapi_interface.n_classes; i++)
		if (is_shown(xenapi_interface.classes[i]))
			TRY(put_class(xenapi_interface.classes[i], r->arena, &out));
	add_text(r, "database.json", arena_strndup(r->arena, sbuf_data(&out), sbuf_len(&out)),
		sbuf_len(&out));
	return NULL;
}

static MAY_WAIT struct err *ask(
	struct report *r, const char *daemon, const struct method *m, void *out)
{
	auto_str path = xasprintf("%s/%s.sock", daemon_paths()->run, daemon);
	struct rpc_client *client = rpc_client_new(path, NULL);
	struct err *e = rpc_call(client, m, NULL, r->arena, out, deadline_in(ASK_NS));

	rpc_client_free(client);
	return e;
}

static MAY_WAIT struct err *add_diagnostics(struct report *r)
{
	for (size_t i = 0; i < ARRAY_LEN(daemons); i++) {
		const char *name = arena_printf(r->arena, "diagnostics/%s.json", daemons[i]);
		struct json_text text;
		struct err *e =
			ask(r, daemons[i], &core_methods[CORE_METHOD_DEBUG_DIAGNOSTICS], &text);

		if (e)
			add_failure(r, name, e);
		else
			add_text(r, name, text.text, text.len);
	}
	return NULL;
}

static MAY_WAIT struct err *add_versions(struct report *r)
{
	auto_sbuf out = {0};

	for (size_t i = 0; i < ARRAY_LEN(daemons); i++) {
		struct core_version v;
		auto_err e = ask(r, daemons[i], &core_methods[CORE_METHOD_DEBUG_VERSION], &v);

		sbuf_printf(&out, "%s %s\n", daemons[i], e ? err_text(e) : v.version);
	}
	add_text(r, "versions.txt", arena_strdup(r->arena, sbuf_str(&out)), sbuf_len(&out));
	add_file(r, "system", "/etc/os-release");
	add_file(r, "system", "/usr/lib/os-release");
	return NULL;
}

static MAY_WAIT struct err *add_hypervisor(struct report *r)
{
	const struct xenops_host_dmesg_in in = {false};
	const char *text;

	TRY(xenops_host_dmesg(link_xenopsd.client, &in, r->arena, &text, deadline_in(ASK_NS)));
	add_text(r, "hypervisor.log", text, strlen(text));
	return NULL;
}

static const struct entry {
	const char *key;
	const char *pii; /* whether it tells of persons */
	entry_fn add;
} entries[] = {
	{"logs", "maybe", add_logs},
	{"audit", "yes", add_audit},
	{"config", "maybe", add_config},
	{"database", "yes", add_database},
	{"diagnostics", "no", add_diagnostics},
	{"versions", "no", add_versions},
	{"hypervisor", "no", add_hypervisor},
};

/* ---- what there is ---- */

static void put_capabilities(struct sbuf *out)
{
	sbuf_adds(out, "<?xml version=\"1.0\"?>\n<system-status-capabilities>\n");
	for (size_t i = 0; i < ARRAY_LEN(entries); i++)
		sbuf_printf(out,
			"  <capability content-type=\"text/plain\" default-checked=\"yes\" "
			"key=\"%s\" max-size=\"-1\" max-time=\"-1\" min-size=\"-1\" "
			"min-time=\"-1\" pii=\"%s\"/>\n",
			entries[i].key, entries[i].pii);
	sbuf_adds(out, "</system-status-capabilities>\n");
}

MAY_WAIT struct err *xapi_host_get_system_status_capabilities(struct call *c,
	const struct xenapi_host_get_system_status_capabilities_in *in, const char **out)
{
	const struct xenapi_host *host;
	auto_sbuf text = {0};

	TRY(db_get(host, in->host, &host));
	put_capabilities(&text);
	*out = arena_strdup(c->arena, sbuf_str(&text));
	return NULL;
}

/* ---- a report ---- */

static struct mutex one_at_a_time;

static bool is_wanted(const char *wanted, const char *key)
{
	size_t len = strlen(key);

	for (const char *at = wanted; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
		if (!strncmp(at, key, len) && (!at[len] || at[len] == ','))
			return true;
	return !wanted || !*wanted;
}

/* The first of WANTED that is none; NULL: all are. */
static const char *unknown_entry(struct arena *a, const char *wanted)
{
	char *rest = arena_strdup(a, wanted ? wanted : "");

	for (char *one; (one = strsep(&rest, ","));) {
		bool is_known = !*one;

		for (size_t i = 0; i < ARRAY_LEN(entries) && !is_known; i++)
			is_known = !strcmp(entries[i].key, one);
		if (!is_known)
			return one;
	}
	return NULL;
}

static MAY_WAIT struct err *gather(struct report *r, const char *wanted)
{
	for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
		struct err *e = is_wanted(wanted, entries[i].key) ? entries[i].add(r) : NULL;

		if (e)
			add_failure(r, arena_printf(r->arena, "%s.failed", entries[i].key), e);
		TRY(fiber_check());
	}
	return NULL;
}

static MAY_WAIT struct err *make(
	struct exchange *x, const char *wanted, enum archive_format format, int *fd, uint64_t *size)
{
	struct report r = {.arena = x->arena};

	TRY(mutex_lock(&one_at_a_time, "another report", NEVER));
	struct err *e = gather(&r, wanted);
	if (!e)
		e = archive_make(format, daemon_paths()->state, r.items.v, r.items.n, fd, size);
	mutex_unlock(&one_at_a_time);
	vec_fini(&r.items);
	return e;
}

static MAY_WAIT struct err *send(struct exchange *x, const char *wanted, enum archive_format format,
	const char *type, const char *suffix)
{
	auto_fd fd = -1;
	uint64_t size = 0;

	TRY(make(x, wanted, format, &fd, &size));
	exchange_header(x, "cache-control", "no-store");
	exchange_header(x, "content-disposition",
		arena_printf(x->arena, "attachment; filename=\"%s\"", suffix));
	exchange_begin(x, 200, type, (int64_t)size);
	return exchange_write_file(x, fd, size);
}

static MAY_WAIT struct err *serve_logs(struct exchange *x)
{
	if (redirect_to_host(x))
		return NULL;
	return send(x, "logs,audit", ARCHIVE_TAR_GZ, "application/gzip", "logs.tar.gz");
}

static void list(struct exchange *x)
{
	auto_sbuf text = {0};

	put_capabilities(&text);
	exchange_reply(x, 200, "text/xml", sbuf_data(&text), sbuf_len(&text));
}

static MAY_WAIT struct err *serve_status(struct exchange *x)
{
	static const struct {
		const char *output, *type, *name;
		enum archive_format format;
	} outputs[] = {
		{"tar.bz2", "application/x-bzip2", "system-status.tar.bz2", ARCHIVE_TAR_BZ2},
		{"tar", "application/x-tar", "system-status.tar", ARCHIVE_TAR},
		{"zip", "application/zip", "system-status.zip", ARCHIVE_ZIP},
	};
	const char *wanted = http_query(&x->request, x->arena, "entries");
	const char *output = http_query(&x->request, x->arena, "output");
	const char *unknown = unknown_entry(x->arena, wanted);

	if (redirect_to_host(x))
		return NULL;
	if (http_query(&x->request, x->arena, "list")) {
		list(x);
		return NULL;
	}
	if (unknown) {
		exchange_refuse(x, 400, "there is no entry %s", unknown);
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_LEN(outputs); i++)
		if (!output || !*output || !strcmp(output, outputs[i].output))
			return send(x, wanted, outputs[i].format, outputs[i].type, outputs[i].name);
	exchange_refuse(x, 400, "output is tar, tar.bz2 or zip");
	return NULL;
}

void report_serve(void)
{
	static const struct route routes[] = {
		{
			.method = "GET",
			.path = "/host_logs_download",
			.action = "get_host_logs_download",
			.role = "pool-operator",
			.fn = serve_logs,
		},
		{
			.method = "GET",
			.path = "/system-status",
			.action = "get_system_status",
			.role = "pool-operator",
			.fn = serve_status,
		},
	};

	mutex_init(&one_at_a_time);
	door_add_routes(routes, ARRAY_LEN(routes));
}
