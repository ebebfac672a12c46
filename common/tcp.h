/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connecting to another host over TCP. A name is looked up on the offload pool; of its addresses
 * the first that answers is taken. Fibers only.
 */
#ifndef XENITH_COMMON_TCP_H
#define XENITH_COMMON_TCP_H

#include "common/err.h"

#include <stdint.h>

/* *FD is connected, non-blocking and close-on-exec. CONNECTION_REFUSED[host, why], or how the wait
 * ended. */
MAY_WAIT must_check struct err *tcp_connect(
	const char *host, uint16_t port, int *fd, int64_t deadline);

#endif
