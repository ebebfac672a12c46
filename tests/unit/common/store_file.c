/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/store_file.c and store_log.c: what opens, what is refused, and that nothing which was
 * committed is ever lost without a word: not by a power cut at any moment, not by a damaged file.
 */
#include "common/store_file.h"

#include "common/file.h"
#include "common/mem.h"
#include "common/sbuf.h"
#include "core.gen.h"
#include "tests/unit/common/store_vfs.h"
#include "tests/unit/points.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *const tables[] = {"vm", "vbd", NULL};
static const struct store_schema schema = {.version = 1, .tables = tables};
static struct store_options options = {.schema = &schema, .vfs = STORE_VFS};

static char folder[64];
static char path[128], log_path[128], backup_path[128];

static int make_folder(void **state)
{
	snprintf(folder, sizeof(folder), "/tmp/xenith-file.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/db", folder);
	snprintf(log_path, sizeof(log_path), "%s/db-wal", folder);
	snprintf(backup_path, sizeof(backup_path), "%s/db.backup", folder);
	vfs_reset();
	options.restores_backup = false;
	return 0;
}

static int remove_folder(void **state)
{
	auto_str command = xasprintf("rm -rf %s", folder);

	vfs_reset();
	return system(command);
}

#define IN_FOLDER(fn) cmocka_unit_test_setup_teardown(fn, make_folder, remove_folder)

/* ---- a file as a value: what the generation, and the rows, should be ---- */

#define N_KEYS 40

/* The generation of each row, or 0: it is not there. What a row holds follows from that. */
struct state {
	uint64_t generation;
	uint64_t rows[N_KEYS];
};

static size_t value_of(unsigned key, uint64_t generation, char buf[8192])
{
	size_t n = (generation * 7919 + key * 104729) % (generation % 11 ? 600 : 7000);

	for (size_t i = 0; i < n; i++)
		buf[i] = (char)(generation * 31 + key + i);
	return n;
}

static struct store_change *new_change(unsigned key, uint64_t generation, bool is_delete)
{
	char buf[8192];
	size_t n = is_delete ? 0 : value_of(key, generation, buf);
	struct store_change *c = xmalloc(sizeof(*c) + 16 + n);

	*c = (struct store_change){.generation = generation, .is_delete = is_delete, .size = n};
	c->table = key % 2;
	snprintf(c->key, 16, "key-%u", key);
	c->value = memcpy(c->key + 16, buf, n);
	return c;
}

static void free_changes(struct list *l)
{
	struct store_change *c;

	while ((c = list_pop_front(l, struct store_change, link)))
		free(c);
}

/* A commit of N changes of random rows. */
static enum store_outcome commit_some(
	struct store_file *f, struct state *s, unsigned n, unsigned *seed)
{
	struct list changes = LIST_INIT(changes);
	struct state next = *s;

	for (unsigned i = 0; i < n; i++) {
		unsigned key = (unsigned)rand_r(seed) % N_KEYS;
		bool is_delete = rand_r(seed) % 4 == 0;

		next.generation++;
		next.rows[key] = is_delete ? 0 : next.generation;
		list_push_back(&changes, &new_change(key, next.generation, is_delete)->link);
	}
	enum store_outcome outcome = store_file_commit(f, &changes);
	free_changes(&changes);
	if (outcome == STORE_DONE)
		*s = next;
	return outcome;
}

static struct err *read_state(const struct store_row *row, void *arg)
{
	struct state *s = arg;
	unsigned key;
	char buf[8192];

	assert_int_equal(sscanf(row->key, "key-%u", &key), 1);
	assert_true(key < N_KEYS);
	s->rows[key] = row->generation;
	assert_int_equal(row->size, value_of(key, row->generation, buf));
	assert_memory_equal(row->value, buf, row->size);
	return NULL;
}

static void state_of(struct store_file *f, struct state *out)
{
	*out = (struct state){.generation = store_file_generation(f)};
	CHECK_OK(store_file_each(f, "vm", read_state, out));
	CHECK_OK(store_file_each(f, "vbd", read_state, out));
}

