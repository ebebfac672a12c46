/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What we ask of systemd (systemd.h). No state but what systemd_adopt found.
 */
#include "common/systemd.h"

#include "common/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>
#include <time.h>

/* What systemd_adopt found; the loop's. */
static struct {
	struct sockaddr_un notify;
	socklen_t notify_len; /* 0: nobody wants to know */
	int64_t watchdog_ns;
	int n_fds; /* passed in, from SD_LISTEN_FDS_START on */
} manager;

bool systemd_has_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;
	char end;

	if (!stream || sscanf(stream, "%llu:%llu%c", &device, &inode, &end) != 2)
		return false;
	/* The variable is inherited by children whose stderr goes elsewhere; hence the
	 * comparison. */
	return !fstat(STDERR_FILENO, &st) && st.st_dev == device && st.st_ino == inode;
}

int systemd_journal_send(const struct iovec *fields, int n)
{
	return sd_journal_sendv(fields, n);
}

/* sd_notify would look into the environment each time, where children would find it too. */
static void adopt_notify_socket(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;

	manager.notify_len = 0;
	if (len < 2 || len >= sizeof(manager.notify.sun_path) || !strchr("/@", *path))
		return;
	manager.notify = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(manager.notify.sun_path, path, len);
	if (*path == '@')
		manager.notify.sun_path[0] = '\0';
	manager.notify_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

void systemd_adopt(void)
{
	uint64_t watchdog_us = 0;

	adopt_notify_socket();
	unsetenv("NOTIFY_SOCKET"); /* lint: before there are threads */
	manager.watchdog_ns = 0;
	if (sd_watchdog_enabled(true, &watchdog_us) > 0)
		manager.watchdog_ns = (int64_t)watchdog_us * NS_PER_US;
	manager.n_fds = sd_listen_fds(true);
}

void systemd_notify(const char *state)
{
	if (!manager.notify_len)
		return;
	auto_fd fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* A manager that has gone, or is slow, is no reason to fail or to wait. */
	if (fd >= 0)
		(void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL,
			(const struct sockaddr *)&manager.notify, manager.notify_len);
}

void systemd_notify_reloading(void)
{
	struct timespec now;
	char state[80];

	/* The manager's clock, not ours, which a test may have stopped. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld",
		(long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	systemd_notify(state);
}

int64_t systemd_watchdog_ns(void)
{
	return manager.watchdog_ns;
}

int systemd_listen_fd(void)
{
	int n = manager.n_fds;

	manager.n_fds = 0;
	if (n == 0)
		return -1;
	if (n != 1 || sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, NULL, 0) <= 0)
		return -EINVAL;
	return SD_LISTEN_FDS_START;
}
