/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Certificates and keys as text: what a certificate says, and whether somebody's key, certificate
 * and chain are fit to serve with. Any thread; a check takes about a millisecond.
 */
#ifndef XENITH_COMMON_TLS_PEM_H
#define XENITH_COMMON_TLS_PEM_H

#include "common/tls.h"

#define TLS_SHA1_TEXT_SIZE 60 /* "AA:BB:…", and a NUL */

struct tls_cert_facts {
	int64_t not_before, not_after; /* seconds since 1970 */
	bool signs_itself;
	char sha256[TLS_FINGERPRINT_SIZE];
	char sha1[TLS_SHA1_TEXT_SIZE];
};

/* Of the first certificate in TEXT. False: there is none. */
bool tls_pem_read(const char *text, struct tls_cert_facts *out);

enum tls_pem_problem {
	TLS_PEM_GOOD,
	TLS_PEM_KEY_INVALID, /* no key, or one with a passphrase */
	TLS_PEM_KEY_ALGORITHM, /* neither RSA nor a curve of NIST's; detail: which */
	TLS_PEM_KEY_LENGTH, /* of RSA, less than 2048 or more than 8192 bits; detail: how many */
	TLS_PEM_CERT_INVALID,
	TLS_PEM_CERT_EARLY, /* at: when it begins */
	TLS_PEM_CERT_EXPIRED, /* at: when it ended */
	TLS_PEM_CERT_SIGNATURE, /* signed by means that are broken */
	TLS_PEM_MISMATCH, /* the certificate is of another key */
	TLS_PEM_CHAIN_INVALID, /* one of it is none, or does not vouch for the one before */
};

struct tls_pem_verdict {
	enum tls_pem_problem problem;
	char detail[64];
	int64_t at;
};

/* CHAIN may be "". NOW: seconds since 1970. */
struct tls_pem_verdict tls_pem_check(
	const char *cert, const char *key, const char *chain, int64_t now);
/* What was found good, as the one text that a server reads, and nothing else that stood there: the
 * key, the certificate, the chain. Owned, and secret. */
char *tls_pem_join(const char *cert, const char *key, const char *chain);

#endif
