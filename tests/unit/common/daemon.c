/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/daemon.c: a daemon of the test's own, in a child process on a directory of its own,
 * watched from outside: what it tells its manager, its socket, its exit status, its log.
 */
#include "common/daemon.h"

#include "common/fiber.h"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "core.gen.h"
#include "tests/unit/common/scratch.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

/* Hangs end here; nothing else depends on it. */
#define PATIENCE_MS 20000

/* ---- the daemon ---- */

static struct {
	int64_t depth;
	int start; /* of start_names */
} conf;

enum { START_WELL, START_BADLY, START_NEVER };
static const char *const start_names[] = {"well", "badly", "never", NULL};

static const struct conf_key keys[] = {
	{.name = "depth",
		.kind = CONF_INT,
		.standard = "1",
		.min = 1,
		.max = 9,
		.doc = "How deep it is."},
	{.name = "start",
		.kind = CONF_ENUM,
		.offset = sizeof(int64_t),
		.standard = "well",
		.names = start_names,
		.doc = "How it starts."},
	{0},
};

/* A line in the file `said` of its state. */
static void say(const char *what)
{
	auto_str path = xasprintf("%s/said", daemon_paths()->state);
	auto_fd fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	dprintf(fd, "%s %d\n", what, (int)conf.depth);
}

static MAY_WAIT struct err *sample_init(void)
{
	say("init");
	if (conf.start == START_BADLY)
		return err(NOT_IMPLEMENTED, "starting");
	if (conf.start == START_NEVER)
		return fiber_sleep(3600 * NS_PER_S);
	return NULL;
}

static MAY_WAIT struct err *sample_reload(void)
{
	say("reload");
	return NULL;
}

static MAY_WAIT void sample_stop(void)
{
	err_free(fiber_sleep(NS_PER_MS)); /* it can still wait */
	say("stop");
}

static const struct daemon_spec sample = {
	.name = "testd",
	.summary = "It is for the test.",
	.version = "1.2",
	.keys = keys,
	.conf = &conf,
	.conf_size = sizeof(conf),
	.init = sample_init,
	.reload = sample_reload,
	.stop = sample_stop,
};

/* ---- the test's side ---- */

static int manager_fd;
static int passed_fd = -1; /* to be descriptor 3 of the next daemon */

static int set_up(void **state)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	if (make_scratch(state) || mkdir("etc", 0700))
		return -1;
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/manager", scratch);
	manager_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return bind(manager_fd, (struct sockaddr *)&sun, sizeof(sun));
}

static int tear_down(void **state)
{
	close(manager_fd);
	return remove_scratch(state);
}

/* Starts the daemon with --dir and up to three more arguments. stdout and stderr go to files. */
static pid_t start(const char *a, const char *b, const char *c)
{
	pid_t pid = fork();
	if (pid)
		return pid;
	char *argv[] = {
		(char *)"testd", (char *)"--dir", scratch, (char *)a, (char *)b, (char *)c, NULL};
	int argc = 0;

	while (argv[argc])
		argc++;
	char address[80];
	snprintf(address, sizeof(address), "%s/manager", scratch);
	setenv("NOTIFY_SOCKET", address, true);
	unsetenv("XENITH_LOG");
	if (passed_fd >= 0) {
		char own_pid[24];

		snprintf(own_pid, sizeof(own_pid), "%ld", (long)getpid());
		setenv("LISTEN_PID", own_pid, true);
		setenv("LISTEN_FDS", "1", true);
		dup2(passed_fd, 3);
	}
	if (!freopen("out", "w", stdout) || !freopen("err", "a", stderr))
		_exit(99);
	exit(daemon_run(argc, argv, &sample));
}

/* The next message to the manager is this. */
static void check_told(const char *expected)
{
	struct pollfd p = {.fd = manager_fd, .events = POLLIN};
	char text[128];

	if (poll(&p, 1, PATIENCE_MS) != 1) {
		check_says("err", "(the manager was to be told something)");
		return;
	}
	ssize_t n = recv(manager_fd, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	char *more = strchr(text, '\n');
	if (more)
		*more = '\0';
	assert_string_equal(text, expected);
}

static void check_exits(pid_t pid, int expected)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	auto_str words = xasprintf("(wait status %#x)", (unsigned)status);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != expected)
		check_says("err", words); /* and shows what it does say */
}