static bool is_same(const struct state *a, const struct state *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* ---- files whole ---- */

struct image {
	char *bytes; /* owned */
	size_t n;
	size_t size; /* of the file, when that is more: the rest is zeros */
};

static struct image read_image(const char *from)
{
	struct image i = {0};

	assert_int_equal(file_read(from, 1UL << 30, &i.bytes, &i.n), 0);
	return i;
}

static void write_image(const char *to, const struct image *i)
{
	auto_fd fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write_all(fd, i->bytes, i->n), 0);
	if (i->size > i->n)
		assert_int_equal(ftruncate(fd, (off_t)i->size), 0);
}

static struct image copy_image(const struct image *i)
{
	struct image copy = {.bytes = xmalloc(i->n + 1), .n = i->n, .size = i->size};

	memcpy(copy.bytes, i->bytes, i->n);
	return copy;
}

static void apply_record(struct image *i, const struct vfs_record *r)
{
	size_t end = (size_t)r->offset + r->n;

	if (r->op == VFS_TRUNCATE && end < i->n)
		i->n = end;
	if (end > i->n) {
		i->bytes = xrealloc(i->bytes, end + 1, 1);
		memset(i->bytes + i->n, 0, end - i->n);
		i->n = end;
	}
	if (r->op == VFS_WRITE)
		memcpy(i->bytes + r->offset, r->bytes, r->n);
}

/* ---- opening ---- */

static void reopens_what_was_closed(void **state)
{
	struct state s = {0}, found;
	struct store_file *f;
	unsigned seed = 1;
	struct stat st;

	for (int i = 0; i < 5; i++) {
		CHECK_OK(store_file_open(&f, path, &options));
		state_of(f, &found);
		assert_true(is_same(&s, &found));
		for (unsigned n = 1; n < 50; n++)
			assert_int_equal(commit_some(f, &s, n, &seed), STORE_DONE);
		store_file_close(f);
	}
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void is_for_one_process(void **state)
{
	struct store_file *f, *second;

	CHECK_OK(store_file_open(&f, path, &options));
	CHECK_ERR(store_file_open(&second, path, &options), STORE_UNUSABLE);
	store_file_close(f);
	CHECK_OK(store_file_open(&second, path, &options));
	store_file_close(second);
}

/* The log is laid out once; thousands of commits later it is as long as at first. */
static void reuses_its_log(void **state)
{
	struct state s = {0};
	struct store_file *f;
	unsigned seed = 1, checkpoints = 0;
	struct stat before, after;

	CHECK_OK(store_file_open(&f, path, &options));
	assert_int_equal(stat(log_path, &before), 0);
	assert_true(before.st_size >= (off_t)STORE_LOG_PAGES * STORE_PAGE_SIZE);
	assert_true(before.st_blocks * 512 >= before.st_size);
	for (int i = 0; i < 3000; i++) {
		assert_int_equal(commit_some(f, &s, 2, &seed), STORE_DONE);
		if (store_file_log_is_full(f)) {
			assert_int_equal(store_file_checkpoint(f), STORE_DONE);
			assert_int_equal(store_file_log_pages(f), 0);
			checkpoints++;
		}
	}
	assert_true(checkpoints >= 3);
	store_file_close(f);
	assert_int_equal(stat(log_path, &after), 0);
	assert_int_equal(after.st_size, before.st_size);
}

static int syncs_of_commit(struct store_file *f, struct state *s, unsigned *seed)
{
	int before = atomic_load(&test_vfs.n_syncs);

	assert_int_equal(commit_some(f, s, 3, seed), STORE_DONE);
	return atomic_load(&test_vfs.n_syncs) - before;
}

static void begins_its_log_before_it_must(void **state)
{
	struct state s = {0}, found;
	struct store_file *f;
	unsigned seed = 1;

	CHECK_OK(store_file_open(&f, path, &options));
	assert_int_equal(syncs_of_commit(f, &s, &seed), 2);
	assert_int_equal(syncs_of_commit(f, &s, &seed), 1);
	assert_int_equal(store_file_checkpoint(f), STORE_DONE);
	assert_int_equal(syncs_of_commit(f, &s, &seed), 2);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(store_file_checkpoint(f), STORE_DONE);
		assert_int_equal(store_file_begin_log(f), STORE_DONE);
		assert_int_equal(syncs_of_commit(f, &s, &seed), 1);
	}
	store_file_close(f);
	CHECK_OK(store_file_open(&f, path, &options));
	state_of(f, &found);
	assert_true(is_same(&s, &found));
	store_file_close(f);
}

