/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Base of large answers: a process that writes the same bytes from one flat buffer to a Unix socket
 * whenever it is asked to, and one that reads them. No code of the project.
 *
 *	base_bulk BYTES TIMES
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 256 * 1024, WARM_UP = 3 };

static void must(bool ok)
{
	if (!ok) {
		perror("base_bulk");
		exit(1);
	}
}

static long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void wait_for(int fd, short what)
{
	struct pollfd p = {.fd = fd, .events = what};

	must(poll(&p, 1, -1) == 1);
}

/* Until the other end is closed. */
static void serve(int fd, const char *bytes, size_t n)
{
	char asked;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (;;) {
		ssize_t got = read(fd, &asked, 1);

		if (!got)
			return;
		if (got < 0) {
			wait_for(fd, POLLIN);
			continue;
		}
		for (size_t done = 0; done < n;) {
			ssize_t put = write(fd, bytes + done, n - done);

			must(put > 0 || errno == EAGAIN);
			if (put < 0)
				wait_for(fd, POLLOUT);
			done += put > 0 ? (size_t)put : 0;
		}
	}
}

static long ask(int fd, size_t n)
{
	static char room[ROOM];
	long began = now_ns();

	must(write(fd, "?", 1) == 1);
	for (size_t done = 0; done < n;) {
		ssize_t got = read(fd, room, sizeof(room));

		must(got > 0);
		done += (size_t)got;
	}
	return now_ns() - began;
}

static int by_length(const void *a, const void *b)
{
	const long *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int main(int argc, char **argv)
{
	size_t n = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;
	size_t times = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	int fds[2];

	if (!n || !times)
		return 2;
	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	char *bytes = malloc(n);
	long *took = calloc(times, sizeof(*took));
	must(bytes && took);
	memset(bytes, 'x', n);
	pid_t pid = fork();
	must(pid >= 0);
	if (!pid) {
		close(fds[0]);
		serve(fds[1], bytes, n);
		_exit(0);
	}
	close(fds[1]);
	for (int i = 0; i < WARM_UP; i++)
		ask(fds[0], n);
	for (size_t i = 0; i < times; i++)
		took[i] = ask(fds[0], n);
	close(fds[0]);
	waitpid(pid, NULL, 0);
	qsort(took, times, sizeof(*took), by_length);
	double p50 = (double)took[times / 2] / 1e3, p99 = (double)took[times * 99 / 100] / 1e3;
	printf("%g %g %g\n", p50, p50, p99);
	free(took);
	free(bytes);
	return 0;
}
