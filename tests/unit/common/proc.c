/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/proc.c and proc_run.c: input, output and status of helpers, their limits, and that nothing
 * of one is left: not after its end, a deadline, a cancellation, or the death of its parent.
 */
#include "common/proc.h"

#include "common/child.h"
#include "common/fiber.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mem.h"
#include "core.gen.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* The program of a test: a line for sh. */
#define SH(line) ((const char *const[]){"/bin/sh", "-c", line, NULL})

#define FIBER_TEST(name) \
	static void name##_body(void *arg); \
	static void name(void **state) \
	{ \
		run_in_fiber(name##_body, NULL); \
	} \
	static void name##_body(void *arg)

/* Whether the process runs; a zombie does not. */
static bool is_running(pid_t pid)
{
	char path[40], text[512] = "";

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return false;
	const char *state = strrchr(text, ')');
	return state && state[2] != 'Z' && state[2] != 'X';
}

/* A process that was killed is gone soon, but not at once. */
static MAY_WAIT void check_ends(pid_t pid)
{
	for (int i = 0; i < 1000 && is_running(pid); i++)
		CHECK_OK(fiber_sleep(10 * NS_PER_MS));
	assert_false(is_running(pid));
}

FIBER_TEST(output_is_collected)
{
	auto_proc_result r = {0};

	CHECK_OK(proc_run(&(struct proc_spec){.argv = SH("printf 'a\\0b'; echo bad >&2")}, &r));
	assert_int_equal(r.out_len, 3);
	assert_memory_equal(r.out, "a\0b", 4);
	assert_string_equal(r.err, "bad\n");
	assert_int_equal(r.status.exit_code, 0);
}

FIBER_TEST(stderr_can_be_merged)
{
	auto_proc_result r = {0};

	CHECK_OK(proc_run(
		&(struct proc_spec){.argv = SH("echo 1; echo 2 >&2; echo 3"), .merge_stderr = true},
		&r));
	assert_string_equal(r.out, "1\n2\n3\n");
	assert_string_equal(r.err, "");
}

/* More than two pipes hold, both ways at once. */
FIBER_TEST(much_input_goes_through)
{
	size_t size = 1 << 20;
	auto_str input = xmalloc(size);
	auto_proc_result r = {0};
	struct proc_spec cat = {
		.argv = (const char *const[]){"cat", NULL}, .input = input, .input_len = size};

	memset(input, 'x', size);
	CHECK_OK(proc_run(&cat, &r));
	assert_int_equal(r.out_len, size);
	assert_memory_equal(r.out, input, size);

	/* One that does not read it is none the worse. */
	CHECK_OK(proc_run(
		&(struct proc_spec){.argv = SH("exit 0"), .input = input, .input_len = size},
		NULL));
	CHECK_OK(proc_run(
		&(struct proc_spec){.argv = SH("! read x"), .input = "", .input_len = 0}, NULL));
}

FIBER_TEST(status_is_told)
{
	auto_proc_result r = {0};
	auto_err e = proc_run(
		&(struct proc_spec){.argv = SH("echo one; echo 'no\033 disk' >&2; exit 3")}, NULL);

	assert_true(err_is(e, &ERR_PROGRAM_FAILED));
	assert_string_equal(e->params[0], "/bin/sh");
	assert_string_equal(e->params[1], "exit 3");
	assert_string_equal(e->params[2], "no\\u{1b} disk");

	auto_err f = proc_run(&(struct proc_spec){.argv = SH("echo dying; kill -9 $$")}, NULL);
	assert_true(err_is(f, &ERR_PROGRAM_FAILED));
	assert_string_equal(f->params[1], "signal 9");
	assert_string_equal(f->params[2], "dying");

	CHECK_OK(proc_run(&(struct proc_spec){.argv = SH("exit 7"), .any_status = true}, &r));
	assert_int_equal(r.status.exit_code, 7);
	assert_int_equal(r.status.signal, 0);
}

FIBER_TEST(one_that_cannot_start_is_an_error)
{
	struct proc_spec missing = {.argv = (const char *const[]){"/nowhere/x", NULL}};
	struct proc_spec bad_cwd = {.argv = SH("exit 0"), .cwd = "/nowhere"};
	struct proc_spec a_dir = {.argv = (const char *const[]){"/tmp", NULL}};

	auto_err e = proc_run(&missing, NULL);
	assert_true(err_is(e, &ERR_SYSTEM_ERROR));
	assert_string_equal(e->params[1], "ENOENT");
	assert_non_null(strstr(e->params[0], "/nowhere/x"));
	CHECK_ERR(proc_run(&bad_cwd, NULL), SYSTEM_ERROR);
	CHECK_ERR(proc_run(&a_dir, NULL), SYSTEM_ERROR);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie either */
	assert_int_equal(errno, ECHILD);
}

FIBER_TEST(output_is_limited)
{
	auto_proc_result r = {0};
	struct proc_spec flood = {.argv = SH("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxx; done"),
		.max_output = 100000};
	struct proc_spec short_one = {.argv = SH("printf 12345"), .max_output = 4};

	CHECK_ERR(proc_run(&flood, &r), LIMIT_EXCEEDED);
	CHECK_ERR(proc_run(&short_one, &r), LIMIT_EXCEEDED);
	short_one.max_output = 5;
	CHECK_OK(proc_run(&short_one, &r));
	assert_string_equal(r.out, "12345");
}

/* The pid that a program has written to its pipe, a line. */
static MAY_WAIT pid_t read_pid(int fd)
{
	char text[32] = "";

	for (size_t n = 0; !strchr(text, '\n'); n++) {
		CHECK_OK(fiber_wait_fd(fd, FD_READABLE, "pid", deadline_in(10 * NS_PER_S)));
		assert_true(n < sizeof(text) - 1);
		assert_int_equal(read(fd, text + n, 1), 1);
	}
	return (pid_t)strtol(text, NULL, 10);
}

/* A helper that does not mind SIGTERM, with a child that minds it no more. The pid of the child
 * comes by the descriptor that is handed on as 3. */
#define STUBBORN "trap '' TERM; sleep 1000 & echo $! >&3; wait; sleep 1000"

FIBER_TEST(a_deadline_ends_the_whole_group)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	struct proc_spec spec = {.argv = SH(STUBBORN),
		.deadline = deadline_in(300 * NS_PER_MS),
		.grace_ns = 100 * NS_PER_MS,
		.fds = &fds[1],
		.n_fds = 1};
	CHECK_ERR(proc_run(&spec, NULL), TIMEOUT);
	check_ends(read_pid(fds[0]));
	close(fds[0]);
	close(fds[1]);
}

