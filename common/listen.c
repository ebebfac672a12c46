/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Listening sockets (listen.h). The accepting fiber takes what is there and parks; a spare
 * descriptor is kept so that a connection can be turned away when there is no other left (else it
 * would stay in the queue and the loop would spin). Loop thread only.
 */
#define LOG_MODULE "listen"

#include "common/listen.h"

#include "common/fiber.h"
#include "common/log.h"
#include "common/mem.h"
#include "core.gen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define BACKLOG     1024
#define RETRY_AFTER (100 * NS_PER_MS) /* after the kernel had no memory */

struct listener {
	int fd;
	int spare_fd; /* given up for a moment to turn a connection away; -1: none */
	listen_fn fn;
	void *arg;
	struct fiber *fiber; /* accepts; NULL once it has ended */
	bool is_freed; /* the fiber gives back the memory */
	char *path; /* owned; that listen_unix made, or NULL */
	dev_t dev; /* of the path when it was made */
	ino_t ino;
	uint16_t port;
};

/* ---- addresses ---- */

/* A Unix address of any length: a long one goes by way of its open directory (DIR_FD). */
struct unix_address {
	struct sockaddr_un sun;
	int dir_fd; /* -1: not needed */
};

static void unix_address_fini(struct unix_address *a)
{
	close_fdp(&a->dir_fd);
}

static int unix_address(struct unix_address *out, const char *path)
{
	*out = (struct unix_address){.sun.sun_family = AF_UNIX, .dir_fd = -1};
	if (strlen(path) < sizeof(out->sun.sun_path)) {
		memcpy(out->sun.sun_path, path, strlen(path));
		return 0;
	}
	const char *slash = strrchr(path, '/');
	if (!slash)
		return -ENAMETOOLONG;
	auto_str dir = xstrndup(path, (size_t)(slash - path) + 1);
	out->dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (out->dir_fd < 0)
		return -errno;
	int n = snprintf(out->sun.sun_path, sizeof(out->sun.sun_path), "/proc/self/fd/%d/%s",
		out->dir_fd, slash + 1);
	return n < (int)sizeof(out->sun.sun_path) ? 0 : -ENAMETOOLONG;
}

int unix_connect(const char *path, int *fd)
{
	AUTO(unix_address_fini) struct unix_address a = {.dir_fd = -1};
	int r = unix_address(&a, path);

	if (r < 0)
		return r;
	auto_fd s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s < 0)
		return -errno;
	do {
		r = connect(s, (struct sockaddr *)&a.sun, sizeof(a.sun)) < 0 ? -errno : 0;
	} while (r == -EINTR);
	if (r < 0)
		return r;
	*fd = s;
	s = -1;
	return 0;
}

/* ---- accepting ---- */

/*
 * No descriptor is left: take the connection with the spare one and close it. The kernel says
 * EMFILE before it looks whether anybody is there: 0, or -EAGAIN when nobody is.
 */
static int turn_away(struct listener *l)
{
	close_fdp(&l->spare_fd);
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
	int r = fd < 0 ? -errno : 0;

	close_fdp(&fd);
	l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (!r)
		log_rl(LOG_ERROR_, "out of descriptors: a connection is turned away");
	return r;
}

/* Takes one connection: 0, or -errno. */
static int accept_one(struct listener *l)
{
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (l->port)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	l->fn(fd, l->arg);
	return 0;
}

static MAY_WAIT struct err *after_failure(struct listener *l, int errnum)
{
	if (errnum == EMFILE || errnum == ENFILE)
		errnum = -turn_away(l);
	switch (errnum) {
	case EAGAIN:
		return fiber_wait_fd(l->fd, FD_READABLE, "connections", NEVER);
	case 0:
	case EINTR:
	case ECONNABORTED:
	case EPERM: /* a firewall */
	case EPROTO:
		return NULL;
	default:
		log_rl(LOG_ERROR_, "accepting: %s", strerrordesc_np(errnum));
		return fiber_sleep(RETRY_AFTER);
	}
}

static void listener_release(struct listener *l)
{
	close_fdp(&l->fd);
	close_fdp(&l->spare_fd);
	free(l->path);
	free(l);
}

static void accept_all(void *arg)
{
	struct listener *l = arg;

	while (!l->is_freed) {
		int r = accept_one(l);
		auto_err e = r < 0 ? after_failure(l, -r) : NULL;
		if (e)
			break; /* freed, or the daemon stops */
	}
	l->fiber = NULL;
	if (l->is_freed)
		listener_release(l);
}

/* ---- making ---- */

struct err *listen_fd(struct listener **out, int fd, listen_fn fn, void *arg)
{
	struct listener *l = xnew(struct listener);

