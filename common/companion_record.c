/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records of companion processes (companion_record.h): one JSON object a file.
 */
#include "common/companion_record.h"

#include "common/file.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/sbuf.h"
#include "core.gen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

char *companion_record_path(const char *dir, const char *name)
{
	return xasprintf("%s/%s.companion", dir, name);
}

char *companion_record_text(const struct companion_record *r, const char *const *argv)
{
	struct sbuf b = {0};
	struct json_writer w;

	json_writer_init(&w, &b);
	json_write_object(&w);
	json_member_int(&w, "pid", r->pid);
	json_member_int(&w, "start_time", r->start_time);
	json_member_string(&w, "boot_id", r->boot_id);
	json_write_name(&w, "argv"); /* for people */
	json_write_array(&w);
	for (; *argv; argv++)
		json_write_string(&w, *argv);
	json_write_array_end(&w);
	json_write_object_end(&w);
	sbuf_addc(&b, '\n');
	return sbuf_take(&b);
}

static bool is_name(const char *name, size_t len, const char *expected)
{
	return len == strlen(expected) && !memcmp(name, expected, len);
}

static bool member_parse(
	struct json_reader *r, const char *name, size_t len, struct companion_record *out)
{
	if (is_name(name, len, "pid"))
		return json_read_int(r, &out->pid);
	if (is_name(name, len, "start_time"))
		return json_read_int(r, &out->start_time);
	if (is_name(name, len, "boot_id"))
		return json_read_string(r, &out->boot_id, NULL);
	return json_skip(r, NULL);
}

static bool record_parse(struct json_reader *r, struct companion_record *out)
{
	const char *name;
	bool first = true;
	size_t len;

	if (!json_enter_object(r))
		return false;
	while (json_next_member(r, &first, &name, &len))
		if (!member_parse(r, name, len, out))
			return false;
	return !r->problem && json_at_end(r) && out->pid > 0 && out->start_time > 0 && out->boot_id;
}

struct err *companion_record_parse(const char *path, const char *text, size_t len, struct arena *a,
	struct companion_record *out)
{
	struct companion_record record = {0};
	struct json_reader r;

	json_reader_init(&r, text, len, a);
	if (!record_parse(&r, &record))
		return err(STORE_UNUSABLE, path, r.problem ? r.problem : "it is no record");
	*out = record;
	return NULL;
}

int process_start_time(pid_t pid, int64_t *out)
{
	auto_str path = xasprintf("/proc/%ld/stat", (long)pid);
	auto_str text = NULL;
	long long start;

	int r = file_read(path, 4096, &text, NULL);
	if (r)
		return r;
	/* Field 22. The second one is the program's name in brackets, and may hold anything. */
	const char *at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (!at || sscanf(at, "%lld", &start) != 1)
		return -EPROTO;
	*out = start;
	return 0;
}

struct err *boot_id_read(struct arena *a, const char **out)
{
	static const char path[] = "/proc/sys/kernel/random/boot_id";
	auto_str text = NULL;

	int r = file_read(path, 64, &text, NULL);
	if (r)
		return err_errno(-r, "reading %s", path);
	*out = arena_strndup(a, text, strcspn(text, "\n"));
	return NULL;
}
