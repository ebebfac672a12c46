/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sending side of a migration (migration.h). Until the VM is handed over every step is undone
 * when one fails, and the guest goes on as if nothing had been. Then the receiver decides: what is
 * left of it here goes, or it goes on, when the decision is known.
 */
#define LOG_MODULE "migrate"
#include "common/log.h"
#include "common/mem.h"
#include "common/uuid.h"
#include "core.gen.h"
#include "xenopsd/atoms.h"
#include "xenopsd/backend.h"
#include "xenopsd/channel.h"
#include "xenopsd/image.h"
#include "xenopsd/memory.h"
#include "xenopsd/migration.h"
#include "xenopsd/plans.h"
#include "xenopsd/repair.h"
#include "xenopsd/xenopsd.h"

#include <string.h>

/* That a receiver has to tell what it decided; it may be about to. */
#define ANSWER_NS (1500 * NS_PER_S)

static void plan_begin(struct plan *p, struct vm *vm, struct migration *m, enum xenopsd_phase phase)
{
	plan_init(p, vm, NULL);
	p->phase = phase;
	p->migration = m;
}

static void add_disks(struct plan *p, const struct atom *atom)
{
	plan_open(p, PLAN_PARALLEL);
	vm_for_each (d, p->vm, DEVICE_VBD)
		if (d->is_active)
			plan_add(p, atom, d);
	plan_close(p);
}

/* ---- it goes on here ---- */

static MAY_WAIT struct err *come_back(struct vm *vm)
{
	AUTO(plan_fini) struct plan plan = {0};
	struct domain_look look;

	TRY(xenopsd.backend->vm_look(vm, &look));
	if (!look.is_there) {
		log_warn("vm=%s its domain has vanished", vm->id);
		vm_migration_fini(&vm->migration);
		return vm_stop(vm, XENOPSD_HOOK_REASON_NONE, NULL);
	}
	log_info("vm=%s goes on here: it has not migrated", vm->id);
	plan_begin(&plan, vm, NULL, vm->phase);
	add_disks(&plan, &atom_vbd_reactivate);
	plan_add(&plan, &atom_guest_go_on, NULL);
	plan_add(&plan, &atom_migrate_stay, NULL);
	return plan_run(&plan);
}

/* ---- it has gone ---- */

static MAY_WAIT struct err *take_away(struct vm *vm, struct migration *m)
{
	AUTO(plan_fini) struct plan plan = {0};

	plan_begin(&plan, vm, m, XENOPSD_PHASE_MIGRATED);
	plan.goes_on = plan.keeps_epochs = true;
	plan_add(&plan, &atom_migrate_thank, NULL);
	plan_add_take_down(&plan);
	plan_add(&plan, &atom_migrate_drop, NULL);
	struct err *e = plan_run(&plan);
	memory_changed();
	return e;
}

/* The receiver may forget the migration only when it is noted here how it ended. */
static MAY_WAIT struct err *depart(struct vm *vm, struct migration *m)
{
	AUTO(plan_fini) struct plan plan = {0};

	plan_begin(&plan, vm, m, vm->phase);
	plan_add(&plan, &atom_migrate_gone, NULL);
	TRY(plan_run(&plan));
	return take_away(vm, m);
}

/* ---- what was decided ---- */

static MAY_WAIT struct err *ask(
	struct vm *vm, struct migration *m, struct arena *a, struct xenopsd_migration_answer *out)
{
	const struct xenopsd_migration_question question = {vm->migration.token};

	TRY(migration_connect(m, vm, vm->migration.url));
	TRY(channel_send(m->channel, CHANNEL_ASK, &xenopsd_type_migration_question, &question));
	TRY_CTX(channel_await(m->channel, CHANNEL_ANSWER, &xenopsd_type_migration_answer, a, out,
			deadline_in(ANSWER_NS)),
		"asking whether the VM has arrived");
	return NULL;
}

/* A receiver that has forgotten what it did may have let the guest run, and write to its disks. */
static MAY_WAIT struct err *settle_by_asking(struct vm *vm)
{
	AUTO(migration_fini) struct migration m = {0};
	struct xenopsd_migration_answer answer;
	auto_arena a = {0};

	TRY(ask(vm, &m, &a, &answer));
	if (answer.has_arrived)
		return depart(vm, &m);
	if (!strcmp(answer.memory, vm->migration.memory))
		return come_back(vm);
	log_warn("vm=%s the host that it went to has booted meanwhile: it is lost with that",
		vm->id);
	migration_fini(&m);
	return depart(vm, &m);
}

struct err *vm_settle_sent(struct vm *vm)
{
	struct migration none = {0};

