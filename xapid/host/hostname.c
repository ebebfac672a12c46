/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's name (hostname.h), by the pool: files and the kernel are slow.
 */
#include "xapid/host/hostname.h"

#include "common/daemon.h"
#include "common/file.h"
#include "common/mem.h"
#include "common/offload.h"
#include "core.gen.h"

#include "xenapi.gen.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define INSTALLED "/etc/xenith"
#define MAX_NAME  64 /* as the kernel has it */
#define ALLOWED   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-."

static bool is_private(void)
{
	return strcmp(daemon_paths()->etc, INSTALLED) != 0;
}

static char *path_of_name(void)
{
	return is_private() ? xasprintf("%s/hostname", daemon_paths()->etc)
			    : xstrdup("/etc/hostname");
}

const char *hostname_read(struct arena *a)
{
	auto_str path = path_of_name();
	auto_str text = NULL;
	char own[256] = "localhost";

	if (is_private() && file_read(path, sizeof(own), &text, NULL) == 0)
		return arena_strndup(a, text, strcspn(text, "\n"));
	gethostname(own, sizeof(own) - 1);
	return arena_strdup(a, own);
}

static struct err *check(const char *name)
{
	size_t len = strlen(name);

	if (!len)
		return err(HOST_NAME_INVALID, "it is empty");
	if (len > MAX_NAME)
		return err(HOST_NAME_INVALID, "it has more than 64 characters");
	if (name[strspn(name, ALLOWED)])
		return err(HOST_NAME_INVALID, "it has others than letters, digits, - and .");
	if (strchr("-.", name[0]) || strchr("-.", name[len - 1]) || strstr(name, ".."))
		return err(
			HOST_NAME_INVALID, "it begins or ends with - or ., or has an empty part");
	return NULL;
}

struct setting {
	const char *name;
	int result; /* 0 or -errno */
};

static void set(void *arg)
{
	struct setting *s = arg;
	auto_str path = path_of_name();
	auto_str line = xasprintf("%s\n", s->name);

	s->result = dir_make(daemon_paths()->etc, 0755);
	if (s->result == 0)
		s->result = file_write(path, line, strlen(line), 0644, FILE_DURABLE);
	if (s->result == 0 && !is_private() && sethostname(s->name, strlen(s->name)) < 0)
		s->result = -errno;
}

MAY_WAIT struct err *hostname_set(const char *name)
{
	struct setting s = {.name = name};

	TRY(check(name));
	TRY(offload("setting the host's name", set, &s));
	return s.result < 0 ? err_errno(-s.result, "naming the host %s", name) : NULL;
}
