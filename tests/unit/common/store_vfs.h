/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For tests of the store: a VFS of sqlite between it and the system's. It fails the nth operation
 * as a disk would, and it can write down every change of the main file and of the log, so that a
 * test can make the disk of any moment of a power cut. One thread at a time looks at it.
 */
#ifndef XENITH_TESTS_UNIT_COMMON_STORE_VFS_H
#define XENITH_TESTS_UNIT_COMMON_STORE_VFS_H

#include "common/mem.h"
#include "common/vec.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <string.h>

#define STORE_VFS "xenith-test"

enum vfs_op { VFS_WRITE, VFS_SYNC, VFS_TRUNCATE };

struct vfs_record {
	enum vfs_op op;
	bool is_log; /* else of the main file */
	sqlite3_int64 offset; /* TRUNCATE: the new size */
	size_t n;
	unsigned char *bytes; /* owned */
};

static struct {
	sqlite3_vfs vfs;
	sqlite3_vfs *below;
	/* The operation of the kind that counts down to 0 fails with RC; so do all behind it of
	 * that kind while is_lasting. */
	atomic_int countdown; /* -1: none fails */
	enum vfs_op fails;
	int rc, errnum;
	atomic_bool is_lasting;
	atomic_int n_writes, n_syncs;
	bool is_recording;
	pthread_mutex_t lock;
	vec_of(struct vfs_record) records;
} test_vfs = {.countdown = -1, .lock = PTHREAD_MUTEX_INITIALIZER};

struct vfs_file {
	sqlite3_file base;
	sqlite3_file *below;
	int kind; /* 0: others, 1: main file, 2: log */
};

static sqlite3_file *below(sqlite3_file *f)
{
	return ((struct vfs_file *)f)->below;
}

/* SQLITE_OK, or what the operation fails with. */
static int vfs_fate(enum vfs_op op)
{
	if (atomic_load(&test_vfs.countdown) < 0 || op != test_vfs.fails)
		return SQLITE_OK;
	if (atomic_load(&test_vfs.countdown) > 0) {
		atomic_fetch_sub(&test_vfs.countdown, 1);
		return SQLITE_OK;
	}
	if (!atomic_load(&test_vfs.is_lasting))
		atomic_store(&test_vfs.countdown, -1);
	return test_vfs.rc;
}

static void vfs_note(
	sqlite3_file *f, enum vfs_op op, const void *bytes, size_t n, sqlite3_int64 offset)
{
	int kind = ((struct vfs_file *)f)->kind;

	if (!test_vfs.is_recording || !kind)
		return;
	struct vfs_record r = {.op = op, .is_log = kind == 2, .offset = offset, .n = n};
	if (n) {
		r.bytes = xmalloc(n);
		memcpy(r.bytes, bytes, n);
	}
	pthread_mutex_lock(&test_vfs.lock);
	vec_push(&test_vfs.records, r);
	pthread_mutex_unlock(&test_vfs.lock);
}

static int vfs_close(sqlite3_file *f)
{
	int rc = below(f)->pMethods->xClose(below(f));

	free(below(f));
	return rc;
}

static int vfs_read(sqlite3_file *f, void *buf, int n, sqlite3_int64 at)
{
	return below(f)->pMethods->xRead(below(f), buf, n, at);
}

static int vfs_write(sqlite3_file *f, const void *buf, int n, sqlite3_int64 at)
{
	int rc = vfs_fate(VFS_WRITE);

	atomic_fetch_add(&test_vfs.n_writes, 1);
	if (rc != SQLITE_OK)
		return rc;
	vfs_note(f, VFS_WRITE, buf, (size_t)n, at);
	return below(f)->pMethods->xWrite(below(f), buf, n, at);
}

static int vfs_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	vfs_note(f, VFS_TRUNCATE, NULL, 0, size);
	return below(f)->pMethods->xTruncate(below(f), size);
}

