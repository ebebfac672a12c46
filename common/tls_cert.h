/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What tls.c and tls_cert.c share; everybody else includes tls.h.
 */
#ifndef XENITH_COMMON_TLS_CERT_H
#define XENITH_COMMON_TLS_CERT_H

#include "common/tls.h"

#define TLS_DIGEST_SIZE 32 /* SHA-256 */

void tls_fingerprint_format(
	const unsigned char digest[TLS_DIGEST_SIZE], char out[TLS_FINGERPRINT_SIZE]);
/* False: TEXT (or NULL) is none. */
bool tls_fingerprint_parse(const char *text, unsigned char out[TLS_DIGEST_SIZE]);

#endif