static MAY_WAIT void run_until_cancelled(void *arg)
{
	int *fds = arg;
	struct proc_spec spec = {
		.argv = SH("sleep 1000 & echo $! >&3; wait"), .fds = &fds[1], .n_fds = 1};

	CHECK_ERR(proc_run(&spec, NULL), CANCELLED);
	close(fds[1]);
}

FIBER_TEST(a_cancelled_waiter_kills_it)
{
	int fds[2];
	struct fiber *f;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	CHECK_OK(fiber_spawn(&f, run_until_cancelled, fds, "to be cancelled"));
	pid_t pid = read_pid(fds[0]);
	assert_true(is_running(pid));
	fiber_cancel(f);
	check_ends(pid);
	close(fds[0]);
}

/* What a helper leaves running in its group ends with it, and holds nobody up. */
FIBER_TEST(leftovers_are_killed)
{
	auto_proc_result r = {0};

	CHECK_OK(proc_run(&(struct proc_spec){.argv = SH("sleep 1000 & echo $!")}, &r));
	check_ends((pid_t)strtol(r.out, NULL, 10));
}

FIBER_TEST(its_surroundings_are_clean)
{
	auto_proc_result r = {0};
	const char *const env[] = {"ONE=1", "PATH=/bin:/usr/bin", NULL};
	/* Not marked to close at exec, as a careless library's. */
	int leaked = open("/dev/null", O_RDONLY); /* lint: on purpose */
	struct proc_spec spec = {
		.argv = SH("echo $ONE $HOME; pwd; ls /proc/self/fd | wc -w; "
			   "grep -E 'SigBlk|SigIgn' /proc/self/status; ulimit -Sn; "
			   "cut -d' ' -f5 /proc/$$/stat; echo $$"),
		.env = env,
		.cwd = "/usr"};

	child_set_file_limit(500);
	CHECK_OK(proc_run(&spec, &r));
	close(leaked);
	char *rest, *lines[8];
	for (size_t i = 0; i < 8; i++)
		lines[i] = strtok_r(i ? NULL : r.out, "\n", &rest);
	assert_string_equal(lines[0], "1");
	assert_string_equal(lines[1], "/usr");
	assert_string_equal(lines[2], "4"); /* the three and ls's own */
	assert_non_null(strstr(lines[3], "0000000000000000"));
	/* Nor does it ignore any; 32 and 33 are libc's own, and make leaves them so. */
	assert_int_equal(strtoull(lines[4] + strlen("SigIgn:"), NULL, 16) & 0x7fffffff, 0);
	assert_string_equal(lines[5], "500");
	assert_string_equal(lines[6], lines[7]); /* it leads its group */
	child_set_file_limit(0);
}

