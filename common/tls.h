/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TLS over a stream (stream.h): TLS 1.2 and 1.3, no renegotiation, no compression. A context holds
 * a certificate or what a peer must show; a session is one connection. OpenSSL is seen in tls.c and
 * tls_cert.c alone.
 *
 * Contexts belong to the loop's thread. A session belongs to one thread at a time: a stream's to
 * the loop's, after stream_detach to the pump's, which uses the same functions and polls the
 * descriptor for what they want.
 */
#ifndef XENITH_COMMON_TLS_H
#define XENITH_COMMON_TLS_H

#include "common/dialect.h"
#include "common/err.h"

#include <sys/types.h>

struct stream;
struct tls_context;
struct tls_session;

/* ---- certificates ---- */

/* SHA-256 of the certificate as "AA:BB:…", and a NUL. */
#define TLS_FINGERPRINT_SIZE 96

enum tls_key { TLS_KEY_ECDSA_P256, TLS_KEY_RSA_2048 };

struct tls_cert_spec {
	enum tls_key key;
	const char *common_name;
	const char *const *alt_names; /* host names and IP addresses it is good for */
	size_t n_alt_names;
	int64_t valid_s; /* from now on */
};

/* Makes a key and a certificate signed by itself, both in one PEM file of mode 0600 that appears
 * (or is replaced) whole and durable. Slow: for the offload pool. */
must_check struct err *tls_cert_create(const char *path, const struct tls_cert_spec *spec);
/* The same, on the pool, when PATH is not there. */
MAY_WAIT must_check struct err *tls_cert_ensure(const char *path, const struct tls_cert_spec *spec);
/* Makes them, on the pool, as the text of such a file; owned, and secret. */
MAY_WAIT must_check struct err *tls_cert_make(const struct tls_cert_spec *spec, char **pem);
/* Of the first certificate in a PEM file. */
must_check struct err *tls_cert_fingerprint(const char *path, char out[TLS_FINGERPRINT_SIZE]);

/* ---- contexts ---- */

/* CERT_PATH: a PEM file with the key, the certificate and its chain. */
must_check struct err *tls_server_new(struct tls_context **out, const char *cert_path);

enum tls_verify {
	TLS_VERIFY_NONE, /* encrypted, to anybody */
	TLS_VERIFY_PINNED, /* exactly this certificate, whatever its names and dates */
	TLS_VERIFY_CA, /* signed by one of the bundle, in date, and good for the server's name */
};

struct tls_client_spec {
	enum tls_verify verify;
	const char *fingerprint; /* PINNED: SHA-256, hex; colons and case do not matter */
	const char *ca_path; /* CA: a PEM bundle */
};

must_check struct err *tls_client_new(struct tls_context **out, const struct tls_client_spec *spec);
/* Reads the files anew, for sessions from now on; those that run go on as they are. On an error the
 * context stays as it was. */
must_check struct err *tls_context_reload(struct tls_context *c);
/* Sessions outlive their context. */
void tls_context_free(struct tls_context *c);

/* ---- handshakes ---- */

/* The stream speaks TLS from now on, or (on an error) is of no use any more. Nothing may have been
 * read ahead. CERTIFICATE_REFUSED: the peer's certificate (or ours, at the peer); TLS_FAILED: all
 * else that is wrong with the handshake. */
MAY_WAIT must_check struct err *tls_accept(
	struct stream *s, struct tls_context *c, int64_t deadline);
/* SERVER_NAME: host name or IP address, sent (a name) and checked (TLS_VERIFY_CA); may be NULL with
 * the other ways to verify. */
MAY_WAIT must_check struct err *tls_connect(
	struct stream *s, struct tls_context *c, const char *server_name, int64_t deadline);

/* ---- sessions: for stream.c and for pumps ---- */

/*
 * None of these waits on a non-blocking descriptor. -EAGAIN: not now; *WANT is FD_READABLE or
 * FD_WRITABLE (fiber.h), which may be the other direction than one expects. Any other -errno:
 * the session is broken (-EPROTO, and tls_session_problem says why).
 */
/* > 0: bytes; 0: the peer has said that it sends no more. A connection that ends without that was
 * cut: -ECONNRESET. */
ssize_t tls_session_read(struct tls_session *s, void *buf, size_t n, unsigned *want);
/* > 0: bytes taken. After -EAGAIN the next call begins with the same bytes (they may have moved,
 * and more may follow them). */
ssize_t tls_session_write(struct tls_session *s, const void *buf, size_t n, unsigned *want);
/* Whether bytes that were decrypted wait inside: then the descriptor may never become readable. */
bool tls_session_pending(const struct tls_session *s);
/* Says that no more will be written; what the peer sends can still be read. 0 or -errno. */
int tls_session_shutdown(struct tls_session *s, unsigned *want);
/* Neither closes the descriptor nor says good-bye. */
void tls_session_free(struct tls_session *s);

/* Why the session broke, for a log; "" while it has not. */
const char *tls_session_problem(const struct tls_session *s);
/* "TLSv1.3". */
const char *tls_session_version(const struct tls_session *s);
/* Of the peer's certificate; false: it showed none. */
bool tls_session_peer_fingerprint(const struct tls_session *s, char out[TLS_FINGERPRINT_SIZE]);

#endif
