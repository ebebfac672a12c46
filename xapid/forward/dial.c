/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections to other hosts of the pool (forward.h). All serve the XenAPI on the same ports.
 */
#include "common/clock.h"
#include "common/http_client.h"
#include "common/mem.h"
#include "common/stream.h"
#include "common/tcp.h"
#include "common/tls.h"
#include "xapid/forward/forward.h"
#include "xapid/gate/auth.h"
#include "xapid/xapid.h"

#define DIAL_NS (30 * NS_PER_S)

static struct tls_context *context;

static MAY_WAIT struct err *encrypt(struct stream *s, int64_t deadline)
{
	static const struct tls_client_spec anybody = {.verify = TLS_VERIFY_NONE};

	if (!context)
		TRY(tls_client_new(&context, &anybody));
	return tls_connect(s, context, NULL, deadline);
}

MAY_WAIT struct err *dial(const char *address, struct stream **out, int64_t deadline)
{
	bool is_tls = xapid_conf.tls_port;
	int fd;

	TRY(tcp_connect(address, (uint16_t)(is_tls ? xapid_conf.tls_port : xapid_conf.port), &fd,
		deadline));
	struct stream *s = stream_new(fd);
	struct err *e = is_tls ? encrypt(s, deadline) : NULL;
	if (e)
		stream_free(s);
	else
		*out = s;
	return e;
}

MAY_WAIT struct err *dial_link(
	const char *address, const char *secret, struct stream **out, int64_t deadline)
{
	auto_arena a = {0};
	struct stream *s;

	TRY(dial(address, &s, deadline));
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
