/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All that this tree asks of systemd, and the only place that includes its headers. Each function
 * is a no-op with a plain answer where systemd is not: nothing depends on it.
 */
#ifndef XENITH_COMMON_SYSTEMD_H
#define XENITH_COMMON_SYSTEMD_H

#include "common/dialect.h"

#include <sys/uio.h>

/* Whether our stderr is a stream of the journal: then structured lines go to it directly. */
bool systemd_has_journal(void);
/* FIELDS are NAME=value each. From any thread. 0 or -errno. */
int systemd_journal_send(const struct iovec *fields, int n);

/*
 * Takes over what the service manager (or our launcher, which speaks the same) put into the
 * environment, so that no child inherits it. Once, before there are threads.
 */
void systemd_adopt(void);
/* Tells the manager, if there is one: "READY=1", "STOPPING=1", … Loop thread. */
void systemd_notify(const char *state);
/* "RELOADING=1" with the time that goes with it. READY=1 ends it. */
void systemd_notify_reloading(void);
/* How often the manager wants to hear WATCHDOG=1 at the least; 0: it does not. */
int64_t systemd_watchdog_ns(void);
/* The listening socket that was passed in (socket activation), or -1. -EINVAL when it is not one
 * listening Unix socket. Each call after the first gives -1. */
int systemd_listen_fd(void);

#endif
