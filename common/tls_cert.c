/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Making a certificate that is signed by itself, and fingerprints (tls.h). Keys are made on the
 * offload pool; nothing here touches the loop's state.
 */
#include "common/tls_cert.h"

#include "common/file.h"
#include "common/mem.h"
#include "common/offload.h"
#include "core.gen.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <string.h>

static void free_key(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static void free_cert(X509 **cert)
{
	X509_free(*cert);
}

static void free_names(GENERAL_NAMES **names)
{
	GENERAL_NAMES_free(*names);
}

static void free_bio(BIO **bio)
{
	BIO_free_all(*bio);
}

#define auto_key  AUTO(free_key) EVP_PKEY *
#define auto_cert AUTO(free_cert) X509 *
#define auto_bio  AUTO(free_bio) BIO *

/* ---- fingerprints ---- */

void tls_fingerprint_format(
	const unsigned char digest[TLS_DIGEST_SIZE], char out[TLS_FINGERPRINT_SIZE])
{
	static const char hex[] = "0123456789ABCDEF";
	char *p = out;

	for (size_t i = 0; i < TLS_DIGEST_SIZE; i++) {
		*p++ = hex[digest[i] >> 4];
		*p++ = hex[digest[i] & 15];
		*p++ = i + 1 < TLS_DIGEST_SIZE ? ':' : '\0';
	}
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool tls_fingerprint_parse(const char *text, unsigned char out[TLS_DIGEST_SIZE])
{
	size_t n = 0;

	for (const char *p = text; p && *p; p++) {
		if (*p == ':' && n % 2 == 0)
			continue;
		int digit = hex_value(*p);
		if (digit < 0 || n == 2 * TLS_DIGEST_SIZE)
			return false;
		out[n / 2] = (unsigned char)(n % 2 ? out[n / 2] << 4 | digit : digit);
		n++;
	}
	return n == 2 * TLS_DIGEST_SIZE;
}

struct err *tls_cert_fingerprint(const char *path, char out[TLS_FINGERPRINT_SIZE])
{
	unsigned char digest[TLS_DIGEST_SIZE];

	ERR_clear_error();
	errno = 0;
	auto_bio bio = BIO_new_file(path, "re");
	if (!bio)
		return err_errno(errno ? errno : EIO, "open %s", path);
	auto_cert cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	if (!cert || !X509_digest(cert, EVP_sha256(), digest, NULL))
		return err(STORE_UNUSABLE, path, "no certificate in it");
	tls_fingerprint_format(digest, out);
	return NULL;
}

/* ---- making one ---- */

static struct err *library_error(const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());
	auto_str text = xasprintf("%s: %s", what, reason ? reason : "failed");

	return err(INTERNAL_ERROR, text);
}

static EVP_PKEY *make_key(enum tls_key kind)
{
	switch (kind) {
	case TLS_KEY_ECDSA_P256:
		return EVP_EC_gen("P-256");
	case TLS_KEY_RSA_2048:
		return EVP_RSA_gen(2048);
	}
	return NULL;
}

/* An address becomes an address; all else a host name. */
static bool add_name(GENERAL_NAMES *names, const char *text)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_OCTET_STRING *address = a2i_IPADDRESS(text);

	if (!name)
		return false;
	if (address) {
		GENERAL_NAME_set0_value(name, GEN_IPADD, address);
	} else {
		ERR_clear_error();
		ASN1_IA5STRING *dns = ASN1_IA5STRING_new();
		if (!dns || !ASN1_STRING_set(dns, text, -1))
			return false;
		GENERAL_NAME_set0_value(name, GEN_DNS, dns);
	}
	return sk_GENERAL_NAME_push(names, name) > 0;
}

static bool add_alt_names(X509 *cert, const struct tls_cert_spec *spec)
{
	if (!spec->n_alt_names)
		return true;
	AUTO(free_names) GENERAL_NAMES *names = GENERAL_NAMES_new();
	for (size_t i = 0; i < spec->n_alt_names; i++)
		if (!add_name(names, spec->alt_names[i]))
			return false;
	return X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0) == 1;
}

