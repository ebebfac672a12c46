/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Base of bench_rpc: messages over bare Unix sockets from one process to another and back, both
 * ends on epoll. No code of the project.
 *
 *	base_unix_echo BYTES IN_FLIGHT CONNECTIONS each|batched [jansson FILE]
 *
 * each: one read and one write a message, at both ends. batched: whatever is there is read at once
 * and answered with one write. jansson: the server also parses and dumps FILE once a message, and
 * answers with 40 bytes.
 */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNS = 64, MAX_IN_FLIGHT = 64, ROOM = 65536, ACK = 40 };

struct conn {
	int fd;
	size_t n; /* bytes in room */
	long sent[MAX_IN_FLIGHT]; /* when; a ring, as answers keep their order */
	unsigned oldest;
	char room[ROOM];
};

static struct conn conns[MAX_CONNS];
static size_t question, answer; /* bytes of a message */
static unsigned n_conns, in_flight;
static bool is_batched;
static const char *record; /* NULL: no jansson */
static int epoll_fd;
static long *samples;
static size_t n_samples, n_wanted;

static long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void must(bool ok)
{
	if (!ok) {
		perror("base_unix_echo");
		exit(1);
	}
}

static void send_all(int fd, const char *bytes, size_t n)
{
	while (n) {
		ssize_t sent = write(fd, bytes, n);

		must(sent > 0);
		bytes += sent;
		n -= (size_t)sent;
	}
}

static void parse_and_dump(void)
{
	json_t *j = json_loads(record, 0, NULL);
	char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;

	must(text);
	free(text);
	json_decref(j);
}

/* Reads what belongs to one turn; how many whole messages are in the room. */
static size_t fill(struct conn *c, size_t message)
{
	size_t ask = is_batched ? ROOM - c->n : message - c->n;
	ssize_t n = read(c->fd, c->room + c->n, ask);

	if (n == 0)
		exit(0);
	must(n > 0 || errno == EAGAIN);
	c->n += n > 0 ? (size_t)n : 0;
	return c->n / message;
}

static void drop(struct conn *c, size_t n)
{
	memmove(c->room, c->room + n, c->n - n);
	c->n -= n;
}

static void serve(struct conn *c)
{
	static char out[ROOM];
	size_t n = fill(c, question);

	for (size_t i = 0; record && i < n; i++)
		parse_and_dump();
	drop(c, n * question);
	if (n)
		send_all(c->fd, out, n * answer);
}

static void ask(struct conn *c, size_t n)
{
	static char out[ROOM];
	long now = now_ns();

	for (size_t i = 0; i < n; i++)
		c->sent[(c->oldest + in_flight - n + i) % in_flight] = now;
	send_all(c->fd, out, n * question);
}

static void take_answers(struct conn *c)
{
	size_t n = fill(c, answer);
	long now = n ? now_ns() : 0;

	drop(c, n * answer);
	for (size_t i = 0; i < n; i++) {
		if (n_samples < n_wanted)
			samples[n_samples++] = now - c->sent[c->oldest];
		c->oldest = (c->oldest + 1) % in_flight;
	}
	if (n)
		ask(c, n);
}

static void turn(void (*fn)(struct conn *c))
{
	struct epoll_event events[MAX_CONNS];
	int n = epoll_wait(epoll_fd, events, MAX_CONNS, -1);

	for (int i = 0; i < n; i++)
		fn(events[i].data.ptr);
}

static void add(struct conn *c, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

	c->fd = fd;
	must(!epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event));
}

static int by_size(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return (x > y) - (x < y);
}

static void measure(void)
{
	for (unsigned i = 0; i < n_conns; i++)
		for (unsigned k = 0; k < in_flight; k++)
			send_all(conns[i].fd, (char[8192]){0}, question);
	long began = now_ns();
	for (unsigned i = 0; i < n_conns; i++)
		for (unsigned k = 0; k < in_flight; k++)
			conns[i].sent[k] = began;
	while (n_samples < n_wanted)
		turn(take_answers);
	double seconds = (double)(now_ns() - began) / 1e9;
	qsort(samples, n_samples, sizeof(*samples), by_size);
	printf("%g %g %g\n", (double)n_samples / seconds, (double)samples[n_samples / 2] / 1e3,
		(double)samples[n_samples * 99 / 100] / 1e3);
}

static const char *read_file(const char *path)
{
	static char text[ROOM];
	FILE *f = fopen(path, "re");

	must(f && fread(text, 1, sizeof(text) - 1, f) > 0);
	fclose(f);
	return text;
}

int main(int argc, char **argv)
{
	int fds[MAX_CONNS][2];

	if (argc < 5)
		return 2;
	question = answer = strtoul(argv[1], NULL, 10);
	in_flight = (unsigned)strtoul(argv[2], NULL, 10);
	n_conns = (unsigned)strtoul(argv[3], NULL, 10);
	is_batched = !strcmp(argv[4], "batched");
	if (argc > 6) {
		record = read_file(argv[6]);
		question = strlen(record);
		answer = ACK;
	}
	if (!in_flight || in_flight > MAX_IN_FLIGHT || !n_conns || n_conns > MAX_CONNS ||
		question > 8192)
		return 2;
	n_wanted = in_flight == 1 && n_conns == 1 ? 20000 : is_batched ? 1000000 : 200000;
	samples = calloc(n_wanted, sizeof(*samples));
	for (unsigned i = 0; i < n_conns; i++)
		must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds[i]));
	pid_t server = fork();
	must(server >= 0);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; i < n_conns; i++) {
		add(&conns[i], fds[i][server ? 0 : 1]);
		close(fds[i][server ? 1 : 0]);
	}
	if (!server) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			turn(serve);
	}
	measure();
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	return 0;
}
