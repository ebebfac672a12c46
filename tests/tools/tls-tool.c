/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What tests/behave/test_tls.py runs: TLS of common/tls.h with somebody else at the other end.
 *
 *	tls-tool serve CERT
 *		makes CERT when it is not there; prints "PORT FINGERPRINT", echoes bytes, says how
 *		each session ended; reads CERT anew on SIGHUP ("reloaded")
 *	tls-tool connect PORT NAME none|pinned FINGERPRINT|ca FILE
 *		sends "hello" to 127.0.0.1 and prints what came
 *
 * An error is printed as "error: CODE(...)".
 */
#include "common/fiber.h"
#include "common/listen.h"
#include "common/loop.h"
#include "common/mem.h"
#include "common/offload.h"
#include "common/stream.h"
#include "common/tls.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static struct tls_context *context;
static const char *cert_path;
static char **words;

static void say(const char *text)
{
	puts(text);
	fflush(stdout);
}

static bool say_error(struct err *e)
{
	if (!e)
		return false;
	printf("error: %s\n", err_text(e));
	fflush(stdout);
	err_free(e);
	return true;
}

static void must(struct err *e)
{
	if (say_error(e))
		_exit(2);
}

/* ---- serve ---- */

MAY_WAIT static struct err *echo(struct stream *s)
{
	const int64_t patience = 20 * NS_PER_S;
	bool is_end = false;

	TRY(tls_accept(s, context, deadline_in(patience)));
	for (;;) {
		TRY(stream_fill(s, 1 << 20, &is_end, deadline_in(patience)));
		if (is_end)
			return NULL;
		sbuf_add(stream_out(s), sbuf_data(stream_in(s)), sbuf_len(stream_in(s)));
		sbuf_clear(stream_in(s));
		stream_flush_later(s);
		TRY(stream_drain(s, 1 << 16, deadline_in(patience)));
	}
}

static void serve_one(void *arg)
{
	struct stream *s = stream_new((int)(intptr_t)arg);

	if (!say_error(echo(s)))
		say("ended");
	stream_free(s);
}

static void accepted(int fd, void *arg)
{
	must(fiber_spawn(NULL, serve_one, (void *)(intptr_t)fd, "session"));
}

static void reload(int signum)
{
	if (!say_error(tls_context_reload(context)))
		say("reloaded");
}

static void stop(int signum)
{
	loop_stop();
}

static void serve(void *arg)
{
	static const char *const names[] = {"localhost", "127.0.0.1"};
	const struct tls_cert_spec spec = {
		.key = TLS_KEY_RSA_2048,
		.common_name = "xenith test",
		.alt_names = names,
		.n_alt_names = 2,
		.valid_s = 24 * 3600,
	};
	char fingerprint[TLS_FINGERPRINT_SIZE];
	struct listener *l;

	must(tls_cert_ensure(cert_path, &spec));
	must(tls_cert_fingerprint(cert_path, fingerprint));
	must(tls_server_new(&context, cert_path));
	must(listen_tcp(&l, "127.0.0.1", 0, accepted, NULL));
	must(loop_on_signal(SIGHUP, reload));
	must(loop_on_signal(SIGTERM, stop));
	printf("%d %s\n", (int)listener_port(l), fingerprint);
	fflush(stdout);
	err_free(fiber_sleep(3600 * NS_PER_S));
	listener_free(l);
}

/* ---- connect ---- */

static int connect_to(const char *port)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		_exit(3);
	return fd;
}

MAY_WAIT static struct err *hello(struct stream *s, const char *name)
{
	bool is_end = false;

	TRY(tls_connect(s, context, name, deadline_in(20 * NS_PER_S)));
	sbuf_adds(stream_out(s), "hello");
	stream_flush_later(s);
	while (!is_end)
		TRY(stream_fill(s, 1 << 20, &is_end, deadline_in(20 * NS_PER_S)));
	printf("got: %.*s\n", (int)sbuf_len(stream_in(s)), sbuf_data(stream_in(s)));
	return NULL;
}

static void connect_once(void *arg)
{
	const char *how = words[2];
	struct tls_client_spec spec = {.verify = TLS_VERIFY_NONE};

	if (!strcmp(how, "pinned"))
		spec = (struct tls_client_spec){TLS_VERIFY_PINNED, .fingerprint = words[3]};
	else if (!strcmp(how, "ca"))
		spec = (struct tls_client_spec){TLS_VERIFY_CA, .ca_path = words[3]};
	must(tls_client_new(&context, &spec));
	struct stream *s = stream_new(connect_to(words[0]));
	say_error(hello(s, words[1]));
	stream_free(s);
	loop_stop();
}

int main(int argc, char **argv)
{
	fiber_fn fn = NULL;

	if (argc == 3 && !strcmp(argv[1], "serve")) {
		cert_path = argv[2];
		fn = serve;
	} else if (argc >= 5 && !strcmp(argv[1], "connect")) {
		words = argv + 2;
		fn = connect_once;
	} else {
		fprintf(stderr, "usage: tls-tool serve CERT | connect PORT NAME HOW [ARGUMENT]\n");
		return 2;
	}
	loop_init();
	must(fiber_spawn(NULL, fn, NULL, "main"));
	loop_run(NS_PER_S);
	offload_fini();
	tls_context_free(context);
	loop_fini();
	return 0;
}