FIBER_TEST(descriptors_are_handed_on)
{
	auto_proc_result r = {0};
	int a[2], b[2];

	/* In an order that crosses: each one's number is another's target. */
	assert_int_equal(pipe2(a, O_CLOEXEC), 0);
	assert_int_equal(pipe2(b, O_CLOEXEC), 0);
	assert_int_equal(write(a[1], "a\n", 2), 2);
	assert_int_equal(write(b[1], "b\n", 2), 2);
	int fds[] = {b[0], a[0]};
	struct proc_spec spec = {
		.argv = SH("read x <&3; read y <&4; echo $x$y"), .fds = fds, .n_fds = 2};
	CHECK_OK(proc_run(&spec, &r));
	assert_string_equal(r.out, "ba\n");
	for (int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
}

FIBER_TEST(one_that_stays_is_talked_to)
{
	struct proc *p;
	struct proc_status status;
	char text[8];

	CHECK_OK(proc_start(&p, &(struct proc_spec){.argv = SH("while read x; do echo +$x; done")},
		PROC_PIPE_IN | PROC_PIPE_OUT));
	assert_int_equal(p->err_fd, -1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(write(p->in_fd, "1\n", 2), 2);
		CHECK_OK(fiber_wait_fd(
			p->out_fd, FD_READABLE, "answer", deadline_in(10 * NS_PER_S)));
		assert_int_equal(read(p->out_fd, text, sizeof(text)), 3);
		assert_memory_equal(text, "+1\n", 3);
	}
	CHECK_ERR(proc_wait(p, deadline_in(NS_PER_MS), &status), TIMEOUT);
	close(p->in_fd);
	p->in_fd = -1;
	CHECK_OK(proc_wait(p, deadline_in(10 * NS_PER_S), &status));
	assert_int_equal(status.exit_code, 0);
	CHECK_OK(proc_wait(p, 0, &status)); /* again */
	proc_signal(p, SIGKILL); /* nobody's */
	proc_stop(p, 0);
	proc_free(p);
}

FIBER_TEST(one_that_is_freed_is_killed)
{
	struct proc *p;

	CHECK_OK(proc_start(&p, &(struct proc_spec){.argv = SH("sleep 1000")}, 0));
	pid_t pid = p->pid;
	proc_free(p);
	check_ends(pid);
	proc_free(NULL);
}

FIBER_TEST(stopping_is_gentle_first)
{
	struct proc *p;

	CHECK_OK(proc_start(&p,
		&(struct proc_spec){
			.argv = SH("trap 'exit 5' TERM; echo; while :; do sleep 0.01; done")},
		PROC_PIPE_OUT));
	CHECK_OK(fiber_wait_fd(p->out_fd, FD_READABLE, "trap", deadline_in(10 * NS_PER_S)));
	proc_stop(p, 10 * NS_PER_S);
	assert_true(p->has_ended);
	assert_int_equal(p->status.exit_code, 5);
	proc_free(p);
}

/* A helper dies with the daemon, even when that is killed. */
static void start_and_wait(void *arg)
{
	struct proc *p;
	int *fd = arg;
	struct proc_spec spec = {.argv = SH("echo $$ >&3; exec sleep 1000"), .fds = fd, .n_fds = 1};

	CHECK_OK(proc_start(&p, &spec, 0));
	err_free(proc_wait(p, NEVER, NULL));
}

static int daemon_fds[2];

FIBER_TEST(wait_for_the_helpers_end)
{
	pid_t daemon = read_pid(daemon_fds[0]);
	pid_t helper = read_pid(daemon_fds[0]);

	assert_true(is_running(helper));
	kill(daemon, SIGKILL);
	check_ends(helper);
}

static void a_helper_dies_with_its_daemon(void **state)
{
	assert_int_equal(pipe2(daemon_fds, O_CLOEXEC), 0);
	pid_t daemon = fork();
	if (!daemon) {
		dprintf(daemon_fds[1], "%10ld\n", (long)getpid());
		loop_init();
		err_free(fiber_spawn(NULL, start_and_wait, &daemon_fds[1], "daemon"));
		loop_run(0);
		_exit(1);
	}
	wait_for_the_helpers_end(state);
	waitpid(daemon, NULL, 0);
	close(daemon_fds[0]);
	close(daemon_fds[1]);
}

static int set_up(void **state)
{
	log_init("testd");
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {TEST(output_is_collected), TEST(stderr_can_be_merged),
		TEST(much_input_goes_through), TEST(status_is_told),
		TEST(one_that_cannot_start_is_an_error), TEST(output_is_limited),
		TEST(a_deadline_ends_the_whole_group), TEST(a_cancelled_waiter_kills_it),
		TEST(leftovers_are_killed), TEST(its_surroundings_are_clean),
		TEST(descriptors_are_handed_on), TEST(one_that_stays_is_talked_to),
		TEST(one_that_is_freed_is_killed), TEST(stopping_is_gentle_first),
		TEST(a_helper_dies_with_its_daemon)};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name(argv[0], tests, set_up, NULL);
}
