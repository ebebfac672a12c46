/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Archives (archive.h), by libarchive on the offload pool.
 */
#include "xapid/api/archive.h"

#include "common/mem.h"
#include "common/offload.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BLOCK ((size_t)64 * 1024)

struct making {
	enum archive_format format;
	const char *dir;
	const struct archive_item *items;
	size_t n;
	int fd;
	int64_t size;
	char why[200]; /* "": it is there */
};

static void free_archive(struct archive **a)
{
	archive_write_free(*a);
}

static void free_entry(struct archive_entry **e)
{
	archive_entry_free(*e);
}

/* ---- one item ---- */

static struct archive_entry *entry_of(const char *name, int64_t size, time_t when)
{
	struct archive_entry *e = archive_entry_new();

	archive_entry_set_pathname(e, name);
	archive_entry_set_size(e, size);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0640);
	archive_entry_set_mtime(e, when, 0);
	return e;
}

/* A file that becomes shorter meanwhile is filled with zeroes by the library. */
static int add_bytes_of(struct archive *a, int fd, off_t from, off_t to)
{
	auto_str block = xmalloc(BLOCK);

	while (from < to) {
		size_t want = to - from < (off_t)BLOCK ? (size_t)(to - from) : BLOCK;
		ssize_t n = pread(fd, block, want, from);

		if (n <= 0)
			return ARCHIVE_OK;
		if (archive_write_data(a, block, (size_t)n) < 0)
			return ARCHIVE_FATAL;
		from += n;
	}
	return ARCHIVE_OK;
}

static int add_file(struct archive *a, const struct archive_item *item)
{
	auto_fd fd = open(item->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return ARCHIVE_OK;
	off_t from = (uint64_t)st.st_size > item->most ? st.st_size - (off_t)item->most : 0;
	AUTO(free_entry)
	struct archive_entry *e = entry_of(item->name, st.st_size - from, st.st_mtime);
	int r = archive_write_header(a, e);
	return r < ARCHIVE_WARN ? r : add_bytes_of(a, fd, from, st.st_size);
}

static int add_text(struct archive *a, const struct archive_item *item)
{
	AUTO(free_entry)
	struct archive_entry *e = entry_of(item->name, (int64_t)item->n, time(NULL));
	int r = archive_write_header(a, e);

	if (r < ARCHIVE_WARN || !item->n)
		return r;
	return archive_write_data(a, item->text, item->n) < 0 ? ARCHIVE_FATAL : ARCHIVE_OK;
}

/* ---- all ---- */

static void set_format(struct archive *a, enum archive_format format)
{
	if (format == ARCHIVE_ZIP)
		archive_write_set_format_zip(a);
	else
		archive_write_set_format_pax_restricted(a);
	if (format == ARCHIVE_TAR_GZ)
		archive_write_add_filter_gzip(a);
	else if (format == ARCHIVE_TAR_BZ2)
		archive_write_add_filter_bzip2(a);
}

static int fill(struct archive *a, const struct making *m)
{
	int r = archive_write_open_fd(a, m->fd);

	for (size_t i = 0; i < m->n && r >= ARCHIVE_WARN; i++)
		r = m->items[i].path ? add_file(a, &m->items[i]) : add_text(a, &m->items[i]);
	return r < ARCHIVE_WARN ? r : archive_write_close(a);
}

static void make(void *arg)
{
	struct making *m = arg;
	auto_str path = xasprintf("%s/xapid-archive.XXXXXX", m->dir);
	AUTO(free_archive) struct archive *a = archive_write_new();

	m->fd = mkostemp(path, O_CLOEXEC);
	if (m->fd < 0) {
		snprintf(m->why, sizeof(m->why), "%s: %s", path, strerrordesc_np(errno));
		return;
	}
	unlink(path);
	set_format(a, m->format);
	if (fill(a, m) < ARCHIVE_WARN)
		snprintf(m->why, sizeof(m->why), "%s", archive_error_string(a));
	m->size = lseek(m->fd, 0, SEEK_END);
}

MAY_WAIT struct err *archive_make(enum archive_format format, const char *dir,
	const struct archive_item *items, size_t n, int *fd, uint64_t *size)
{
	struct making m = {.format = format, .dir = dir, .items = items, .n = n, .fd = -1};

	TRY(offload("making an archive", make, &m));
	if (*m.why || m.size < 0) {
		if (m.fd >= 0)
			close(m.fd);
		return err_errno(EIO, "making an archive: %s", m.why);
	}
	*fd = m.fd;
	*size = (uint64_t)m.size;
	return NULL;
}
