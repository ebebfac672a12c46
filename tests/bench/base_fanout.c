/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Base of the fan-out of events: one process writes the same bytes to many TCP sockets, one write
 * each, as soon as it is told to; another reads them and notes when the last of them had all. No
 * code of the project.
 *
 *	base_fanout SOCKETS BYTES ROUNDS PAUSE
 *
 * The pause between rounds, in milliseconds, is as long as that of who is compared with it: after a
 * tenth of a second all of the sockets have left the processor's caches, which doubles the cost.
 * Tells the slowest, the median and the slowest again, in microseconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_SOCKETS = 4096, MAX_BYTES = 1 << 20, AT_ONCE = 64 };

static int sockets[MAX_SOCKETS];
static size_t left[MAX_SOCKETS]; /* that each has still to get in this round */
static char bytes[MAX_BYTES];
static unsigned n_sockets, n_rounds, pause_ms;
static size_t n_bytes;

static void must(bool ok, const char *what)
{
	if (!ok) {
		perror(what);
		exit(1);
	}
}

static long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static int listener(struct sockaddr_in *at)
{
	socklen_t len = sizeof(*at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*at = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	must(fd >= 0 && !bind(fd, (struct sockaddr *)at, len) && !listen(fd, 1024), "listening");
	must(!getsockname(fd, (struct sockaddr *)at, &len), "getsockname");
	return fd;
}

/* ---- who writes ---- */

static void write_all(int fd)
{
	size_t done = 0;

	while (done < n_bytes) {
		ssize_t n = send(fd, bytes + done, n_bytes - done, MSG_NOSIGNAL);

		must(n > 0, "send");
		done += (size_t)n;
	}
}

static void serve(int listening, int told)
{
	char c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 0; i < n_sockets; i++) {
		sockets[i] = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
		must(sockets[i] >= 0, "accept");
		setsockopt(sockets[i], IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	}
	while (read(told, &c, 1) == 1)
		for (unsigned i = 0; i < n_sockets; i++)
			write_all(sockets[i]);
	exit(0);
}

/* ---- who reads ---- */

static void take(unsigned i, unsigned *n_waiting)
{
	static char room[65536];
	ssize_t n = recv(sockets[i], room, sizeof(room), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	must(n > 0 && (size_t)n <= left[i], "recv");
	left[i] -= (size_t)n;
	if (!left[i])
		--*n_waiting;
}

static long round_ns(int epoll_fd, int tell)
{
	unsigned n_waiting = n_sockets;
	struct epoll_event events[AT_ONCE];

	for (unsigned i = 0; i < n_sockets; i++)
		left[i] = n_bytes;
	long began = now_ns();
	must(write(tell, "", 1) == 1, "write");
	while (n_waiting) {
		int n = epoll_wait(epoll_fd, events, AT_ONCE, -1);

		for (int i = 0; i < n; i++)
			take(events[i].data.u32, &n_waiting);
	}
	return now_ns() - began;
}

static int by_size(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return (x > y) - (x < y);
}

static void measure(const struct sockaddr_in *at, int tell)
{
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	long *samples = calloc(n_rounds, sizeof(*samples));

	must(samples && epoll_fd >= 0, "epoll");
	for (unsigned i = 0; i < n_sockets; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};

		sockets[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		must(sockets[i] >= 0 &&
				!connect(sockets[i], (const struct sockaddr *)at, sizeof(*at)),
			"connect");
		must(!epoll_ctl(epoll_fd, EPOLL_CTL_ADD, sockets[i], &event), "epoll_ctl");
	}
	round_ns(epoll_fd, tell);
	for (unsigned i = 0; i < n_rounds; i++) {
		usleep(pause_ms * 1000);
		samples[i] = round_ns(epoll_fd, tell);
	}
	qsort(samples, n_rounds, sizeof(*samples), by_size);
	double slowest = (double)samples[n_rounds - 1] / 1e3;
	printf("%g %g %g\n", slowest, (double)samples[n_rounds / 2] / 1e3, slowest);
	free(samples);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at;
	struct rlimit files;
	int told[2];

	if (argc < 5)
		return 2;
	n_sockets = (unsigned)strtoul(argv[1], NULL, 10);
	n_bytes = strtoul(argv[2], NULL, 10);
	n_rounds = (unsigned)strtoul(argv[3], NULL, 10);
	pause_ms = (unsigned)strtoul(argv[4], NULL, 10);
	if (!n_sockets || n_sockets > MAX_SOCKETS || !n_bytes || n_bytes > MAX_BYTES || !n_rounds)
		return 2;
	must(!getrlimit(RLIMIT_NOFILE, &files), "getrlimit");
	files.rlim_cur = files.rlim_max;
	must(!setrlimit(RLIMIT_NOFILE, &files), "setrlimit");
	int listening = listener(&at);
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, told), "socketpair");
	pid_t server = fork();
	must(server >= 0, "fork");
	if (!server)
		serve(listening, told[0]);
	measure(&at, told[1]);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	return 0;
}
