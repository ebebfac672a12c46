/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/companion.c: a companion outlives its daemon and is found again; one that was never let go
 * has never been; a number that is another's by now is left alone.
 */
#include "common/companion.h"

#include "common/log.h"
#include "common/offload.h"
#include "core.gen.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/common/scratch.h"
#include "tests/unit/test.h"

#undef LOG_MODULE
#include "common/companion.c"

/* The program of a test: a line for sh. */
#define SH(line) ((const char *const[]){"/bin/sh", "-c", line, NULL})

#define SOON deadline_in(10 * NS_PER_S)

/* A test that runs in a fiber, in a directory of its own. */
#define FIBER_TEST(name) \
	static void name##_body(void *arg); \
	static void name(void **state) \
	{ \
		run_in_fiber(name##_body, NULL); \
		offload_fini(); \
	} \
	static void name##_body(void *arg)

static struct companion_spec sleeper(const char *name)
{
	static const char *const argv[] = {"sleep", "1000", NULL};

	return (struct companion_spec){.dir = scratch, .name = name, .argv = argv};
}

static MAY_WAIT void check_stops(struct companion *c)
{
	CHECK_OK(companion_stop(c, 5 * NS_PER_S));
	assert_false(companion_is_running(c));
	CHECK_OK(companion_forget(c));
}

FIBER_TEST(it_starts_and_stops)
{
	struct companion_spec spec = sleeper("vm-1.qemu");
	struct companion *c, *again;

	CHECK_OK(companion_start(&spec, &c));
	assert_true(companion_is_running(c));
	assert_int_equal(getsid(c->pid), c->pid);
	assert_int_equal(waitpid(c->pid, NULL, WNOHANG), -1); /* not our child */
	CHECK_ERR(companion_wait(c, deadline_in(NS_PER_MS)), TIMEOUT);
	CHECK_ERR(companion_start(&spec, &again), INVALID_VALUE); /* one of a name */
	CHECK_OK(companion_find(scratch, "vm-1.qemu", &again));
	assert_int_equal(again->pid, c->pid);
	assert_true(companion_is_running(again));
	companion_free(again);
	check_stops(c);
	CHECK_OK(companion_find(scratch, "vm-1.qemu", &again));
	assert_null(again);
}

/* Its record is there, and whole, before its program begins. */
FIBER_TEST(the_record_comes_first)
{
	struct companion *c;
	struct companion_spec spec = {.dir = scratch,
		.name = "x",
		.argv = SH("cat x.companion; echo to stderr >&2"),
		.cwd = scratch,
		.log_path = "log"};

	put("log", "before\n");
	CHECK_OK(companion_start(&spec, &c));
	auto_str pid = xasprintf("{\"pid\":%ld,\"start_time\":%llu,", (long)c->pid,
		(unsigned long long)c->start_time);
	CHECK_OK(companion_wait(c, SOON));
	check_says("log", "before\n{\"pid\"");
	check_says("log", pid);
	check_says("log", "\"argv\":[\"/bin/sh\",\"-c\",\"cat x.companion");
	check_says("log", "to stderr\n");
	CHECK_OK(companion_forget(c));
}

static void lets_go(void *arg)
{
	struct companion_spec spec = sleeper("x");
	struct companion *c;
	int *fd = arg;

	CHECK_OK(companion_start(&spec, &c));
	assert_int_equal(write(*fd, &c->pid, sizeof(c->pid)), sizeof(c->pid));
	err_free(fiber_sleep(1000 * NS_PER_S));
}

static pid_t survivor;

FIBER_TEST(find_and_stop)
{
	struct companion *c;

	CHECK_OK(companion_find(scratch, "x", &c));
	assert_non_null(c);
	assert_int_equal(c->pid, survivor);
	assert_true(companion_is_running(c));
	check_stops(c);
}

static void it_survives_its_daemon(void **state)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid_t daemon = fork();
	if (!daemon) {
		setpgid(0, 0);
		run_in_fiber(lets_go, &fds[1]);
		_exit(1);
	}
	assert_int_equal(read(fds[0], &survivor, sizeof(survivor)), sizeof(survivor));
	kill(-daemon, SIGKILL);
	assert_int_equal(waitpid(daemon, NULL, 0), daemon);
	find_and_stop(state);
	close(fds[0]);
	close(fds[1]);
}

