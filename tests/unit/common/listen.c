/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/listen.c: sockets that are there already, long paths, modes, running out of descriptors,
 * and who is trusted.
 */
#include "common/listen.h"

#include "common/mem.h"
#include "core.gen.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

static char dir[32];
static char *path; /* owned */
static int accepted_fd;
static unsigned n_accepted;

static void take_fd(int fd, void *arg)
{
	close_fdp(&accepted_fd);
	accepted_fd = fd;
	n_accepted++;
}

static void until_accepted(unsigned n)
{
	while (n_accepted < n)
		CHECK_OK(fiber_yield());
}

static void in_dir(fiber_fn fn, const char *name)
{
	strcpy(dir, "/tmp/xenith-listen-XXXXXX"); /* lint: fits */
	assert_non_null(mkdtemp(dir));
	path = xasprintf("%s/%s", dir, name);
	accepted_fd = -1;
	n_accepted = 0;
	run_in_fiber(fn, NULL);
	close_fdp(&accepted_fd);
	free(path);
	assert_int_equal(rmdir(dir), 0);
}

#define IN_DIR(name) \
	static void name##_fiber(void *arg); \
	static void name(void **state) \
	{ \
		in_dir(name##_fiber, "sock"); \
	} \
	static void name##_fiber(void *arg)

IN_DIR(accepts_and_cleans_up)
{
	struct listener *l;
	struct stat st;
	struct peer p;
	auto_fd fd = -1;
	mode_t mask = umask(0);

	CHECK_OK(listen_unix(&l, path, 0620, take_fd, NULL));
	umask(mask);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0620);
	assert_int_equal(unix_connect(path, &fd), 0);
	until_accepted(1);
	assert_int_equal(fcntl(accepted_fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(peer_of_socket(accepted_fd, &p), 0);
	assert_int_equal(p.pid, getpid());
	assert_true(peer_is_trusted(accepted_fd, &p));
	listener_free(l);
	assert_int_equal(stat(path, &st), -1);
	CHECK_OK(fiber_yield());
	assert_int_equal(fiber_count(), 1);
}

/* A dead daemon's socket is replaced; a live one's is not, nor is what is no socket. */
IN_DIR(what_is_there_already)
{
	struct listener *l, *second;
	struct sockaddr_un_ {
		sa_family_t family;
		char path[100];
	} sun = {.family = AF_UNIX};
	int dead = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(sun.path, sizeof(sun.path), "%s", path);
	assert_int_equal(bind(dead, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(dead);
	CHECK_OK(listen_unix(&l, path, 0600, take_fd, NULL));
	auto_err e = listen_unix(&second, path, 0600, take_fd, NULL);
	assert_true(err_is(e, &ERR_SYSTEM_ERROR));
	assert_string_equal(e->params[1], "EADDRINUSE");
	/* another socket took the path meanwhile: it stays */
	unlink(path);
	CHECK_OK(listen_unix(&second, path, 0600, take_fd, NULL));
	listener_free(l);
	assert_int_equal(access(path, F_OK), 0);
	listener_free(second);
	int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(file >= 0);
	close(file);
	CHECK_ERR(listen_unix(&l, path, 0600, take_fd, NULL), SYSTEM_ERROR);
	unlink(path);
}

static void long_path_fiber(void *arg)
{
	struct listener *l;
	auto_fd fd = -1;
	char sub[220];

	snprintf(sub, sizeof(sub), "%s/%0150d", dir, 7);
	assert_int_equal(mkdir(sub, 0700), 0);
	auto_str deep = xasprintf("%s/sock", sub);
	CHECK_OK(listen_unix(&l, deep, 0600, take_fd, NULL));
	assert_int_equal(unix_connect(deep, &fd), 0);
	until_accepted(1);
	listener_free(l);
	assert_int_equal(rmdir(sub), 0);
}

static void a_path_of_any_length(void **state)
{
	in_dir(long_path_fiber, "unused");
}

IN_DIR(nobody_there)
{
	int fd = -1;

	assert_int_equal(unix_connect(path, &fd), -ENOENT);
	assert_int_equal(fd, -1);
}

/* With no descriptor left a connection is turned away, and the next one is served. */
IN_DIR(out_of_descriptors)
{
	struct listener *l;
	auto_fd first = -1, second = -1;
	struct rlimit before, few;
	char byte;

	CHECK_OK(listen_unix(&l, path, 0600, take_fd, NULL));
	CHECK_OK(fiber_yield());
	assert_int_equal(unix_connect(path, &first), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = (rlim_t)first + 1; /* the listener's spare one is below */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	CHECK_OK(fiber_wait_fd(first, FD_READABLE, "the end", deadline_in(10 * NS_PER_S)));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(read(first, &byte, 1), 0);
	assert_int_equal(n_accepted, 0);
	assert_int_equal(unix_connect(path, &second), 0);
	until_accepted(1);
	listener_free(l);
}

IN_DIR(listens_on_tcp)
{
	struct listener *l, *l6;

	CHECK_OK(listen_tcp(&l, "127.0.0.1", 0, take_fd, NULL));
	assert_int_not_equal(listener_port(l), 0);
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(listener_port(l))};
	auto_fd fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	until_accepted(1);
	CHECK_ERR(listen_tcp(&l6, "localhost", 0, take_fd, NULL), INVALID_VALUE);
	CHECK_ERR(listen_tcp(&l6, "127.0.0.1", listener_port(l), take_fd, NULL), SYSTEM_ERROR);
	listener_free(l);
}

static void strangers_are_not_trusted(void **state)
{
	struct peer stranger = {.pid = 1, .uid = 12345, .gid = 54321};
	int fds[2];

	/* not through the groups of the socket's other end, which is ourselves */
	assert_int_equal(pipe(fds), 0);
	assert_false(peer_is_trusted(fds[0], &stranger));
	stranger.gid = getegid();
	assert_true(peer_is_trusted(fds[0], &stranger));
	stranger = (struct peer){.uid = 0, .gid = 54321};
	assert_true(peer_is_trusted(fds[0], &stranger));
	close(fds[0]);
	close(fds[1]);
}

TEST_MAIN(TEST(accepts_and_cleans_up), TEST(what_is_there_already), TEST(a_path_of_any_length),
	TEST(nobody_there), TEST(out_of_descriptors), TEST(listens_on_tcp),
	TEST(strangers_are_not_trusted))
