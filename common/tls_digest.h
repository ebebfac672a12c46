/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Digests that protocols ask for, by the TLS library. Any thread.
 */
#ifndef XENITH_COMMON_TLS_DIGEST_H
#define XENITH_COMMON_TLS_DIGEST_H

#include "common/dialect.h"

#define DIGEST_SHA1_SIZE 20

/* For protocols that name it (WebSocket's handshake), never for what has to be secure. */
void digest_sha1(const void *bytes, size_t n, unsigned char out[DIGEST_SHA1_SIZE]);

#endif
