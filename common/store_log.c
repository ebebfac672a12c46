/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The log beside the store's file, seen from outside sqlite (store_file.h). sqlite takes a log up
 * to its first bad frame and silently forgets the rest: right for a commit that a power cut tore,
 * wrong for a log that was damaged later. Here the two are told apart before sqlite opens it:
 *
 *	- a log that was closed cleanly carries our own mark instead of sqlite's head;
 *	- each commit is synced before the next one begins, so a bad frame with more than its own
 *	  transaction behind it was once good. Every transaction writes the meta page once and ends
 *	  with a frame that says so: that is how they are counted.
 *
 * Damage to the very last commit alone looks like a torn one and cannot be told from it.
 * https://www.sqlite.org/fileformat2.html#the_write_ahead_log
 */
#include "common/store_file.h"

#include "common/file.h"
#include "common/mem.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define HEAD_SIZE       32
#define FRAME_HEAD_SIZE 24
#define FRAME_SIZE      (FRAME_HEAD_SIZE + STORE_PAGE_SIZE)
#define MAGIC           0x377f0682 /* the lowest bit: checksums are of big-endian words */
#define FORMAT          3007000

#define LAID_OUT_SIZE (HEAD_SIZE + (size_t)STORE_LOG_PAGES * FRAME_SIZE)

#define MARK "xenith: closed "

static uint32_t be32(const unsigned char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

struct sums {
	uint32_t a, b;
};

static void add_sums(struct sums *s, const unsigned char *p, size_t n, bool is_big_endian)
{
	for (size_t i = 0; i < n; i += 8) {
		uint32_t w[2];

		memcpy(w, p + i, sizeof(w));
		s->a += (is_big_endian ? be32toh(w[0]) : le32toh(w[0])) + s->b;
		s->b += (is_big_endian ? be32toh(w[1]) : le32toh(w[1])) + s->a;
	}
}

static bool is_sum(const struct sums *s, const unsigned char *p)
{
	return be32(p) == s->a && be32(p + 4) == s->b;
}

/* What is known of the frames behind the last commit that sqlite will accept. */
struct tail {
	unsigned metas; /* frames of the meta page */
	bool has_commit; /* a frame that ends a transaction */
	bool has_more; /* something behind that frame */
	bool is_damaged;
};

static void see_tail_frame(struct tail *t, const unsigned char *frame, uint32_t meta_page)
{
	if (t->has_commit)
		t->has_more = true;
	t->metas += be32(frame) == meta_page;
	t->has_commit |= be32(frame + 4) != 0;
	if (t->has_more || t->metas > 1)
		t->is_damaged = true;
}

/*
 * Walks the frames. As long as they are good, a commit forgets the tail; from the first bad one on
 * the tail only grows. Frames of an earlier round of the log have other salts and say nothing.
 */
static int walk_frames(int fd, const unsigned char *head, uint32_t meta_page, bool *is_damaged)
{
	AUTO(free_strp) char *buf = xmalloc(FRAME_SIZE);
	unsigned char *frame = (unsigned char *)buf;
	bool is_big_endian = be32(head) & 1, is_good = true;
	struct sums sums = {be32(head + 24), be32(head + 28)};
	struct tail tail = {0};
	off_t at = HEAD_SIZE;
	ssize_t got;

	for (; (got = pread(fd, frame, FRAME_SIZE, at)) == FRAME_SIZE; at += FRAME_SIZE) {
		bool is_ours = !memcmp(frame + 8, head + 16, 8);

		if (is_good) {
			add_sums(&sums, frame, 8, is_big_endian);
			add_sums(&sums, frame + FRAME_HEAD_SIZE, STORE_PAGE_SIZE, is_big_endian);
			is_good = is_ours && be32(frame) && is_sum(&sums, frame + 16);
		}
		if (is_good && be32(frame + 4))
			tail = (struct tail){0};
		else if (is_ours)
			see_tail_frame(&tail, frame, meta_page);
	}
	*is_damaged = tail.is_damaged;
	return got < 0 ? -errno : 0;
}

static bool is_good_head(const unsigned char *head)
{
	struct sums sums = {0, 0};

	add_sums(&sums, head, 24, be32(head) & 1);
	return (be32(head) & ~1U) == MAGIC && be32(head + 4) == FORMAT &&
		be32(head + 8) == STORE_PAGE_SIZE && is_sum(&sums, head + 24);
}

static bool is_whole(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && (size_t)st.st_size >= LAID_OUT_SIZE;
}

/* The mark's generation in *GENERATION; false: the head is no mark. */
static bool read_mark(const unsigned char *head, uint64_t *generation)
{
	char digits[17] = {0};
	char again[HEAD_SIZE + 1];

	if (memcmp(head, MARK, strlen(MARK)) != 0)
		return false;
	memcpy(digits, head + strlen(MARK), 16);
	uint64_t value = strtoull(digits, NULL, 16);
	snprintf(again, sizeof(again), MARK "%016llx\n", (unsigned long long)value);
	if (memcmp(head, again, HEAD_SIZE) != 0)
		return false;
	*generation = value;
	return true;
}

struct err *store_log_inspect(
	const char *path, uint32_t meta_page, enum store_log_state *state, uint64_t *generation)
{
	unsigned char head[HEAD_SIZE];
	bool is_damaged = false;
	auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) {
		*state = STORE_LOG_MISSING;
		return NULL;
	}
	if (fd < 0)
		return err_errno(errno, "open %s", path);
	ssize_t got = pread(fd, head, HEAD_SIZE, 0);
	int r = got < 0 ? -errno : 0;
	if (got == HEAD_SIZE && read_mark(head, generation)) {
		*state = STORE_LOG_CLEAN;
		return NULL;
	}
	if (got != HEAD_SIZE || !is_good_head(head) || !is_whole(fd))
		is_damaged = true;
	else
		r = walk_frames(fd, head, meta_page, &is_damaged);
	if (r)
		return err_errno(-r, "read %s", path);
	*state = is_damaged ? STORE_LOG_DAMAGED : STORE_LOG_IN_USE;
	return NULL;
}

static int write_mark(int fd, uint64_t generation)
{
	char mark[HEAD_SIZE + 1];

	snprintf(mark, sizeof(mark), MARK "%016llx\n", (unsigned long long)generation);
	if (pwrite(fd, mark, HEAD_SIZE, 0) != HEAD_SIZE || fdatasync(fd))
		return errno ? -errno : -EIO;
	return 0;
}

int store_log_mark_clean(const char *path, uint64_t generation)
{
	auto_fd fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : write_mark(fd, generation);
}

/* Zeros that were written, not a hole or a promise: overwriting them changes no metadata. */
static int lay_out(const char *path, uint64_t generation)
{
	auto_fd fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	static const char zeros[64 * 1024];
	size_t left = LAID_OUT_SIZE;

	if (fd < 0)
		return -errno;
	while (left) {
		size_t n = left < sizeof(zeros) ? left : sizeof(zeros);
		int r = write_all(fd, zeros, n);

		if (r)
			return r;
		left -= n;
	}
	return write_mark(fd, generation);
}

/* Under another name first: half of one would be taken for a damaged log. */
int store_log_create(const char *path, uint64_t generation)
{
	auto_str new_path = xasprintf("%s.new", path);
	int r = lay_out(new_path, generation);

	if (!r && rename(new_path, path))
		r = -errno;
	if (r)
		unlink(new_path);
	return r;
}
