/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xe: the command line of the XenAPI. It knows no command: it sends its arguments to a host, which
 * says what to print, what to ask and which files to read or write (thin.h).
 *
 *	xe [-s HOST] [-p PORT] [-u USER] [-pw PASSWORD] [-pwf FILE] [--nossl] [--socket PATH] …
 *
 * Without a host it speaks to its own, over the Unix socket, as root. Defaults come from ~/.xe
 * (lines KEY=VALUE) and XE_EXTRA_ARGS (the same, with commas).
 */
#include "common/fiber.h"
#include "common/file.h"
#include "common/listen.h"
#include "common/loop.h"
#include "common/mem.h"
#include "common/stream.h"
#include "common/tls.h"
#include "common/vec.h"
#include "core.gen.h"
#include "xapid/cli/fetch.h"
#include "xapid/cli/thin.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define PASSWORD_MAX 4096
#define HANDSHAKE_NS (30 * NS_PER_S)
/* What is fetched is a new file: what is there is not overwritten. */
#define FETCH_FLAGS   (O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC)
#define CONF_FILE_MAX ((size_t)64 * 1024)

static vec_of(const char *) args; /* of the command, as they came */
static int exit_status = 1;

static struct {
	char *server, *port, *user, *password, *socket; /* owned; NULL: not given */
	bool is_plain;
} options;

/* ---- options ---- */

static void set(char **option, const char *value)
{
	free(*option);
	*option = xstrdup(value);
}

/* A file with the user in its first line and the password in its second. */
static bool read_password_file(const char *path)
{
	char *text = NULL;
	int r = file_read(path, PASSWORD_MAX, &text, NULL);

	if (r < 0) {
		fprintf(stderr, "xe: %s: %s\n", path, strerrordesc_np(-r));
		return false;
	}
	char *line = text, *user = strsep(&line, "\n"), *password = strsep(&line, "\n");
	set(&options.user, user);
	set(&options.password, password ? password : "");
	free(text);
	return true;
}

/* A KEY=VALUE that is for us. */
static bool take_setting(const char *key, const char *value)
{
	static const struct {
		const char *key;
		char **option;
	} known[] = {{"server", &options.server}, {"host", &options.server},
		{"port", &options.port}, {"username", &options.user},
		{"password", &options.password}, {"socket", &options.socket}};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (!strcmp(known[i].key, key)) {
			set(known[i].option, value);
			return true;
		}
	return false;
}

static void take_settings(char *text, const char *separators)
{
	for (char *item; (item = strsep(&text, separators));) {
		char *value = strchr(item, '=');

		if (*item == '#' || !value)
			continue;
		*value++ = '\0';
		take_setting(item, value);
	}
}

static void take_defaults(void)
{
	const char *home = getenv("HOME"), *extra = getenv("XE_EXTRA_ARGS");
	const char *dir = getenv("XENITH_DIR");

	if (dir && *dir)
		options.socket = xasprintf("%s/run/xapi", dir);
	if (home) {
		auto_str path = xasprintf("%s/.xe", home);
		char *text = NULL;

		if (file_read(path, CONF_FILE_MAX, &text, NULL) == 0)
			take_settings(text, "\n");
		free(text);
	}
	if (extra) {
		auto_str copy = xstrdup(extra);
		take_settings(copy, ",");
	}
}

/* Takes the option that argv[*I] is, if it is one of ours. False: the command line is wrong. */
static bool take_option(int argc, char **argv, int *i, bool *is_ours)
{
	static const struct {
		const char *option, *key;
	} short_ones[] = {{"-s", "server"}, {"-h", "server"}, {"-p", "port"}, {"-u", "username"},
		{"-pw", "password"}, {"--socket", "socket"}};

	*is_ours = true;
	if (!strcmp(argv[*i], "--nossl")) {
		options.is_plain = true;
		return true;
	}
	if (!strcmp(argv[*i], "-pwf")) {
		if (++*i < argc)
			return read_password_file(argv[*i]);
		fputs("xe: -pwf needs a file\n", stderr);
		return false;
	}
	for (size_t k = 0; k < ARRAY_LEN(short_ones); k++) {
		if (strcmp(short_ones[k].option, argv[*i]) != 0)
			continue;
		if (++*i < argc)
			return take_setting(short_ones[k].key, argv[*i]);
		fprintf(stderr, "xe: %s needs a value\n", short_ones[k].option);
		return false;
	}
	*is_ours = false;
	return true;
}

/* "server=h" and its like on the command line are ours as well. */
static bool is_setting(const char *arg)
{
	const char *value = strchr(arg, '=');

	if (!value ||
		(strncmp(arg, "server=", 7) && strncmp(arg, "port=", 5) &&
			strncmp(arg, "username=", 9) && strncmp(arg, "password=", 9)))
		return false;
	auto_str key = xstrndup(arg, (size_t)(value - arg));
	return take_setting(key, value + 1);
}

