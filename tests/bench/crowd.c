/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Crowds (crowd.h). An answer has a length and comes before the next one on its connection.
 */
#include "tests/bench/crowd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_ROOM = 65536, AT_ONCE = 64 };

static void must_sys(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	abort();
}

static void join(struct crowd *c, size_t i, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};

	c->v[i] = (struct crowd_conn){.fd = fd, .number = (unsigned)i};
	must_sys(!epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

static void begin(struct crowd *c, size_t n)
{
	*c = (struct crowd){.v = calloc(n, sizeof(*c->v)), .n = n};
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	must_sys(c->v && c->epoll_fd >= 0, "epoll_create");
}

void crowd_open(struct crowd *c, size_t n, unsigned port)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	begin(c, n);
	for (size_t i = 0; i < n; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		must_sys(fd >= 0 && !connect(fd, (struct sockaddr *)&at, sizeof(at)), "connect");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
		join(c, i, fd);
	}
}

void crowd_open_unix(struct crowd *c, const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	begin(c, 1);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	must_sys(fd >= 0 && !connect(fd, (struct sockaddr *)&at, sizeof(at)), path);
	join(c, 0, fd);
}

void crowd_close(struct crowd *c)
{
	for (size_t i = 0; i < c->n; i++) {
		close(c->v[i].fd);
		free(c->v[i].bytes);
	}
	close(c->epoll_fd);
	free(c->v);
	*c = (struct crowd){0};
}

/* ---- sending ---- */

void crowd_send(struct crowd_conn *c, const char *bytes, size_t n)
{
	while (n) {
		ssize_t sent = send(c->fd, bytes, n, MSG_NOSIGNAL);

		must_sys(sent > 0, "send");
		bytes += sent;
		n -= (size_t)sent;
	}
}

static void send_call(struct crowd_conn *c, const char *method, const char *params_fmt, va_list ap)
{
	char *params, *body, *request;
	int n = vasprintf(&params, params_fmt, ap);

	must_sys(n >= 0, "call");
	n = asprintf(&body, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":[%s]}",
		method, params);
	must_sys(n >= 0, "call");
	n = asprintf(&request,
		"POST /jsonrpc HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
		"Content-Length: %d\r\n\r\n%s",
		n, body);
	must_sys(n >= 0, "call");
	crowd_send(c, request, (size_t)n);
	free(request);
	free(body);
	free(params);
}

void crowd_call(struct crowd_conn *c, const char *method, const char *params_fmt, ...)
{
	va_list ap;

	va_start(ap, params_fmt);
	send_call(c, method, params_fmt, ap);
	va_end(ap);
}

/* ---- answers ---- */

/* The size of the answer at P of at most N bytes, and where its body is; 0: not known yet. */
static size_t answer_size(const char *p, size_t n, size_t *body)
{
	static const char key[] = "content-length: ";
	const char *end = memmem(p, n, "\r\n\r\n", 4);
	const char *length = end ? memmem(p, (size_t)(end - p), key, sizeof(key) - 1) : NULL;

	if (!end)
		return 0;
	must_sys(length, "an answer without a length");
	*body = (size_t)(end - p) + 4;
	return *body + strtoul(length + sizeof(key) - 1, NULL, 10);
}

/* Gives out whole answers among N bytes; how many bytes these were. */
static size_t give_out(struct crowd_conn *c, char *bytes, size_t n, crowd_fn fn, void *arg)
{
	size_t at = 0, body, size;

	while (at < n && (size = answer_size(bytes + at, n - at, &body)) && n - at >= size) {
		char *end = bytes + at + size, after = *end;

		*end = '\0';
		fn(c, bytes + at + body, size - body, arg);
		*end = after;
		at += size;
	}
	return at;
}

/* Room for N more bytes behind those that the connection keeps. */
static char *room(struct crowd_conn *c, size_t n)
{
	while (c->size - c->n < n) {
		c->size = c->size ? 2 * c->size : FIRST_ROOM;
		c->bytes = realloc(c->bytes, c->size + 1);
		must_sys(c->bytes, "realloc");
	}
	return c->bytes + c->n;
}

static ssize_t receive(const struct crowd_conn *c, char *to, size_t n)
{
	ssize_t got = recv(c->fd, to, n, MSG_DONTWAIT);

	must_sys(got > 0 || (got < 0 && errno == EAGAIN), "recv");
	return got;
}

/* What comes whole is given out of memory that is warm; only what is not is kept. */
static void fill_first(struct crowd_conn *c, crowd_fn fn, void *arg)
{
	static char warm[FIRST_ROOM + 1];
	ssize_t n = receive(c, warm, FIRST_ROOM);

	if (n < 0)
		return;
	size_t done = give_out(c, warm, (size_t)n, fn, arg);
	size_t left = (size_t)n - done;
	if (left)
		memcpy(room(c, left), warm + done, left);
	c->n = left;
}

static void fill(struct crowd_conn *c, crowd_fn fn, void *arg)
{
	if (!c->n) {
		fill_first(c, fn, arg);
		return;
	}
	char *to = room(c, FIRST_ROOM);
	ssize_t n = receive(c, to, c->size - c->n);
	if (n < 0)
		return;
	c->n += (size_t)n;
	size_t done = give_out(c, c->bytes, c->n, fn, arg);
	c->n -= done;
	memmove(c->bytes, c->bytes + done, c->n);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

bool crowd_run(struct crowd *c, crowd_fn fn, void *arg, const bool *done, int timeout_ms)
{
	struct epoll_event events[AT_ONCE];
	int64_t until = now_ms() + timeout_ms;

	while (!*done) {
		int64_t left = until - now_ms();

		if (left <= 0)
			return false;
		int n = epoll_wait(c->epoll_fd, events, AT_ONCE, (int)left);
		for (int i = 0; i < n; i++)
			fill(&c->v[events[i].data.u64], fn, arg);
	}
	return true;
}

struct asked {
	char *body; /* owned */
	bool done;
};

static void note_answer(struct crowd_conn *c, char *body, size_t len, void *arg)
{
	struct asked *a = arg;

	a->body = strdup(body);
	a->done = true;
}

char *crowd_answer(struct crowd *c)
{
	static char *last;
	struct asked a = {0};

	if (!crowd_run(c, note_answer, &a, &a.done, 60000) || strstr(a.body, "\"error\"")) {
		fprintf(stderr, "%s\n", a.body ? a.body : "no answer");
		abort();
	}
	free(last);
	last = a.body;
	return last;
}

char *crowd_ask(struct crowd *c, const char *method, const char *params_fmt, ...)
{
	va_list ap;

	va_start(ap, params_fmt);
	send_call(&c->v[0], method, params_fmt, ap);
	va_end(ap);
	return crowd_answer(c);
}

void crowd_string_after(const char *text, const char *key, char *out, size_t size)
{
	const char *at = strstr(text, key);
	size_t len = at ? strcspn(at + strlen(key), "\"") : 0;

	if (!at || len >= size) {
		fprintf(stderr, "no %s in %.200s\n", key, text);
		abort();
	}
	memcpy(out, at + strlen(key), len);
	out[len] = '\0';
}
