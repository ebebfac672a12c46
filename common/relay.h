/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes from one connection to another, and back, until either ends. Fibers only.
 */
#ifndef XENITH_COMMON_RELAY_H
#define XENITH_COMMON_RELAY_H

#include "common/dialect.h"

struct stream;

/* What one end said last arrives at the other. The streams stay the caller's. */
MAY_WAIT void relay_run(struct stream *a, struct stream *b);

#endif