static struct err *count_row(const struct store_row *row, void *arg)
{
	(*(size_t *)arg)++;
	return row->size == 6000 ? NULL : err(INVALID_VALUE, "size", "not 6000");
}

static void loads_many_rows(void **state)
{
	static char value[6000];
	struct list changes = LIST_INIT(changes);
	struct store_file *f;
	size_t n = 0;

	for (unsigned i = 0; i < 2400; i++) {
		struct store_change *c = xmalloc(sizeof(*c) + 48);

		*c = (struct store_change){
			.generation = i + 1, .value = value, .size = sizeof(value)};
		snprintf(c->key, 48, "OpaqueRef:%08u-0000-0000-0000-000000000000", i);
		list_push_back(&changes, &c->link);
	}
	CHECK_OK(store_file_open(&f, path, &options));
	assert_int_equal(store_file_commit(f, &changes), STORE_DONE);
	free_changes(&changes);
	store_file_close(f);
	CHECK_OK(store_file_open(&f, path, &options));
	CHECK_OK(store_file_each(f, "vm", count_row, &n));
	assert_int_equal(n, 2400);
	store_file_close(f);
}

/* ---- versions ---- */

static struct err *rewrite_row(const struct store_row *row, void *arg)
{
	auto_str key = xasprintf("new-%s", row->key);
	auto_str value = xasprintf("%.*s!", (int)row->size, (const char *)row->value);

	TRY(store_upgrade_delete(arg, "vm", row->key));
	return store_upgrade_put(arg, "vbd", key, value, strlen(value));
}

static struct err *to_2(struct store_upgrade *u)
{
	return store_upgrade_each(u, "vm", rewrite_row, u);
}

static struct err *fails(struct store_upgrade *u)
{
	TRY(store_upgrade_put(u, "vm", "half", "x", 1));
	return err(INTERNAL_ERROR, "no");
}

static struct err *to_3(struct store_upgrade *u)
{
	return store_upgrade_put(u, "later", "third", "3", 1);
}

static struct err *collect(const struct store_row *row, void *arg)
{
	sbuf_printf(arg, "%s=%.*s@%d ", row->key, (int)row->size, (const char *)row->value,
		(int)row->generation);
	return NULL;
}

static void check_rows(struct store_file *f, const char *table, const char *expected)
{
	auto_sbuf text = {0};

	CHECK_OK(store_file_each(f, table, collect, &text));
	assert_string_equal(sbuf_str(&text), expected);
}

static void put_text(struct store_file *f, const char *key, const char *value)
{
	struct list changes = LIST_INIT(changes);
	struct store_change *c = xmalloc(sizeof(*c) + 16);

	*c = (struct store_change){
		.generation = store_file_generation(f) + 1, .value = value, .size = strlen(value)};
	snprintf(c->key, 16, "%s", key);
	list_push_back(&changes, &c->link);
	assert_int_equal(store_file_commit(f, &changes), STORE_DONE);
	free_changes(&changes);
}

static void upgrades_what_is_older(void **state)
{
	static const char *const more[] = {"vm", "vbd", "later", NULL};
	const store_step_fn good[] = {to_2, to_3}, bad[] = {to_2, fails};
	const struct store_schema newer = {.version = 3, .tables = more, .steps = good};
	const struct store_schema broken = {.version = 3, .tables = more, .steps = bad};
	struct store_options with = options;
	struct store_file *f;

	CHECK_OK(store_file_open(&f, path, &options));
	put_text(f, "a", "1");
	put_text(f, "b", "2");
	store_file_close(f);

	/* A step that fails leaves what was there. */
	with.schema = &broken;
	CHECK_ERR(store_file_open(&f, path, &with), INTERNAL_ERROR);
	CHECK_OK(store_file_open(&f, path, &options));
	check_rows(f, "vm", "a=1@1 b=2@2 ");
	store_file_close(f);

	with.schema = &newer;
	CHECK_OK(store_file_open(&f, path, &with));
	check_rows(f, "vm", "");
	check_rows(f, "vbd", "new-a=1!@3 new-b=2!@3 ");
	check_rows(f, "later", "third=3@3 ");
	assert_int_equal(store_file_generation(f), 3);
	store_file_close(f);

	/* What is newer than we are is left alone; the copy of before opens as it was. */
	CHECK_ERR(store_file_open(&f, path, &options), STORE_UNUSABLE);
	auto_str kept = xasprintf("%s.v1", path);
	CHECK_OK(store_file_open(&f, kept, &options));
	check_rows(f, "vm", "a=1@1 b=2@2 ");
	store_file_close(f);
	CHECK_OK(store_file_open(&f, path, &with));
	store_file_close(f);
}

