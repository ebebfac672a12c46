/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is asked over HTTP of a host that another one has (forward.h). Whoever asks for bytes is
 * sent there; a console is relayed, for who follows it does not follow redirections. Fibers.
 */
#include "common/clock.h"
#include "common/http_client.h"
#include "common/listen.h"
#include "common/stream.h"
#include "common/tcp.h"
#include "core.gen.h"
#include "xapid/door/door.h"
#include "xapid/forward/forward.h"
#include "xapid/gate/auth.h"
#include "xapid/gate/call.h"
#include "xapid/gate/roles.h"
#include "xapid/host/role.h"
#include "xapid/link/xenopsd.h"
#include "xapid/xapid.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define COPY_NS    (30 * NS_PER_S)
#define CONSOLE_NS (30 * NS_PER_S)
/* A request that another host relays is not relayed again. */
#define VIA "xapid"

/* ---- redirections ---- */

static const char *door_of(const struct xenapi_host *host, bool is_tls, struct arena *a)
{
	int64_t port = is_tls ? xapid_conf.tls_port : xapid_conf.port;
	bool is_ipv6 = strchr(host->address, ':');

	return arena_printf(a, "http%s://%s%s%s:%lld", is_tls ? "s" : "", is_ipv6 ? "[" : "",
		host->address, is_ipv6 ? "]" : "", (long long)port);
}

const char *web_door(const struct xenapi_host *host, struct arena *a)
{
	return door_of(host, xapid_conf.tls_port, a);
}

/* The other host's door, of the kind that the client came in by. */
static const char *location_of(struct exchange *x, const struct xenapi_host *host)
{
	bool is_tls = x->peer.origin == GATE_TLS || !xapid_conf.port;

	return arena_printf(x->arena, "%s%s", door_of(host, is_tls, x->arena), x->request.target);
}

static bool is_here(const char *host)
{
	return !host || ref_is_null(host) || !strcmp(host, host_here()) || !db_find(host, host);
}

MAY_WAIT struct err *web_elsewhere(struct exchange *x, const char *host, bool *is_elsewhere)
{
	*is_elsewhere = !is_here(host);
	if (!*is_elsewhere)
		return NULL;
	const char *there = arena_strdup(x->arena, host);
	/* It has to know the session and the task, and what is asked for. */
	if (!own_role.is_member)
		TRY(master_await_copy(there, deadline_in(COPY_NS)));
	const struct xenapi_host *row;
	TRY(db_get(host, there, &row));
	exchange_redirect(x, location_of(x, row));
	return NULL;
}

/* ---- which console ---- */

/* The graphical one of a VM, or the one that it has. */
static const char *console_of(const struct xenapi_vm *vm)
{
	for (size_t i = 0; i < vm->consoles.n; i++) {
		const struct xenapi_console *console = db_find(console, vm->consoles.v[i]);

		if (console && console->protocol == XENAPI_CONSOLE_PROTOCOL_RFB)
			return vm->consoles.v[i];
	}
	return vm->consoles.n ? vm->consoles.v[0] : NULL;
}

/* A console's or a VM's reference or uuid. */
static struct err *find_row(const char *name, const char **out)
{
	const char *vm = db_find(vm, name) ? name : db_find_uuid(vm, name);

	*out = db_find(console, name) ? name : db_find_uuid(console, name);
	if (!*out && vm)
		*out = console_of(db_find(vm, vm));
	return *out ? NULL : err(HANDLE_INVALID, "console", name);
}

/* The VM of the console, which runs; a control domain's is for who may do everything. */
static struct err *check_vm(struct exchange *x, const char *console, const struct xenapi_vm **out)
{
	const struct xenapi_console *row = db_find(console, console);

	TRY(db_get(vm, row->VM, out));
	if ((*out)->is_control_domain)
		return role_check_action(x->call, "host_console", "pool-admin");
	return NULL;
}

/* ---- here ---- */

/* A Unix socket, or a terminal of this host. */
static struct err *open_path(const char *path, int *fd)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_errno(errno, "finding the console");
	int r = 0;
	if (S_ISSOCK(st.st_mode))
		r = unix_connect(path, fd);
	else if ((*fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)) < 0)
		r = -errno;
	return r < 0 ? err_errno(-r, "opening the console") : NULL;
}

static MAY_WAIT struct err *connect_here(
	struct exchange *x, const char *console, struct stream **out)
{
	struct xenops_console where = {0};
	int fd;

	TRY(xenopsd_console(console, x->arena, &where));
	if (where.path)
		TRY(open_path(where.path, &fd));
	else
		TRY(tcp_connect("127.0.0.1", (uint16_t)(where.port ? *where.port : 0), &fd,
			deadline_in(CONSOLE_NS)));
	*out = stream_new(fd);
	return NULL;
}

/* ---- at another host ---- */

/* As the caller, where he has a session, else as this host. */
static void ask(struct exchange *x, struct stream *s, const char *address, const char *console)
{
	bool has_session = !ref_is_null(x->call->session);

	sbuf_printf(stream_out(s),
		"CONNECT /console?ref=%s HTTP/1.1\r\nhost: %s\r\nuser-agent: xapid\r\nvia: 1.1 " VIA
		"\r\ncookie: %s=%s\r\n\r\n",
		console, address, has_session ? "session_id" : "pool_secret",
		has_session ? x->call->session : auth_pool_secret());
	stream_flush_later(s);
}

static MAY_WAIT struct err *connect_there(
	struct exchange *x, const char *host, const char *console, struct stream **out)
{
	const struct xenapi_host *row;
	struct stream *s;

	if (!own_role.is_member)
		TRY(master_await_copy(host, deadline_in(COPY_NS)));
	TRY(db_get(host, host, &row));
	const char *address = arena_strdup(x->arena, row->address);
	TRY(dial(address, &s, deadline_in(CONSOLE_NS)));
	ask(x, s, address, console);
	struct err *e = http_answer_head(s, x->arena);
	if (e)
		stream_free(s);
	else
		*out = s;
	return e;
}

/* ---- both ---- */

/* What the pool says of sessions with VMs' consoles; one that is open stays as it was. */
static struct err *claim(struct exchange *x, const char *vm, struct door_console *out)
{
	const struct xenapi_pool *pool = db_first(pool);

	if (pool && pool->vm_console_idle_timeout > 0)
		out->idle_ns = pool->vm_console_idle_timeout * NS_PER_S;
	if (!door_console_claim(
		    out, arena_strdup(x->arena, vm), pool && pool->limit_console_sessions))
		return err(LIMIT_EXCEEDED, "sessions with the consoles of a VM", "1");
	return NULL;
}

static MAY_WAIT struct err *find_console(struct exchange *x, struct door_console *out)
{
	const char *name = http_query(&x->request, x->arena, "ref");
	const struct xenapi_vm *vm;
	const char *console;

	if (!name)
		name = http_query(&x->request, x->arena, "uuid");
	TRY(find_row(name ? name : "", &console));
	console = arena_strdup(x->arena, console);
	TRY(check_vm(x, console, &vm));
	const char *host = arena_strdup(x->arena, vm->resident_on);
	TRY(claim(x, db_find(console, console)->VM, out));
	if (is_here(host))
		return connect_here(x, console, &out->stream);
	if (http_header_has(&x->request, "via", VIA))
		return err(HANDLE_INVALID, "console", console);
	return connect_there(x, host, console, &out->stream);
}

void web_serve(void)
{
	door_on_console(find_console);
}
