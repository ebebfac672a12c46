/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The launcher's side of sd_notify: a datagram socket in the private directory on which a started
 * program says READY=1. Who says it is known from the kernel (SCM_CREDENTIALS), not from the text.
 */
#ifndef XENITH_PACKAGING_XENITH_NOTIFY_H
#define XENITH_PACKAGING_XENITH_NOTIFY_H

#include "common/dialect.h"
#include "common/err.h"

#include <sys/types.h>

struct notice {
	pid_t pid;
	bool is_ready;
	char status[256]; /* STATUS=…, or "" */
};

/* Binds PATH (mode 0600); *OUT is the descriptor, non-blocking. */
must_check struct err *notify_open(const char *path, int *out);
/* The next notice: 1, or 0 when there is none, or -errno. */
int notify_read(int fd, struct notice *out);

#endif