	fiber_cancel_mask();
	struct err *e = vm->phase == XENOPSD_PHASE_MIGRATING ? come_back(vm)
		: vm->phase == XENOPSD_PHASE_MIGRATED        ? take_away(vm, &none)
							     : settle_by_asking(vm);
	fiber_cancel_unmask();
	return e;
}

/* ---- sending ---- */

static MAY_WAIT struct err *send_all(struct vm *vm, struct migration *m, struct task *task)
{
	AUTO(plan_fini) struct plan plan = {0};

	plan_begin(&plan, vm, m, XENOPSD_PHASE_MIGRATING);
	plan.task = task;
	plan.reason = XENOPSD_HOOK_REASON_SOURCE;
	plan_add(&plan, &atom_hook_pre_migrate, NULL);
	plan_add(&plan, &atom_memory_squeeze, NULL);
	plan_add(&plan, &atom_migrate_begin, NULL);
	plan_add(&plan, &atom_migrate_connect, NULL);
	plan_add(&plan, &atom_migrate_await_ready, NULL);
	plan_add(&plan, &atom_vm_save_running, NULL);
	plan_add(&plan, &atom_guest_suspend, NULL);
	plan_add(&plan, &atom_vm_save, NULL);
	add_disks(&plan, &atom_vbd_deactivate);
	plan_add(&plan, &atom_migrate_hand_over, NULL);
	struct err *e = plan_run(&plan);
	image_free(plan.image);
	return e;
}

static MAY_WAIT struct err *hear(struct vm *vm, struct migration *m)
{
	AUTO(plan_fini) struct plan plan = {0};

	plan_begin(&plan, vm, m, XENOPSD_PHASE_HANDED_OVER);
	plan_add(&plan, &atom_migrate_done, NULL);
	plan_add(&plan, &atom_migrate_await_runs, NULL);
	return plan_run(&plan);
}

/* Of a VM that was handed over. */
static MAY_WAIT struct err *conclude(struct vm *vm, struct migration *m)
{
	auto_err heard = hear(vm, m);

	if (!heard)
		return depart(vm, m);
	log_err(LOG_WARN_, heard, "vm=%s was handed over", vm->id);
	bool has_failed = channel_has_failed(m->channel);
	migration_fini(m);
	if (has_failed)
		TRY(come_back(vm));
	else
		TRY(settle_by_asking(vm));
	return vm->is_removed ? NULL : take(heard);
}

static MAY_WAIT struct err *send_and_conclude(struct vm *vm, struct migration *m, struct task *task)
{
	TRY(send_all(vm, m, task));
	/* From here on there is no way back but by the receiver's word. */
	fiber_cancel_mask();
	struct err *e = conclude(vm, m);
	fiber_cancel_unmask();
	return e;
}

static MAY_WAIT struct err *need_running(struct vm *vm)
{
	enum xenops_power_state found;

	TRY(vm_power_state(vm, &found));
	return found == XENOPS_POWER_STATE_RUNNING
		? NULL
		: bad_power_state(found, XENOPS_POWER_STATE_RUNNING);
}

static MAY_WAIT struct err *check(struct vm *vm, const struct migration *m)
{
	struct xenops_metadata metadata;
	auto_arena a = {0};

	if (!xenopsd.backend->vm_save_running)
		return err(Unimplemented, "vm_save_running");
	if (m->in->compress)
		return err(NOT_IMPLEMENTED, "VM.migrate with compress");
	if (m->in->verify_dest)
		return err(NOT_IMPLEMENTED, "VM.migrate with verify_dest");
	TRY(need_running(vm));
	TRY(vm_settle(vm));
	TRY(need_running(vm));
	if (vm_device_from(vm, DEVICE_VGPU, NULL))
		return err(NOT_IMPLEMENTED, "VM.migrate with a VGPU");
	return migration_metadata(vm, m, &a, &metadata);
}

struct err *vm_migrate(struct vm *vm, const struct xenops_vm_migrate_in *in, struct task *task)
{
	AUTO(migration_fini) struct migration m = {.in = in};
	char token[UUID_TEXT_SIZE];

	TRY(check(vm, &m));
	vm_migration_fini(&vm->migration);
	vm->migration = (struct vm_migration){
		xstrdup(uuid_random_text(token)), xstrdup(in->url.hidden), xstrdup("")};
	vm->is_sent = true;
	struct err *e = send_and_conclude(vm, &m, task);
	vm->is_sent = false;
	if (vm->is_removed)
		return e;
	if (vm->phase == XENOPSD_PHASE_UP)
		vm_migration_fini(&vm->migration);
	else
		repair_later(vm);
	vm_tell(vm);
	return e;
}
