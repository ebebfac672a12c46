/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The door as a whole (door.h): its listeners, its own routes.
 */
#define LOG_MODULE "door"

#include "xapid/door/door.h"

#include "common/listen.h"
#include "common/log.h"
#include "xapid/door/http_conn.h"

#include <sys/resource.h>

/* Descriptors that are no connections of clients: the database, daemons, consoles, programs. */
#define OTHER_FILES ((size_t)512)

static struct listener *unix_listener, *tcp_listener, *tls_listener;
static struct tls_context *tls;

static void accept_unix(int fd, void *arg)
{
	http_conn_new(fd, GATE_UNIX, NULL);
}

static void accept_tcp(int fd, void *arg)
{
	http_conn_new(fd, GATE_TCP, NULL);
}

static void accept_tls(int fd, void *arg)
{
	http_conn_new(fd, GATE_TLS, tls);
}

/* As many as are wanted, as long as descriptors are left for everything else. */
static size_t most_connections(int64_t wanted)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur == RLIM_INFINITY)
		return (size_t)wanted;
	size_t others = files.rlim_cur < 2 * OTHER_FILES ? files.rlim_cur / 2 : OTHER_FILES;
	if ((size_t)wanted <= files.rlim_cur - others)
		return (size_t)wanted;
	log_warn("not %lld connections but %zu: the limit of open files is %zu", (long long)wanted,
		(size_t)files.rlim_cur - others, (size_t)files.rlim_cur);
	return files.rlim_cur - others;
}

MAY_WAIT struct err *door_open(const struct door_conf *conf)
{
	http_conn_begin(most_connections(conf->connections), conf->idle_ns);
	files_set_root(conf->www);
	door_add_routes(rpc_routes, n_rpc_routes);
	door_add_routes(file_routes, n_file_routes);
	door_add_routes(console_routes, n_console_routes);
	/* Before anybody is let in, who might ask for it. */
	if (conf->tls_port)
		TRY(certificate_open(conf->cert_path, conf->address, &tls));
	TRY(listen_unix(&unix_listener, conf->unix_path, 0600, accept_unix, NULL));
	if (conf->port)
		TRY(listen_tcp(
			&tcp_listener, conf->address, (uint16_t)conf->port, accept_tcp, NULL));
	if (conf->tls_port)
		TRY(listen_tcp(
			&tls_listener, conf->address, (uint16_t)conf->tls_port, accept_tls, NULL));
	log_info("open at %s, ports %lld and %lld", conf->address, (long long)conf->port,
		(long long)conf->tls_port);
	return NULL;
}

static void close_listener(struct listener **l)
{
	listener_free(*l);
	*l = NULL;
}

void door_close(void)
{
	close_listener(&unix_listener);
	close_listener(&tcp_listener);
	close_listener(&tls_listener);
	http_conn_close_all();
}

void door_fini(void)
{
	certificate_fini();
	tls = NULL;
	files_set_root(NULL);
	http_conn_fini();
	route_fini();
}
