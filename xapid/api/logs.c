/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The logs of a host (logs.h): host.get_log, host.syslog_reconfigure.
 */
#include "xapid/api/logs.h"

#include "common/clock.h"
#include "common/daemon.h"
#include "common/mem.h"
#include "common/offload.h"
#include "common/proc.h"
#include "common/utf8.h"
#include "common/vec.h"
#include "core.gen.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/xapid.h"

#include "xenapi.gen.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TAIL        ((size_t)128 * 1024)
#define TAIL_LINES  1000
#define JOURNAL_MAX ((size_t)64 * 1024 * 1024)
#define JOURNAL_NS  (60 * NS_PER_S)
#define SYSLOG_NS   (60 * NS_PER_S)
#define DESTINATION "syslog_destination"

/* ---- where they are ---- */

struct string_list logs_glob(struct arena *a, const char *pattern)
{
	struct string_list out = {0};
	glob_t found;

	if (glob(pattern, 0, NULL, &found) != 0)
		return out;
	out.v = arena_calloc(a, found.gl_pathc + 1, sizeof(*out.v));
	for (size_t i = 0; i < found.gl_pathc; i++)
		out.v[out.n++] = arena_strdup(a, found.gl_pathv[i]);
	globfree(&found);
	return out;
}

void logs_files(struct arena *a, struct string_list *out)
{
	*out = (struct string_list){0};
	if (*xapid_conf.logs)
		*out = logs_glob(a, arena_printf(a, "%s/*.log", xapid_conf.logs));
}

MAY_WAIT struct err *logs_journal(
	struct arena *a, const char *unit, unsigned lines, const char **text, size_t *n)
{
	static const char *const all[] = {
		"-u", "xapid", "-u", "xenopsd", "-u", "smd", "-u", "networkd", "-u", "rrdd"};
	const char *argv[24] = {"journalctl", "--no-pager", "--quiet", "-o", "short-iso", "-n",
		arena_printf(a, "%u", lines)};
	size_t argc = 7;
	auto_proc_result result = {0};

	for (size_t i = 0; i < ARRAY_LEN(all); i += 2)
		if (!unit || !strcmp(unit, all[i + 1])) {
			argv[argc++] = all[i];
			argv[argc++] = all[i + 1];
		}
	const struct proc_spec spec = {
		.argv = argv, .max_output = JOURNAL_MAX, .deadline = deadline_in(JOURNAL_NS)};
	TRY(proc_run(&spec, &result));
	*text = arena_strndup(a, result.out, result.out_len);
	*n = result.out_len;
	return NULL;
}

/* ---- the end of one ---- */

struct tail {
	const char *path;
	char *bytes;
	ssize_t n; /* or -errno */
	bool is_whole;
};

static void read_tail(void *arg)
{
	struct tail *t = arg;
	auto_fd fd = open(t->path, O_RDONLY | O_CLOEXEC);
	struct stat st = {0};

	t->n = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;
	if (t->n < 0)
		return;
	t->is_whole = st.st_size <= (off_t)TAIL;
	t->n = pread(fd, t->bytes, TAIL, t->is_whole ? 0 : st.st_size - (off_t)TAIL);
	if (t->n < 0)
		t->n = -errno;
}

/* From the first whole line on; whatever XML cannot carry is a question mark. */
static const char *clean(struct arena *a, const char *bytes, size_t n, bool is_whole)
{
	const char *line = is_whole ? bytes : memchr(bytes, '\n', n);
	size_t skipped = line ? (size_t)(line - bytes) + !is_whole : 0;
	char *text = arena_strndup(a, bytes + skipped, n - skipped);

	if (utf8_fits_xml(text, n - skipped))
		return text;
	for (size_t i = 0; i < n - skipped; i++)
		if (!isprint((unsigned char)text[i]) && text[i] != '\n' && text[i] != '\t')
			text[i] = '?';
	return text;
}

static MAY_WAIT struct err *tail_of_file(struct arena *a, const char **out)
{
	struct tail t = {.path = arena_printf(a, "%s/xapid.log", xapid_conf.logs),
		.bytes = arena_bytes(a, TAIL)};

	TRY(offload("reading a log", read_tail, &t));
	if (t.n < 0)
		return err_errno((int)-t.n, "read %s", t.path);
	*out = clean(a, t.bytes, (size_t)t.n, t.is_whole);
	return NULL;
}

MAY_WAIT struct err *xapi_host_get_log(
	struct call *c, const struct xenapi_host_get_log_in *in, const char **out)
{
	const struct xenapi_host *host;
	const char *text;
	size_t n;

	TRY(db_get(host, in->host, &host));
	if (*xapid_conf.logs)
		return tail_of_file(c->arena, out);
	TRY(logs_journal(c->arena, "xapid", TAIL_LINES, &text, &n));
	*out = clean(c->arena, text, n, true);
	return NULL;
}

/* ---- where they are sent ---- */

/* A name or an address, and perhaps a port: nothing that a configuration file takes for more. */
static bool is_destination(const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr(".-:[]", text[i]))
			return false;
	return n < 256;
}

MAY_WAIT struct err *xapi_host_syslog_reconfigure(
	struct call *c, const struct xenapi_host_syslog_reconfigure_in *in)
{
	const char *program =
		arena_printf(c->arena, "%s/syslog-reconfigure", daemon_paths()->libexec);
	const struct xenapi_host *host;

	TRY(db_get(host, in->host, &host));
	const char *said = string_map_get(&host->logging, DESTINATION);
	const char *to = arena_strdup(c->arena, said ? said : "");
	if (!is_destination(to))
		return err(INVALID_VALUE, "logging:" DESTINATION, to);
	if (access(program, X_OK) < 0)
		return err(NOT_IMPLEMENTED, "host.syslog_reconfigure without syslog-reconfigure");
	const char *const argv[] = {program, to, NULL};
	const struct proc_spec spec = {.argv = argv, .deadline = deadline_in(SYSLOG_NS)};
	auto_err e = proc_run(&spec, NULL);
	return e ? err(INTERNAL_ERROR, err_text(e)) : NULL;
}
