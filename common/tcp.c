/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connecting over TCP (tcp.h).
 */
#include "common/tcp.h"

#include "common/fiber.h"
#include "common/mem.h"
#include "common/offload.h"
#include "core.gen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct lookup {
	const char *host;
	char port[8];
	struct addrinfo *found;
	int r;
};

static void look_up(void *arg)
{
	struct lookup *l = arg;
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};

	l->r = getaddrinfo(l->host, l->port, &hints, &l->found);
}

/* 0, or -errno; the wait's own end is *E. */
static MAY_WAIT int finish(int fd, int64_t deadline, struct err **e)
{
	socklen_t len = sizeof(int);
	int error = 0;

	*e = fiber_wait_fd(fd, FD_WRITABLE, "a connection to another host", deadline);
	if (*e)
		return -ECANCELED;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? -errno : -error;
}

static MAY_WAIT int connect_to(const struct addrinfo *a, int *fd, int64_t deadline, struct err **e)
{
	auto_fd s = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (s < 0)
		return -errno;
	int r = connect(s, a->ai_addr, a->ai_addrlen) < 0 ? -errno : 0;
	if (r == -EINPROGRESS)
		r = finish(s, deadline, e);
	if (r < 0)
		return r;
	setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	*fd = s;
	s = -1;
	return 0;
}

static MAY_WAIT struct err *try_all(
	const char *host, const struct addrinfo *found, int *fd, int64_t deadline)
{
	int r = -EADDRNOTAVAIL;

	for (const struct addrinfo *a = found; a; a = a->ai_next) {
		struct err *e = NULL;

		r = connect_to(a, fd, deadline, &e);
		if (!r || e)
			return e;
	}
	return err(CONNECTION_REFUSED, host, strerrordesc_np(-r));
}

MAY_WAIT struct err *tcp_connect(const char *host, uint16_t port, int *fd, int64_t deadline)
{
	struct lookup l = {.host = host};

	snprintf(l.port, sizeof(l.port), "%u", (unsigned)port);
	TRY(offload("looking up a host", look_up, &l));
	if (l.r)
		return err(CONNECTION_REFUSED, host, gai_strerror(l.r));
	struct err *e = try_all(host, l.found, fd, deadline);
	freeaddrinfo(l.found);
	return e;
}
