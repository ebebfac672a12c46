/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/store.c and store_writer.c: numbers, barriers, what a full disk undoes, and that a disk
 * that fails ends the process before anybody is answered.
 */
#include "common/store.h"

#include "common/map.h"
#include "common/mem.h"
#include "core.gen.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/common/store_vfs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const tables[] = {"vm", "vbd", NULL};
static const struct store_schema schema = {.version = 1, .tables = tables};

static char folder[64];
static char path[128];

static int make_folder(void **state)
{
	snprintf(folder, sizeof(folder), "/tmp/xenith-store.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/db", folder);
	vfs_reset();
	return 0;
}

static int remove_folder(void **state)
{
	auto_str command = xasprintf("rm -rf %s", folder);

	vfs_reset();
	return system(command);
}

/* ---- an owner: a map in memory that the store follows ---- */

static struct map rows; /* key -> value, a string */
static unsigned n_done, n_undone;

struct change {
	char *key, *old; /* owned; OLD NULL: there was none */
};

static void undo(void *what, uint64_t generation, void *owner)
{
	struct change *c = what;

	n_undone++;
	free(c->old ? map_put(&rows, c->key, take(c->old)) : map_remove(&rows, c->key));
}

static void done(void *what, uint64_t generation, void *owner)
{
	struct change *c = what;

	n_done++;
	free(c->key);
	free(c->old);
	free(c);
}

static struct store_options options = {
	.schema = &schema,
	.undo = undo,
	.done = done,
	.vfs = STORE_VFS,
	.probe_ns = NS_PER_S,
};

static struct err *set(struct store *s, const char *key, const char *value, uint64_t *generation)
{
	struct change *c = xnew(struct change);
	struct err *e = store_put(s, "vm", key, value, strlen(value), c, generation);

	if (e) {
		free(c);
		return e;
	}
	c->key = xstrdup(key);
	c->old = map_put(&rows, key, xstrdup(value));
	return NULL;
}

static void forget_rows(void)
{
	map_for_each (slot, &rows)
		free(slot->value);
	map_fini(&rows);
	n_done = n_undone = 0;
}

static struct err *add_loaded(const struct store_row *row, void *arg)
{
	struct map *m = arg;

	free(map_put(m, row->key, xstrndup(row->value, row->size)));
	return NULL;
}

/* What is in the file is what the owner has in memory. */
static void check_same(struct store *s)
{
	struct map loaded = {0};

	CHECK_OK(store_load(s, "vm", add_loaded, &loaded));
	assert_int_equal(loaded.n, rows.n);
	map_for_each (slot, &rows) {
		const char *value = map_get(&loaded, slot->key);

		assert_non_null(value);
		assert_string_equal(value, slot->value);
	}
	map_for_each (slot, &loaded)
		free(slot->value);
	map_fini(&loaded);
}

static void check_same_after_reopening(void)
{
	struct store *s;

	CHECK_OK(store_open(&s, path, &options));
	check_same(s);
	store_close(s);
	forget_rows();
}

/* ---- tests ---- */

static void keeps_what_was_put_fiber(void *arg)
{
	struct store *s;
	uint64_t first, second, last;

	CHECK_OK(store_open(&s, path, &options));
	assert_int_equal(store_generation(s), 0);
	CHECK_OK(set(s, "a", "1", &first));
	CHECK_OK(set(s, "a", "2", &second));
	CHECK_OK(set(s, "b", "", &last));
	assert_int_equal(second, first + 1);
	assert_int_equal(store_generation(s), last);
	assert_true(store_durable(s) < last);
	CHECK_OK(store_barrier(s, last, NEVER));
	assert_int_equal(store_durable(s), last);
	CHECK_OK(store_barrier(s, first, 0));
	assert_int_equal(n_done, 3);
	CHECK_OK(store_delete(s, "vm", "nobody", xcalloc(1, sizeof(struct change)), &last));
	store_close(s);
}

static void keeps_what_was_put(void **state)
{
	run_in_fiber(keeps_what_was_put_fiber, NULL);
	check_same_after_reopening();
}

static void goes_on_counting_fiber(void *arg)
{
	struct store *s;
	uint64_t g;

	CHECK_OK(store_open(&s, path, &options));
	CHECK_OK(set(s, "a", "1", &g));
	CHECK_OK(store_delete(s, "vm", "a", xcalloc(1, sizeof(struct change)), &g));
	free(map_remove(&rows, "a"));
	store_close(s);
	/* The row is gone, its number is not given again. */
	CHECK_OK(store_open(&s, path, &options));
	assert_int_equal(store_generation(s), g);
	assert_int_equal(store_durable(s), g);
	CHECK_OK(store_barrier(s, g, 0));
	store_close(s);
}

