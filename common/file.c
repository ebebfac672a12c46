/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whole files (file.h). A new content is written beside the old under a name of its own
 * (.NAME.XXXXXXXX.tmp) and renamed over it. Blocks; any thread.
 */
#include "common/file.h"

#include "common/mem.h"
#include "common/offload.h"
#include "common/sbuf.h"
#include "common/uuid.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

enum { ORPHAN_WITHIN_S = 5, ORPHAN_LOOKS_A_SECOND = 200 };

int write_all(int fd, const void *bytes, size_t n)
{
	const char *at = bytes;

	while (n) {
		ssize_t done = write(fd, at, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		at += done;
		n -= (size_t)done;
	}
	return 0;
}

/* ---- reading ---- */

static int read_up_to(int fd, size_t max_bytes, struct sbuf *b)
{
	for (;;) {
		ssize_t n = read(fd, sbuf_room(b, 4096), 4096);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return 0;
		sbuf_added(b, (size_t)n);
		if (sbuf_len(b) > max_bytes)
			return -EFBIG;
	}
}

int file_read(const char *path, size_t max_bytes, char **out, size_t *len)
{
	auto_sbuf b = {0};
	struct stat st;

	/* Not blocking, for a FIFO that somebody put there would hang us; for files it means
	 * nothing. */
	auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	int r = read_up_to(fd, max_bytes, &b);
	if (r)
		return r;
	if (len)
		*len = sbuf_len(&b);
	*out = sbuf_take(&b);
	return 0;
}

/* ---- writing ---- */

/* PATH's directory as a descriptor, its last part in *NAME (points into PATH). */
static int dir_open_of(const char *path, const char **name, int *out_fd)
{
	const char *slash = strrchr(path, '/');
	auto_str dir = !slash   ? xstrdup(".")
		: slash == path ? xstrdup("/")
				: xstrndup(path, (size_t)(slash - path));

	*name = slash ? slash + 1 : path;
	if (!**name || !strcmp(*name, ".") || !strcmp(*name, ".."))
		return -EISDIR;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*out_fd = fd;
	return 0;
}

/* A new file for NAME's coming content; *TMP its name, for the caller to free. */
static int temporary_create(int dir_fd, const char *name, char **tmp, int *out_fd)
{
	unsigned char random[4];

	random_bytes(random, sizeof(random));
	auto_str made = xasprintf(
		".%.200s.%02x%02x%02x%02x.tmp", name, random[0], random[1], random[2], random[3]);
	int fd = openat(dir_fd, made, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	*tmp = take(made);
	*out_fd = fd;
	return 0;
}

static int content_write(int fd, const void *bytes, size_t n, mode_t mode, unsigned flags)
{
	int r = write_all(fd, bytes, n);

	if (r)
		return r;
	if (fchmod(fd, mode))
		return -errno;
	if (flags & FILE_DURABLE && fsync(fd))
		return -errno;
	return 0;
}

int file_write(const char *path, const void *bytes, size_t n, mode_t mode, unsigned flags)
{
	const char *name;
	auto_str tmp = NULL;
	auto_fd dir_fd = -1;
	auto_fd fd = -1;

	int r = dir_open_of(path, &name, &dir_fd);
	if (r)
		return r;
	r = temporary_create(dir_fd, name, &tmp, &fd);
	if (r)
		return r;
	r = content_write(fd, bytes, n, mode, flags);
	if (!r && renameat(dir_fd, tmp, dir_fd, name))
		r = -errno;
	if (r) {
		unlinkat(dir_fd, tmp, 0);
		return r;
	}
	return flags & FILE_DURABLE && fsync(dir_fd) ? -errno : 0;
}

int file_remove(const char *path, unsigned flags)
{
	const char *name;
	auto_fd dir_fd = -1;

	int r = dir_open_of(path, &name, &dir_fd);
	if (r)
		return r == -ENOENT ? 0 : r;
	if (unlinkat(dir_fd, name, 0) && errno != ENOENT)
		return -errno;
	return flags & FILE_DURABLE && fsync(dir_fd) ? -errno : 0;
}

/* ---- for fibers ---- */

struct load {
	const char *path;
	size_t max_bytes;
	char *out;
	size_t len;
	int r;
};

static void load_run(void *arg)
{
	struct load *l = arg;

	l->r = file_read(l->path, l->max_bytes, &l->out, &l->len);
}

MAY_WAIT struct err *file_load(const char *path, size_t max_bytes, char **out, size_t *len)
{
	struct load l = {.path = path, .max_bytes = max_bytes};

	TRY_CTX(offload("reading a file", load_run, &l), "reading %s", path);
	if (l.r)
		return err_errno(-l.r, "reading %s", path);
	*out = l.out;
	if (len)
		*len = l.len;
	return NULL;
}

struct store {
	const char *path;
	const void *bytes;
	size_t n;
	mode_t mode;
	unsigned flags;
	int r;
};

static void store_run(void *arg)
{
	struct store *s = arg;

	s->r = file_write(s->path, s->bytes, s->n, s->mode, s->flags);
}

MAY_WAIT struct err *file_store(
	const char *path, const void *bytes, size_t n, mode_t mode, unsigned flags)
{
	struct store s = {.path = path, .bytes = bytes, .n = n, .mode = mode, .flags = flags};

	TRY_CTX(offload("writing a file", store_run, &s), "writing %s", path);
	return s.r ? err_errno(-s.r, "writing %s", path) : NULL;
}

static void drop_run(void *arg)
{
	struct store *s = arg;

	s->r = file_remove(s->path, s->flags);
}

MAY_WAIT struct err *file_drop(const char *path, unsigned flags)
{
	struct store s = {.path = path, .flags = flags};

	TRY_CTX(offload("removing a file", drop_run, &s), "removing %s", path);
	return s.r ? err_errno(-s.r, "removing %s", path) : NULL;
}

/* ---- directories ---- */

static void close_dirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* ".START….XXXXXXXX.tmp", as temporary_create makes it. */
static bool is_temporary(const char *name, const char *start)
{
	size_t n = strlen(start);

	return *name == '.' && !strncmp(name + 1, start, n) && strlen(name + 1) >= n &&
		!fnmatch("*.????????.tmp", name + 1 + n, 0);
}

int dir_remove_temporaries(const char *dir, const char *start)
{
	AUTO(close_dirp) DIR *d = opendir(dir);

	if (!d)
		return -errno;
	for (struct dirent *entry; (entry = readdir(d));) {
		if (!is_temporary(entry->d_name, start))
			continue;
		if (unlinkat(dirfd(d), entry->d_name, 0) && errno != ENOENT)
			return -errno;
	}
	return 0;
}

int dir_sync(const char *dir)
{
	auto_fd fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) ? -errno : 0;
}

/* Makes one directory in the one of AT_FD if it is missing, and opens it. */
static int dir_enter(int at_fd, const char *name, mode_t mode, bool exact, int *out_fd)
{
	bool is_new = !mkdirat(at_fd, name, mode);

	if (!is_new && errno != EEXIST)
		return -errno;
	auto_fd fd = openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (is_new && ((exact && fchmod(fd, mode)) || fsync(at_fd)))
		return -errno;
	*out_fd = fd;
	fd = -1;
	return 0;
}

int dir_make(const char *dir, mode_t mode)
{
	auto_str copy = xstrdup(dir);
	auto_fd at_fd = open(*dir == '/' ? "/" : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *rest;

	if (at_fd < 0)
		return -errno;
	for (char *part = strtok_r(copy, "/", &rest), *next; part; part = next) {
		int fd = -1;

		next = strtok_r(NULL, "/", &rest);
		int r = dir_enter(at_fd, part, next ? 0755 : mode, !next, &fd);
		if (r)
			return r;
		close(at_fd);
		at_fd = fd;
	}
	return 0;
}

/* Who holds the lock, by the file's content; 0 when it does not say. */
static long lock_holder(int fd)
{
	char text[24] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	return strtol(text, NULL, 10);
}

struct err *dir_lock(const char *dir, const char *name, int *out_fd)
{
	auto_str path = xasprintf("%s/%s", dir, name);
	char pid[24];

	auto_fd fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0)
		return err_errno(errno, "opening %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK)
			return err_errno(errno, "locking %s", path);
		return err_errno(EBUSY, "%s is in use by process %ld", dir, lock_holder(fd));
	}
	int n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) || pwrite(fd, pid, (size_t)n, 0) != n)
		return err_errno(errno, "writing %s", path);
	*out_fd = fd;
	fd = -1;
	return NULL;
}

static bool holder_is_dead(const char *dir, const char *name)
{
	auto_str path = xasprintf("%s/%s", dir, name);

	auto_fd fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	long pid = fd < 0 ? 0 : lock_holder(fd);
	return pid > 0 && kill((pid_t)pid, 0) && errno == ESRCH;
}

struct err *dir_lock_after_death(const char *dir, const char *name, int *out_fd)
{
	const struct timespec moment = {.tv_nsec = 1000000000 / ORPHAN_LOOKS_A_SECOND};

	for (int left = ORPHAN_WITHIN_S * ORPHAN_LOOKS_A_SECOND;; left--) {
		struct err *e = dir_lock(dir, name, out_fd);

		if (!e || !left || !holder_is_dead(dir, name))
			return e;
		err_free(e);
		nanosleep(&moment, NULL); /* lint: nothing else is to be done before that */
	}
}