	l->fd = fd;
	l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	l->fn = fn;
	l->arg = arg;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	struct err *e = fiber_spawn(&l->fiber, accept_all, l, "listener %d", fd);
	if (e) {
		listener_release(l);
		return e;
	}
	*out = l;
	return NULL;
}

static int bind_unix(int fd, const struct unix_address *a, mode_t mode)
{
	/* the path is born with no more than MODE, whatever the umask allows */
	if (fchmod(fd, mode) < 0)
		return -errno;
	return bind(fd, (const struct sockaddr *)&a->sun, sizeof(a->sun)) < 0 ? -errno : 0;
}

/* Binds; a socket that nobody answers on is replaced. */
static int bind_over_dead(int fd, const struct unix_address *a, const char *path, mode_t mode)
{
	auto_fd probe = -1;
	struct stat st;
	int r = bind_unix(fd, a, mode);

	if (r != -EADDRINUSE)
		return r;
	/* a file that is no socket refuses connections too */
	if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode) ||
		unix_connect(path, &probe) != -ECONNREFUSED)
		return -EADDRINUSE;
	if (unlink(path) < 0)
		return -errno;
	return bind_unix(fd, a, mode);
}

int unix_listen(const char *path, mode_t mode, int *out)
{
	AUTO(unix_address_fini) struct unix_address a = {.dir_fd = -1};
	int r = unix_address(&a, path);

	if (r < 0)
		return r;
	auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = bind_over_dead(fd, &a, path, mode);
	if (r < 0)
		return r;
	if (chmod(path, mode) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	*out = fd;
	fd = -1;
	return 0;
}

struct err *listen_unix(
	struct listener **out, const char *path, mode_t mode, listen_fn fn, void *arg)
{
	struct stat st;
	int fd = -1;
	int r = unix_listen(path, mode, &fd);

	if (r < 0)
		return err_errno(-r, "listening on %s", path);
	TRY(listen_fd(out, fd, fn, arg));
	if (stat(path, &st) == 0) {
		(*out)->path = xstrdup(path);
		(*out)->dev = st.st_dev;
		(*out)->ino = st.st_ino;
	}
	return NULL;
}

/* The numeric ADDRESS; 0 when it is none. */
static socklen_t tcp_address(struct sockaddr_storage *out, const char *address, uint16_t port)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	if (inet_pton(AF_INET, address, &in4.sin_addr) == 1) {
		memcpy(out, &in4, sizeof(in4));
		return sizeof(in4);
	}
	if (inet_pton(AF_INET6, address, &in6.sin6_addr) == 1) {
		memcpy(out, &in6, sizeof(in6));
		return sizeof(in6);
	}
	return 0;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);

	if (getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		return 0;
	return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
					     : ((struct sockaddr_in *)&a)->sin_port);
}

struct err *listen_tcp(
	struct listener **out, const char *address, uint16_t port, listen_fn fn, void *arg)
{
	struct sockaddr_storage a;
	socklen_t len = tcp_address(&a, address, port);

	if (!len)
		return err(INVALID_VALUE, "address", "not a numeric IPv4 or IPv6 address");
	auto_fd fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(errno, "listening on %s", address);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	if (bind(fd, (struct sockaddr *)&a, len) < 0 || listen(fd, BACKLOG) < 0)
		return err_errno(errno, "listening on %s port %u", address, port);
	port = port_of(fd);
	int owned = fd;
	fd = -1;
	TRY(listen_fd(out, owned, fn, arg));
	(*out)->port = port;
	return NULL;
}

static void remove_path(struct listener *l)
{
	struct stat st;

	if (l->path && stat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->path);
}

void listener_free(struct listener *l)
{
	if (!l)
		return;
	remove_path(l);
	l->is_freed = true;
	if (l->fiber)
		fiber_cancel(l->fiber);
	else
		listener_release(l);
}

uint16_t listener_port(const struct listener *l)
{
	return l->port;
}

/* ---- peers ---- */

int peer_of_socket(int fd, struct peer *out)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	*out = (struct peer){.pid = cred.pid, .uid = cred.uid, .gid = cred.gid};
	return 0;
}

/* Whether GID is among the peer's supplementary groups. */
static bool peer_has_group(int fd, gid_t gid)
{
	socklen_t len = 0;

	/* the first call says how much there is */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) == 0 || errno != ERANGE)
		return false;
	AUTO(free_strp) char *groups = xmalloc(len);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof(gid_t); i++)
		if (((gid_t *)groups)[i] == gid)
			return true;
	return false;
}

bool peer_is_trusted(int fd, const struct peer *p)
{
	return p->uid == 0 || p->uid == geteuid() || p->gid == getegid() ||
		peer_has_group(fd, getegid());
}
