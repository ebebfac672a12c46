/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Digests by OpenSSL (tls_digest.h).
 */
#include "common/tls_digest.h"

#include <assert.h>
#include <openssl/evp.h>

void digest_sha1(const void *bytes, size_t n, unsigned char out[DIGEST_SHA1_SIZE])
{
	unsigned len = DIGEST_SHA1_SIZE;
	int ok = EVP_Digest(bytes, n, out, &len, EVP_sha1(), NULL);

	assert(ok == 1);
	(void)ok;
}