static bool add_extension(X509 *cert, int nid, const char *value)
{
	X509V3_CTX ctx;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	bool is_added = extension && X509_add_ext(cert, extension, -1);
	X509_EXTENSION_free(extension);
	return is_added;
}

/* 127 random bits: never negative, never met twice. */
static bool set_serial(X509 *cert)
{
	BIGNUM *number = BN_new();
	bool is_set = number && BN_rand(number, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) &&
		BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));

	BN_free(number);
	return is_set;
}

static bool set_subject(X509 *cert, const char *common_name)
{
	X509_NAME *name = X509_get_subject_name(cert);

	return X509_NAME_add_entry_by_txt(
		       name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0) &&
		X509_set_issuer_name(cert, name);
}

/* It begins a day ago: clocks of a pool may differ. */
static bool fill_cert(X509 *cert, EVP_PKEY *key, const struct tls_cert_spec *spec)
{
	const char *usage = spec->key == TLS_KEY_RSA_2048
		? "critical,digitalSignature,keyEncipherment"
		: "critical,digitalSignature";

	return X509_set_version(cert, X509_VERSION_3) && set_serial(cert) &&
		X509_gmtime_adj(X509_getm_notBefore(cert), -24L * 60 * 60) &&
		X509_gmtime_adj(X509_getm_notAfter(cert), (long)spec->valid_s) &&
		X509_set_pubkey(cert, key) && set_subject(cert, spec->common_name) &&
		add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
		add_extension(cert, NID_key_usage, usage) &&
		add_extension(cert, NID_ext_key_usage, "serverAuth,clientAuth") &&
		add_extension(cert, NID_subject_key_identifier, "hash") &&
		add_alt_names(cert, spec) && X509_sign(cert, key, EVP_sha256());
}

static struct err *make_pem(const struct tls_cert_spec *spec, BIO *out)
{
	ERR_clear_error();
	auto_key key = make_key(spec->key);
	auto_cert cert = X509_new();
	if (!key || !cert)
		return library_error("making a key");
	if (!fill_cert(cert, key, spec))
		return library_error("making a certificate");
	if (!PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) ||
		!PEM_write_bio_X509(out, cert))
		return library_error("writing a certificate");
	return NULL;
}

struct err *tls_cert_create(const char *path, const struct tls_cert_spec *spec)
{
	auto_bio pem = BIO_new(BIO_s_secmem());
	char *text;

	TRY_CTX(make_pem(spec, pem), "making %s", path);
	long len = BIO_get_mem_data(pem, &text);
	int r = file_write(path, text, (size_t)len, 0600, FILE_DURABLE);
	return r ? err_errno(-r, "write %s", path) : NULL;
}

struct create_job {
	const char *path; /* NULL: as a text */
	const struct tls_cert_spec *spec;
	char *pem; /* owned */
	struct err *e;
};

static void run_create(void *arg)
{
	struct create_job *job = arg;

	job->e = tls_cert_create(job->path, job->spec);
}

MAY_WAIT struct err *tls_cert_ensure(const char *path, const struct tls_cert_spec *spec)
{
	struct create_job job = {.path = path, .spec = spec};

	if (!access(path, F_OK))
		return NULL;
	TRY(offload("making a certificate", run_create, &job));
	return job.e;
}

static void run_make(void *arg)
{
	struct create_job *job = arg;
	auto_bio pem = BIO_new(BIO_s_secmem());
	char *text;

	job->e = make_pem(job->spec, pem);
	if (job->e)
		return;
	long len = BIO_get_mem_data(pem, &text);
	job->pem = xstrndup(text, (size_t)len);
}

MAY_WAIT struct err *tls_cert_make(const struct tls_cert_spec *spec, char **pem)
{
	struct create_job job = {.spec = spec};

	TRY(offload("making a certificate", run_make, &job));
	TRY(job.e);
	*pem = job.pem;
	return NULL;
}
