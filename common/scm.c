/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Control messages of Unix sockets (scm.h).
 */
#include "common/scm.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* The descriptors of one control message, appended to FDS while there is room, else closed. */
static void take_fds(const struct cmsghdr *c, int *fds, size_t *n_fds)
{
	size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < n; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
		if (*n_fds < SCM_MAX)
			fds[(*n_fds)++] = fd;
		else
			close(fd);
	}
}

ssize_t scm_read(int fd, void *room, size_t size, int *fds, size_t *n_fds)
{
	union {
		struct cmsghdr head; /* for its alignment */
		char bytes[CMSG_SPACE(SCM_MAX * sizeof(int))];
	} control;
	struct iovec vec = {room, size};
	struct msghdr msg = {.msg_iov = &vec,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*n_fds = 0;
	if (n < 0)
		return -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			take_fds(c, fds, n_fds);
	if (!(msg.msg_flags & MSG_CTRUNC))
		return n;
	while (*n_fds)
		close(fds[--*n_fds]);
	return -EMFILE;
}

ssize_t scm_write(int fd, const void *bytes, size_t n, int passed)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec vec = {(void *)bytes, n};
	struct msghdr msg = {.msg_iov = &vec,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &passed, sizeof(int));
	ssize_t done = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	return done < 0 ? -errno : done;
}
