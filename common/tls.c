/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Contexts, handshakes and sessions (tls.h). OpenSSL keeps its errors in a queue of the thread that
 * all fibers share, so each operation clears it first and reads it before anything waits.
 * Certificates are made in tls_cert.c.
 */
#include "common/tls.h"

#include "common/fiber.h"
#include "common/mem.h"
#include "common/sbuf.h"
#include "common/stream.h"
#include "common/tls_cert.h"
#include "core.gen.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

struct tls_context {
	SSL_CTX *ctx; /* owned, with a reference by each session */
	char *cert_path; /* of a server; NULL: a client's */
	enum tls_verify verify;
	unsigned char pin[TLS_DIGEST_SIZE]; /* PINNED */
	char *ca_path; /* CA */
};

struct tls_session {
	SSL *ssl; /* owned */
	int fd; /* a connected socket; the stream's or the pump's */
	bool has_eof; /* the socket has given its last byte */
	bool is_pinned;
	unsigned char pin[TLS_DIGEST_SIZE];
	char *problem; /* owned; NULL while it works */
};

/* What OpenSSL says went wrong last, or FALLBACK. */
static const char *ssl_reason(const char *fallback)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	return reason ? reason : fallback;
}

static int no_passphrase(char *buf, int size, int is_writing, void *arg)
{
	return -1; /* never ask on a terminal */
}

static void free_ctx(SSL_CTX **ctx)
{
	SSL_CTX_free(*ctx);
}

#define auto_ctx AUTO(free_ctx) SSL_CTX *