static void goes_on_counting(void **state)
{
	run_in_fiber(goes_on_counting_fiber, NULL);
	check_same_after_reopening();
}

static void refuses_what_cannot_be_stored_fiber(void *arg)
{
	char long_key[2000];
	struct store *s;
	uint64_t g = 0;

	memset(long_key, 'k', sizeof(long_key));
	long_key[sizeof(long_key) - 1] = '\0';
	CHECK_OK(store_open(&s, path, &options));
	CHECK_ERR(store_put(s, "vm", "", "x", 1, NULL, &g), INVALID_VALUE);
	CHECK_ERR(store_put(s, "vm", long_key, "x", 1, NULL, &g), INVALID_VALUE);
	CHECK_ERR(store_put(s, "vm", "k", "x", 1UL << 40, NULL, &g), LIMIT_EXCEEDED);
	assert_int_equal(g, 0);
	assert_int_equal(store_generation(s), 0);
	/* The next one does not suffer. */
	CHECK_OK(set(s, "k", "x", &g));
	CHECK_OK(store_barrier(s, g, NEVER));
	store_close(s);
}

static void refuses_what_cannot_be_stored(void **state)
{
	run_in_fiber(refuses_what_cannot_be_stored_fiber, NULL);
	check_same_after_reopening();
}

/* Many fibers, each waiting for each of its changes: they share syncs. */
#define N_WRITERS 64
#define N_EACH    20

struct many {
	struct store *s;
	unsigned left;
	struct cond ended;
};

static struct many many;

static void write_some(void *arg)
{
	char key[32];
	uint64_t g;

	for (int i = 0; i < N_EACH; i++) {
		snprintf(key, sizeof(key), "%d-%d", (int)(intptr_t)arg, i % 7);
		CHECK_OK(set(many.s, key, key + i % 3, &g));
		CHECK_OK(store_barrier(many.s, g, NEVER));
		assert_true(store_durable(many.s) >= g);
	}
	if (!--many.left)
		cond_signal(&many.ended);
}

static void shares_syncs_fiber(void *arg)
{
	CHECK_OK(store_open(&many.s, path, &options));
	cond_init(&many.ended);
	many.left = N_WRITERS;
	int before = atomic_load(&test_vfs.n_syncs);
	for (int i = 0; i < N_WRITERS; i++)
		CHECK_OK(fiber_spawn(NULL, write_some, (void *)(intptr_t)i, "writer %d", i));
	CHECK_OK(cond_wait(&many.ended, "the writers", NEVER));
	struct store_counts counts = store_counts(many.s);
	assert_int_equal(counts.changes, N_WRITERS * N_EACH);
	assert_int_equal(n_done, N_WRITERS * N_EACH);
	assert_true(counts.largest_batch >= N_WRITERS / 2);
	int syncs = atomic_load(&test_vfs.n_syncs) - before;
	assert_true(syncs > 0 && N_WRITERS * N_EACH / syncs >= 8);
	cond_fini(&many.ended);
	store_close(many.s);
}

static void shares_syncs(void **state)
{
	run_in_fiber(shares_syncs_fiber, NULL);
	check_same_after_reopening();
}

static struct vfs_record record(size_t i)
{
	pthread_mutex_lock(&test_vfs.lock);
	struct vfs_record r =
		i < test_vfs.records.n ? test_vfs.records.v[i] : (struct vfs_record){0};
	pthread_mutex_unlock(&test_vfs.lock);
	return r;
}

static size_t n_records(void)
{
	pthread_mutex_lock(&test_vfs.lock);
	size_t n = test_vfs.records.n;
	pthread_mutex_unlock(&test_vfs.lock);
	return n;
}

/* Whether the last that was done is to begin the log: its head, then the one page of a commit. */
static bool has_begun_log(void)
{
	size_t n = n_records();

	return n > 5 && record(n - 5).op == VFS_WRITE && record(n - 5).is_log &&
		record(n - 5).offset == 0 && record(n - 4).op == VFS_SYNC &&
		record(n - 3).op == VFS_WRITE && record(n - 2).op == VFS_WRITE &&
		record(n - 1).op == VFS_SYNC && record(n - 1).is_log;
}