static void stop(pid_t pid)
{
	kill(pid, SIGTERM);
	check_told("STOPPING=1");
	check_exits(pid, DAEMON_EXIT_OK);
}

/* One call over the socket; the answer is for the caller to free. */
static char *call(const char *request)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[4096] = "";
	size_t len = 0;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/run/testd.sock", scratch);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(write_all(fd, request, strlen(request)), 0);
	while (!strchr(text, '\n')) {
		ssize_t n = read(fd, text + len, sizeof(text) - 1 - len);
		assert_true(n > 0);
		len += (size_t)n;
	}
	return xstrdup(text);
}

/* ---- the tests ---- */

static void it_starts_serves_and_stops(void **state)
{
	struct stat st;

	pid_t pid = start(NULL, NULL, NULL);
	check_told("READY=1");
	assert_int_equal(stat("run/testd.sock", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	auto_str answer =
		call("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"debug.version\",\"params\":{}}\n");
	assert_non_null(strstr(answer, "\"testd\""));
	assert_non_null(strstr(answer, "\"1.2\""));
	stop(pid);
	assert_int_equal(stat("run/testd.sock", &st), -1);
	check_says("lib/said", "init 1\nstop 1\n");
	check_says("err", "testd[daemon] - ready: testd 1.2");
	assert_false(file_says("err", " bug "));
}

static void one_at_a_time(void **state)
{
	pid_t pid = start(NULL, NULL, NULL);

	check_told("READY=1");
	check_exits(start(NULL, NULL, NULL), DAEMON_EXIT_FAILED);
	auto_str words = xasprintf("%s/run is in use by process %ld", scratch, (long)pid);
	check_says("err", words);
	stop(pid);
}

static void killed_it_starts_again(void **state)
{
	put("etc/testd.conf", "");
	for (int i = 0; i < 3; i++) {
		pid_t pid = start(NULL, NULL, NULL);

		check_told("READY=1");
		put("lib/.testd.json.01234567.tmp", "");
		put("lib/.otherd.json.01234567.tmp", "");
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	pid_t pid = start(NULL, NULL, NULL);
	check_told("READY=1");
	assert_int_equal(access("lib/.testd.json.01234567.tmp", F_OK), -1);
	assert_int_equal(access("lib/.otherd.json.01234567.tmp", F_OK), 0);
	stop(pid);
}

static void hangup_reloads(void **state)
{
	put("etc/testd.conf", "depth = 2\n");
	pid_t pid = start(NULL, NULL, NULL);
	check_told("READY=1");
	put("etc/testd.conf", "depth = 3\nlog = debug\n");
	kill(pid, SIGHUP);
	check_told("RELOADING=1");
	check_told("READY=1");
	check_says("lib/said", "init 2\nreload 3\n");

	put("etc/testd.conf", "deepth = 4\n");
	kill(pid, SIGHUP);
	check_told("RELOADING=1");
	check_told("READY=1");
	check_says("err", "not reloaded, the configuration stays as it was: ");
	check_says("err", "/etc/testd.conf:1: unknown key 'deepth' (did you mean 'depth'?)\n");
	stop(pid);
	check_says("lib/said", "reload 3\nstop 3\n");
}

static void a_wrong_file_has_its_status(void **state)
{
	put("etc/testd.conf", "depth = 10\n");
	check_exits(start(NULL, NULL, NULL), DAEMON_EXIT_CONFIG);
	check_says("err", "/etc/testd.conf:1: depth = 10: must be a whole number from 1 to 9\n");
	put("etc/testd.conf", "log = loud\n");
	check_exits(start(NULL, NULL, NULL), DAEMON_EXIT_CONFIG);
	check_says("err", "'loud' is no level");
	check_exits(start("--config", "missing.conf", NULL), DAEMON_EXIT_CONFIG);
	assert_int_equal(access("lib", F_OK), -1); /* it has touched nothing */
}

static void options_are_explained(void **state)
{
	check_exits(start("--help", NULL, NULL), DAEMON_EXIT_OK);
	check_says("out", "Usage: testd [OPTION]...\nIt is for the test.\n\n  --dir=DIR ");
	check_says("out", "\n  --print-config ");
	check_exits(start("--version", NULL, NULL), DAEMON_EXIT_OK);
	check_says("out", "testd 1.2\n");
	check_exits(start("--bogus", NULL, NULL), DAEMON_EXIT_USAGE);
	check_says("err", "bogus");
	check_exits(start("more", NULL, NULL), DAEMON_EXIT_USAGE);
	check_says("err", "no arguments are taken, but 'more' was given");
}

static void the_configuration_is_printed(void **state)
{
	put("other.conf", "depth = 7\n");
	check_exits(start("--print-config", "--config", "other.conf"), DAEMON_EXIT_OK);
	check_says("out", "# testd: It is for the test.\n\n# Which lines are logged:");
	check_says("out", "#log = info\n");
	check_says("out",
		"# How deep it is.\n# Value: a whole number from 1 to 9.\n#depth = 1\n"
		"depth = 7\n");
	assert_int_equal(access("lib", F_OK), -1);
}

static void a_failed_start_has_its_status(void **state)
{
	put("etc/testd.conf", "start = badly\n");
	pid_t pid = start(NULL, NULL, NULL);
	check_told("STOPPING=1");
	check_exits(pid, DAEMON_EXIT_FAILED);
	check_says("err", "the start failed: NOT_IMPLEMENTED(starting)");
}

/* Told to stop while init still waits, it ends well. */
static void a_start_can_be_stopped(void **state)
{
	put("etc/testd.conf", "start = never\n");
	pid_t pid = start(NULL, NULL, NULL);
	for (int i = 0; i < PATIENCE_MS && !file_says("lib/said", "init"); i++)
		usleep(1000);
	stop(pid);
	assert_false(file_says("err", "error"));
}

static void the_watchdog_is_fed(void **state)
{
	setenv("WATCHDOG_USEC", "20000", true);
	pid_t pid = start(NULL, NULL, NULL);
	unsetenv("WATCHDOG_USEC");
	check_told("WATCHDOG=1"); /* at once */
	check_told("READY=1");
	check_told("WATCHDOG=1");
	check_told("WATCHDOG=1");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void its_process_is_set_up(void **state)
{
	pid_t pid = start("--log-level", "debug", NULL);
	char path[40];

	check_told("READY=1");
	snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	check_says(path, "Umask:\t0027\n");
	check_says(path, "0001000\nSigCgt:"); /* ignores SIGPIPE; make passes on 32 and 33 */
	stop(pid);
}

static void it_tells_of_itself(void **state)
{
	pid_t pid = start(NULL, NULL, NULL);

	check_told("READY=1");
	auto_str answer = call(
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"debug.diagnostics\",\"params\":{}}\n");
	auto_str run = xasprintf("\"phase\":\"ready\",\"config\":\"%s/etc/testd.conf\"", scratch);
	assert_non_null(strstr(answer, run));
	stop(pid);
}

/* The manager listens; what connected before the daemon was there is served. */
static void a_passed_socket_is_served(void **state)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	auto_fd fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(mkdir("run", 0755), 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/run/testd.sock", scratch);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(fd, 5), 0);
	passed_fd = fd;
	pid_t pid = start(NULL, NULL, NULL);
	passed_fd = -1;
	auto_str answer =
		call("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"debug.version\",\"params\":{}}\n");
	assert_non_null(strstr(answer, "\"testd\""));
	check_told("READY=1");
	stop(pid);
	assert_int_equal(access("run/testd.sock", F_OK), 0); /* it is the manager's */
}

#define DAEMON_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

TEST_MAIN(DAEMON_TEST(it_starts_serves_and_stops), DAEMON_TEST(one_at_a_time),
	DAEMON_TEST(killed_it_starts_again), DAEMON_TEST(hangup_reloads),
	DAEMON_TEST(a_wrong_file_has_its_status), DAEMON_TEST(options_are_explained),
	DAEMON_TEST(the_configuration_is_printed), DAEMON_TEST(a_failed_start_has_its_status),
	DAEMON_TEST(a_start_can_be_stopped), DAEMON_TEST(the_watchdog_is_fed),
	DAEMON_TEST(its_process_is_set_up), DAEMON_TEST(it_tells_of_itself),
	DAEMON_TEST(a_passed_socket_is_served))
