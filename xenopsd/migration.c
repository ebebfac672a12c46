/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What both halves of the sending side need (migration.h): the way to the receiver, and what it is
 * told of the VM.
 */
#define LOG_MODULE "migration"
#include "xenopsd/migration.h"

#include "common/codec.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/rpc.h"
#include "common/stream.h"
#include "core.gen.h"
#include "xenopsd/add.h"
#include "xenopsd/channel.h"
#include "xenopsd/dial.h"
#include "xenopsd/metadata.h"
#include "xenopsd/plan.h"
#include "xenopsd/repair.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define CONNECT_NS (60 * NS_PER_S)

/* ---- the connection ---- */

void migration_fini(struct migration *m)
{
	channel_free(take(m->channel));
	rpc_client_free(take(m->client));
}

/* One end of a pair of sockets goes to the xenopsd at PATH, with the call to receive from it. */
static MAY_WAIT struct err *connect_unix(struct migration *m, const char *path)
{
	struct xenops_vm_receive_in in = {0};
	auto_arena a = {0};
	const char *task;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends))
		return err_errno(errno, "making a connection");
	m->channel = channel_new(stream_new(ends[0]));
	m->client = rpc_client_new(path, NULL);
	TRY(rpc_hand_over(m->client, ends[1], &a, &in.stream, deadline_in(CONNECT_NS)));
	return xenops_vm_receive(m->client, &in, &a, &task, deadline_in(CONNECT_NS));
}

static MAY_WAIT struct err *connect_http(struct migration *m, const struct vm *vm, const char *url)
{
	struct stream *s;

	TRY(dial(url, vm->id, &s, deadline_in(CONNECT_NS)));
	m->channel = channel_new(s);
	return NULL;
}

/* What of a URL may be told: its query and its fragment may hold a secret. To be freed. */
static char *without_secret(const char *url)
{
	return xstrndup(url, strcspn(url, "?#"));
}

static MAY_WAIT struct err *connect_to(struct migration *m, const struct vm *vm, const char *url)
{
	auto_str path = without_secret(url);

	if (!strncmp(path, "unix:/", 6))
		TRY(connect_unix(m, path + 5));
	else
		TRY(connect_http(m, vm, url));
	return channel_greet(m->channel);
}

/* BAD_REQUEST: what xapid, or whoever is there, has answered. */
static bool is_away(const struct err *e)
{
	return err_is(e, &ERR_CONNECTION_REFUSED) || err_is(e, &ERR_CONNECTION_LOST) ||
		err_is(e, &ERR_TIMEOUT) || err_is(e, &ERR_TLS_FAILED) ||
		err_is(e, &ERR_BAD_REQUEST);
}

struct err *migration_connect(struct migration *m, const struct vm *vm, const char *url)
{
	auto_err e = connect_to(m, vm, url);

	if (!is_away(e))
		return take(e);
	auto_str where = without_secret(url);
	log_err(LOG_INFO_, e, "%s cannot be reached", where);
	return err(Failed_to_contact_remote_service, where);
}

/* ---- what the receiver is told of the VM ---- */

/* The name of a device: its id without the VM's. */
static const char *name_of(const char *id)
{
	return strchr(id, '/') + 1;
}

static struct err *unknown(const char *map, const char *name)
{
	auto_str why = xasprintf("the VM has no device %s", name);

	return err(INVALID_VALUE, map, why);
}

static struct err *map_vdi(struct xenops_metadata *m, const char *name,
	const struct xenops_vdi_path *vdi, struct arena *a)
{
	for (size_t i = 0; i < m->vbds.n; i++) {
		struct xenops_vbd *vbd = &m->vbds.v[i];

		if (strcmp(name_of(vbd->vbd), name) != 0)
			continue;
		vbd->backend = arena_new(a, struct xenops_disk);
		*vbd->backend = (struct xenops_disk){.kind = XENOPS_DISK_VDI, .vdi = *vdi};
		return NULL;
	}
	return unknown("vdi_map", name);
}

static struct err *map_vif(
	struct xenops_metadata *m, const char *name, const struct xenops_vif_backend *backend)
{
	for (size_t i = 0; i < m->vifs.n; i++) {
		if (strcmp(name_of(m->vifs.v[i].vif), name) != 0)
			continue;
		m->vifs.v[i].backend = *backend;
		return NULL;
	}
	return unknown("vif_map", name);
}

static struct err *map_pci(struct xenops_metadata *m, const char *name, const char *address)
{
	for (size_t i = 0; i < m->pcis.n; i++) {
		if (strcmp(name_of(m->pcis.v[i].pci), name) != 0)
			continue;
		m->pcis.v[i].address = address;
		return NULL;
	}
	return unknown("pci_map", name);
}

struct err *migration_metadata(const struct vm *vm, const struct migration *m, struct arena *a,
	struct xenops_metadata *out)
{
	const struct xenops_vm_migrate_in *in = m->in;

	metadata_of(vm, a, out);
	for (size_t i = 0; i < in->vdi_map.n; i++)
		TRY(map_vdi(out, in->vdi_map.v[i].key, &in->vdi_map.v[i].value, a));
	for (size_t i = 0; i < in->vif_map.n; i++)
		TRY(map_vif(out, in->vif_map.v[i].key, &in->vif_map.v[i].value));
	for (size_t i = 0; i < in->pci_map.n; i++)
		TRY(map_pci(out, in->pci_map.v[i].key, in->pci_map.v[i].value));
	return NULL;
}

/* ---- the end of it here ---- */

struct err *migration_drop(struct plan *p)
{
	if (p->first || p->has_left) {
		repair_later(p->vm);
		return NULL;
	}
	log_info("vm=%s nothing is left of it here", p->vm->id);
	return drop_vm(p->vm);
}