/* When there is nothing to do: once, and the next commit need not write the log's head first. */
static void tidies_up_fiber(void *arg)
{
	struct store *s;
	uint64_t g;

	CHECK_OK(store_open(&s, path, &options));
	test_vfs.is_recording = true;
	for (int i = 0; i < 2; i++) {
		size_t before = n_records();

		CHECK_OK(set(s, "a", i ? "2" : "1", &g));
		CHECK_OK(store_barrier(s, g, NEVER));
		assert_true(record(before).is_log && record(before).op == VFS_WRITE);
		assert_true(i == 0 || record(before).offset > 0);
		while (!has_begun_log())
			CHECK_OK(fiber_sleep(10 * NS_PER_MS));
	}
	size_t before = n_records();
	CHECK_OK(fiber_sleep(NS_PER_S));
	assert_int_equal(n_records(), before);
	test_vfs.is_recording = false;
	store_close(s);
}

static void tidies_up(void **state)
{
	run_in_fiber(tidies_up_fiber, NULL);
	check_same_after_reopening();
}

static void stops_waiting_fiber(void *arg)
{
	struct store *s;
	uint64_t g;

	CHECK_OK(store_open(&s, path, &options));
	CHECK_OK(set(s, "a", "1", &g));
	CHECK_ERR(store_barrier(s, g, 0), TIMEOUT);
	fiber_cancel(fiber_current());
	CHECK_ERR(store_barrier(s, g, NEVER), CANCELLED);
	fiber_cancel_mask();
	CHECK_OK(store_barrier(s, g, NEVER));
	fiber_cancel_unmask();
	/* Closed while the writer's news may be on their way. */
	CHECK_OK(set(s, "b", "1", &g));
	store_close(s);
	assert_int_equal(n_done, 2);
}

static void stops_waiting(void **state)
{
	run_in_fiber(stops_waiting_fiber, NULL);
	check_same_after_reopening();
}

/* ---- no space ---- */

struct no_space {
	int rc, errnum;
	enum vfs_op op;
};

static void undoes_when_full_fiber(void *arg)
{
	const struct no_space *how = arg;
	struct store *s;
	uint64_t kept, first, last, g;

	CHECK_OK(store_open(&s, path, &options));
	CHECK_OK(set(s, "a", "1", &kept));
	CHECK_OK(store_barrier(s, kept, NEVER));
	atomic_store(&test_vfs.is_lasting, true);
	vfs_fail(how->op, 0, how->rc, how->errnum);
	CHECK_OK(set(s, "a", "2", &first));
	CHECK_OK(set(s, "b", "3", &g));
	CHECK_OK(set(s, "a", "4", &last));
	CHECK_ERR(store_barrier(s, last, NEVER), STORE_READ_ONLY);
	/* All is as it was, in reverse order (else "a" would be 2). */
	assert_string_equal(map_get(&rows, "a"), "1");
	assert_false(map_has(&rows, "b"));
	assert_int_equal(n_undone, 3);
	assert_non_null(store_read_only(s));
	CHECK_ERR(set(s, "c", "5", &g), STORE_READ_ONLY);
	/* Who has seen what was taken back may not answer, now or later; who reads now may. */
	CHECK_ERR(store_barrier(s, first, NEVER), STORE_READ_ONLY);
	assert_true(store_generation(s) > last);
	CHECK_OK(store_barrier(s, store_generation(s), 0));
	CHECK_OK(store_barrier(s, kept, 0));

	/* A probe in vain, then space again. */
	uint64_t writes = (uint64_t)atomic_load(&test_vfs.n_writes);
	clock_stop();
	clock_step(NS_PER_S);
	while ((uint64_t)atomic_load(&test_vfs.n_writes) == writes)
		CHECK_OK(fiber_yield());
	assert_non_null(store_read_only(s));
	atomic_store(&test_vfs.countdown, -1);
	while (store_read_only(s)) {
		CHECK_OK(fiber_yield());
		clock_step(NS_PER_S);
	}
	clock_resume();
	CHECK_OK(set(s, "c", "6", &g));
	CHECK_OK(store_barrier(s, g, NEVER));
	CHECK_ERR(store_barrier(s, first, NEVER), STORE_READ_ONLY);
	store_close(s);
}

static void undoes_when_full(void **state)
{
	static const struct no_space ways[] = {
		{SQLITE_FULL, 0, VFS_WRITE},
		{SQLITE_IOERR_WRITE, ENOSPC, VFS_WRITE},
		{SQLITE_IOERR_WRITE, EDQUOT, VFS_WRITE},
		{SQLITE_IOERR_WRITE, EROFS, VFS_WRITE},
	};

	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		struct no_space how = ways[i];

		run_in_fiber(undoes_when_full_fiber, &how);
		vfs_reset();
		check_same_after_reopening();
		remove_folder(NULL);
		make_folder(NULL);
	}
}

