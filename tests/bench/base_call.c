/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Base of the calls of bench_xapid that change something: the sum of what such a call cannot do
 * without, each measured by itself and the median taken. No code of the project.
 *
 *	base_call HELLOS HOPS SYNCS COMMITS FOLDER
 *
 * HELLOS requests to libevent's HTTP server, HOPS ways there and back over a Unix socket, SYNCS
 * times 4 KiB overwritten in place and synced, COMMITS of a row by sqlite, both in a file in
 * FOLDER. Tells microseconds.
 */
#include "tests/bench/bare_commit.h"
#include "tests/bench/bare_evhttp.h"
#include "tests/bench/bare_http.h"
#include "tests/bench/bare_sync.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ASKED = 5000, HOPS = 5000, MESSAGE = 200, SYNCS = 500 };

static double hello(void)
{
	struct bare_load load = {.n_conns = 1, .n = ASKED};
	struct bare_figures f;
	pid_t server;

	load.request = bare_http_post(bare_hello_body, &load.len);
	load.port = bare_evhttp_start(&server);
	bare_http_load(&load, &f);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	return f.p50;
}

static void echo(int fd)
{
	char message[MESSAGE];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(fd, message, MESSAGE) == MESSAGE && write(fd, message, MESSAGE) == MESSAGE)
		;
	_exit(0);
}

static double hop(void)
{
	static long ns[HOPS];
	char message[MESSAGE] = {0};
	struct bare_figures f;
	int fds[2];

	bare_must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), "a pair of sockets");
	pid_t other = fork();
	bare_must(other >= 0, "fork");
	close(fds[other ? 1 : 0]);
	if (!other)
		echo(fds[1]);
	for (int i = 0; i < HOPS; i++) {
		long began = bare_now_ns();

		bare_must(write(fds[0], message, MESSAGE) == MESSAGE &&
				read(fds[0], message, MESSAGE) == MESSAGE,
			"a hop");
		ns[i] = bare_now_ns() - began;
	}
	close(fds[0]);
	waitpid(other, NULL, 0);
	bare_figures(ns, HOPS, &f);
	return f.p50;
}

static double sync_one(const char *folder)
{
	struct bare_figures f;

	bare_sync(folder, SYNCS, &f);
	return f.p50;
}

static double commit(const char *folder)
{
	struct bare_figures f;

	bare_commit(folder, SYNCS, &f);
	return f.p50;
}

int main(int argc, char **argv)
{
	double n[4], sum = 0;

	if (argc != 6)
		return 2;
	for (int i = 0; i < 4; i++)
		n[i] = strtod(argv[i + 1], NULL);
	if (n[0] > 0)
		sum += n[0] * hello();
	if (n[1] > 0)
		sum += n[1] * hop();
	if (n[2] > 0)
		sum += n[2] * sync_one(argv[5]);
	if (n[3] > 0)
		sum += n[3] * commit(argv[5]);
	printf("%g %g 0\n", sum, sum);
	return 0;
}
