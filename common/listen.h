/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Listening sockets, Unix and TCP, and who is at the other end of a Unix one. A listener has a
 * fiber of its own that accepts and hands each connection to a function. It survives running out of
 * descriptors: then it turns away whom it cannot serve, with a log line, and goes on.
 */
#ifndef XENITH_COMMON_LISTEN_H
#define XENITH_COMMON_LISTEN_H

#include "common/dialect.h"
#include "common/err.h"

#include <sys/types.h>

struct listener;

/* Takes over FD, a connected socket (non-blocking, close-on-exec). Must not wait. */
typedef void (*listen_fn)(int fd, void *arg);

/*
 * A Unix socket at PATH (of any length) with exactly MODE. A socket that a dead daemon left there
 * is replaced; one that somebody answers on is SYSTEM_ERROR, EADDRINUSE.
 */
must_check struct err *listen_unix(
	struct listener **out, const char *path, mode_t mode, listen_fn fn, void *arg);
/* ADDRESS is numeric, IPv4 or IPv6 ("::" takes both); PORT 0: the kernel chooses. */
must_check struct err *listen_tcp(
	struct listener **out, const char *address, uint16_t port, listen_fn fn, void *arg);
/* Takes over a descriptor that listens already (socket activation), also on failure. */
must_check struct err *listen_fd(struct listener **out, int fd, listen_fn fn, void *arg);
/* Closes it, and removes the path that it made if it still is this socket's. */
void listener_free(struct listener *l);
/* The TCP port; 0 of a Unix socket. */
uint16_t listener_port(const struct listener *l);

/* The socket alone, to be handed to another program: 0 and *FD (non-blocking, close-on-exec), or
 * -errno. */
int unix_listen(const char *path, mode_t mode, int *fd);
/* Connects to the Unix socket at PATH: 0 and *FD (non-blocking, close-on-exec), or -errno. -EAGAIN:
 * its queue is full, try again. */
int unix_connect(const char *path, int *fd);

/* Who is at the other end, as the kernel saw it when the connection was made. */
struct peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};

/* 0 or -errno. */
int peer_of_socket(int fd, struct peer *out);
/* Whether it is root, our own user or a member of our group. */
bool peer_is_trusted(int fd, const struct peer *p);

#endif
