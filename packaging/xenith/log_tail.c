/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tails of log files (log_tail.h). Only the last 256 KiB of a file are looked at: the log of a
 * daemon that has filled the disk is still shown at once.
 */
#include "packaging/xenith/log_tail.h"

#include "common/sbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define LOOK_BACK (256 * 1024)

/* Reads what lies behind FROM, at most LOOK_BACK bytes. */
static int read_from(int fd, off_t from, struct sbuf *out)
{
	while (sbuf_len(out) < LOOK_BACK) {
		char *room = sbuf_room(out, 65536);
		ssize_t r = pread(fd, room, 65536, from + (off_t)sbuf_len(out));

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			return 0;
		sbuf_added(out, (size_t)r);
	}
	return 0;
}

/* The start of the last N lines of the text. */
static size_t last_lines(const char *text, size_t len, long n)
{
	size_t at = len && text[len - 1] == '\n' ? len - 1 : len;

	while (at > 0) {
		if (text[at - 1] == '\n' && --n <= 0)
			return at;
		at--;
	}
	return 0;
}

static void print_lines(const char *text, size_t len, const char *prefix, FILE *to)
{
	while (len) {
		const char *nl = memchr(text, '\n', len);
		size_t line = nl ? (size_t)(nl - text) : len;

		fputs(prefix, to);
		fwrite(text, 1, line, to);
		fputc('\n', to);
		line += nl ? 1 : 0;
		text += line;
		len -= line;
	}
}

int log_tail(const char *path, long n, const char *prefix, FILE *to, off_t *end)
{
	auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
	auto_sbuf text = {0};
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	off_t from = st.st_size > LOOK_BACK ? st.st_size - LOOK_BACK : 0;
	int r = read_from(fd, from, &text);
	if (r < 0)
		return r;
	size_t len = sbuf_len(&text);
	if (n > 0 && len) {
		size_t at = last_lines(sbuf_data(&text), len, n);

		print_lines(sbuf_data(&text) + at, len - at, prefix, to);
	}
	if (end)
		*end = from + (off_t)len;
	return 0;
}

int log_tail_more(const char *path, const char *prefix, FILE *to, off_t *end)
{
	auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
	auto_sbuf text = {0};
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < *end)
		*end = 0;
	int r = read_from(fd, *end, &text);
	if (r < 0 || !sbuf_len(&text))
		return r;
	const char *nl = memrchr(sbuf_data(&text), '\n', sbuf_len(&text));
	if (!nl)
		return 0;
	size_t whole = (size_t)(nl - sbuf_data(&text)) + 1;
	print_lines(sbuf_data(&text), whole, prefix, to);
	*end += (off_t)whole;
	return 0;
}