static bool read_command_line(int argc, char **argv)
{
	bool is_ours, has_command = false;

	for (int i = 1; i < argc; i++) {
		if (!take_option(argc, argv, &i, &is_ours))
			return false;
		/* behind the command a port may be an object's */
		if (is_ours || (!has_command && is_setting(argv[i])))
			continue;
		has_command |= *argv[i] != '-';
		vec_push(&args, argv[i]);
	}
	return true;
}

/* ---- the connection ---- */

static int connect_tcp(const char *host, const char *port)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *found, *a;
	int fd = -1, r = getaddrinfo(host, port, &hints, &found);

	if (r) {
		fprintf(stderr, "xe: %s: %s\n", host, gai_strerror(r));
		return -1;
	}
	for (a = found; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(found);
	if (fd < 0)
		fprintf(stderr, "xe: %s port %s: %s\n", host, port, strerrordesc_np(errno));
	return fd;
}

static const char *socket_path(void)
{
	return options.socket ? options.socket : "/run/xenith/xapi";
}

/* A connected socket; -1: it was said why not. */
static int connect_somewhere(void)
{
	int fd = -1;

	if (options.server)
		return connect_tcp(options.server,
			options.port ? options.port : (options.is_plain ? "80" : "443"));
	int r = unix_connect(socket_path(), &fd);
	if (r < 0)
		fprintf(stderr, "xe: %s: %s\n", socket_path(), strerrordesc_np(-r));
	return fd;
}

/* The arguments, a line each; names and passwords last. */
static void put_request(struct sbuf *out)
{
	auto_sbuf body = {0};

	vec_for_each (i, &args)
		sbuf_printf(&body, "%s\n", args.v[i]);
	if (options.user)
		sbuf_printf(&body, "username=%s\n", options.user);
	if (options.password)
		sbuf_printf(&body, "password=%s\n", options.password);
	sbuf_printf(out,
		"POST /cli HTTP/1.0\r\nuser-agent: xe\r\noriginator: cli\r\n"
		"content-length: %zu\r\n\r\n",
		sbuf_len(&body));
	sbuf_add(out, sbuf_data(&body), sbuf_len(&body));
}

static MAY_WAIT struct err *shake_hands(struct stream *s, const char *server)
{
	const struct tls_client_spec spec = {.verify = TLS_VERIFY_NONE};
	struct tls_context *tls = NULL;

	TRY(tls_client_new(&tls, &spec));
	struct err *e = tls_connect(s, tls, server, deadline_in(HANDSHAKE_NS));
	tls_context_free(tls);
	return e;
}

static MAY_WAIT struct err *begin(struct stream *s)
{
	if (options.server && !options.is_plain)
		TRY(shake_hands(s, options.server));
	put_request(stream_out(s));
	stream_flush_later(s);
	TRY(thin_read_greeting(s, NEVER));
	thin_put_greeting(stream_out(s));
	stream_flush_later(s);
	return NULL;
}

/* ---- what the host says ---- */

/* Only a file that stands on the command line is read for the host. */
static bool is_named(const char *path)
{
	vec_for_each (i, &args) {
		const char *value = strchr(args.v[i], '=');

		if (value && !strcmp(value + 1, path))
			return true;
	}
	return false;
}

static void respond(struct stream *s, enum thin_tag tag)
{
	thin_put(stream_out(s), &(struct thin_message){.kind = THIN_RESPONSE, .tag = tag});
}

static void load(struct stream *s, const char *path)
{
	char *text = NULL;
	size_t n = 0;
	int r = is_named(path) ? file_read(path, THIN_FRAME_MAX, &text, &n) : -EPERM;

	if (r < 0) {
		fprintf(stderr, "xe: %s: %s\n", path, strerrordesc_np(-r));
		respond(s, THIN_FAILED);
		return;
	}
	respond(s, THIN_OK);
	thin_put_blob(stream_out(s), text, n, true);
	free(text);
}

/* The connection that "https://HOST:PORT/PATH" names; *PATH is what follows. */
static MAY_WAIT struct err *connect_to(
	const char *location, struct arena *a, struct stream **out, const char **path)
{
	bool is_tls = !strncmp(location, "https://", 8);
	const char *host = strstr(location, "://");
	const char *slash = host ? strchr(host + 3, '/') : NULL;
	const char *port = is_tls ? "443" : "80";

	if (!slash)
		return err(BAD_REQUEST, "the host sends us nowhere");
	char *name = arena_strndup(a, host + 3, (size_t)(slash - host - 3));
	char *colon = strrchr(name, ':');
	if (colon && !strchr(colon, ']')) {
		*colon = '\0';
		port = colon + 1;
	}
	int fd = connect_tcp(name, port);
	if (fd < 0)
		return err(CONNECTION_LOST, name);
	*out = stream_new(fd);
	*path = slash;
	return is_tls ? shake_hands(*out, name) : NULL;
}

