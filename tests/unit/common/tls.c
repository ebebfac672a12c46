/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/tls.c and tls_cert.c: both ends in one loop over a socket pair. Who is believed, who is
 * not, and that a connection that was cut is never taken for one that ended.
 */
#include "common/tls.h"

#include "common/file.h"
#include "common/mem.h"
#include "common/shared.h"
#include "common/stream.h"
#include "core.gen.h"
#include "tests/unit/common/runtime.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define YEAR_S (365 * 24 * 3600)

static char folder[64];
static char cert_path[128], other_path[128], expired_path[128], rubbish_path[128];
static char pin[TLS_FINGERPRINT_SIZE];

static const char *const names[] = {"host.example", "*.wild.example", "192.0.2.7", "2001:db8::7"};

static void make_cert(char *path, size_t size, const char *name, enum tls_key key, int64_t valid_s)
{
	const struct tls_cert_spec spec = {
		.key = key,
		.common_name = "unit test",
		.alt_names = names,
		.n_alt_names = ARRAY_LEN(names),
		.valid_s = valid_s,
	};

	snprintf(path, size, "%s/%s", folder, name);
	CHECK_OK(tls_cert_create(path, &spec));
}

static int make_folder(void **state)
{
	snprintf(folder, sizeof(folder), "/tmp/xenith-tls.XXXXXX");
	assert_non_null(mkdtemp(folder));
	make_cert(cert_path, sizeof(cert_path), "cert.pem", TLS_KEY_ECDSA_P256, YEAR_S);
	make_cert(other_path, sizeof(other_path), "other.pem", TLS_KEY_RSA_2048, YEAR_S);
	make_cert(expired_path, sizeof(expired_path), "old.pem", TLS_KEY_ECDSA_P256, -3600);
	CHECK_OK(tls_cert_fingerprint(cert_path, pin));
	snprintf(rubbish_path, sizeof(rubbish_path), "%s/rubbish.pem", folder);
	return file_write(rubbish_path, "rubbish", 7, 0600, 0);
}

static int remove_folder(void **state)
{
	auto_str command = xasprintf("rm -rf %s", folder);

	return system(command);
}

/* ---- two ends ---- */

struct pair {
	struct stream *server, *client;
	struct err *server_error; /* of its handshake */
	struct tls_context *server_context;
	struct cond accepted;
	bool has_accepted;
};

static void accept_one(void *arg)
{
	struct pair *p = arg;

	p->server_error = tls_accept(p->server, p->server_context, deadline_in(5 * NS_PER_S));
	if (p->server_error) {
		stream_free(p->server);
		p->server = NULL;
	}
	p->has_accepted = true;
	cond_signal(&p->accepted);
}

