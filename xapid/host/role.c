/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The role of this host (role.h). The file has one line: "master UUID", or "member UUID ADDRESS
 * FINGERPRINT", where the last may be missing.
 */
#define LOG_MODULE "pool"

#include "xapid/host/role.h"

#include "common/clock.h"
#include "common/daemon.h"
#include "common/fiber.h"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "xapid/db/db.h"

#include <errno.h>
#include <string.h>

#define FILE_MAX  4096
#define ANSWER_NS (200 * NS_PER_MS) /* for the answer to leave */

struct role own_role;
static bool is_to_begin_anew;

static char *path_of(const char *name)
{
	return xasprintf("%s/%s", daemon_paths()->state, name);
}

static struct err *remove_file(const char *name)
{
	auto_str path = path_of(name);

	if (unlink(path) < 0 && errno != ENOENT)
		return err_errno(errno, "removing %s", path);
	return NULL;
}

/* Everything that the host was goes, the file that says so last. */
static struct err *remove_all(void)
{
	static const char *const names[] = {"xapid.db.restored", "xapid.db.backup",
		"xapid.db.backup.1", "xapid.db.backup.2", "xapid.db", "xapid.db-wal",
		"xapid.db-shm", "xapid-pool.secret", "xapid.trusts-all", "xapid.role"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		TRY(remove_file(names[i]));
	return NULL;
}

struct err *role_load(void)
{
	auto_str path = path_of("xapid.role");
	auto_str text = NULL;
	int r = file_read(path, FILE_MAX, &text, NULL);

	if (r < 0 && r != -ENOENT)
		return err_errno(-r, "reading %s", path);
	char *rest = r < 0 ? NULL : text;
	if (rest)
		rest[strcspn(rest, "\n")] = '\0';
	const char *part = strsep(&rest, " "), *host = strsep(&rest, " ");
	const char *master = strsep(&rest, " "), *pin = strsep(&rest, " ");
	if (part && !strcmp(part, "fresh"))
		TRY(remove_all());
	own_role.is_member = part && !strcmp(part, "member") && master && *master;
	own_role.host = xstrdup(host ? host : "");
	own_role.master = xstrdup(own_role.is_member ? master : "");
	own_role.pin = xstrdup(own_role.is_member && pin ? pin : "");
	return NULL;
}

struct err *role_write(const char *master, const char *pin, const char *host)
{
	auto_str path = path_of("xapid.role");
	auto_str text = master ? xasprintf("member %s %s%s%s\n", host, master, *pin ? " " : "", pin)
			       : xasprintf("master %s\n", host);
	int r = file_write(path, text, strlen(text), 0600, FILE_DURABLE);

	return r < 0 ? err_errno(-r, "writing %s", path) : NULL;
}

/* The database is open now, so that the next start removes it. */
struct err *role_forget(void)
{
	auto_str path = path_of("xapid.role");
	int r = file_write(path, "fresh\n", 6, 0600, FILE_DURABLE);

	return r < 0 ? err_errno(-r, "writing %s", path) : NULL;
}

const char *host_here(void)
{
	const char *ref = own_role.host ? db_find_uuid(host, own_role.host) : NULL;

	return ref ? ref : own_role.is_member ? REF_NULL : db_first_ref(host);
}

/* ---- beginning anew ---- */

static MAY_WAIT void end(void *arg)
{
	err_free(fiber_sleep(ANSWER_NS));
	daemon_stop(0);
}

void role_begin_anew(void)
{
	if (is_to_begin_anew)
		return;
	is_to_begin_anew = true;
	auto_err e = fiber_spawn(NULL, end, NULL, "beginning anew");
	if (e)
		daemon_stop(0);
}

bool role_is_to_begin_anew(void)
{
	return is_to_begin_anew;
}

void role_fini(void)
{
	free(own_role.master);
	free(own_role.pin);
	free(own_role.host);
	own_role = (struct role){0};
}
