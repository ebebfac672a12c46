/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * doord: xapid's door with nothing behind it but gate.c of this folder, so that what the tests see
 * is the door's own doing. Routes of its own stream bodies both ways.
 */
#include "common/daemon.h"
#include "common/fiber.h"
#include "common/mem.h"
#include "common/stream.h"
#include "common/version.h"
#include "tests/door/doord.h"
#include "xapid/door/door.h"

#include <stdio.h>
#include <sys/socket.h>

static struct {
	char *address;
	int64_t port, tls_port, connections, idle_ns;
} conf;

static const struct conf_key keys[] = {
	{.name = "address",
		.kind = CONF_STRING,
		.offset = offsetof(__typeof__(conf), address),
		.standard = "127.0.0.1",
		.doc = "Where to listen."},
	{.name = "port",
		.kind = CONF_INT,
		.offset = offsetof(__typeof__(conf), port),
		.standard = "0",
		.doc = "Of HTTP; 0: none."},
	{.name = "tls_port",
		.kind = CONF_INT,
		.offset = offsetof(__typeof__(conf), tls_port),
		.standard = "0",
		.doc = "Of HTTPS; 0: none."},
	{.name = "connections",
		.kind = CONF_INT,
		.offset = offsetof(__typeof__(conf), connections),
		.standard = "16384",
		.doc = "How many may be open."},
	{.name = "idle_timeout",
		.kind = CONF_DURATION,
		.offset = offsetof(__typeof__(conf), idle_ns),
		.standard = "15min",
		.doc = "After which one is closed."},
	{0},
};

/* Answers how many bytes came, and their sum. */
static MAY_WAIT struct err *serve_count(struct exchange *x)
{
	const char *bytes;
	size_t n, total = 0;
	unsigned sum = 0;

	do {
		TRY(exchange_read(x, &bytes, &n));
		for (size_t i = 0; i < n; i++)
			sum += (unsigned char)bytes[i];
		total += n;
	} while (n);
	const char *text = arena_printf(x->arena, "%zu %u\n", total, sum);
	exchange_reply(x, 200, "text/plain", text, strlen(text));
	return NULL;
}

/* As many bytes as the query says ("n"), in pieces, with a length or without ("length"). */
static MAY_WAIT struct err *serve_bytes(struct exchange *x)
{
	const char *wanted = http_query(&x->request, x->arena, "n");
	uint64_t left = wanted ? strtoull(wanted, NULL, 10) : 0;
	static char piece[4000];

	memset(piece, 'x', sizeof(piece));
	exchange_begin(x, 200, "application/octet-stream",
		http_query(&x->request, x->arena, "length") ? (int64_t)left : -1);
	while (left) {
		size_t n = left < sizeof(piece) ? (size_t)left : sizeof(piece);

		TRY(exchange_write(x, piece, n));
		left -= n;
	}
	return NULL;
}

/* Fails before it answers, or within its answer ("late"). */
static MAY_WAIT struct err *serve_failure(struct exchange *x)
{
	if (http_query(&x->request, x->arena, "late")) {
		exchange_begin(x, 200, "text/plain", 100);
		TRY(exchange_write(x, "half", 4));
	}
	return doord_failure();
}

static MAY_WAIT struct err *serve_nothing(struct exchange *x)
{
	return NULL;
}

static MAY_WAIT struct err *serve_admitted(struct exchange *x)
{
	exchange_reply(x, 200, "text/plain", "in\n", 3);
	return NULL;
}

static const struct route routes[] = {
	{.method = "PUT", .path = "/count", .fn = serve_count},
	{.method = "POST", .path = "/count", .fn = serve_count},
	{.method = "GET", .path = "/bytes", .fn = serve_bytes},
	{.method = "GET", .path = "/failure", .fn = serve_failure},
	{.method = "PUT", .path = "/nothing", .fn = serve_nothing},
	{.method = "GET",
		.path = "/admitted",
		.action = "get_admitted",
		.role = "read-only",
		.fn = serve_admitted},
};

static void echo(void *arg)
{
	int fd = *(int *)arg;
	char bytes[4096];
	ssize_t n;

	free(arg);
	for (;;) {
		auto_err e = fiber_wait_fd(fd, FD_READABLE, "the relay", NEVER);
		if (e)
			break;
		n = read(fd, bytes, sizeof(bytes));
		if (n <= 0 || write(fd, bytes, (size_t)n) != n)
			break;
		if (memchr(bytes, '!', (size_t)n))
			break; /* the console ends by itself */
	}
	close(fd);
}

/* A console that answers with what it is sent: "one" to one client at a time, "idle" to one that
 * says something. */
static MAY_WAIT struct err *find_console(struct exchange *x, struct door_console *out)
{
	const char *uuid = http_query(&x->request, x->arena, "uuid");
	int fds[2];

	if (!uuid)
		return doord_failure();
	if (!door_console_claim(out, uuid, !strcmp(uuid, "one")))
		return doord_limit();
	out->idle_ns = strcmp(uuid, "idle") ? 0 : 50 * NS_PER_MS;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		abort();
	int *arg = xnew(int);
	*arg = fds[1];
	out->stream = stream_new(fds[0]);
	return fiber_spawn(NULL, echo, arg, "console");
}

static MAY_WAIT struct err *init(void)
{
	const struct daemon_paths *paths = daemon_paths();
	auto_str unix_path = xasprintf("%s/xapi", paths->run);
	auto_str cert_path = xasprintf("%s/doord.pem", paths->state);
	auto_str www = xasprintf("%s/www", paths->share);
	const struct door_conf door = {.address = conf.address,
		.port = conf.port,
		.tls_port = conf.tls_port,
		.connections = conf.connections,
		.idle_ns = conf.idle_ns,
		.unix_path = unix_path,
		.cert_path = cert_path,
		.www = www};

	TRY(door_open(&door));
	door_add_routes(routes, ARRAY_LEN(routes));
	door_on_console(find_console);
	return NULL;
}

static MAY_WAIT void stop(void)
{
	door_close();
}

int main(int argc, char **argv)
{
	static const struct service *const services[] = {NULL};
	const struct daemon_spec spec = {
		.name = "doord",
		.summary = "xapid's door with a gate of the tests",
		.version = XENITH_VERSION,
		.keys = keys,
		.conf = &conf,
		.conf_size = sizeof(conf),
		.services = services,
		.init = init,
		.stop = stop,
		.fini = door_fini,
	};

	return daemon_run(argc, argv, &spec);
}
