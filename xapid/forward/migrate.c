/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The way of a VM that moves from one host's xenopsd to another's (forward.h). The sending one is
 * told a URL below /services/xenops at the other host's door. The pool's secret is in its fragment,
 * and goes as a cookie: it may have to come again when no xapid is there that would tell it anew.
 * Here the connection is handed on: xenopsd gets the end of another one with the call to receive
 * from it.
 */
#define LOG_MODULE "pool"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/relay.h"
#include "common/rpc.h"
#include "common/stream.h"
#include "core.gen.h"
#include "xapid/door/door.h"
#include "xapid/forward/forward.h"
#include "xapid/gate/auth.h"
#include "xapid/gate/call.h"
#include "xapid/host/certificate.h"
#include "xapid/link/link.h"
#include "xapid/xapid.h"

#include "xenops.gen.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define CALL_NS (60 * NS_PER_S)
#define PATH    "/services/xenops"

struct err *migrate_url(const char *host, struct arena *a, const char **url)
{
	const struct xenapi_host *row;

	TRY(db_get(host, host, &row));
	const char *pin = host_trusts_all() ? "" : certificate_at(row->address);
	*url = arena_printf(a, "%s" PATH "#cookie=pool_secret=%s%s%s", web_door(row, a),
		auth_pool_secret(), *pin ? "&pin=" : "", pin);
	return NULL;
}

/* *FD: the other end of what xenopsd receives from. */
static MAY_WAIT struct err *ask_xenopsd(struct arena *a, int *fd, const char **task)
{
	struct rpc_client *xenopsd = link_xenopsd.client;
	struct xenops_vm_receive_in in = {0};
	int ends[2];

	TRY(link_wait_up(&link_xenopsd));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends))
		return err_errno(errno, "making a connection");
	struct err *e = rpc_hand_over(xenopsd, ends[1], a, &in.stream, deadline_in(CALL_NS));
	if (!e)
		e = xenops_vm_receive(xenopsd, &in, a, task, deadline_in(CALL_NS));
	if (e)
		close(ends[0]);
	*fd = ends[0];
	return e;
}

static MAY_WAIT struct err *serve(struct exchange *x)
{
	const struct link_work work = {.part = "VM.receive"};
	const char *task;
	int fd;

	if (!x->call->is_pool) {
		exchange_refuse(x, 403, "this is the pool's own");
		return NULL;
	}
	TRY(member_await_begun());
	TRY(ask_xenopsd(x->arena, &fd, &task));
	struct stream *here = stream_new(fd), *there = exchange_take_over(x);
	sbuf_adds(stream_out(there), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
	stream_flush_later(there);
	relay_run(there, here);
	stream_free(here);
	auto_err e = link_await(&link_xenopsd, &work, task, NULL, x->arena, NULL);
	if (e)
		log_err(LOG_INFO_, e, "receiving a VM");
	return NULL;
}

void migrate_serve(void)
{
	static const struct route routes[] = {{.method = "PUT",
		.path = PATH,
		.action = "put_services",
		.role = "pool-admin",
		.fn = serve}};

	door_add_routes(routes, ARRAY_LEN(routes));
}