/* No space at each write in turn, until one run meets none: always all or nothing. */
static bool met_it;

static void survives_each_write_fiber(void *arg)
{
	int nth = (int)(intptr_t)arg;
	struct store *s;
	char key[16];
	uint64_t g;

	CHECK_OK(store_open(&s, path, &options));
	vfs_fail(VFS_WRITE, nth, SQLITE_FULL, 0);
	for (int i = 0; i < 10; i++) {
		snprintf(key, sizeof(key), "%d", i % 4);
		auto_err e = set(s, key, key, &g);
		if (!e)
			e = store_barrier(s, g, NEVER);
		if (e && !err_is(e, &ERR_STORE_READ_ONLY))
			fail_msg("%s", err_text(e));
	}
	store_close(s);
	met_it = atomic_load(&test_vfs.countdown) < 0;
}

static void survives_each_write(void **state)
{
	int n = 0;

	do {
		run_in_fiber(survives_each_write_fiber, (void *)(intptr_t)n++);
		vfs_reset();
		check_same_after_reopening();
	} while (met_it);
	assert_true(n > 20);
}

/* ---- an I/O error ends the process ---- */

struct broken {
	int rc, errnum, nth;
	enum vfs_op op;
};

static const struct broken *broken;

static void says_nothing_any_more_fiber(void *arg)
{
	struct store *s;
	uint64_t g;

	CHECK_OK(store_open(&s, path, &options));
	CHECK_OK(set(s, "a", "1", &g));
	CHECK_OK(store_barrier(s, g, NEVER));
	vfs_fail(broken->op, broken->nth, broken->rc, broken->errnum);
	CHECK_OK(set(s, "a", "2", &g));
	err_free(store_barrier(s, g, NEVER));
	fprintf(stderr, "ANSWERED\n");
}

static void say_nothing_any_more(void)
{
	run_in_fiber(says_nothing_any_more_fiber, NULL);
}

static void says_nothing_any_more(void **state)
{
	static const struct broken ways[] = {
		{SQLITE_IOERR_FSYNC, EIO, 0, VFS_SYNC},
		{SQLITE_IOERR_FSYNC, ENOSPC, 0, VFS_SYNC},
		{SQLITE_IOERR_WRITE, EIO, 0, VFS_WRITE},
		{SQLITE_IOERR_WRITE, EIO, 1, VFS_WRITE},
	};
	char text[4096];
	int status;

	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		broken = &ways[i];
		run_in_child(say_nothing_any_more, text, sizeof(text), &status);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
		assert_non_null(strstr(text, "cannot be trusted"));
		assert_null(strstr(text, "ANSWERED"));
	}
}

/* ---- backups ---- */

static void backs_up_fiber(void *arg)
{
	struct store *s;
	uint64_t g;
	char key[16];

	CHECK_OK(store_open(&s, path, &options));
	auto_str big = xmalloc(20001);
	memset(big, 'x', 20000);
	big[20000] = '\0';
	for (int i = 0; i < 300; i++) {
		snprintf(key, sizeof(key), "%d", i);
		CHECK_OK(set(s, key, big, &g));
	}
	CHECK_ERR(store_backup(s, 0), TIMEOUT);
	CHECK_OK(store_backup(s, NEVER));
	store_close(s);
}

static void backs_up(void **state)
{
	run_in_fiber(backs_up_fiber, NULL);
	assert_int_equal(unlink(path), 0);
	struct store *s;
	CHECK_ERR(store_open(&s, path, &options), STORE_UNUSABLE);
	options.restores_backup = true;
	CHECK_OK(store_open(&s, path, &options));
	options.restores_backup = false;
	assert_true(store_is_restored(s));
	check_same(s);
	store_close(s);
	check_same_after_reopening();
}

#define IN_FOLDER(fn) cmocka_unit_test_setup_teardown(fn, make_folder, remove_folder)

TEST_MAIN(IN_FOLDER(keeps_what_was_put), IN_FOLDER(goes_on_counting),
	IN_FOLDER(refuses_what_cannot_be_stored), IN_FOLDER(shares_syncs), IN_FOLDER(tidies_up),
	IN_FOLDER(stops_waiting), IN_FOLDER(undoes_when_full), IN_FOLDER(survives_each_write),
	IN_FOLDER(says_nothing_any_more), IN_FOLDER(backs_up))
