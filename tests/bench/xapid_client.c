/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client of xapid_client.h, and the hosts that it speaks to.
 */
#include "tests/bench/xapid_client.h"

#include "common/arena.h"
#include "common/mem.h"
#include "common/xml.h"
#include "tests/bench/bare_http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DISK_FOLDER "/var/tmp"
#define VALUE_BEGIN "<member><name>Value</name><value>"
#define VALUE_END   "</value></member></struct></value></param></params></methodResponse>"

static struct {
	int port, tls_port;
	char *conf; /* owned */
} host;

/* ---- hosts ---- */

const char *xapid_disk_folder(void)
{
	return getenv("BENCH_DIR") ?: DISK_FOLDER;
}

int xapid_port(void)
{
	return host.port;
}

int xapid_tls_port(void)
{
	return host.tls_port;
}

/* One that nobody has now. */
static int free_port(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);
	auto_fd fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	bare_must(!bind(fd, (struct sockaddr *)&at, size) &&
			!getsockname(fd, (struct sockaddr *)&at, &size),
		"a port");
	return ntohs(at.sin_port);
}

MAY_WAIT void xapid_host_begin(const char *folder, unsigned daemons, const char *conf)
{
	static const struct {
		unsigned bit;
		const char *name, *conf;
	} others[] = {
		{HOST_XENOPSD, "xenopsd", "backend = simulator\n"},
		{HOST_SMD, "smd", ""},
		{HOST_NETWORKD, "networkd", "backend = simulator\n"},
		{HOST_RRDD, "rrdd", ""},
	};

	host_begin(folder, "info");
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (daemons & others[i].bit)
			host_start(others[i].name, others[i].conf);
	host.port = free_port();
	host.tls_port = daemons & HOST_TLS ? free_port() : 0;
	free(host.conf);
	host.conf = xasprintf("address = 127.0.0.1\nport = %d\ntls_port = %d\nauth = file\n%s",
		host.port, host.tls_port, conf);
	host_start("xapid", host.conf);
}

MAY_WAIT void xapid_host_stop(int signum)
{
	host_stop("xapid", signum);
}

MAY_WAIT void xapid_host_start(void)
{
	host_start("xapid", host.conf);
}

/* ---- connections ---- */

static int connect_unix(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	auto_arena a = {0};
	const char *path = host_path("run/xapi", &a);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	bare_must(fd >= 0 && strlen(path) < sizeof(to.sun_path), path);
	memcpy(to.sun_path, path, strlen(path) + 1);
	for (int i = 0; connect(fd, (struct sockaddr *)&to, sizeof(to)); i++) {
		bare_must(i < 10000, path); /* it is still starting */
		usleep(1000);
	}
	return fd;
}

void xapid_client_open(struct xapid_client *c)
{
	auto_arena a = {0};

	*c = (struct xapid_client){.fd = connect_unix()};
	const char *ref = xapid_ref(&a,
		xapid_call_plain(
			c, "session.login_with_password", "root", "", "1.0", "bench", NULL));
	snprintf(c->session, sizeof(c->session), "%s", ref);
}

void xapid_client_open_tcp(struct xapid_client *c, const struct xapid_client *in_session_of)
{
	*c = (struct xapid_client){.fd = bare_http_connect(host.port)};
	if (in_session_of)
		memcpy(c->session, in_session_of->session, sizeof(c->session));
}

void xapid_client_close(struct xapid_client *c)
{
	close(c->fd);
	sbuf_fini(&c->answer);
	c->fd = -1;
}

/* ---- calls ---- */

static void add_param(struct sbuf *b, const char *value)
{
	sbuf_adds(b, "<param>");
	if (*value == '<') {
		sbuf_adds(b, value);
	} else {
		sbuf_adds(b, "<value><string>");
		xml_add_text(b, value, strlen(value));
		sbuf_adds(b, "</string></value>");
	}
	sbuf_adds(b, "</param>");
}

/* The request, for free(). */
static char *request_of(size_t *len, const char *session, const char *method, va_list params)
{
	auto_sbuf b = {0};
	const char *value;

	sbuf_printf(&b, "<?xml version=\"1.0\"?><methodCall><methodName>%s</methodName><params>",
		method);
	if (session)
		add_param(&b, session);
	while ((value = va_arg(params, const char *)))
		add_param(&b, value);
	sbuf_adds(&b, "</params></methodCall>");
	return bare_http_post(sbuf_str(&b), len);
}

