/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client of bare_http.h. It does as little as it can: what it takes is taken from both sides.
 */
#include "tests/bench/bare_http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 16384, WARM_UP = 20 };

static const char well[] = "HTTP/1.1 200 ";

void bare_must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	abort();
}

long bare_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return (x > y) - (x < y);
}

void bare_figures(long *ns, size_t n, struct bare_figures *out)
{
	qsort(ns, n, sizeof(*ns), by_size);
	out->p50 = (double)ns[n / 2] / 1e3;
	out->p99 = (double)ns[n * 99 / 100] / 1e3;
}

/* ---- one request ---- */

char *bare_http_post(const char *body, size_t *len)
{
	static const char form[] = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\n"
				   "Content-Type: text/xml\r\nContent-Length: %zu\r\n\r\n%s";
	char *request = NULL;
	int n = asprintf(&request, form, strlen(body), body);

	bare_must(n > 0, "a request");
	*len = (size_t)n;
	return request;
}

int bare_http_connect(int port)
{
	const struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	bare_must(fd >= 0, "a socket");
	bare_must(!connect(fd, (const struct sockaddr *)&to, sizeof(to)), "connecting");
	bare_must(!setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)), "no delay");
	return fd;
}

static void send_all(int fd, const char *bytes, size_t n)
{
	while (n) {
		ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

		bare_must(sent > 0, "sending");
		bytes += sent;
		n -= (size_t)sent;
	}
}

/* How long the answer is that begins with these bytes; 0: that is not known yet. */
static size_t whole_size(const char *answer)
{
	const char *end = strstr(answer, "\r\n\r\n");
	const char *length = end ? strcasestr(answer, "\ncontent-length:") : NULL;

	if (!end)
		return 0;
	bare_must(length && length < end, "an answer without its length");
	return (size_t)(end + 4 - answer) + strtoul(strchr(length, ':') + 1, NULL, 10);
}

size_t bare_http_ask(int fd, const char *request, size_t len, char *answer, size_t size)
{
	size_t n = 0, whole = 0;

	send_all(fd, request, len);
	while (!whole || n < whole) {
		ssize_t got = n + 1 < size ? recv(fd, answer + n, size - n - 1, 0) : -1;

		bare_must(got > 0, "an answer");
		n += (size_t)got;
		answer[n] = '\0';
		if (!whole)
			whole = whole_size(answer);
	}
	return whole;
}

/* ---- many ---- */

struct conn {
	int fd;
	size_t n; /* bytes of the answer that have come */
	long sent;
};

/* A request less to be sent, and an answer less to come. */
struct course {
	const struct bare_load *load;
	size_t answer_len, to_send, to_come;
	long *samples; /* filled from the end */
};

static void ask(struct course *c, struct conn *conn)
{
	if (!c->to_send)
		return;
	c->to_send--;
	conn->n = 0;
	conn->sent = bare_now_ns();
	send_all(conn->fd, c->load->request, c->load->len);
}

/* What has come of an answer; when it is whole the next request goes out. */
static void take(struct course *c, struct conn *conn)
{
	static char room[ROOM];
	ssize_t got = recv(conn->fd, room, c->answer_len - conn->n, 0);

	bare_must(got > 0, "an answer");
	bare_must(conn->n || !memcmp(room, well, sizeof(well) - 1), "an answer that is well");
	conn->n += (size_t)got;
	if (conn->n < c->answer_len)
		return;
	c->samples[--c->to_come] = bare_now_ns() - conn->sent;
	ask(c, conn);
}

static void drive_one(struct course *c, struct conn *conn)
{
	ask(c, conn);
	while (c->to_come)
		take(c, conn);
}

static void drive_many(struct course *c, struct conn *conns)
{
	struct epoll_event events[64];
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);

	for (unsigned i = 0; i < c->load->n_conns; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = &conns[i]};

		bare_must(!epoll_ctl(epoll_fd, EPOLL_CTL_ADD, conns[i].fd, &event), "epoll");
		ask(c, &conns[i]);
	}
	while (c->to_come) {
		int n = epoll_wait(epoll_fd, events, 64, -1);

		for (int i = 0; i < n; i++)
			take(c, events[i].data.ptr);
	}
	close(epoll_fd);
}

/* Connections that have been asked before; how long an answer is. */
static size_t warm_up(const struct bare_load *load, struct conn *conns)
{
	static char answer[ROOM];
	size_t len = 0;

	for (unsigned i = 0; i < load->n_conns; i++) {
		conns[i].fd = bare_http_connect(load->port);
		for (int k = 0; k < WARM_UP; k++)
			len = bare_http_ask(
				conns[i].fd, load->request, load->len, answer, sizeof(answer));
		bare_must(!strstr(answer, "Failure"), answer);
	}
	return len;
}

void bare_http_load(const struct bare_load *load, struct bare_figures *out)
{
	struct conn *conns = calloc(load->n_conns, sizeof(*conns));
	struct course c = {.load = load,
		.to_send = load->n,
		.to_come = load->n,
		.samples = calloc(load->n, sizeof(long))};

	bare_must(conns && c.samples, "memory");
	c.answer_len = warm_up(load, conns);
	long began = bare_now_ns();
	if (load->n_conns == 1)
		drive_one(&c, conns);
	else
		drive_many(&c, conns);
	out->rate = (double)load->n / ((double)(bare_now_ns() - began) / 1e9);
	bare_figures(c.samples, load->n, out);
	for (unsigned i = 0; i < load->n_conns; i++)
		close(conns[i].fd);
	free(c.samples);
	free(conns);
}