/* ---- damage ---- */

static void note_line(const char *line, void *arg)
{
	(*(int *)arg)++;
}

static void refuses_what_is_damaged(void **state)
{
	struct state s = {0};
	struct store_file *f;
	unsigned seed = 1;
	int lines = 0;

	CHECK_OK(store_file_open(&f, path, &options));
	for (int i = 0; i < 30; i++)
		assert_int_equal(commit_some(f, &s, 5, &seed), STORE_DONE);
	bool is_finished = false;
	CHECK_OK(store_file_backup_begin(f));
	while (!is_finished)
		CHECK_OK(store_file_backup_step(f, &is_finished));
	store_file_close(f);
	CHECK_OK(store_fsck(path, note_line, &lines));
	assert_int_equal(lines, 0);

	/* No bytes at all are not a new file. */
	assert_int_equal(truncate(path, 0), 0);
	CHECK_ERR(store_file_open(&f, path, &options), STORE_UNUSABLE);
	CHECK_ERR(store_fsck(path, note_line, &lines), STORE_UNUSABLE);
	assert_int_equal(lines, 1);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 0);

	options.restores_backup = true;
	struct state found;
	CHECK_OK(store_file_open(&f, path, &options));
	assert_true(store_file_is_restored(f));
	state_of(f, &found);
	assert_true(is_same(&s, &found));
	store_file_close(f);
	auto_str aside = xasprintf("%s.damaged-1", path);
	assert_int_equal(access(aside, F_OK), 0);
	CHECK_OK(store_file_open(&f, path, &options));
	assert_false(store_file_is_restored(f));
	store_file_close(f);
}

/* A log of another time than its file: an old copy was put there, or the log is not its own. */
static void refuses_another_time(void **state)
{
	struct state s = {0};
	struct store_file *f;
	unsigned seed = 1;

	CHECK_OK(store_file_open(&f, path, &options));
	assert_int_equal(commit_some(f, &s, 5, &seed), STORE_DONE);
	store_file_close(f);
	struct image before = read_image(path);
	CHECK_OK(store_file_open(&f, path, &options));
	assert_int_equal(commit_some(f, &s, 5, &seed), STORE_DONE);
	store_file_close(f);
	write_image(path, &before);
	CHECK_ERR(store_file_open(&f, path, &options), STORE_UNUSABLE);
	free(before.bytes);
}

static void damage(struct image *i, unsigned *seed)
{
	size_t at = ((size_t)rand_r(seed) << 15 | (size_t)rand_r(seed)) % i->n;
	size_t page = at / STORE_PAGE_SIZE * STORE_PAGE_SIZE;
	size_t left = i->n - page < STORE_PAGE_SIZE ? i->n - page : STORE_PAGE_SIZE;

	switch (rand_r(seed) % 6) {
	case 0:
	case 1:
		i->bytes[at] = (char)(i->bytes[at] ^ 1 << rand_r(seed) % 8);
		break;
	case 2:
		memset(i->bytes + at, rand_r(seed), i->n - at < 16 ? i->n - at : 16);
		break;
	case 3:
		memset(i->bytes + page, 0, left);
		break;
	case 4:
		i->n = i->size = at;
		break;
	case 5: /* a page that was written to the wrong place */
		memmove(i->bytes + page,
			i->bytes +
				(size_t)rand_r(seed) % (i->n / STORE_PAGE_SIZE) * STORE_PAGE_SIZE,
			left);
		break;
	}
}

/* Opens the two images; the error, or what was found. */
static struct err *open_images(
	const struct image *file, const struct image *log, struct state *found)
{
	struct store_file *f;

	write_image(path, file);
	write_image(log_path, log);
	TRY(store_file_open(&f, path, &options));
	state_of(f, found);
	store_file_close(f);
	return NULL;
}

