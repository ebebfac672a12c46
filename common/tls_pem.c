/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Certificates and keys as text (tls_pem.h).
 */
#include "common/tls_pem.h"

#include "common/mem.h"

#include <assert.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define RSA_LEAST 2048
#define RSA_MOST  8192

static void free_key(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static void free_cert(X509 **cert)
{
	X509_free(*cert);
}

static void free_bio(BIO **bio)
{
	BIO_free_all(*bio);
}

#define auto_key  AUTO(free_key) EVP_PKEY *
#define auto_cert AUTO(free_cert) X509 *
#define auto_bio  AUTO(free_bio) BIO *

/* ---- reading ---- */

/* Nobody is asked for a passphrase. */
static int no_passphrase(char *buf, int size, int is_writing, void *arg)
{
	return -1;
}

/* NULL: the next one is none. */
static X509 *next_cert(BIO *bio)
{
	return PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
}

static BIO *reader_of(const char *text)
{
	ERR_clear_error();
	return BIO_new_mem_buf(text, -1);
}

static int64_t seconds_of(const ASN1_TIME *t)
{
	struct tm tm;

	return ASN1_TIME_to_tm(t, &tm) ? (int64_t)timegm(&tm) : 0;
}

static void put_hex(const unsigned char *digest, size_t n, char *out)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < n; i++) {
		*out++ = hex[digest[i] >> 4];
		*out++ = hex[digest[i] & 15];
		*out++ = i + 1 < n ? ':' : '\0';
	}
}

bool tls_pem_read(const char *text, struct tls_cert_facts *out)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n;

	auto_bio bio = reader_of(text);
	auto_cert cert = bio ? next_cert(bio) : NULL;
	if (!cert || !X509_digest(cert, EVP_sha256(), digest, &n))
		return false;
	put_hex(digest, n, out->sha256);
	if (!X509_digest(cert, EVP_sha1(), digest, &n))
		return false;
	put_hex(digest, n, out->sha1);
	out->signs_itself = X509_self_signed(cert, 1) == 1;
	out->not_before = seconds_of(X509_get0_notBefore(cert));
	out->not_after = seconds_of(X509_get0_notAfter(cert));
	return true;
}

/* ---- checks ---- */

static struct tls_pem_verdict verdict(enum tls_pem_problem problem)
{
	return (struct tls_pem_verdict){.problem = problem};
}

static bool is_known_curve(const EVP_PKEY *key)
{
	static const char *const known[] = {"prime256v1", "secp384r1", "secp521r1"};
	char name[64] = "";

	EVP_PKEY_get_group_name(key, name, sizeof(name), NULL);
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (!strcmp(name, known[i]))
			return true;
	return false;
}

static struct tls_pem_verdict check_key(const EVP_PKEY *key)
{
	struct tls_pem_verdict v = {0};
	int id = EVP_PKEY_get_base_id(key), bits = EVP_PKEY_get_bits(key);

	if (id == EVP_PKEY_RSA && (bits < RSA_LEAST || bits > RSA_MOST)) {
		v.problem = TLS_PEM_KEY_LENGTH;
		snprintf(v.detail, sizeof(v.detail), "%d", bits);
	} else if (id != EVP_PKEY_RSA && !(id == EVP_PKEY_EC && is_known_curve(key))) {
		const ASN1_OBJECT *object = OBJ_nid2obj(id);

		v.problem = TLS_PEM_KEY_ALGORITHM;
		if (object)
			OBJ_obj2txt(v.detail, sizeof(v.detail), object, 1);
	}
	return v;
}

/* Whether anybody could have made another certificate with the same signature. */
static bool is_signature_broken(const X509 *cert)
{
	int digest;

	if (!OBJ_find_sigid_algs(X509_get_signature_nid(cert), &digest, NULL))
		return true;
	return digest == NID_md2 || digest == NID_md4 || digest == NID_md5 || digest == NID_sha1;
}

static struct tls_pem_verdict check_cert(X509 *cert, int64_t now)
{
	int64_t begins = seconds_of(X509_get0_notBefore(cert));
	int64_t ends = seconds_of(X509_get0_notAfter(cert));

	if (is_signature_broken(cert))
		return verdict(TLS_PEM_CERT_SIGNATURE);
	if (now < begins)
		return (struct tls_pem_verdict){TLS_PEM_CERT_EARLY, "", begins};
	if (now > ends)
		return (struct tls_pem_verdict){TLS_PEM_CERT_EXPIRED, "", ends};
	return verdict(TLS_PEM_GOOD);
}

static bool vouches(X509 *issuer, X509 *subject)
{
	EVP_PKEY *key = X509_get0_pubkey(issuer);

	return X509_check_issued(issuer, subject) == X509_V_OK && key &&
		X509_verify(subject, key) == 1;
}

/* Each one vouches for the one before it; behind the last is no half of another. */
static struct tls_pem_verdict check_chain(X509 *leaf, const char *chain, int64_t now)
{
	auto_bio bio = reader_of(chain);
	auto_cert before = leaf;
	X509 *next;

	X509_up_ref(leaf);
	while (bio && (next = next_cert(bio))) {
		bool is_good = vouches(next, before) && check_cert(next, now).problem == 0 &&
			check_key(X509_get0_pubkey(next)).problem == 0;

		X509_free(before);
		before = next;
		if (!is_good)
			return verdict(TLS_PEM_CHAIN_INVALID);
	}
	bool is_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	return verdict(
		is_end && (!*chain || before != leaf) ? TLS_PEM_GOOD : TLS_PEM_CHAIN_INVALID);
}

struct tls_pem_verdict tls_pem_check(
	const char *cert_text, const char *key_text, const char *chain, int64_t now)
{
	auto_bio key_bio = reader_of(key_text);
	auto_bio cert_bio = reader_of(cert_text);
	auto_key key = key_bio ? PEM_read_bio_PrivateKey(key_bio, NULL, no_passphrase, NULL) : NULL;
	if (!key)
		return verdict(TLS_PEM_KEY_INVALID);
	struct tls_pem_verdict v = check_key(key);
	if (v.problem)
		return v;
	auto_cert cert = cert_bio ? next_cert(cert_bio) : NULL;
	if (!cert)
		return verdict(TLS_PEM_CERT_INVALID);
	v = check_cert(cert, now);
	if (v.problem)
		return v;
	if (X509_check_private_key(cert, key) != 1)
		return verdict(TLS_PEM_MISMATCH);
	return check_chain(cert, chain, now);
}

/* ---- all in one ---- */

char *tls_pem_join(const char *cert_text, const char *key_text, const char *chain)
{
	auto_bio key_bio = reader_of(key_text);
	auto_bio cert_bio = reader_of(cert_text);
	auto_bio chain_bio = reader_of(chain);
	auto_bio out = BIO_new(BIO_s_secmem());
	auto_key key = PEM_read_bio_PrivateKey(key_bio, NULL, no_passphrase, NULL);
	auto_cert cert = next_cert(cert_bio);
	char *text;

	assert(key && cert);
	bool is_written = PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) &&
		PEM_write_bio_X509(out, cert);
	for (X509 *next; is_written && (next = next_cert(chain_bio)); X509_free(next))
		is_written = PEM_write_bio_X509(out, next);
	if (!is_written)
		abort(); /* out of memory */
	long len = BIO_get_mem_data(out, &text);
	return xstrndup(text, (size_t)len);
}
