/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Atoms of taking in a VM from another host (atoms.h). They run in the VM's turn.
 */
#include "common/mem.h"
#include "core.gen.h"
#include "xenopsd/arrivals.h"
#include "xenopsd/atoms.h"
#include "xenopsd/backend.h"
#include "xenopsd/channel.h"
#include "xenopsd/disk.h"
#include "xenopsd/files.h"
#include "xenopsd/migration.h"
#include "xenopsd/plans.h"

#define TELL_NS (30 * NS_PER_S) /* that a sender has to hear that its VM runs here */

static MAY_WAIT struct err *attach_early(struct plan *p, struct device *vbd)
{
	return disk_attach_early(vbd);
}

static MAY_WAIT struct err *detach(struct plan *p, struct device *vbd)
{
	return disk_detach(vbd);
}

const struct atom atom_vbd_attach_early = {
	.name = "vbd-attach-early",
	.run = attach_early,
	.undo = detach,
	.undo_name = "undo-vbd-attach-early",
};

static MAY_WAIT struct err *ready(struct plan *p, struct device *device)
{
	struct xenopsd_migration_ready ready;
	auto_arena a = {0};

	TRY(arrivals_memory(&a, &ready.memory));
	return channel_send(
		p->migration->channel, CHANNEL_READY, &xenopsd_type_migration_ready, &ready);
}

const struct atom atom_receive_ready = {
	.name = "receive-ready",
	.run = ready,
};

static MAY_WAIT struct err *await_done(struct plan *p, struct device *device)
{
	return channel_await(p->migration->channel, CHANNEL_DONE, NULL, NULL, NULL, NEVER);
}

const struct atom atom_receive_await_done = {
	.name = "receive-await-done",
	.run = await_done,
};

/* ---- it is here ---- */

static struct err *arrive(struct plan *p, struct device *device)
{
	struct vm *vm = p->vm;

	vm->came_by = xstrdup(vm->migration.token);
	struct err *e = vm_set_phase(vm, XENOPSD_PHASE_ARRIVED);
	p->migration->has_arrived = !e;
	if (!e)
		return NULL;
	free(take(vm->came_by));
	vm->phase = XENOPSD_PHASE_RECEIVING;
	return e;
}

const struct atom atom_receive_arrive = {
	.name = "receive-arrive",
	.run = arrive,
};

/* A sender that does not hear it will ask. */
static MAY_WAIT struct err *tell_runs(struct plan *p, struct device *device)
{
	struct channel *channel = p->migration->channel;
	struct err *e = channel_send(channel, CHANNEL_RUNS, NULL, NULL);

	if (!e)
		e = channel_flush(channel, deadline_in(TELL_NS));
	err_free(e);
	return NULL;
}

const struct atom atom_receive_runs = {
	.name = "receive-runs",
	.run = tell_runs,
};

static MAY_WAIT struct err *await_thanks(struct plan *p, struct device *device)
{
	auto_err e = channel_await(
		p->migration->channel, CHANNEL_THANKS, NULL, NULL, NULL, deadline_in(TELL_NS));

	return e ? NULL : arrivals_forget(p->migration->hello->token);
}

const struct atom atom_receive_await_thanks = {
	.name = "receive-await-thanks",
	.run = await_thanks,
};

/* ---- it is not ---- */

static MAY_WAIT struct err *drop(struct plan *p, struct device *device)
{
	return migration_drop(p);
}

const struct atom atom_receive_drop = {
	.name = "receive-drop",
	.run = drop,
};