#define N_DAMAGES 10000

/*
 * Whatever is damaged in the main file, or in the log of a daemon that was killed (but for its last
 * commit, which looks torn): what opens is complete. N_COMMITS in the log, of which the last may
 * be lost.
 */
static void check_damage(const char *what, const struct image *file, const struct image *log,
	bool is_of_log, const struct state *last, const struct state *before)
{
	struct points p = points_begin(what, N_DAMAGES);
	unsigned n_refused = 0, n_complete = 0, n_torn = 0;

	for (size_t i; points_next(&p, &i);) {
		struct image bad_file = copy_image(file), bad_log = copy_image(log);
		unsigned seed = (unsigned)i;
		struct state found;

		damage(is_of_log ? &bad_log : &bad_file, &seed);
		auto_err e = open_images(&bad_file, &bad_log, &found);
		if (e && !err_is(e, &ERR_STORE_UNUSABLE))
			fail_msg("point %zu: %s", i, err_text(e));
		if (!e && !is_same(&found, last) && !(is_of_log && is_same(&found, before)))
			fail_msg("point %zu: generation %d of %d, and nobody was told", i,
				(int)found.generation, (int)last->generation);
		n_refused += e != NULL;
		n_complete += !e && is_same(&found, last);
		n_torn += !e && !is_same(&found, last);
		free(bad_file.bytes);
		free(bad_log.bytes);
	}
	printf("# %s: %u refused, %u complete, %u without the last commit\n", what, n_refused,
		n_complete, n_torn);
	assert_true(p.seen < 20 || n_refused > 0);
}

static void is_never_silent(void **state)
{
	struct state s = {0}, before;
	struct store_file *f;
	unsigned seed = 1;

	CHECK_OK(store_file_open(&f, path, &options));
	for (int i = 0; i < 20; i++)
		assert_int_equal(commit_some(f, &s, 8, &seed), STORE_DONE);
	store_file_close(f);
	struct image file = read_image(path), log = read_image(log_path);
	log.size = log.n;
	log.n = 40 * STORE_PAGE_SIZE;
	check_damage("damaged files", &file, &log, false, &s, &s);
	write_image(path, &file);
	write_image(log_path, &log);
	free(file.bytes);
	free(log.bytes);

	CHECK_OK(store_file_open(&f, path, &options));
	for (int i = 0; i < 20; i++) {
		before = s;
		assert_int_equal(commit_some(f, &s, 3, &seed), STORE_DONE);
	}
	file = read_image(path);
	log = read_image(log_path);
	store_file_close(f);
	/* Only what was written can be damaged in a way that matters. */
	log.size = log.n;
	log.n = 32 + 24 * 150 + (size_t)STORE_PAGE_SIZE * 150;
	check_damage("damaged logs", &file, &log, true, &s, &before);
	free(file.bytes);
	free(log.bytes);
}

/* Where the log was begun anew, damage to its last commit, which looks torn, loses nothing. */
static void loses_nothing_when_idle(void **state)
{
	struct state s = {0};
	struct store_file *f;
	unsigned seed = 1;

	CHECK_OK(store_file_open(&f, path, &options));
	for (int i = 0; i < 5; i++)
		assert_int_equal(commit_some(f, &s, 3, &seed), STORE_DONE);
	assert_int_equal(store_file_checkpoint(f), STORE_DONE);
	assert_int_equal(store_file_begin_log(f), STORE_DONE);
	struct image file = read_image(path), log = read_image(log_path);
	store_file_close(f);
	for (size_t at = 32; at < 32 + 24 + STORE_PAGE_SIZE; at += 8) {
		struct state found;

		log.bytes[at] = (char)(log.bytes[at] ^ 1);
		CHECK_OK(open_images(&file, &log, &found));
		log.bytes[at] = (char)(log.bytes[at] ^ 1);
		assert_true(is_same(&s, &found));
	}
	free(file.bytes);
	free(log.bytes);
}

/* ---- power cuts ---- */

/* What was acknowledged when the record had so many entries. */
struct ack {
	size_t n_records;
	struct state state;
};

static vec_of(struct ack) acks;

