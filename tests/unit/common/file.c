/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/file.c: reading with a bound, writing whole or not at all, directories and their lock.
 * Syncs and renames are counted by names put before the source.
 */
#include "common/file.h"

#include <stdio.h>
#include <unistd.h>

/* What was done, in order: 's' fsync, 'r' renameat. */
static char steps[64];
static int fail_sync_at; /* the n-th from now fails; 0: none */

static void note(char c)
{
	size_t n = 0;

	while (steps[n])
		n++;
	if (n < sizeof(steps) - 1)
		steps[n] = c;
}

static int counted_fsync(int fd);
static int counted_renameat(int from_fd, const char *from, int to_fd, const char *to);
#define fsync    counted_fsync
#define renameat counted_renameat
#include "common/file.c"
#undef fsync
#undef renameat

#include "common/fiber.h"
#include "common/loop.h"
#include "core.gen.h"
#include "tests/unit/common/scratch.h"
#include "tests/unit/test.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>

static int counted_fsync(int fd)
{
	note('s');
	if (fail_sync_at && !--fail_sync_at) {
		errno = EIO;
		return -1;
	}
	return fsync(fd);
}

static int counted_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	note('r');
	return renameat(from_fd, from, to_fd, to);
}

/* Counts begin anew with each test. */
static int set_up(void **state)
{
	memset(steps, 0, sizeof(steps));
	return make_scratch(state);
}

static size_t count_entries(const char *dir)
{
	AUTO(close_dirp) DIR *d = opendir(dir);
	size_t n = 0;

	while (readdir(d))
		n++;
	return n - 2;
}

static void check_content(const char *path, const char *expected)
{
	auto_str text = NULL;

	assert_int_equal(file_read(path, 1 << 20, &text, NULL), 0);
	assert_string_equal(text, expected);
}

