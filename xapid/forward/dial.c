/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections to other hosts of the pool (forward.h). All serve the XenAPI on the same ports. Where
 * that is with TLS, nothing is sent before the other side has shown the certificate that the pool
 * knows of the host at this address (host/certificate.h), or that of the master which was seen when
 * this host joined.
 */
#include "common/clock.h"
#include "common/http_client.h"
#include "common/mem.h"
#include "common/stream.h"
#include "common/tcp.h"
#include "core.gen.h"
#include "xapid/forward/forward.h"
#include "xapid/gate/auth.h"
#include "xapid/host/certificate.h"
#include "xapid/host/role.h"
#include "xapid/xapid.h"

#include <string.h>

#define DIAL_NS (30 * NS_PER_S)

static struct tls_context *context;

/* What the other side has shown is looked at afterwards: there may be several that are right. */
static MAY_WAIT struct err *encrypt(
	struct stream *s, char shown[static TLS_FINGERPRINT_SIZE], int64_t deadline)
{
	static const struct tls_client_spec anybody = {.verify = TLS_VERIFY_NONE};

	if (!context)
		TRY(tls_client_new(&context, &anybody));
	TRY(tls_connect(s, context, NULL, deadline));
	return tls_session_peer_fingerprint(stream_tls(s), shown)
		? NULL
		: err(CERTIFICATE_REFUSED, "the host showed none");
}

static bool is_known(const char *address, const char *fingerprint)
{
	if (host_trusts_all() || certificate_is_of(address, fingerprint))
		return true;
	return own_role.is_member && !strcmp(own_role.master, address) &&
		!strcmp(own_role.pin, fingerprint);
}

static MAY_WAIT struct err *check_certificate(
	struct stream *s, const char *address, const char *pin, int64_t deadline)
{
	char shown[TLS_FINGERPRINT_SIZE];

	TRY(encrypt(s, shown, deadline));
	if (pin ? !strcmp(pin, shown) : is_known(address, shown))
		return NULL;
	auto_str why = xasprintf("the one that %s shows is not known: %s", address, shown);
	return err(CERTIFICATE_REFUSED, why);
}

static MAY_WAIT struct err *connect_plain(
	const char *address, struct stream **out, int64_t deadline)
{
	int64_t port = xapid_conf.tls_port ? xapid_conf.tls_port : xapid_conf.port;
	int fd;

	TRY(tcp_connect(address, (uint16_t)port, &fd, deadline));
	*out = stream_new(fd);
	return NULL;
}

static MAY_WAIT struct err *dial_pinned(
	const char *address, const char *pin, struct stream **out, int64_t deadline)
{
	struct stream *s;

	TRY(connect_plain(address, &s, deadline));
	struct err *e = xapid_conf.tls_port ? check_certificate(s, address, pin, deadline) : NULL;
	if (e)
		stream_free(s);
	else
		*out = s;
	return e;
}

MAY_WAIT struct err *dial(const char *address, struct stream **out, int64_t deadline)
{
	return dial_pinned(address, NULL, out, deadline);
}

MAY_WAIT struct err *dial_stranger(const char *address, char shown[static TLS_FINGERPRINT_SIZE],
	struct stream **out, int64_t deadline)
{
	struct stream *s;

	shown[0] = '\0';
	TRY(connect_plain(address, &s, deadline));
	struct err *e = xapid_conf.tls_port ? encrypt(s, shown, deadline) : NULL;
	if (e)
		stream_free(s);
	else
		*out = s;
	return e;
}

MAY_WAIT struct err *dial_link(const char *address, const char *pin, const char *secret,
	struct stream **out, int64_t deadline)
{
	auto_arena a = {0};
	struct stream *s;

	TRY(dial_pinned(address, pin, &s, deadline));
	sbuf_printf(stream_out(s),
		"CONNECT /pool_link HTTP/1.1\r\nhost: %s\r\nuser-agent: xapid\r\n"
		"cookie: pool_secret=%s\r\n\r\n",
		address, secret);
	stream_flush_later(s);
	struct err *e = http_answer_head(s, &a);
	if (e)
		stream_free(s);
	else
		*out = s;
	return e;
}

MAY_WAIT struct err *dial_call(
	struct arena *a, const char *address, const char *method, json_t *params)
{
	struct stream *s;
	json_t *session = NULL;
	json_auto_t *values = json_array(), *own = params;
	json_auto_t *login = json_pack("[s]", auth_pool_secret());

	TRY(dial(address, &s, deadline_in(DIAL_NS)));
	struct err *e = http_rpc_call(s, a, values, "session.slave_local_login", login, &session);
	if (!e) {
		json_array_insert(own, 0, session);
		e = http_rpc_call(s, a, values, method, own, NULL);
		json_auto_t *logout = json_pack("[O]", session);
		err_free(http_rpc_call(s, a, values, "session.local_logout", logout, NULL));
	}
	stream_free(s);
	return e;
}

MAY_WAIT struct err *dial_host(struct arena *a, const char *host, const char *method,
	const char *first, const char *second)
{
	const struct xenapi_host *row;

	TRY(db_get(host, host, &row));
	return dial_call(
		a, arena_strdup(a, row->address), method, json_pack("[s, s]", first, second));
}

void dial_fini(void)
{
	tls_context_free(take(context));
}