static int vfs_sync(sqlite3_file *f, int flags)
{
	int rc = vfs_fate(VFS_SYNC);

	atomic_fetch_add(&test_vfs.n_syncs, 1);
	if (rc != SQLITE_OK)
		return rc;
	vfs_note(f, VFS_SYNC, NULL, 0, 0);
	/* What is on the disk is the record's matter here: a real sync would only take time. */
	return SQLITE_OK;
}

static int vfs_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return below(f)->pMethods->xFileSize(below(f), size);
}

static int vfs_lock(sqlite3_file *f, int level)
{
	return below(f)->pMethods->xLock(below(f), level);
}

static int vfs_unlock(sqlite3_file *f, int level)
{
	return below(f)->pMethods->xUnlock(below(f), level);
}

static int vfs_reserved(sqlite3_file *f, int *out)
{
	return below(f)->pMethods->xCheckReservedLock(below(f), out);
}

static int vfs_control(sqlite3_file *f, int op, void *arg)
{
	if (op == SQLITE_FCNTL_LAST_ERRNO) {
		*(int *)arg = test_vfs.errnum;
		return SQLITE_OK;
	}
	return below(f)->pMethods->xFileControl(below(f), op, arg);
}

static int vfs_sector(sqlite3_file *f)
{
	return below(f)->pMethods->xSectorSize(below(f));
}

static int vfs_device(sqlite3_file *f)
{
	return below(f)->pMethods->xDeviceCharacteristics(below(f));
}

/* Version 1: no shared memory, no mapping. The store must do without. */
static const sqlite3_io_methods vfs_methods = {
	.iVersion = 1,
	.xClose = vfs_close,
	.xRead = vfs_read,
	.xWrite = vfs_write,
	.xTruncate = vfs_truncate,
	.xSync = vfs_sync,
	.xFileSize = vfs_size,
	.xLock = vfs_lock,
	.xUnlock = vfs_unlock,
	.xCheckReservedLock = vfs_reserved,
	.xFileControl = vfs_control,
	.xSectorSize = vfs_sector,
	.xDeviceCharacteristics = vfs_device,
};

static int vfs_open(sqlite3_vfs *v, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
	struct vfs_file *f = (struct vfs_file *)file;

	*f = (struct vfs_file){.below = xcalloc(1, (size_t)test_vfs.below->szOsFile)};
	f->kind = flags & SQLITE_OPEN_MAIN_DB ? 1 : flags & SQLITE_OPEN_WAL ? 2 : 0;
	int rc = test_vfs.below->xOpen(test_vfs.below, name, f->below, flags, out_flags);
	if (rc == SQLITE_OK)
		f->base.pMethods = &vfs_methods;
	else
		free(f->below);
	return rc;
}

/* Registers it once; each call takes it back to where it fails nothing and has noted nothing. */
static maybe_unused void vfs_reset(void)
{
	if (!test_vfs.below) {
		test_vfs.below = sqlite3_vfs_find(NULL);
		test_vfs.vfs = *test_vfs.below;
		test_vfs.vfs.pNext = NULL;
		test_vfs.vfs.zName = STORE_VFS;
		test_vfs.vfs.szOsFile = sizeof(struct vfs_file);
		test_vfs.vfs.xOpen = vfs_open;
		sqlite3_vfs_register(&test_vfs.vfs, 0);
	}
	atomic_store(&test_vfs.countdown, -1);
	atomic_store(&test_vfs.is_lasting, false);
	test_vfs.errnum = 0;
	test_vfs.is_recording = false;
	vec_for_each (i, &test_vfs.records)
		free(test_vfs.records.v[i].bytes);
	vec_fini(&test_vfs.records);
}

/* The operation N (0: the next one) of the kind fails; with is_lasting, the later ones too. */
static maybe_unused void vfs_fail(enum vfs_op op, int n, int rc, int errnum)
{
	test_vfs.fails = op;
	test_vfs.rc = rc;
	test_vfs.errnum = errnum;
	atomic_store(&test_vfs.countdown, n);
}

#endif
