/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Atoms of sending a VM to another host (atoms.h). They run in the VM's turn.
 */
#include "common/codec.h"
#include "common/mem.h"
#include "core.gen.h"
#include "xenopsd/atoms.h"
#include "xenopsd/backend.h"
#include "xenopsd/channel.h"
#include "xenopsd/disk.h"
#include "xenopsd/files.h"
#include "xenopsd/image.h"
#include "xenopsd/memory.h"
#include "xenopsd/migration.h"
#include "xenopsd/plans.h"
#include "xenopsd/xenopsd.h"

/* Moving the memory takes longer than all the rest. */
#define MEMORY_WEIGHT 10

#define DECIDE_NS (1200 * NS_PER_S) /* that a receiver has to bring up the devices */
#define THANK_NS  (5 * NS_PER_S)

/* ---- while the guest runs ---- */

static struct err *begin(struct plan *p, struct device *device)
{
	return vm_set_phase(p->vm, XENOPSD_PHASE_MIGRATING);
}

static struct err *stay(struct plan *p, struct device *device)
{
	if (p->has_left)
		return NULL;
	vm_migration_fini(&p->vm->migration);
	TRY(vm_set_phase(p->vm, XENOPSD_PHASE_UP));
	memory_unsqueeze(p->vm);
	backend_changed(p->vm->id);
	return NULL;
}

const struct atom atom_migrate_begin = {
	.name = "migrate-begin",
	.run = begin,
	.undo = stay,
	.undo_name = "undo-migrate-begin",
};

/* From migrate-begin on nobody makes it more or less. */
static MAY_WAIT struct err *memory_of(struct vm *vm, int64_t *out)
{
	auto_arena a = {0};
	struct xenops_vm_state state;

	codec_init_record(&xenops_type_vm_state, &a, &state);
	TRY(xenopsd.backend->vm_stat(vm, &a, &state));
	*out = state.memory_actual_bytes;
	return NULL;
}

static MAY_WAIT struct err *say_hello(struct plan *p)
{
	struct vm *vm = p->vm;
	auto_arena a = {0};
	struct xenopsd_migration_hello hello = {
		.token = vm->migration.token, .backend = xenopsd.backend->name};

	TRY(memory_of(vm, &hello.memory_bytes));
	if (vm->last_start_s)
		hello.last_start = &vm->last_start_s;
	TRY(migration_metadata(vm, p->migration, &a, &hello.metadata));
	files_list_active(vm, &a, &hello.active);
	return channel_send(
		p->migration->channel, CHANNEL_HELLO, &xenopsd_type_migration_hello, &hello);
}

static MAY_WAIT struct err *connect_to(struct plan *p, struct device *device)
{
	TRY(migration_connect(p->migration, p->vm, p->vm->migration.url));
	p->image = image_of_channel(p->vm, p->migration->channel);
	return say_hello(p);
}

/* The receiver drops what it has when the connection ends. */
static struct err *disconnect(struct plan *p, struct device *device)
{
	image_free(take(p->image));
	migration_fini(p->migration);
	return NULL;
}

const struct atom atom_migrate_connect = {
	.name = "migrate-connect",
	.run = connect_to,
	.undo = disconnect,
	.undo_name = "undo-migrate-connect",
};

static MAY_WAIT struct err *await_ready(struct plan *p, struct device *device)
{
	struct xenopsd_migration_ready ready;
	auto_arena a = {0};

	TRY(channel_await(p->migration->channel, CHANNEL_READY, &xenopsd_type_migration_ready, &a,
		&ready, NEVER));
	free(p->vm->migration.memory);
	p->vm->migration.memory = xstrdup(ready.memory);
	return NULL;
}

const struct atom atom_migrate_await_ready = {
	.name = "migrate-await-ready",
	.run = await_ready,
};

static MAY_WAIT struct err *save_running(struct plan *p, struct device *device)
{
	double whole = p->top->weight;

	image_report(p->image, p->task, p->done / whole, (p->done + MEMORY_WEIGHT) / whole,
		p->vm->config.memory_dynamic_max_bytes);
	return xenopsd.backend->vm_save_running(p->vm, p->image);
}

const struct atom atom_vm_save_running = {
	.name = "vm-save-running",
	.run = save_running,
	.weight = MEMORY_WEIGHT,
};

/* ---- while it stands ---- */

static MAY_WAIT struct err *let_go(struct plan *p, struct device *vbd)
{
	return disk_deactivate(vbd);
}

static MAY_WAIT struct err *take_back(struct plan *p, struct device *vbd)
{
	return disk_attach(vbd, vbd->vbd.backend, &p->arena, &vbd->ways);
}

const struct atom atom_vbd_deactivate = {
	.name = "vbd-deactivate",
	.run = let_go,
	.undo = take_back,
	.undo_name = "undo-vbd-deactivate",
};

const struct atom atom_vbd_reactivate = {
	.name = "vbd-reactivate",
	.run = take_back,
};

static struct err *hand_over(struct plan *p, struct device *device)
{
	return vm_set_phase(p->vm, XENOPSD_PHASE_HANDED_OVER);
}

static struct err *take_over(struct plan *p, struct device *device)
{
	return vm_set_phase(p->vm, XENOPSD_PHASE_MIGRATING);
}

const struct atom atom_migrate_hand_over = {
	.name = "migrate-hand-over",
	.run = hand_over,
	.undo = take_over,
	.undo_name = "undo-migrate-hand-over",
};

static MAY_WAIT struct err *say_done(struct plan *p, struct device *device)
{
	return channel_send(p->migration->channel, CHANNEL_DONE, NULL, NULL);
}

const struct atom atom_migrate_done = {
	.name = "migrate-done",
	.run = say_done,
};

static MAY_WAIT struct err *await_runs(struct plan *p, struct device *device)
{
	return channel_await(
		p->migration->channel, CHANNEL_RUNS, NULL, NULL, NULL, deadline_in(DECIDE_NS));
}

const struct atom atom_migrate_await_runs = {
	.name = "migrate-await-runs",
	.run = await_runs,
};

/* ---- it stays, after all ---- */

const struct atom atom_migrate_stay = {
	.name = "migrate-stay",
	.run = stay,
};

/* ---- it has gone ---- */

/* For the hooks it is suspended here. */
static struct err *gone(struct plan *p, struct device *device)
{
	p->vm->ends_for = XENOPSD_HOOK_REASON_SUSPEND;
	return vm_set_phase(p->vm, XENOPSD_PHASE_MIGRATED);
}

const struct atom atom_migrate_gone = {
	.name = "migrate-gone",
	.run = gone,
};

/* A receiver that does not hear it only remembers the migration for longer. */
static MAY_WAIT struct err *thank(struct plan *p, struct device *device)
{
	struct channel *channel = p->migration->channel;

	if (!channel)
		return NULL;
	struct err *e = channel_send(channel, CHANNEL_THANKS, NULL, NULL);
	if (!e)
		e = channel_flush(channel, deadline_in(THANK_NS));
	err_free(e);
	migration_fini(p->migration);
	return NULL;
}

const struct atom atom_migrate_thank = {
	.name = "migrate-thank",
	.run = thank,
};

static MAY_WAIT struct err *drop(struct plan *p, struct device *device)
{
	return migration_drop(p);
}

const struct atom atom_migrate_drop = {
	.name = "migrate-drop",
	.run = drop,
};