static void note_ack(const struct state *s)
{
	const struct ack a = {.n_records = test_vfs.records.n, .state = *s};

	vec_push(&acks, a);
}

/* Runs commits and checkpoints, all written down. */
static void record_run(struct image *file, struct image *log)
{
	struct state s = {0};
	struct store_file *f;
	unsigned seed = 7;

	CHECK_OK(store_file_open(&f, path, &options));
	*file = read_image(path);
	*log = read_image(log_path);
	/* What lies behind is zeros. */
	log->size = log->n;
	log->n = 64 * STORE_PAGE_SIZE;
	test_vfs.is_recording = true;
	note_ack(&s);
	for (int i = 0; i < 60; i++) {
		assert_int_equal(commit_some(f, &s, 1 + i % 5, &seed), STORE_DONE);
		note_ack(&s);
		if (i % 13 == 12)
			assert_int_equal(store_file_checkpoint(f), STORE_DONE);
		if (i % 26 == 25)
			assert_int_equal(store_file_begin_log(f), STORE_DONE);
	}
	test_vfs.is_recording = false;
	store_file_close(f);
}

/* The disk after the first N operations, of which those of a file that were not synced since may be
 * there or not, whole sectors each. */
static void make_disk(size_t n, unsigned *seed, struct image *file, struct image *log)
{
	const struct vfs_record *r = test_vfs.records.v;
	size_t synced[2] = {0};

	for (size_t i = 0; i < n; i++)
		if (r[i].op == VFS_SYNC)
			synced[r[i].is_log] = i;
	for (size_t i = 0; i < n; i++) {
		bool is_lost = seed && i > synced[r[i].is_log] && rand_r(seed) % 2;

		if (r[i].op != VFS_SYNC && !is_lost)
			apply_record(r[i].is_log ? log : file, &r[i]);
	}
}

/* What must be there at least, and what may be there at most. */
static void bounds(size_t n, const struct ack **least, const struct ack **most)
{
	*least = *most = &acks.v[0];
	vec_for_each (i, &acks) {
		if (acks.v[i].n_records <= n)
			*least = &acks.v[i];
		*most = &acks.v[i];
		if (acks.v[i].n_records > n)
			return;
	}
}

static void check_cut(
	size_t n, unsigned *seed, const struct image *first_file, const struct image *first_log)
{
	struct image file = copy_image(first_file), log = copy_image(first_log);
	const struct ack *least, *most;
	struct state found;

	make_disk(n, seed, &file, &log);
	auto_err e = open_images(&file, &log, &found);
	if (e)
		fail_msg("after %zu operations: %s", n, err_text(e));
	bounds(n, &least, &most);
	if (!is_same(&found, &least->state) && !is_same(&found, &most->state))
		fail_msg("after %zu operations: generation %d, acknowledged %d", n,
			(int)found.generation, (int)least->state.generation);
	free(file.bytes);
	free(log.bytes);
}

#define CUTS_EACH 160

static void survives_power_cuts(void **state)
{
	struct image file, log;

	record_run(&file, &log);
	size_t n = test_vfs.records.n;
	assert_true(n > 200);
	struct points p = points_begin("power cuts", (n + 1) * CUTS_EACH);
	for (size_t i; points_next(&p, &i);) {
		unsigned seed = (unsigned)i;

		/* The first of each: all that was written is there, in order. */
		check_cut(i / CUTS_EACH, i % CUTS_EACH ? &seed : NULL, &file, &log);
	}
	free(file.bytes);
	free(log.bytes);
	vec_fini(&acks);
}

/* By hand, without a budget, some points will do; BUDGET=0 visits all. */
static __attribute__((__constructor__)) void set_budget(void)
{
	setenv("BUDGET", "2", 0);
}

TEST_MAIN(IN_FOLDER(reopens_what_was_closed), IN_FOLDER(is_for_one_process),
	IN_FOLDER(reuses_its_log), IN_FOLDER(begins_its_log_before_it_must),
	IN_FOLDER(loads_many_rows), IN_FOLDER(upgrades_what_is_older),
	IN_FOLDER(refuses_what_is_damaged), IN_FOLDER(refuses_another_time),
	IN_FOLDER(is_never_silent), IN_FOLDER(loses_nothing_when_idle),
	IN_FOLDER(survives_power_cuts))