static MAY_WAIT struct err *connect_again(struct stream **out)
{
	int fd = connect_somewhere();

	if (fd < 0)
		return err(CONNECTION_LOST, "the host");
	*out = stream_new(fd);
	return options.server && !options.is_plain ? shake_hands(*out, options.server) : NULL;
}

static void close_stream(struct stream **s)
{
	if (*s)
		stream_free(*s);
}

/* Wherever the host says that it is, but not in circles. */
static MAY_WAIT struct err *fetch_anywhere(struct fetch *f)
{
	auto_arena a = {0};

	for (int i = 0; i < 3; i++) {
		AUTO(close_stream) struct stream *s = NULL;

		if (f->location)
			TRY(connect_to(f->location, &a, &s, &f->path));
		else
			TRY(connect_again(&s));
		TRY(fetch_run(f, s, &a));
		if (!f->location)
			return NULL;
	}
	return err(BAD_REQUEST, "the host sends us in circles");
}

/* The file is there whole, or (if we made it) not at all. */
static MAY_WAIT struct err *fetch_file(const struct thin_message *m, bool is_put)
{
	struct fetch f = {.path = m->more, .is_put = is_put};
	struct stat st;

	auto_fd fd = open(m->text, is_put ? O_RDONLY | O_CLOEXEC : FETCH_FLAGS, 0600);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(errno, "%s", m->text);
	f.fd = fd;
	f.size = (uint64_t)st.st_size;
	struct err *e = fetch_anywhere(&f);
	if (e && !is_put)
		unlink(m->text);
	return e;
}

static MAY_WAIT void fetch(struct stream *s, const struct thin_message *m)
{
	auto_err e = is_named(m->text) ? fetch_file(m, m->tag == THIN_HTTP_PUT)
				       : err_errno(EPERM, "%s", m->text);

	if (e)
		fprintf(stderr, "xe: %s\n", err_text(e));
	respond(s, e ? THIN_FAILED : THIN_OK);
}

static void prompt(struct stream *s)
{
	char line[PASSWORD_MAX] = "";

	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		line[0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	thin_put_blob(stream_out(s), line, strlen(line), true);
}

static void print_error(const struct thin_message *m)
{
	fprintf(stderr, "Error code: %s\nError parameters: ", m->text);
	for (size_t i = 0; i < m->n_list; i++)
		fprintf(stderr, "%s%s", i ? ", " : "", m->list[i]);
	fputc('\n', stderr);
}

/* False: that was the last one. */
static MAY_WAIT bool obey(struct stream *s, const struct thin_message *m)
{
	switch (m->tag) {
	case THIN_PRINT:
		puts(m->text);
		break;
	case THIN_STDERR:
		fflush(stdout);
		fputs(m->text, stderr);
		break;
	case THIN_DEBUG:
		break;
	case THIN_ERROR:
		print_error(m);
		break;
	case THIN_LOAD:
		load(s, m->text);
		break;
	case THIN_PROMPT:
		prompt(s);
		break;
	case THIN_EXIT:
		exit_status = m->number;
		return false;
	case THIN_HTTP_GET:
	case THIN_HTTP_PUT:
		fetch(s, m);
		break;
	case THIN_HTTP_CONNECT:
	case THIN_OK:
	case THIN_FAILED:
	case THIN_WAIT:
	case THIN_CHUNK:
	case THIN_END:
		respond(s, THIN_FAILED);
		break;
	}
	stream_flush_later(s);
	return true;
}

static MAY_WAIT struct err *converse(struct stream *s)
{
	struct thin_message m;
	auto_arena a = {0};

	TRY(begin(s));
	do {
		arena_reset(&a);
		fflush(stdout);
		TRY(thin_read(s, &a, &m, NEVER));
	} while (obey(s, &m));
	return NULL;
}

static void run(void *arg)
{
	struct stream *s = stream_new(*(int *)arg);
	auto_err e = converse(s);

	fflush(stdout);
	if (err_is(e, &ERR_CONNECTION_LOST))
		fputs("Lost connection to the server.\n", stderr);
	else if (e)
		fprintf(stderr, "xe: %s\n", err_text(e));
	stream_free(s);
	loop_stop();
}

int main(int argc, char **argv)
{
	take_defaults();
	if (!read_command_line(argc, argv))
		return 1;
	sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
	int fd = connect_somewhere();
	if (fd < 0)
		return 1;
	loop_init();
	auto_err e = fiber_spawn(NULL, run, &fd, "xe");
	if (e)
		return 1;
	loop_run(NS_PER_S);
	loop_fini();
	free(options.server);
	free(options.port);
	free(options.user);
	free(options.password);
	free(options.socket);
	vec_fini(&args);
	return exit_status;
}
