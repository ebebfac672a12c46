/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The door's certificate (door.h): one PEM file with key, certificate and chain, made at the first
 * start, and read again when there is another one; connections that are open keep theirs.
 */
#define LOG_MODULE "door"

#include "common/fiber.h"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/tls.h"
#include "common/vec.h"
#include "xapid/door/http_conn.h"

#include "xenapi.gen.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define VALID_S ((int64_t)3650 * 86400)

static char *path; /* owned */
static struct tls_context *context; /* NULL: nobody is served with TLS */

typedef vec_of(char *) name_vec;

static void free_names(name_vec *names)
{
	vec_for_each (i, names)
		free(names->v[i]);
	vec_fini(names);
}

/* The addresses of this machine, but for those of a link alone. */
static void add_addresses(name_vec *names)
{
	struct ifaddrs *all, *a;
	char text[INET6_ADDRSTRLEN];

	if (getifaddrs(&all) < 0)
		return;
	for (a = all; a; a = a->ifa_next) {
		const struct sockaddr_in *in4 = (const void *)a->ifa_addr;
		const struct sockaddr_in6 *in6 = (const void *)a->ifa_addr;

		if (!a->ifa_addr || !(a->ifa_flags & IFF_UP))
			continue;
		if (in4->sin_family == AF_INET)
			inet_ntop(AF_INET, &in4->sin_addr, text, sizeof(text));
		else if (in4->sin_family == AF_INET6 && !IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr))
			inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
		else
			continue;
		vec_push(names, xstrdup(text));
	}
	freeifaddrs(all);
}

/* What it listens on need not be a device's: 127.0.0.2. */
static void add_own_address(name_vec *names, const char *address)
{
	struct in6_addr in6;

	if (!address || !strcmp(address, "0.0.0.0") ||
		(inet_pton(AF_INET6, address, &in6) == 1 && IN6_IS_ADDR_UNSPECIFIED(&in6)))
		return;
	vec_push(names, xstrdup(address));
}

/* Makes one: at PATH where none is, or as a text. */
static MAY_WAIT struct err *make(const char *address, char **pem)
{
	AUTO(free_names) name_vec names = {0};
	char host[256] = "localhost", common_name[65];

	gethostname(host, sizeof(host) - 1);
	snprintf(common_name, sizeof(common_name), "%.64s", host);
	vec_push(&names, xstrdup(host));
	vec_push(&names, xstrdup("localhost"));
	add_addresses(&names);
	add_own_address(&names, address);
	const struct tls_cert_spec spec = {.key = TLS_KEY_ECDSA_P256,
		.common_name = common_name,
		.alt_names = (const char *const *)names.v,
		.n_alt_names = names.n,
		.valid_s = VALID_S};
	TRY_CTX(pem ? tls_cert_make(&spec, pem) : tls_cert_ensure(path, &spec),
		"making the certificate");
	return NULL;
}

MAY_WAIT struct err *door_certificate_ensure(const char *cert_path, const char *address)
{
	free(path);
	path = xstrdup(cert_path);
	return make(address, NULL);
}

MAY_WAIT struct err *certificate_open(
	const char *cert_path, const char *address, struct tls_context **out)
{
	TRY(door_certificate_ensure(cert_path, address));
	TRY(tls_server_new(&context, path));
	*out = context;
	return NULL;
}

struct err *door_certificate_reload(void)
{
	if (!context)
		return NULL;
	TRY(tls_context_reload(context));
	log_info("the certificate was read again");
	return NULL;
}

/* Whether a server could begin with it, which the next start has to. */
static MAY_WAIT struct err *try_it(const char *pem)
{
	auto_str trial = xasprintf("%s.trial", path);
	struct tls_context *server = NULL;

	TRY(file_store(trial, pem, strlen(pem), 0600, 0));
	struct err *e = tls_server_new(&server, trial);
	tls_context_free(server);
	fiber_cancel_mask();
	err_free(file_drop(trial, 0));
	fiber_cancel_unmask();
	return e;
}

MAY_WAIT struct err *door_certificate_put(const char *pem)
{
	if (!path)
		return err(INTERNAL_ERROR, "this host serves no TLS");
	TRY(try_it(pem));
	TRY(file_store(path, pem, strlen(pem), 0600, FILE_DURABLE));
	return door_certificate_reload();
}

MAY_WAIT struct err *door_certificate_make(const char *address, char **pem)
{
	return make(address, pem);
}

void certificate_fini(void)
{
	tls_context_free(context);
	context = NULL;
	free(path);
	path = NULL;
}