/* A daemon that is killed before it has let the child go leaves nothing that runs. */
FIBER_TEST(one_that_was_not_let_go_has_never_been)
{
	struct companion_spec spec = {
		.dir = scratch, .name = "x", .argv = SH("echo > began"), .cwd = scratch};
	struct start s = {
		.spec = &spec, .null_fd = -1, .log_fd = -1, .go = {-1, -1}, .report = {-1, -1}};
	struct companion *c;

	s.c = companion_new(scratch, "x");
	CHECK_OK(start_open(&s));
	CHECK_OK(fork_twice(&s));
	CHECK_OK(child_identify(&s));
	CHECK_OK(record_store(&s));
	assert_true(companion_is_running(s.c));
	close(s.go[1]); /* as the kernel does when a daemon dies */
	s.go[1] = -1;
	CHECK_OK(companion_wait(s.c, SOON));
	assert_int_equal(access("began", F_OK), -1);
	start_fini(&s);

	CHECK_OK(companion_find(scratch, "x", &c));
	assert_false(companion_is_running(c));
	CHECK_OK(companion_forget(c));
}

FIBER_TEST(one_that_cannot_start_leaves_nothing)
{
	const char *const missing[] = {"/nowhere/x", NULL};
	struct companion_spec spec = {.dir = scratch, .name = "x", .argv = missing};
	struct companion *c;

	auto_err e = companion_start(&spec, &c);
	assert_true(err_is(e, &ERR_SYSTEM_ERROR));
	assert_string_equal(e->params[1], "ENOENT");
	CHECK_OK(companion_find(scratch, "x", &c));
	assert_null(c);
	spec.dir = "/nowhere";
	spec.argv = SH("exit 0");
	CHECK_ERR(companion_start(&spec, &c), SYSTEM_ERROR);
	spec.dir = scratch;
	spec.log_path = "/nowhere/log";
	CHECK_ERR(companion_start(&spec, &c), SYSTEM_ERROR);
}

/* Cancelled at any step of the start: it is there whole, or not at all. */
static void start_to_be_cancelled(void *arg)
{
	struct companion_spec spec = sleeper("x");
	struct companion **out = arg;

	err_free(companion_start(&spec, out));
}

FIBER_TEST(a_cancelled_start_leaves_nothing)
{
	for (int turns = 0; turns < 30; turns++) {
		struct companion *c = NULL, *found;
		struct fiber *f;

		CHECK_OK(fiber_spawn(&f, start_to_be_cancelled, &c, "start"));
		size_t n = fiber_count();
		for (int i = 0; i < turns && fiber_count() == n; i++)
			CHECK_OK(fiber_sleep(100 * NS_PER_US));
		if (fiber_count() == n)
			fiber_cancel(f);
		while (fiber_count() == n)
			CHECK_OK(fiber_sleep(NS_PER_MS));
		CHECK_OK(companion_find(scratch, "x", &found));
		assert_int_equal(c != NULL, found != NULL);
		companion_free(found);
		if (c)
			check_stops(c);
	}
}

/* The number in a record may be another's by now. */
FIBER_TEST(another_of_its_number_is_left_alone)
{
	struct companion_spec spec = sleeper("x");
	struct companion *c, *other;
	auto_arena a = {0};
	const char *boot;

	CHECK_OK(companion_start(&spec, &c));
	CHECK_OK(boot_id_read(&a, &boot));
	struct companion_record late = {
		.pid = c->pid, .start_time = (int64_t)c->start_time - 1, .boot_id = boot};
	auto_str text = companion_record_text(&late, spec.argv);
	put("y.companion", text);
	struct companion_record older = {.pid = c->pid,
		.start_time = (int64_t)c->start_time,
		.boot_id = "00000000-0000-4000-8000-000000000000"};
	auto_str text_of_older = companion_record_text(&older, spec.argv);
	put("z.companion", text_of_older);

	for (const char *const *name = (const char *const[]){"y", "z", NULL}; *name; name++) {
		CHECK_OK(companion_find(scratch, *name, &other));
		assert_non_null(other);
		assert_false(companion_is_running(other));
		companion_signal(other, SIGKILL);
		CHECK_OK(companion_stop(other, 0));
		CHECK_OK(companion_forget(other));
	}
	assert_true(companion_is_running(c));
	check_stops(c);
}

