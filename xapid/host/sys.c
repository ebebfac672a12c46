/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads files and links below /sys (sys.h).
 */
#include "xapid/host/sys.h"

#include "common/file.h"
#include "common/mem.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#define MAX_FILE 4096

const char *sys_read(struct arena *a, const char *folder, const char *name)
{
	auto_str path = xasprintf("%s/%s", folder, name);
	auto_str text = NULL;

	if (file_read(path, MAX_FILE, &text, NULL) < 0)
		return "";
	const char *from = text + strspn(text, " \t\n");
	size_t len = strlen(from);
	while (len && strchr(" \t\n", from[len - 1]))
		len--;
	return arena_strndup(a, from, len);
}

const char *sys_link(struct arena *a, const char *folder, const char *name)
{
	auto_str path = xasprintf("%s/%s", folder, name);
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n < 0)
		return "";
	target[n] = '\0';
	const char *slash = strrchr(target, '/');
	return arena_strdup(a, slash ? slash + 1 : target);
}
