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

#endif
