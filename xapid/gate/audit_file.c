/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file of the audit (audit_file.h).
 */
#define LOG_MODULE "audit"

#include "xapid/gate/audit_file.h"

#include "common/datetime.h"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/offload.h"
#include "xapid/gate/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK ((size_t)64 * 1024) /* longer than any line */

static struct {
	char *path; /* owned; NULL: nothing is open */
	int fd;
	int64_t size, max, kept;
	bool is_torn; /* the last line has no end: the disk was full */
} file;

/* ---- writing ---- */

static int open_at_end(const char *path, off_t *size, bool *is_torn)
{
	int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	struct stat st;
	char last = '\n';

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	if (st.st_size)
		*is_torn = pread(fd, &last, 1, st.st_size - 1) != 1 || last != '\n';
	*size = st.st_size;
	return fd;
}

struct err *audit_file_open(const char *path, int64_t max_bytes, int64_t kept)
{
	off_t size = 0;
	int fd = open_at_end(path, &size, &file.is_torn);

	if (fd < 0)
		return err_errno(-fd, "open %s", path);
	file.path = xstrdup(path);
	file.fd = fd;
	file.size = size;
	audit_file_set_limits(max_bytes, kept);
	return NULL;
}

void audit_file_set_limits(int64_t max_bytes, int64_t kept)
{
	file.max = max_bytes;
	file.kept = kept < AUDIT_FILES_MAX ? kept : AUDIT_FILES_MAX;
}

/* PATH.1 of PATH. */
static char *older(const char *path, int64_t i)
{
	return i ? xasprintf("%s.%lld", path, (long long)i) : xstrdup(path);
}

/* What was kept under larger limits goes too. */
static void forget_beyond(int64_t kept)
{
	for (int64_t i = kept + 1; i <= AUDIT_FILES_MAX + 1; i++) {
		auto_str name = older(file.path, i);

		if (unlink(name) < 0 && errno == ENOENT && i > kept + 1)
			return;
	}
}

static void step_aside(void)
{
	off_t size = 0;

	for (int64_t i = file.kept; i >= 0; i--) {
		auto_str from = older(file.path, i);
		auto_str to = older(file.path, i + 1);

		if (rename(from, to) < 0 && errno != ENOENT) {
			log_rl(LOG_ERROR_, "%s does not become %s: %s", from, to,
				strerrordesc_np(errno));
			return;
		}
	}
	forget_beyond(file.kept);
	int fd = open_at_end(file.path, &size, &file.is_torn);
	if (fd < 0) {
		log_rl(LOG_ERROR_, "%s: %s", file.path, strerrordesc_np(-fd));
		return; /* the one that stepped aside grows on */
	}
	close(file.fd);
	file.fd = fd;
	file.size = size;
}

void audit_file_add(const char *line, size_t n)
{
	if (!file.path)
		return;
	if (file.size && file.size + (int64_t)n > file.max)
		step_aside();
	if (file.is_torn && write(file.fd, "\n", 1) == 1)
		file.is_torn = false;
	ssize_t done = write(file.fd, line, n);
	if (done > 0)
		file.size += done;
	if (done == (ssize_t)n)
		return;
	file.is_torn |= done > 0;
	log_rl(LOG_ERROR_, "%s: what was done is not written down: %s", file.path,
		done < 0 ? strerrordesc_np(errno) : "the disk is full");
}

void audit_file_close(void)
{
	if (!file.path)
		return;
	close(file.fd);
	free(file.path);
	memset(&file, 0, sizeof(file));
}

/* ---- reading ---- */

static void open_for_reading(struct audit_reader *r, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) < 0) {
		close(fd);
		return;
	}
	r->files[r->n].fd = fd;
	r->files[r->n].at = 0;
	r->files[r->n].size = st.st_size;
	r->n++;
}

void audit_reader_init(struct audit_reader *r, int64_t since)
{
	char text[DATETIME_SIZE];

	memset(r, 0, sizeof(*r));
	if (since >= 0)
		snprintf(r->since, sizeof(r->since), "%.19s", datetime_put(since, text));
	r->block = xmalloc(BLOCK);
	for (int64_t i = file.path ? file.kept : -1; i >= 0; i--) {
		auto_str name = older(file.path, i);

		open_for_reading(r, name);
	}
}

void audit_reader_fini(struct audit_reader *r)
{
	for (size_t i = 0; i < r->n; i++)
		close(r->files[i].fd);
	free(r->block);
	*r = (struct audit_reader){0};
}

struct piece {
	int fd, error;
	off_t at;
	char *to;
	size_t n;
};

static void read_piece(void *arg)
{
	struct piece *p = arg;
	ssize_t n = pread(p->fd, p->to, p->n, p->at);

	p->error = n < 0 ? errno : 0;
	p->n = n < 0 ? 0 : (size_t)n;
}

/* More bytes behind those of the block. False: the file is at its end. */
static MAY_WAIT struct err *fill(struct audit_reader *r, bool *has_more)
{
	off_t left = r->files[r->i].size - r->files[r->i].at;
	struct piece p = {.fd = r->files[r->i].fd,
		.at = r->files[r->i].at,
		.to = r->block + r->used,
		.n = BLOCK - r->used};

	if ((off_t)p.n > left)
		p.n = (size_t)left;
	if (p.n) {
		TRY(offload("reading the audit", read_piece, &p));
		if (p.error)
			return err_errno(p.error, "read the audit");
	}
	r->files[r->i].at += (off_t)p.n;
	r->used += p.n;
	*has_more = p.n;
	return NULL;
}

/* Where the lines begin that are wanted: the first that is new enough, and all behind it. */
static const char *first_wanted(struct audit_reader *r, const char *from, const char *end)
{
	size_t len = strlen(r->since), head = strlen(AUDIT_LINE_BEGINS);

	while (len && from < end) {
		const char *newline = memchr(from, '\n', (size_t)(end - from));

		if ((size_t)(end - from) > head + len && !memcmp(from, AUDIT_LINE_BEGINS, head) &&
			memcmp(from + head, r->since, len) >= 0) {
			r->since[0] = '\0';
			return from;
		}
		from = newline ? newline + 1 : end;
	}
	return from;
}

/* The whole lines of the block; at the end of a file, all of it. */
static size_t whole_lines(const struct audit_reader *r, bool is_end)
{
	const char *last = r->used ? memrchr(r->block, '\n', r->used) : NULL;

	if (is_end || (!last && r->used == BLOCK))
		return r->used;
	return last ? (size_t)(last - r->block) + 1 : 0;
}

MAY_WAIT struct err *audit_reader_next(struct audit_reader *r, const char **bytes, size_t *n)
{
	static const char nothing[1];
	bool has_more = true;

	*bytes = nothing;
	*n = 0;
	while (r->i < r->n) {
		memmove(r->block, r->block + r->given, r->used - r->given);
		r->used -= r->given;
		r->given = 0;
		TRY(fill(r, &has_more));
		size_t len = whole_lines(r, !has_more);
		const char *from = first_wanted(r, r->block, r->block + len);
		r->given = len;
		if (!has_more)
			r->i++;
		if (from < r->block + len) {
			*bytes = from;
			*n = len - (size_t)(from - r->block);
			return NULL;
		}
	}
	return NULL;
}