/* What both sides have in common: the versions, the ciphers, and how a session behaves. */
static SSL_CTX *new_ctx(const SSL_METHOD *method)
{
	ERR_clear_error();
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (!ctx || !SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) ||
		!SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20"))
		abort(); /* out of memory, or an OpenSSL that cannot do TLS */
	SSL_CTX_set_options(ctx,
		SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(ctx,
		SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
			SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	return ctx;
}

static struct err *load_server(const char *cert_path, SSL_CTX **out)
{
	auto_ctx ctx = new_ctx(TLS_server_method());
	static const unsigned char session_context[] = "xenith";

	if (SSL_CTX_use_certificate_chain_file(ctx, cert_path) != 1)
		return err(STORE_UNUSABLE, cert_path, ssl_reason("no certificate"));
	if (SSL_CTX_use_PrivateKey_file(ctx, cert_path, SSL_FILETYPE_PEM) != 1)
		return err(STORE_UNUSABLE, cert_path, ssl_reason("no private key"));
	SSL_CTX_set_session_id_context(ctx, session_context, sizeof(session_context) - 1);
	*out = take(ctx);
	return NULL;
}

static struct err *load_client(enum tls_verify verify, const char *ca_path, SSL_CTX **out)
{
	auto_ctx ctx = new_ctx(TLS_client_method());

	if (verify == TLS_VERIFY_CA) {
		if (SSL_CTX_load_verify_file(ctx, ca_path) != 1)
			return err(STORE_UNUSABLE, ca_path, ssl_reason("no certificates"));
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	}
	*out = take(ctx);
	return NULL;
}

struct err *tls_server_new(struct tls_context **out, const char *cert_path)
{
	SSL_CTX *ctx;

	TRY(load_server(cert_path, &ctx));
	struct tls_context *c = xnew(struct tls_context);
	c->ctx = ctx;
	c->cert_path = xstrdup(cert_path);
	*out = c;
	return NULL;
}

struct err *tls_client_new(struct tls_context **out, const struct tls_client_spec *spec)
{
	unsigned char pin[TLS_DIGEST_SIZE] = {0};
	SSL_CTX *ctx;

	if (spec->verify == TLS_VERIFY_PINNED && !tls_fingerprint_parse(spec->fingerprint, pin))
		return err(INVALID_VALUE, "fingerprint", "not a SHA-256 in hex");
	if (spec->verify == TLS_VERIFY_CA && !spec->ca_path)
		return err(INVALID_VALUE, "ca_path", "missing");
	TRY(load_client(spec->verify, spec->ca_path, &ctx));
	struct tls_context *c = xnew(struct tls_context);
	c->ctx = ctx;
	c->verify = spec->verify;
	memcpy(c->pin, pin, sizeof(pin));
	c->ca_path = spec->ca_path ? xstrdup(spec->ca_path) : NULL;
	*out = c;
	return NULL;
}

struct err *tls_context_reload(struct tls_context *c)
{
	SSL_CTX *fresh;

	TRY(c->cert_path ? load_server(c->cert_path, &fresh)
			 : load_client(c->verify, c->ca_path, &fresh));
	SSL_CTX_free(c->ctx);
	c->ctx = fresh;
	return NULL;
}

void tls_context_free(struct tls_context *c)
{
	if (!c)
		return;
	SSL_CTX_free(c->ctx);
	free(c->cert_path);
	free(c->ca_path);
	free(c);
}

/* ---- the socket below a session ---- */

/* OpenSSL's own would raise SIGPIPE when the peer has gone away. */

static bool may_retry(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static int socket_read(BIO *bio, char *buf, int n)
{
	struct tls_session *s = BIO_get_data(bio);
	ssize_t got = recv(s->fd, buf, (size_t)n, 0);

	s->has_eof = got == 0;
	BIO_clear_retry_flags(bio);
	if (may_retry(got))
		BIO_set_retry_read(bio);
	return (int)got;
}

static int socket_write(BIO *bio, const char *buf, int n)
{
	const struct tls_session *s = BIO_get_data(bio);
	ssize_t put = send(s->fd, buf, (size_t)n, MSG_NOSIGNAL);

	BIO_clear_retry_flags(bio);
	if (may_retry(put))
		BIO_set_retry_write(bio);
	return (int)put;
}

static long socket_control(BIO *bio, int command, long number, void *arg)
{
	const struct tls_session *s = BIO_get_data(bio);

	if (command == BIO_CTRL_EOF)
		return s->has_eof;
	return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *socket_method;

static void make_socket_method(void)
{
	socket_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "xenith socket");
	if (!socket_method)
		abort(); /* out of memory */
	BIO_meth_set_read(socket_method, socket_read);
	BIO_meth_set_write(socket_method, socket_write);
	BIO_meth_set_ctrl(socket_method, socket_control);
}

static BIO *socket_bio(struct tls_session *s)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_socket_method);
	BIO *bio = BIO_new(socket_method);
	if (!bio)
		abort(); /* out of memory */
	BIO_set_data(bio, s);
	BIO_set_init(bio, 1);
	return bio;
}

/* ---- sessions ---- */

static struct tls_session *session_new(const struct tls_context *c, int fd)
{
	struct tls_session *s = xnew(struct tls_session);

	ERR_clear_error();
	s->ssl = SSL_new(c->ctx);
	if (!s->ssl)
		abort(); /* out of memory */
	s->fd = fd;
	BIO *bio = socket_bio(s);
	SSL_set_bio(s->ssl, bio, bio);
	if (c->cert_path) {
		SSL_set_accept_state(s->ssl);
	} else {
		SSL_set_connect_state(s->ssl);
		s->is_pinned = c->verify == TLS_VERIFY_PINNED;
		memcpy(s->pin, c->pin, sizeof(s->pin));
	}
	return s;
}

void tls_session_free(struct tls_session *s)
{
	if (!s)
		return;
	SSL_free(s->ssl);
	free(s->problem);
	free(s);
}

static void free_session(struct tls_session **s)
{
	tls_session_free(*s);
}

static int broken(struct tls_session *s, int r, const char *problem)
{
	if (!s->problem)
		s->problem = xstrdup(problem);
	return r;
}

/* Turns what an SSL call returned into what our callers get. */
static int result(struct tls_session *s, int ret, int errnum, unsigned *want)
{
	switch (SSL_get_error(s->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
		*want = FD_READABLE;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		*want = FD_WRITABLE;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		if (!errnum)
			errnum = ECONNRESET;
		return broken(s, -errnum, strerrordesc_np(errnum) ?: "system error");
	default:
		if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
			return broken(s, -ECONNRESET, "cut off without a good-bye");
		return broken(s, -EPROTO, ssl_reason("protocol error"));
	}
}

ssize_t tls_session_read(struct tls_session *s, void *buf, size_t n, unsigned *want)
{
	size_t got;

	if (s->problem)
		return -EPROTO;
	ERR_clear_error();
	errno = 0;
	int ret = SSL_read_ex(s->ssl, buf, n, &got);
	if (ret > 0)
		return (ssize_t)got;
	return result(s, ret, errno, want);
}

ssize_t tls_session_write(struct tls_session *s, const void *buf, size_t n, unsigned *want)
{
	size_t put;

	if (s->problem)
		return -EPROTO;
	ERR_clear_error();
	errno = 0;
	int ret = SSL_write_ex(s->ssl, buf, n, &put);
	if (ret > 0)
		return (ssize_t)put;
	int r = result(s, ret, errno, want);
	/* The end of what the peer sends does not end what we send; but nothing was taken. */
	return r ? r : broken(s, -EPIPE, "written after the end");
}

bool tls_session_pending(const struct tls_session *s)
{
	return SSL_pending(s->ssl) > 0;
}

int tls_session_shutdown(struct tls_session *s, unsigned *want)
{
	if (s->problem)
		return -EPROTO;
	ERR_clear_error();
	errno = 0;
	int ret = SSL_shutdown(s->ssl);
	return ret >= 0 ? 0 : result(s, ret, errno, want);
}

const char *tls_session_problem(const struct tls_session *s)
{
	return s->problem ? s->problem : "";
}

const char *tls_session_version(const struct tls_session *s)
{
	return SSL_get_version(s->ssl);
}

static bool peer_digest(const struct tls_session *s, unsigned char out[TLS_DIGEST_SIZE])
{
	X509 *cert = SSL_get0_peer_certificate(s->ssl);

	return cert && X509_digest(cert, EVP_sha256(), out, NULL);
}

bool tls_session_peer_fingerprint(const struct tls_session *s, char out[TLS_FINGERPRINT_SIZE])
{
	unsigned char digest[TLS_DIGEST_SIZE];

	if (!peer_digest(s, digest))
		return false;
	tls_fingerprint_format(digest, out);
	return true;
}

/* ---- handshakes ---- */

/* Whether the peer has sent an alert about the certificate that we showed. */
static bool is_alert_about_certificate(int reason)
{
	return reason == SSL_R_TLSV1_ALERT_UNKNOWN_CA ||
		reason == SSL_R_SSLV3_ALERT_BAD_CERTIFICATE ||
		reason == SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE ||
		reason == SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED ||
		reason == SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED ||
		reason == SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN;
}

/* The error of a handshake that has just failed; the queue of errors is still as it was left. */
static struct err *handshake_error(struct tls_session *s)
{
	long verdict = SSL_get_verify_result(s->ssl);

	if (verdict != X509_V_OK)
		return err(CERTIFICATE_REFUSED, X509_verify_cert_error_string(verdict));
	if (is_alert_about_certificate(ERR_GET_REASON(ERR_peek_last_error())))
		return err(CERTIFICATE_REFUSED, s->problem);
	return err(TLS_FAILED, tls_session_problem(s));
}

static struct err *check_pin(const struct tls_session *s)
{
	unsigned char digest[TLS_DIGEST_SIZE];

	if (!s->is_pinned)
		return NULL;
	if (!peer_digest(s, digest))
		return err(CERTIFICATE_REFUSED, "the peer shows none");
	if (memcmp(digest, s->pin, sizeof(digest)))
		return err(CERTIFICATE_REFUSED, "not the one that is pinned");
	return NULL;
}

MAY_WAIT static struct err *handshake(struct tls_session *s, int fd, int64_t deadline)
{
	for (;;) {
		unsigned want = 0;

		ERR_clear_error();
		errno = 0;
		int ret = SSL_do_handshake(s->ssl);
		if (ret == 1)
			return check_pin(s);
		int r = result(s, ret, errno, &want);
		if (r == 0)
			return err(TLS_FAILED, "the peer said good-bye");
		if (r != -EAGAIN)
			return handshake_error(s);
		TRY(fiber_wait_fd(fd, want, "TLS handshake", deadline));
	}
}

/* Whom the server's certificate must be good for, and whom we ask for. */
static struct err *set_server_name(
	struct tls_session *s, const struct tls_context *c, const char *name)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(s->ssl);

	if (!name)
		return c->verify == TLS_VERIFY_CA ? err(INVALID_VALUE, "server_name", "missing")
						  : NULL;
	if (X509_VERIFY_PARAM_set1_ip_asc(param, name))
		return NULL;
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (!X509_VERIFY_PARAM_set1_host(param, name, 0) || !SSL_set_tlsext_host_name(s->ssl, name))
		return err(INVALID_VALUE, "server_name", "not a host name");
	return NULL;
}

static const struct stream_cipher cipher = {
	.decrypt = tls_session_read,
	.encrypt = tls_session_write,
	.pending = tls_session_pending,
	.shutdown = tls_session_shutdown,
	.free = tls_session_free,
	.problem = tls_session_problem,
};

/* Bytes that were read before TLS began came in the clear: none may count as if they had not. */
static struct err *check_nothing_read(struct stream *s)
{
	return sbuf_len(stream_in(s)) ? err(TLS_FAILED, "bytes came before the handshake") : NULL;
}

MAY_WAIT struct err *tls_accept(struct stream *s, struct tls_context *c, int64_t deadline)
{
	TRY(check_nothing_read(s));
	AUTO(free_session) struct tls_session *session = session_new(c, stream_fd(s));
	TRY(handshake(session, stream_fd(s), deadline));
	stream_set_tls(s, &cipher, take(session));
	return NULL;
}

MAY_WAIT struct err *tls_connect(
	struct stream *s, struct tls_context *c, const char *server_name, int64_t deadline)
{
	TRY(check_nothing_read(s));
	AUTO(free_session) struct tls_session *session = session_new(c, stream_fd(s));
	TRY(set_server_name(session, c, server_name));
	TRY(handshake(session, stream_fd(s), deadline));
	stream_set_tls(s, &cipher, take(session));
	return NULL;
}