FIBER_TEST(a_damaged_record_is_told)
{
	static const char *const bad[] = {"", "{", "[]", "{}", "{\"pid\":1}",
		"{\"pid\":-1,\"start_time\":1,\"boot_id\":\"x\"}",
		"{\"pid\":1,\"start_time\":1,\"boot_id\":\"x\"} more",
		"{\"pid\":\"1\",\"start_time\":1,\"boot_id\":\"x\"}"};
	struct companion *c = NULL;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		put("x.companion", bad[i]);
		CHECK_ERR(companion_find(scratch, "x", &c), STORE_UNUSABLE);
		assert_null(c);
	}
}

FIBER_TEST(names_cannot_leave_the_directory)
{
	static const char *const bad[] = {"", ".", "..", "../x", "a/b", "-x", ".x", "a b", "a\n"};
	struct companion *c = NULL;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct companion_spec spec = sleeper(bad[i]);

		CHECK_ERR(companion_start(&spec, &c), INVALID_VALUE);
		CHECK_ERR(companion_find(scratch, bad[i], &c), INVALID_VALUE);
	}
	assert_null(c);
}

FIBER_TEST(all_are_listed)
{
	struct companion_spec b = sleeper("b"), a_one = sleeper("a.1");
	struct companion *c, *d;
	const char *const *names;
	auto_arena a = {0};
	size_t n;

	put("other", "");
	put(".hidden.companion", "");
	CHECK_OK(companion_start(&b, &c));
	CHECK_OK(companion_start(&a_one, &d));
	CHECK_OK(companion_list(scratch, &a, &names, &n));
	assert_int_equal(n, 2);
	assert_string_equal(names[0], "a.1");
	assert_string_equal(names[1], "b");
	check_stops(c);
	check_stops(d);
	CHECK_ERR(companion_list("/nowhere", &a, &names, &n), SYSTEM_ERROR);
}

/* It gets what it was handed, and nothing else of the daemon's. */
FIBER_TEST(its_descriptors_are_its_own)
{
	struct companion *c;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	struct companion_spec spec = {.dir = scratch,
		.name = "x",
		.argv = SH("ls /proc/self/fd | wc -w >&3; grep SigBlk /proc/self/status >&3"),
		.fds = &fds[1],
		.n_fds = 1};
	CHECK_OK(companion_start(&spec, &c));
	CHECK_OK(companion_wait(c, SOON));
	char text[64] = "";
	assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
	/* The four, and the pipe of the shell and ls's own, are of the program's making. */
	assert_string_equal(text, "5\nSigBlk:\t0000000000000000\n");
	CHECK_OK(companion_forget(c));
	close(fds[0]);
	close(fds[1]);
}

FIBER_TEST(one_that_ignores_sigterm_is_killed)
{
	struct companion *c;
	struct companion_spec spec = {.dir = scratch,
		.name = "x",
		.argv = SH("trap '' TERM; echo > ready; exec sleep 1000"),
		.cwd = scratch};

	CHECK_OK(companion_start(&spec, &c));
	while (access("ready", F_OK))
		CHECK_OK(fiber_sleep(NS_PER_MS));
	CHECK_OK(companion_stop(c, 50 * NS_PER_MS));
	assert_false(companion_is_running(c));
	CHECK_OK(companion_forget(c));
}

TEST_MAIN(IN_SCRATCH(it_starts_and_stops), IN_SCRATCH(the_record_comes_first),
	IN_SCRATCH(it_survives_its_daemon), IN_SCRATCH(one_that_was_not_let_go_has_never_been),
	IN_SCRATCH(one_that_cannot_start_leaves_nothing),
	IN_SCRATCH(a_cancelled_start_leaves_nothing),
	IN_SCRATCH(another_of_its_number_is_left_alone), IN_SCRATCH(a_damaged_record_is_told),
	IN_SCRATCH(names_cannot_leave_the_directory), IN_SCRATCH(all_are_listed),
	IN_SCRATCH(its_descriptors_are_its_own), IN_SCRATCH(one_that_ignores_sigterm_is_killed))