static void reads_what_was_written(void **state)
{
	auto_str out = NULL;
	size_t len;
	struct stat st;

	assert_int_equal(file_write("a", "one\0two", 7, 0640, 0), 0);
	assert_int_equal(file_read("a", 7, &out, &len), 0);
	assert_int_equal(len, 7);
	assert_memory_equal(out, "one\0two", 8);
	assert_int_equal(stat("a", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(file_write("a", "", 0, 0600, FILE_DURABLE), 0);
	check_content("a", "");
	assert_int_equal(stat("a", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(count_entries("."), 1);
}

static void reading_is_bounded(void **state)
{
	char *out = NULL;

	assert_int_equal(file_write("a", "12345678", 8, 0600, 0), 0);
	assert_int_equal(file_read("a", 7, &out, NULL), -EFBIG);
	assert_int_equal(file_read("/dev/zero", 7, &out, NULL), -EINVAL);
	assert_int_equal(file_read(".", 7, &out, NULL), -EISDIR);
	assert_int_equal(file_read("missing", 7, &out, NULL), -ENOENT);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(file_read("fifo", 7, &out, NULL), -EINVAL);
	assert_null(out);
}

static void durable_is_synced_before_and_after(void **state)
{
	assert_int_equal(file_write("a", "x", 1, 0600, 0), 0);
	assert_string_equal(steps, "r");
	memset(steps, 0, sizeof(steps));
	assert_int_equal(file_write("a", "y", 1, 0600, FILE_DURABLE), 0);
	assert_string_equal(steps, "srs");
	memset(steps, 0, sizeof(steps));
	assert_int_equal(file_remove("a", FILE_DURABLE), 0);
	assert_string_equal(steps, "s");
	assert_int_equal(file_remove("a", 0), 0);
	assert_int_equal(file_remove("missing/a", 0), 0);
}

/* Whatever step fails, the old content stays and nothing lies about. */
static void a_failure_leaves_the_old(void **state)
{
	struct rlimit limit, small;

	assert_int_equal(file_write("a", "old", 3, 0600, 0), 0);

	fail_sync_at = 1;
	assert_int_equal(file_write("a", "new", 3, 0600, FILE_DURABLE), -EIO);
	check_content("a", "old");
	assert_int_equal(count_entries("."), 1);

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	small = (struct rlimit){.rlim_cur = 10, .rlim_max = limit.rlim_max};
	setrlimit(RLIMIT_FSIZE, &small);
	int r = file_write("a", "longer than ten bytes", 21, 0600, 0);
	setrlimit(RLIMIT_FSIZE, &limit);
	assert_int_equal(r, -EFBIG);
	check_content("a", "old");

	assert_int_equal(mkdir("dir", 0700), 0);
	assert_int_equal(file_write("dir", "new", 3, 0600, 0), -EISDIR);
	assert_int_equal(file_write("dir/", "new", 3, 0600, 0), -EISDIR);
	assert_int_equal(file_write("none/a", "new", 3, 0600, 0), -ENOENT);
	assert_int_equal(count_entries("."), 2);
	assert_int_equal(count_entries("dir"), 0);
}

static void a_link_is_replaced_not_followed(void **state)
{
	struct stat st;

	assert_int_equal(file_write("target", "kept", 4, 0600, 0), 0);
	assert_int_equal(symlink("target", "a"), 0);
	assert_int_equal(file_write("a", "new", 3, 0600, 0), 0);
	check_content("target", "kept");
	check_content("a", "new");
	assert_int_equal(lstat("a", &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

static atomic_bool stop_writing;

static void *writes_two_contents(void *arg)
{
	char content[4000];

	for (int i = 0; !stop_writing; i++) {
		memset(content, i % 2 ? 'a' : 'b', sizeof(content));
		if (file_write("a", content, sizeof(content), 0600, 0))
			return (void *)writes_two_contents;
	}
	return NULL;
}

static void readers_see_one_or_the_other(void **state)
{
	pthread_t thread;
	void *result;

	stop_writing = false;
	assert_int_equal(file_write("a", "", 0, 0600, 0), 0);
	assert_int_equal(pthread_create(&thread, NULL, writes_two_contents, NULL), 0);
	for (int i = 0; i < 500; i++) {
		auto_str out = NULL;
		size_t len;

		assert_int_equal(file_read("a", 4000, &out, &len), 0);
		assert_true(len == 0 || len == 4000);
		for (size_t at = 1; at < len; at++)
			assert_int_equal(out[at], out[0]);
	}
	stop_writing = true;
	pthread_join(thread, &result);
	assert_null(result);
}

static void temporaries_are_found(void **state)
{
	static const char *const keep[] = {"a", "a.tmp", ".a.12345678.tmpx", "x.a.12345678.tmp"};

	for (size_t i = 0; i < ARRAY_LEN(keep); i++)
		assert_int_equal(file_write(keep[i], "", 0, 0600, 0), 0);
	assert_int_equal(file_write(".a.12345678.tmp", "", 0, 0600, 0), 0);
	assert_int_equal(count_entries("."), ARRAY_LEN(keep) + 1);
	assert_int_equal(dir_remove_temporaries(".", "b"), 0);
	assert_int_equal(count_entries("."), ARRAY_LEN(keep) + 1);
	assert_int_equal(dir_remove_temporaries(".", "a"), 0);
	assert_int_equal(count_entries("."), ARRAY_LEN(keep));
	assert_int_equal(file_write(".b.12345678.tmp", "", 0, 0600, 0), 0);
	assert_int_equal(dir_remove_temporaries(".", ""), 0);
	assert_int_equal(count_entries("."), ARRAY_LEN(keep));
	assert_int_equal(dir_remove_temporaries("missing", ""), -ENOENT);
}

static void directories_are_made(void **state)
{
	struct stat st;
	auto_str absolute = xasprintf("%s/x/y", scratch);
	mode_t mask = umask(027);

	assert_int_equal(dir_make("p/q//r/", 0711), 0);
	assert_int_equal(stat("p/q/r", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	assert_int_equal(stat("p", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(dir_make("p/q/r", 0700), 0);
	assert_int_equal(stat("p/q/r", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0711); /* it was there */
	assert_int_equal(dir_make(absolute, 0700), 0);
	assert_int_equal(dir_make("/", 0700), 0);
	assert_int_equal(file_write("f", "", 0, 0600, 0), 0);
	assert_int_equal(dir_make("f", 0700), -ENOTDIR);
	assert_int_equal(dir_make("f/g", 0700), -ENOTDIR);
	umask(mask);
}

static void one_process_has_the_lock(void **state)
{
	int fd = -1, again = -1;

	CHECK_OK(dir_lock(".", "lock", &fd));
	auto_str content = xasprintf("%ld\n", (long)getpid());
	check_content("lock", content);
	auto_err e = dir_lock(".", "lock", &again);
	assert_non_null(e);
	auto_str holder = xasprintf(". is in use by process %ld", (long)getpid());
	assert_non_null(strstr(err_text(e), holder));
	assert_int_equal(again, -1);
	close(fd);
	CHECK_OK(dir_lock(".", "lock", &fd));
	close(fd);
	CHECK_ERR(dir_lock("missing", "lock", &fd), SYSTEM_ERROR);
}

/* A lock ends with its process, however that ends. */
static void a_killed_holder_frees_the_lock(void **state)
{
	int ready[2], fd, status;
	char byte;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t child = fork();
	if (!child) {
		auto_err e = dir_lock(".", "lock", &fd);
		if (e || write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	CHECK_ERR(dir_lock(".", "lock", &fd), SYSTEM_ERROR);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	CHECK_OK(dir_lock(".", "lock", &fd));
	close(fd);
	close(ready[0]);
	close(ready[1]);
}

/* What a daemon leaves that was killed between fork and exec. */
static void a_child_of_a_killed_holder_is_waited_for(void **state)
{
	int ready[2], fd, status;
	char byte;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t holder = fork();
	if (!holder) {
		auto_err e = dir_lock(".", "lock", &fd);
		if (e || write(ready[1], "", 1) != 1)
			_exit(1);
		if (!fork()) {
			close(ready[1]);
			usleep(200000);
		}
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	waitpid(holder, &status, 0);
	CHECK_ERR(dir_lock(".", "lock", &fd), SYSTEM_ERROR);
	CHECK_OK(dir_lock_after_death(".", "lock", &fd));
	CHECK_ERR(dir_lock_after_death(".", "lock", &(int){-1}), SYSTEM_ERROR);
	close(fd);
	close(ready[0]);
	close(ready[1]);
}

static void load_and_store(void *arg)
{
	auto_str out = NULL;
	size_t len;

	CHECK_OK(file_store("a", "by a fiber", 10, 0600, FILE_DURABLE));
	assert_string_equal(steps, "srs");
	CHECK_OK(file_load("a", 100, &out, &len));
	assert_int_equal(len, 10);
	assert_string_equal(out, "by a fiber");
	CHECK_ERR(file_load("missing", 100, &out, &len), SYSTEM_ERROR);
	CHECK_ERR(file_store("missing/a", "", 0, 0600, 0), SYSTEM_ERROR);
	CHECK_OK(file_drop("a", FILE_DURABLE));
	CHECK_OK(file_drop("a", 0));
	assert_int_equal(access("a", F_OK), -1);
	fiber_cancel(fiber_current());
	CHECK_ERR(file_store("b", "", 0, 0600, 0), CANCELLED);
	loop_stop();
}

static void fibers_load_and_store(void **state)
{
	loop_init();
	CHECK_OK(fiber_spawn(NULL, load_and_store, NULL, "load and store"));
	loop_run(10 * NS_PER_S);
	loop_fini();
	offload_fini();
	assert_int_equal(access("b", F_OK), -1);
}

#define COUNTED(fn) cmocka_unit_test_setup_teardown(fn, set_up, remove_scratch)

TEST_MAIN(COUNTED(reads_what_was_written), COUNTED(reading_is_bounded),
	COUNTED(durable_is_synced_before_and_after), COUNTED(a_failure_leaves_the_old),
	COUNTED(a_link_is_replaced_not_followed), COUNTED(readers_see_one_or_the_other),
	COUNTED(fibers_load_and_store), COUNTED(temporaries_are_found),
	COUNTED(directories_are_made), COUNTED(one_process_has_the_lock),
	COUNTED(a_killed_holder_frees_the_lock), COUNTED(a_child_of_a_killed_holder_is_waited_for))
