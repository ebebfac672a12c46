/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/systemd.c: what is taken from the environment and what a manager is told. The manager is
 * a datagram socket of the test; socket activation is tried in a child, whose descriptor 3 it may
 * set.
 */
#include "common/systemd.h"

#include "common/clock.h"
#include "common/mem.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

/* A manager's socket, in the abstract namespace; ADDRESS gets what NOTIFY_SOCKET is to say. */
static int manager_open(char *address, size_t size)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(address, size, "@xenith-test-%ld", (long)getpid());
	memcpy(sun.sun_path + 1, address + 1, strlen(address + 1));
	assert_int_equal(
		bind(fd, (struct sockaddr *)&sun,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(address))),
		0);
	return fd;
}

static void receive(int fd, char *text, size_t size)
{
	ssize_t n = recv(fd, text, size - 1, MSG_DONTWAIT);

	assert_true(n > 0);
	text[n] = '\0';
}

static void the_manager_is_told(void **state)
{
	char address[64], text[128];
	auto_fd fd = manager_open(address, sizeof(address));

	setenv("NOTIFY_SOCKET", address, true);
	systemd_adopt();
	assert_null(getenv("NOTIFY_SOCKET"));
	systemd_notify("READY=1");
	receive(fd, text, sizeof(text));
	assert_string_equal(text, "READY=1");
	systemd_notify_reloading();
	receive(fd, text, sizeof(text));
	assert_memory_equal(text, "RELOADING=1\nMONOTONIC_USEC=", 27);
	assert_true(strtoll(text + 27, NULL, 10) > 0);
	systemd_adopt();
	systemd_notify("READY=1"); /* to nobody */
	assert_int_equal(recv(fd, text, sizeof(text), MSG_DONTWAIT), -1);
}

static void a_bad_address_is_nobody(void **state)
{
	static const char long_one[] = "/a-path-that-is-much-too-long-for-the-address-of-a-unix-"
				       "socket-which-holds-only-one-hundred-and-eight-bytes";
	static const char *const bad[] = {"", "@", "relative", "vsock:2:1234", long_one};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		setenv("NOTIFY_SOCKET", bad[i], true);
		systemd_adopt();
		systemd_notify("READY=1");
		assert_null(getenv("NOTIFY_SOCKET"));
	}
}

static void the_watchdog_is_known(void **state)
{
	char pid[24];

	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	setenv("WATCHDOG_USEC", "30000000", true);
	setenv("WATCHDOG_PID", pid, true);
	systemd_adopt();
	assert_int_equal(systemd_watchdog_ns(), 30 * NS_PER_S);
	assert_null(getenv("WATCHDOG_USEC"));
	setenv("WATCHDOG_USEC", "30000000", true);
	setenv("WATCHDOG_PID", "1", true); /* another's */
	systemd_adopt();
	assert_int_equal(systemd_watchdog_ns(), 0);
}

/* In a child: FD as what was passed in; exits with 0 when it is taken as EXPECTED. */
static int adopts(int fd, const char *n_fds, int expected)
{
	int status;

	pid_t child = fork();
	if (!child) {
		char pid[24];

		snprintf(pid, sizeof(pid), "%ld", (long)getpid());
		setenv("LISTEN_PID", pid, true);
		setenv("LISTEN_FDS", n_fds, true);
		if (dup2(fd, 3) != 3)
			_exit(3);
		systemd_adopt();
		bool ok = systemd_listen_fd() == expected && systemd_listen_fd() == -1 &&
			!getenv("LISTEN_FDS");
		_exit(!ok);
	}
	waitpid(child, &status, 0);
	return status;
}

static void a_passed_socket_is_taken(void **state)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	auto_fd file = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_equal(adopts(fd, "1", -EINVAL), 0); /* it does not listen */
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(adopts(fd, "1", 3), 0);
	assert_int_equal(adopts(fd, "2", -EINVAL), 0);
	assert_int_equal(adopts(file, "1", -EINVAL), 0);
	assert_int_equal(adopts(fd, "none", -EINVAL), 0);
}

/* The journal is there only when stderr is that very stream. */
static void the_journal_is_recognised(void **state)
{
	struct stat st;
	char text[64];

	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", text, true);
	assert_true(systemd_has_journal());
	snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino + 1);
	setenv("JOURNAL_STREAM", text, true);
	assert_false(systemd_has_journal());
	setenv("JOURNAL_STREAM", "nonsense", true);
	assert_false(systemd_has_journal());
	unsetenv("JOURNAL_STREAM");
	assert_false(systemd_has_journal());
}

TEST_MAIN(TEST(the_manager_is_told), TEST(a_bad_address_is_nobody), TEST(the_watchdog_is_known),
	TEST(a_passed_socket_is_taken), TEST(the_journal_is_recognised))
