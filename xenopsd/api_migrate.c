/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of class VM that take it to another host (migration.h).
 */
#include "common/rpc.h"
#include "common/stream.h"
#include "core.gen.h"
#include "xenopsd/channel.h"
#include "xenopsd/migration.h"
#include "xenopsd/queue.h"

#include <sys/stat.h>

MAY_WAIT struct err *api_vm_migrate(struct call *c, const struct xenops_vm_migrate_in *in)
{
	AUTO(turn_end) struct turn turn = {0};

	TRY(turn_begin(&turn, in->vm, "VM.migrate", TURN_WORK));
	return vm_migrate(turn.vm, in, c->task);
}

/* Nothing else than a socket can be waited on. */
static struct err *take_socket(const struct call *c, const char *id, int *out)
{
	auto_fd fd = -1;
	struct stat st;

	TRY(rpc_take_descriptor(c, "stream", id, &fd));
	if (fstat(fd, &st) || !S_ISSOCK(st.st_mode))
		return err(INVALID_VALUE, "stream", "not a socket");
	*out = fd;
	fd = -1;
	return NULL;
}

MAY_WAIT struct err *api_vm_receive(
	struct call *c, const struct xenops_vm_receive_in *in, const char **out)
{
	AUTO(migration_fini) struct migration m = {0};
	int fd;

	TRY(take_socket(c, in->stream, &fd));
	m.channel = channel_new(stream_new(fd));
	if (in->memory_stream)
		return err(NOT_IMPLEMENTED, "VM.receive with a second connection");
	return vm_receive(&m, c->arena, c->task, out);
}