/* Reads an answer whole; its body is what stays of it. */
static void read_answer(struct xapid_client *c)
{
	struct sbuf *b = &c->answer;
	const char *end = NULL, *length;

	sbuf_clear(b);
	for (size_t whole = 0; !whole || sbuf_len(b) < whole;) {
		char *room = sbuf_room(b, 65536);
		ssize_t n = recv(c->fd, room, sbuf_free_space(b), 0);

		bare_must(n > 0, "an answer of xapid");
		sbuf_added(b, (size_t)n);
		end = whole ? NULL : strstr(sbuf_str(b), "\r\n\r\n");
		if (!end)
			continue;
		length = strcasestr(sbuf_str(b), "content-length:");
		bare_must(length && length < end, "an answer with its length");
		whole = (size_t)(end + 4 - sbuf_data(b)) + strtoul(length + 15, NULL, 10);
	}
	sbuf_consume(b, (size_t)(strstr(sbuf_str(b), "\r\n\r\n") + 4 - sbuf_data(b)));
}

static const char *call(
	struct xapid_client *c, const char *session, const char *method, va_list params)
{
	size_t len, sent = 0;
	auto_str request = request_of(&len, session, method, params);

	while (sent < len) {
		ssize_t n = send(c->fd, request + sent, len - sent, MSG_NOSIGNAL);

		bare_must(n > 0, method);
		sent += (size_t)n;
	}
	read_answer(c);
	char *body = sbuf_str(&c->answer);
	char *value = strstr(body, VALUE_BEGIN);
	size_t n = sbuf_len(&c->answer), end = sizeof(VALUE_END) - 1;
	if (!value || n < end || strcmp(body + n - end, VALUE_END) != 0) {
		fprintf(stderr, "%s: %s\n", method, body);
		abort();
	}
	body[n - end] = '\0';
	return value + sizeof(VALUE_BEGIN) - 1;
}

const char *xapid_call(struct xapid_client *c, const char *method, ...)
{
	va_list ap;

	va_start(ap, method);
	const char *value = call(c, c->session, method, ap);
	va_end(ap);
	return value;
}

const char *xapid_call_plain(struct xapid_client *c, const char *method, ...)
{
	va_list ap;

	va_start(ap, method);
	const char *value = call(c, NULL, method, ap);
	va_end(ap);
	return value;
}

const char *xapid_request(
	struct arena *a, size_t *len, const struct xapid_client *c, const char *method, ...)
{
	va_list ap;

	va_start(ap, method);
	auto_str request = request_of(len, c->session, method, ap);
	va_end(ap);
	return arena_strndup(a, request, *len);
}

/* ---- things ---- */

const char *xapid_ref(struct arena *a, const char *answer)
{
	bare_must(!strncmp(answer, "OpaqueRef:", 10) && !strchr(answer, '<'), answer);
	return arena_strdup(a, answer);
}

static void add_member(struct sbuf *b, const char *name, const char *value)
{
	sbuf_printf(b, "<member><name>%s</name><value>%s</value></member>", name, value);
}

const char *xapid_make_vm(struct xapid_client *c, struct arena *a, const char *name)
{
	static const char *const members[][2] = {
		{"name_description", ""},
		{"user_version", "1"},
		{"is_a_template", "<boolean>0</boolean>"},
		{"affinity", "OpaqueRef:NULL"},
		{"memory_static_max", "67108864"},
		{"memory_dynamic_max", "67108864"},
		{"memory_dynamic_min", "67108864"},
		{"memory_static_min", "67108864"},
		{"VCPUs_params", "<struct></struct>"},
		{"VCPUs_max", "1"},
		{"VCPUs_at_startup", "1"},
		{"actions_after_shutdown", "destroy"},
		{"actions_after_reboot", "restart"},
		{"actions_after_crash", "restart"},
		{"PV_bootloader", ""},
		{"PV_kernel", "/boot/vmlinuz"},
		{"PV_ramdisk", ""},
		{"PV_args", ""},
		{"PV_bootloader_args", ""},
		{"PV_legacy_args", ""},
		{"HVM_boot_policy", ""},
		{"HVM_boot_params", "<struct></struct>"},
		{"platform", "<struct></struct>"},
		{"PCI_bus", ""},
		{"other_config", "<struct></struct>"},
		{"recommendations", ""},
		{"domain_type", "pvh"},
	};
	auto_sbuf record = {0};

	sbuf_adds(&record, "<value><struct>");
	add_member(&record, "name_label", name);
	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		add_member(&record, members[i][0], members[i][1]);
	sbuf_adds(&record, "</struct></value>");
	return xapid_ref(a, xapid_call(c, "VM.create", sbuf_str(&record), NULL));
}
