/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads the directory of an SR of type file (file_list.h). Any thread.
 */
#include "smd/file_list.h"

#include "common/file.h"
#include "common/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_JSON ((size_t)1 << 20)

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n > m && !strcmp(s + n - m, end);
}

static bool is_plain(const char *name)
{
	static const char signs[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "._+-@ ";

	return *name != '.' && *name != '-' && *name != ' ' && strspn(name, signs) == strlen(name);
}

bool file_is_image_name(const char *name, bool *is_raw)
{
	*is_raw = ends_with(name, ".raw") || ends_with(name, ".img");
	return is_plain(name) && (*is_raw || ends_with(name, ".qcow2"));
}

/* A descriptor of a regular file that is really in DIR; -errno. */
static int open_in(const char *dir, const char *name, struct stat *st)
{
	auto_str path = xasprintf("%s/%s", dir, name);
	auto_fd fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, st))
		return -errno;
	if (!S_ISREG(st->st_mode))
		return -EINVAL;
	int out = fd;
	fd = -1;
	return out;
}

static const char *read_head(int fd, struct qcow2_head *out)
{
	auto_str bytes = xmalloc(QCOW2_HEAD_BYTES);
	size_t n = 0;

	while (n < QCOW2_HEAD_BYTES) {
		ssize_t got = pread(fd, bytes + n, QCOW2_HEAD_BYTES - n, (off_t)n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return "it cannot be read";
		if (!got)
			break;
		n += (size_t)got;
	}
	return qcow2_read(bytes, n, out);
}

void file_look(const char *dir, const char *name, struct file_entry *out)
{
	struct stat st;

	out->head = (struct qcow2_head){0};
	out->problem = NULL;
	if (!file_is_image_name(name, &out->is_raw)) {
		out->problem = "its name is not one of an image";
		return;
	}
	auto_fd fd = open_in(dir, name, &st);
	if (fd < 0)
		out->problem = fd == -ENOENT ? "it is not there" : "no regular file";
	else if (out->is_raw)
		out->head.virtual_size_bytes = st.st_size & ~(off_t)511;
	else
		out->problem = read_head(fd, &out->head);
}

static void add(const char *dir, const char *name, struct file_listing *out)
{
	struct file_entry entry = {0};

	if (ends_with(name, ".json") && *name != '.' && strcmp(name, "sr.json")) {
		auto_str path = xasprintf("%s/%s", dir, name);

		if (file_read(path, MAX_JSON, &entry.json, &entry.json_len)) {
			entry.json = xstrdup("");
			entry.problem = "it cannot be read";
		}
	} else if (file_is_image_name(name, &entry.is_raw)) {
		file_look(dir, name, &entry);
	} else {
		return;
	}
	entry.name = xstrdup(name);
	vec_push(&out->entries, entry);
}

int file_list(const char *dir, struct file_listing *out)
{
	DIR *d = opendir(dir);

	if (!d)
		return -errno;
	for (struct dirent *entry; (errno = 0, entry = readdir(d));)
		add(dir, entry->d_name, out);
	int r = -errno;
	closedir(d);
	return r;
}

void file_listing_fini(struct file_listing *l)
{
	vec_for_each (i, &l->entries) {
		free(l->entries.v[i].name);
		free(l->entries.v[i].json);
	}
	vec_fini(&l->entries);
}
