/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/store_make.c and what of store_open.c puts one file in another's place: files made in one
 * go, replaced with their backups kept, and the row of backups that a damaged file is restored
 * from.
 */
#include "common/file.h"
#include "common/mem.h"
#include "common/store_file.h"
#include "core.gen.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static const char *const tables[] = {"vm", NULL};
static const struct store_schema schema = {.version = 1, .tables = tables};
static const struct store_options options = {.schema = &schema, .restores_backup = true};

static char folder[64], path[128], made[128];

static int make_folder(void **state)
{
	snprintf(folder, sizeof(folder), "/tmp/xenith-make.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/db", folder);
	snprintf(made, sizeof(made), "%s/made", folder);
	return 0;
}

static int remove_folder(void **state)
{
	auto_str command = xasprintf("rm -rf %s", folder);

	return system(command);
}

#define IN_FOLDER(fn) cmocka_unit_test_setup_teardown(fn, make_folder, remove_folder)

/* How many files there are with such names. */
static size_t count_files(const char *pattern)
{
	auto_str full = xasprintf("%s/%s", folder, pattern);
	glob_t found;
	size_t n = glob(full, 0, NULL, &found) ? 0 : found.gl_pathc;

	globfree(&found);
	return n;
}

/* ---- rows: so many, each with this value ---- */

struct wanted {
	unsigned n;
	const char *value;
	bool fails;
};

static struct err *put_rows(struct store_maker *m, void *arg)
{
	const struct wanted *w = arg;
	char key[16];

	for (unsigned i = 0; i < w->n; i++) {
		snprintf(key, sizeof(key), "key-%u", i);
		TRY(store_maker_put(m, "vm", key, w->value, strlen(w->value)));
	}
	return w->fails ? err(CANCELLED) : NULL;
}

static struct err *check_row(const struct store_row *row, void *arg)
{
	struct wanted *w = arg;

	assert_int_equal(row->size, strlen(w->value));
	assert_memory_equal(row->value, w->value, row->size);
	w->n--;
	return NULL;
}

static void check_open(struct wanted w)
{
	struct store_file *f;

	CHECK_OK(store_file_open(&f, path, &options));
	CHECK_OK(store_file_each(f, "vm", check_row, &w));
	assert_int_equal(w.n, 0);
	store_file_close(f);
}

static void make(const char *to, struct wanted w)
{
	CHECK_OK(store_make(to, &schema, put_rows, &w));
}

static void back_up(void)
{
	struct store_file *f;
	bool is_finished = false;

	CHECK_OK(store_file_open(&f, path, &options));
	CHECK_OK(store_file_backup_begin(f));
	while (!is_finished)
		CHECK_OK(store_file_backup_step(f, &is_finished));
	store_file_close(f);
}

static void harm(const char *file)
{
	auto_fd fd = open(file, O_WRONLY | O_CLOEXEC);
	char junk[8192] = "junk";

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, junk, sizeof(junk), 4096), sizeof(junk));
}

/* ---- tests ---- */

static void makes_a_file_in_one_go(void **state)
{
	make(path, (struct wanted){5000, "a value", false});
	assert_int_equal(count_files("*"), 1);
	check_open((struct wanted){5000, "a value", false});
	/* What was there goes. */
	make(made, (struct wanted){10, "first", false});
	make(made, (struct wanted){1, "second", false});
	assert_int_equal(rename(made, path), 0);
	auto_str log = xasprintf("%s-wal", path);
	assert_int_equal(unlink(log), 0);
	check_open((struct wanted){1, "second", false});
}

static void leaves_nothing_when_it_fails(void **state)
{
	struct wanted w = {3000, "x", true};

	CHECK_ERR(store_make(path, &schema, put_rows, &w), CANCELLED);
	assert_int_equal(count_files("*"), 0);
	auto_str nowhere = xasprintf("%s/none/db", folder);
	CHECK_ERR(store_make(nowhere, &schema, put_rows, &w), SYSTEM_ERROR);
}

static void takes_the_place_of_another(void **state)
{
	make(path, (struct wanted){3, "old", false});
	back_up();
	make(made, (struct wanted){2, "new", false});
	CHECK_OK(store_replace(path, made));
	assert_int_equal(count_files("made*"), 0);
	check_open((struct wanted){2, "new", false});
	assert_int_equal(count_files("db.replaced-1"), 1);
	assert_int_equal(count_files("db.backup"), 0);
	assert_int_equal(count_files("db.backup.replaced-1"), 1);
	/* The backup of the old one is none of the new one. */
	struct store_file *f;
	harm(path);
	CHECK_ERR(store_file_open(&f, path, &options), STORE_UNUSABLE);
	/* A damaged one can be replaced too, and stays beside it. */
	make(made, (struct wanted){4, "newer", false});
	CHECK_OK(store_replace(path, made));
	check_open((struct wanted){4, "newer", false});
	assert_int_equal(count_files("db.replaced-2"), 1);
	/* The first one is whole. */
	auto_str kept = xasprintf("%s.replaced-1", path);
	CHECK_OK(store_fsck(kept, NULL, NULL));
}

static void replaces_nothing_that_is_in_use(void **state)
{
	struct store_file *f;

	make(path, (struct wanted){3, "old", false});
	make(made, (struct wanted){2, "new", false});
	CHECK_OK(store_file_open(&f, path, &options));
	CHECK_ERR(store_replace(path, made), STORE_UNUSABLE);
	store_file_close(f);
	check_open((struct wanted){3, "old", false});
	assert_int_equal(count_files("made"), 1);
	/* There need not be any. */
	assert_int_equal(unlink(path), 0);
	CHECK_OK(store_replace(path, made));
	check_open((struct wanted){2, "new", false});
}

static void age(const char *name, time_t by)
{
	auto_str file = xasprintf("%s/%s", folder, name);
	const struct timespec times[2] = {{time(NULL) - by, 0}, {time(NULL) - by, 0}};

	assert_int_equal(utimensat(AT_FDCWD, file, times, 0), 0);
}

/* Older copies are a day apart, and each takes over when the newer ones are damaged. */
static void older_backups_stay_for_a_day(void **state)
{
	static const char *const values[] = {"0", "1", "2", "3"};
	static const char *const left[] = {"3", "1", "0"};

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		make(made, (struct wanted){1, values[i], false});
		auto_str log = xasprintf("%s-wal", path);
		unlink(log);
		assert_int_equal(rename(made, path), 0);
		back_up();
		if (i == 1)
			age("db.backup.1", 86401);
	}
	/* 1: 0 became .1; 2: that was old, so 1 became .1; 3: too young. */
	assert_int_equal(count_files("db.backup*"), 3);
	for (size_t i = 0; i < ARRAY_LEN(left); i++) {
		harm(path);
		check_open((struct wanted){1, left[i], false});
		auto_str backup =
			i ? xasprintf("%s.backup.%zu", path, i) : xasprintf("%s.backup", path);
		harm(backup);
	}
	struct store_file *f;
	harm(path);
	CHECK_ERR(store_file_open(&f, path, &options), STORE_UNUSABLE);
}

TEST_MAIN(IN_FOLDER(makes_a_file_in_one_go), IN_FOLDER(leaves_nothing_when_it_fails),
	IN_FOLDER(takes_the_place_of_another), IN_FOLDER(replaces_nothing_that_is_in_use),
	IN_FOLDER(older_backups_stay_for_a_day))
