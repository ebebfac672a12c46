/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads notices (notify.h). A datagram that is too long, or without credentials, is dropped.
 */
#include "packaging/xenith/notify.h"

#include "core.gen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

struct err *notify_open(const char *path, int *out)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int on = 1;

	if (strlen(path) >= sizeof(sa.sun_path))
		return err(INVALID_VALUE, path, "longer than the path of a socket may be");
	memcpy(sa.sun_path, path, strlen(path));
	auto_fd fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return err_errno(errno, "making the socket %s", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return err_errno(errno, "removing the old %s", path);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || chmod(path, 0600) < 0)
		return err_errno(errno, "binding %s", path);
	*out = fd;
	fd = -1;
	return NULL;
}

static pid_t sender(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS) {
			struct ucred who;

			memcpy(&who, CMSG_DATA(c), sizeof(who));
			return who.pid;
		}
	}
	return 0;
}

static void read_line(const char *line, struct notice *out)
{
	if (!strcmp(line, "READY=1"))
		out->is_ready = true;
	else if (!strncmp(line, "STATUS=", 7))
		snprintf(out->status, sizeof(out->status), "%s", line + 7);
}

int notify_read(int fd, struct notice *out)
{
	char text[2048];
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred))];
	char *next = text;

	for (;;) {
		struct iovec iov = {text, sizeof(text) - 1};
		struct msghdr m = {.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control)};
		ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		*out = (struct notice){.pid = sender(&m)};
		if (!out->pid || m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
			continue;
		text[n] = '\0';
		for (char *line; (line = strsep(&next, "\n"));)
			read_line(line, out);
		return 1;
	}
}