static void sockets(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static void pair_begin(struct pair *p, const char *server_cert)
{
	int fds[2];

	*p = (struct pair){0};
	sockets(fds);
	p->server = stream_new(fds[0]);
	p->client = stream_new(fds[1]);
	cond_init(&p->accepted);
	CHECK_OK(tls_server_new(&p->server_context, server_cert));
	CHECK_OK(fiber_spawn(NULL, accept_one, p, "server"));
}

/* The client's verdict; both handshakes have ended when it returns. */
static struct err *pair_connect(
	struct pair *p, const struct tls_client_spec *spec, const char *server_name)
{
	struct tls_context *c;

	CHECK_OK(tls_client_new(&c, spec));
	struct err *e = tls_connect(p->client, c, server_name, deadline_in(5 * NS_PER_S));
	tls_context_free(c);
	if (e) {
		stream_free(p->client);
		p->client = NULL;
	}
	while (!p->has_accepted)
		CHECK_OK(cond_wait(&p->accepted, "the server", NEVER));
	return e;
}

static void pair_end(struct pair *p)
{
	stream_free(p->server);
	stream_free(p->client);
	err_free(p->server_error);
	tls_context_free(p->server_context);
	cond_fini(&p->accepted);
}

/* What CLIENT says of a server with CERT. */
static struct err *try_connect(
	const char *cert, const struct tls_client_spec *spec, const char *server_name)
{
	struct pair p;

	pair_begin(&p, cert);
	struct err *e = pair_connect(&p, spec, server_name);
	pair_end(&p);
	return e;
}

static void say(struct stream *s, const char *bytes, size_t n)
{
	sbuf_add(stream_out(s), bytes, n);
	stream_flush_later(s);
}

static void check_hears(struct stream *s, const char *bytes, size_t n)
{
	bool is_end = false;

	while (sbuf_len(stream_in(s)) < n) {
		CHECK_OK(stream_fill(s, n + 1, &is_end, deadline_in(5 * NS_PER_S)));
		assert_false(is_end);
	}
	assert_memory_equal(sbuf_data(stream_in(s)), bytes, n);
	sbuf_consume(stream_in(s), n);
}

static const struct tls_client_spec anybody = {.verify = TLS_VERIFY_NONE};

/* ---- certificates ---- */

static void makes_certificates(void **state)
{
	struct stat st;
	char fingerprint[TLS_FINGERPRINT_SIZE];
	auto_str text = NULL;

	assert_int_equal(stat(cert_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(strlen(pin), 95);
	CHECK_OK(tls_cert_fingerprint(other_path, fingerprint));
	assert_string_not_equal(fingerprint, pin);
	assert_int_equal(file_read(other_path, 100000, &text, NULL), 0);
	assert_non_null(strstr(text, "PRIVATE KEY"));
	CHECK_ERR(tls_cert_fingerprint("/nowhere", fingerprint), SYSTEM_ERROR);
	CHECK_ERR(tls_cert_fingerprint(rubbish_path, fingerprint), STORE_UNUSABLE);
}

static void makes_one_once_fiber(void *arg)
{
	auto_str path = xasprintf("%s/ensured.pem", folder);
	const struct tls_cert_spec spec = {.common_name = "x", .valid_s = YEAR_S};
	char first[TLS_FINGERPRINT_SIZE], second[TLS_FINGERPRINT_SIZE];

	CHECK_OK(tls_cert_ensure(path, &spec));
	CHECK_OK(tls_cert_fingerprint(path, first));
	CHECK_OK(tls_cert_ensure(path, &spec));
	CHECK_OK(tls_cert_fingerprint(path, second));
	assert_string_equal(first, second);
}

static void makes_one_once(void **state)
{
	run_in_fiber(makes_one_once_fiber, NULL);
}

static void refuses_bad_files(void **state)
{
	struct tls_context *c;
	const struct tls_client_spec ca = {.verify = TLS_VERIFY_CA, .ca_path = rubbish_path};
	const struct tls_client_spec bad_pin = {.verify = TLS_VERIFY_PINNED, .fingerprint = "AA:B"};
	const struct tls_client_spec no_pin = {.verify = TLS_VERIFY_PINNED};

	CHECK_ERR(tls_server_new(&c, rubbish_path), STORE_UNUSABLE);
	CHECK_ERR(tls_server_new(&c, "/nowhere"), STORE_UNUSABLE);
	CHECK_ERR(tls_client_new(&c, &ca), STORE_UNUSABLE);
	CHECK_ERR(tls_client_new(&c, &bad_pin), INVALID_VALUE);
	CHECK_ERR(tls_client_new(&c, &no_pin), INVALID_VALUE);
}

/* ---- whom a client believes ---- */

static void believes_whom_it_should_fiber(void *arg)
{
	const struct tls_client_spec pinned = {.verify = TLS_VERIFY_PINNED, .fingerprint = pin};
	struct tls_client_spec ca = {.verify = TLS_VERIFY_CA, .ca_path = cert_path};

	CHECK_OK(try_connect(other_path, &anybody, NULL));
	CHECK_OK(try_connect(expired_path, &anybody, "whatever.example"));

	CHECK_OK(try_connect(cert_path, &pinned, NULL));
	CHECK_OK(try_connect(cert_path, &pinned, "another.example"));
	CHECK_ERR(try_connect(other_path, &pinned, NULL), CERTIFICATE_REFUSED);

	CHECK_OK(try_connect(cert_path, &ca, "host.example"));
	CHECK_OK(try_connect(cert_path, &ca, "a.wild.example"));
	CHECK_OK(try_connect(cert_path, &ca, "192.0.2.7"));
	CHECK_OK(try_connect(cert_path, &ca, "2001:db8::7"));
	CHECK_ERR(try_connect(cert_path, &ca, "a.b.wild.example"), CERTIFICATE_REFUSED);
	CHECK_ERR(try_connect(cert_path, &ca, "another.example"), CERTIFICATE_REFUSED);
	CHECK_ERR(try_connect(cert_path, &ca, "192.0.2.8"), CERTIFICATE_REFUSED);
	CHECK_ERR(try_connect(cert_path, &ca, NULL), INVALID_VALUE);
	CHECK_ERR(try_connect(other_path, &ca, "host.example"), CERTIFICATE_REFUSED);
	ca.ca_path = expired_path;
	CHECK_ERR(try_connect(expired_path, &ca, "host.example"), CERTIFICATE_REFUSED);
}

static void believes_whom_it_should(void **state)
{
	run_in_fiber(believes_whom_it_should_fiber, NULL);
}

/* The server learns that its certificate was refused, and does not call it a protocol error. */
static void hears_that_it_was_refused_fiber(void *arg)
{
	const struct tls_client_spec ca = {.verify = TLS_VERIFY_CA, .ca_path = cert_path};
	struct pair p;

	pair_begin(&p, other_path);
	CHECK_ERR(pair_connect(&p, &ca, "host.example"), CERTIFICATE_REFUSED);
	CHECK_ERR(take(p.server_error), CERTIFICATE_REFUSED);
	pair_end(&p);
}

static void hears_that_it_was_refused(void **state)
{
	run_in_fiber(hears_that_it_was_refused_fiber, NULL);
}

/* ---- bytes ---- */

static void carries_bytes_fiber(void *arg)
{
	static char big[300000];
	struct pair p;
	bool is_end = false;

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7 + i / 251);
	pair_begin(&p, cert_path);
	CHECK_OK(pair_connect(&p, &anybody, "host.example"));
	CHECK_OK(take(p.server_error));
	say(p.client, "hello", 5);
	check_hears(p.server, "hello", 5);
	say(p.server, big, sizeof(big));
	check_hears(p.client, big, sizeof(big));
	say(p.client, big, sizeof(big));
	check_hears(p.server, big, sizeof(big));
	/* An end that was announced is an end. */
	stream_free(take(p.client));
	CHECK_OK(stream_fill(p.server, 10, &is_end, deadline_in(5 * NS_PER_S)));
	assert_true(is_end);
	pair_end(&p);
}

/* Shared ones among a stream's own, and more than is taken at once. */
static void carries_shared_bytes_fiber(void *arg)
{
	struct shared *bytes = shared_new(100000);
	auto_sbuf wanted = {0};
	struct pair p;

	for (size_t i = 0; i < bytes->n; i++)
		bytes->bytes[i] = (char)(i * 11 + i / 257);
	pair_begin(&p, cert_path);
	CHECK_OK(pair_connect(&p, &anybody, "host.example"));
	CHECK_OK(take(p.server_error));
	for (size_t i = 0; i < 20; i++) {
		sbuf_adds(stream_out(p.server), "own");
		sbuf_adds(&wanted, "own");
		stream_put_shared(p.server, shared_hold(bytes), i);
		sbuf_add(&wanted, bytes->bytes + i, bytes->n - i);
	}
	sbuf_adds(stream_out(p.server), "the end");
	sbuf_adds(&wanted, "the end");
	stream_flush_later(p.server);
	check_hears(p.client, sbuf_data(&wanted), sbuf_len(&wanted));
	CHECK_OK(stream_drain(p.server, 0, deadline_in(5 * NS_PER_S)));
	assert_int_equal(bytes->n_holders, 1);
	shared_drop(bytes);
	pair_end(&p);
}

static void carries_shared_bytes(void **state)
{
	run_in_fiber(carries_shared_bytes_fiber, NULL);
}

static void carries_bytes(void **state)
{
	run_in_fiber(carries_bytes_fiber, NULL);
}

static void tells_a_cut_from_an_end_fiber(void *arg)
{
	struct pair p;
	bool is_end = false;

	pair_begin(&p, cert_path);
	CHECK_OK(pair_connect(&p, &anybody, NULL));
	say(p.client, "half", 4);
	check_hears(p.server, "half", 4);
	shutdown(stream_fd(p.client), SHUT_RDWR);
	auto_err e = stream_fill(p.server, 10, &is_end, deadline_in(5 * NS_PER_S));
	assert_non_null(e);
	pair_end(&p);
}

static void tells_a_cut_from_an_end(void **state)
{
	run_in_fiber(tells_a_cut_from_an_end_fiber, NULL);
}

/* ---- handshakes that go wrong ---- */

static void refuses_what_is_no_tls_fiber(void *arg)
{
	struct pair p;

	pair_begin(&p, cert_path);
	say(p.client, "GET / HTTP/1.1\r\n\r\n", 18);
	while (!p.has_accepted)
		CHECK_OK(cond_wait(&p.accepted, "the server", NEVER));
	CHECK_ERR(take(p.server_error), TLS_FAILED);
	pair_end(&p);
}

static void refuses_what_is_no_tls(void **state)
{
	run_in_fiber(refuses_what_is_no_tls_fiber, NULL);
}

/* Bytes that came in the clear, read ahead, must not be taken for encrypted ones. */
static void refuses_bytes_read_ahead_fiber(void *arg)
{
	struct tls_context *c;
	bool is_end;
	int fds[2];

	sockets(fds);
	struct stream *s = stream_new(fds[0]);
	assert_int_equal(write(fds[1], "x", 1), 1);
	CHECK_OK(stream_fill(s, 10, &is_end, NEVER));
	CHECK_OK(tls_server_new(&c, cert_path));
	CHECK_ERR(tls_accept(s, c, NEVER), TLS_FAILED);
	tls_context_free(c);
	stream_free(s);
	close(fds[1]);
}

static void refuses_bytes_read_ahead(void **state)
{
	run_in_fiber(refuses_bytes_read_ahead_fiber, NULL);
}

static void gives_up_on_a_silent_peer_fiber(void *arg)
{
	struct tls_context *c;
	int fds[2];

	sockets(fds);
	struct stream *s = stream_new(fds[0]);
	CHECK_OK(tls_server_new(&c, cert_path));
	CHECK_ERR(tls_accept(s, c, deadline_in(10 * NS_PER_MS)), TIMEOUT);
	/* A peer that goes away in the middle raises no signal and is an error. */
	close(fds[1]);
	CHECK_ERR(tls_accept(s, c, NEVER), TLS_FAILED);
	tls_context_free(c);
	stream_free(s);
}

static void gives_up_on_a_silent_peer(void **state)
{
	run_in_fiber(gives_up_on_a_silent_peer_fiber, NULL);
}

/* A client of OpenSSL in a thread of its own, that offers VERSION at most. */
struct foreign {
	int fd, version;
	int result; /* of SSL_connect */
};

static void *foreign_client(void *arg)
{
	struct foreign *f = arg;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(ctx, f->version);
	SSL *ssl = SSL_new(ctx);
	SSL_set_fd(ssl, f->fd);
	f->result = SSL_connect(ssl);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return NULL;
}

static struct err *accept_foreign(int version, int *result)
{
	struct foreign f = {.version = version};
	struct tls_context *c;
	pthread_t thread;
	int fds[2];

	sockets(fds);
	f.fd = fds[1];
	struct stream *s = stream_new(fds[0]);
	CHECK_OK(tls_server_new(&c, cert_path));
	assert_int_equal(pthread_create(&thread, NULL, foreign_client, &f), 0);
	struct err *e = tls_accept(s, c, deadline_in(5 * NS_PER_S));
	tls_context_free(c);
	stream_free(s);
	pthread_join(thread, NULL);
	close(fds[1]);
	*result = f.result;
	return e;
}

static void refuses_old_versions_fiber(void *arg)
{
	int result;

	CHECK_OK(accept_foreign(TLS1_2_VERSION, &result));
	assert_int_equal(result, 1);
	CHECK_OK(accept_foreign(TLS1_3_VERSION, &result));
	assert_int_equal(result, 1);
	auto_err e = accept_foreign(TLS1_1_VERSION, &result);
	assert_true(err_is(e, &ERR_TLS_FAILED) && strstr(err_text(e), "unsupported protocol"));
	assert_true(result <= 0);
	CHECK_ERR(accept_foreign(TLS1_VERSION, &result), TLS_FAILED);
}

static void refuses_old_versions(void **state)
{
	run_in_fiber(refuses_old_versions_fiber, NULL);
}

/* ---- a new certificate while sessions run ---- */

static void shows_a_new_certificate_fiber(void *arg)
{
	auto_str path = xasprintf("%s/live.pem", folder);
	const struct tls_cert_spec spec = {.common_name = "x", .valid_s = YEAR_S};
	char before[TLS_FINGERPRINT_SIZE], after[TLS_FINGERPRINT_SIZE];
	struct pair first, second;

	CHECK_OK(tls_cert_create(path, &spec));
	CHECK_OK(tls_cert_fingerprint(path, before));
	pair_begin(&first, path);
	CHECK_OK(pair_connect(&first, &anybody, NULL));

	/* What cannot be read changes nothing. */
	assert_int_equal(file_write(path, "rubbish", 7, 0600, 0), 0);
	CHECK_ERR(tls_context_reload(first.server_context), STORE_UNUSABLE);
	CHECK_OK(tls_cert_create(path, &spec));
	CHECK_OK(tls_context_reload(first.server_context));
	CHECK_OK(tls_cert_fingerprint(path, after));
	assert_string_not_equal(before, after);

	const struct tls_client_spec pinned = {.verify = TLS_VERIFY_PINNED, .fingerprint = after};
	pair_begin(&second, cert_path);
	tls_context_free(second.server_context);
	second.server_context = take(first.server_context);
	CHECK_OK(pair_connect(&second, &pinned, NULL));
	say(first.client, "still", 5);
	check_hears(first.server, "still", 5);
	pair_end(&first);
	pair_end(&second);
}

static void shows_a_new_certificate(void **state)
{
	run_in_fiber(shows_a_new_certificate_fiber, NULL);
}

/* ---- hand-over to a thread ---- */

struct handed_over {
	int fd;
	struct tls_session *tls;
	char got[16];
	size_t n;
};

static ssize_t wait_and_retry(const struct handed_over *h, unsigned want)
{
	struct pollfd p = {.fd = h->fd, .events = want == FD_READABLE ? POLLIN : POLLOUT};

	return poll(&p, 1, 5000);
}

static void *pump_bytes(void *arg)
{
	struct handed_over *h = arg;
	unsigned want;

	for (;;) {
		ssize_t n = tls_session_read(h->tls, h->got + h->n, sizeof(h->got) - h->n, &want);

		if (n > 0)
			h->n += (size_t)n;
		if (n == 0 || (n < 0 && (n != -EAGAIN || wait_and_retry(h, want) <= 0)))
			break;
	}
	ssize_t n = tls_session_write(h->tls, "back", 4, &want);
	assert(n == 4);
	return NULL;
}

static void moves_to_a_thread_fiber(void *arg)
{
	struct handed_over h = {0};
	auto_sbuf unread = {0}, unread_client = {0};
	pthread_t thread;
	struct pair p;
	unsigned want;
	char back[4];

	pair_begin(&p, cert_path);
	CHECK_OK(pair_connect(&p, &anybody, NULL));
	say(p.client, "head", 4);
	check_hears(p.server, "head", 4);
	h.fd = stream_detach(take(p.server), &h.tls, &unread);
	assert_non_null(h.tls);
	say(p.client, "body", 4);
	CHECK_OK(stream_drain(p.client, 0, NEVER));
	struct tls_session *client = NULL;
	int client_fd = stream_detach(take(p.client), &client, &unread_client);
	assert_int_equal(tls_session_shutdown(client, &want), 0);
	assert_int_equal(pthread_create(&thread, NULL, pump_bytes, &h), 0);
	pthread_join(thread, NULL);
	assert_int_equal(h.n, 4);
	assert_memory_equal(h.got, "body", 4);
	/* The other direction is still open. */
	assert_int_equal(tls_session_read(client, back, 4, &want), 4);
	assert_memory_equal(back, "back", 4);
	tls_session_free(h.tls);
	tls_session_free(client);
	close(h.fd);
	close(client_fd);
	pair_end(&p);
}

static void moves_to_a_thread(void **state)
{
	run_in_fiber(moves_to_a_thread_fiber, NULL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(makes_certificates),
		TEST(makes_one_once),
		TEST(refuses_bad_files),
		TEST(believes_whom_it_should),
		TEST(hears_that_it_was_refused),
		TEST(carries_bytes),
		TEST(carries_shared_bytes),
		TEST(tells_a_cut_from_an_end),
		TEST(refuses_what_is_no_tls),
		TEST(refuses_bytes_read_ahead),
		TEST(gives_up_on_a_silent_peer),
		TEST(refuses_old_versions),
		TEST(shows_a_new_certificate),
		TEST(moves_to_a_thread),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name(argv[0], tests, make_folder, remove_folder);
}
