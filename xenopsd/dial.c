/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * HTTP to another host's xapid (dial.h). Hosts of a pool have certificates of their own making, so
 * xapid says which one it has to be.
 */
#include "xenopsd/dial.h"

#include "common/arena.h"
#include "common/fiber.h"
#include "common/http_client.h"
#include "common/number.h"
#include "common/stream.h"
#include "common/tcp.h"
#include "common/tls.h"
#include "core.gen.h"

#include <string.h>

struct url {
	bool is_tls;
	const char *host; /* without the brackets of an IPv6 address */
	int64_t port;
	const char *authority; /* as it stood */
	const char *path; /* with a slash in front, and none at the end */
	const char *query; /* with a question mark in front, or "" */
	const char *cookie; /* of the fragment, which is not sent as it is; or NULL */
	const char *pin; /* the same: the fingerprint of the certificate, or NULL */
};

static struct err *no_url(const char *why)
{
	return err(INVALID_VALUE, "url", why);
}

/* What is sent as it is must not end the line that it is in. */
static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

static struct err *read_authority(struct arena *a, struct url *u)
{
	const char *host = u->authority, *end;
	bool has_brackets = *host == '[';

	host += has_brackets;
	end = strpbrk(host, has_brackets ? "]" : ":");
	u->host = arena_strndup(a, host, end ? (size_t)(end - host) : strlen(host));
	if (has_brackets && !end)
		return no_url("an address without its end");
	end = has_brackets ? end + 1 : end;
	if (!*u->host)
		return no_url("no host");
	if (!end || !*end)
		return NULL;
	if (*end != ':' || !number_read_int(end + 1, strlen(end + 1), &u->port) || u->port < 1 ||
		u->port > 65535)
		return no_url("a port that is none");
	return NULL;
}

/* The value of KEY among "KEY=VALUE&KEY=VALUE"; NULL: it is not there. */
static const char *part_of(const char *fragment, const char *key, struct arena *a)
{
	size_t len = strlen(key);

	while (*fragment) {
		size_t n = strcspn(fragment, "&");

		if (n > len && !strncmp(fragment, key, len) && fragment[len] == '=')
			return arena_strndup(a, fragment + len + 1, n - len - 1);
		fragment += n + (fragment[n] == '&');
	}
	return NULL;
}

static struct err *read_url(const char *text, struct arena *a, struct url *u)
{
	bool is_tls = !strncmp(text, "https://", 8);

	if (!is_plain(text) || (!is_tls && strncmp(text, "http://", 7) != 0))
		return no_url("not of http");
	text += is_tls ? 8 : 7;
	size_t authority = strcspn(text, "/?#"), path = strcspn(text + authority, "?#");
	const char *query = text + authority + path, *fragment = strchrnul(query, '#');
	*u = (struct url){.is_tls = is_tls,
		.port = is_tls ? 443 : 80,
		.authority = arena_strndup(a, text, authority),
		.query = arena_strndup(a, query, (size_t)(fragment - query)),
		.cookie = part_of(fragment + (*fragment == '#'), "cookie", a),
		.pin = part_of(fragment + (*fragment == '#'), "pin", a)};
	while (path && text[authority + path - 1] == '/')
		path--;
	u->path = arena_strndup(a, text + authority, path);
	return read_authority(a, u);
}

static MAY_WAIT struct err *encrypt(struct stream *s, const struct url *u, int64_t deadline)
{
	const struct tls_client_spec spec = {
		.verify = u->pin ? TLS_VERIFY_PINNED : TLS_VERIFY_NONE, .fingerprint = u->pin};
	struct tls_context *context;

	TRY(tls_client_new(&context, &spec));
	struct err *e = tls_connect(s, context, NULL, deadline);
	tls_context_free(context);
	return e;
}

/* An answer that does not come in time: the fiber's own deadline is put before it. */
static MAY_WAIT struct err *ask(
	struct stream *s, const struct url *u, const char *vm_id, struct arena *a, int64_t deadline)
{
	int64_t before = fiber_set_deadline(deadline);

	sbuf_printf(stream_out(s),
		"PUT %s/migrate/vm/%s%s HTTP/1.1\r\nhost: %s\r\nuser-agent: xenopsd\r\n"
		"content-length: 0\r\n%s%s%s\r\n",
		u->path, vm_id, u->query, u->authority, u->cookie ? "cookie: " : "",
		u->cookie ? u->cookie : "", u->cookie ? "\r\n" : "");
	stream_flush_later(s);
	struct err *e = http_answer_head(s, a);
	fiber_set_deadline(before);
	return e;
}

static MAY_WAIT struct err *dial_stream(
	struct stream *s, const struct url *u, const char *vm_id, struct arena *a, int64_t deadline)
{
	if (u->is_tls)
		TRY(encrypt(s, u, deadline));
	return ask(s, u, vm_id, a, deadline);
}

struct err *dial(const char *text, const char *vm_id, struct stream **out, int64_t deadline)
{
	auto_arena a = {0};
	struct url u;
	int fd;

	TRY(read_url(text, &a, &u));
	TRY(tcp_connect(u.host, (uint16_t)u.port, &fd, deadline));
	struct stream *s = stream_new(fd);
	struct err *e = dial_stream(s, &u, vm_id, &a, deadline);
	if (e)
		stream_free(s);
	else
		*out = s;
	return e;
}
