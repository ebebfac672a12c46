/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The receiving side of a migration (migration.h). All that is made for the VM is undone when a
 * step fails or the sender goes away, until it is noted that the VM is here; then it runs here,
 * whatever comes.
 */
#define LOG_MODULE "receive"
#include "common/log.h"
#include "common/mem.h"
#include "core.gen.h"
#include "xenopsd/add.h"
#include "xenopsd/arrivals.h"
#include "xenopsd/atoms.h"
#include "xenopsd/backend.h"
#include "xenopsd/channel.h"
#include "xenopsd/files.h"
#include "xenopsd/image.h"
#include "xenopsd/memory.h"
#include "xenopsd/metadata.h"
#include "xenopsd/migration.h"
#include "xenopsd/plans.h"
#include "xenopsd/queue.h"
#include "xenopsd/repair.h"
#include "xenopsd/xenopsd.h"

#include <string.h>

#define BEGIN_NS  (60 * NS_PER_S) /* that a sender has to say what it wants */
#define THANKS_NS (30 * NS_PER_S)

/* ---- it is here ---- */

static void plan_begin_arrived(struct plan *p, struct vm *vm, struct migration *m)
{
	plan_init(p, vm, NULL);
	p->phase = XENOPSD_PHASE_ARRIVED;
	p->reason = XENOPSD_HOOK_REASON_DESTINATION;
	p->goes_on = true;
	p->migration = m;
	plan_add(p, &atom_vm_unpause, NULL);
	if (m)
		plan_add(p, &atom_receive_runs, NULL);
	plan_add(p, &atom_hook_post_migrate, NULL);
	if (m)
		plan_add(p, &atom_receive_await_thanks, NULL);
}

/* M: its sender waits to hear of it; NULL: it does not. */
static MAY_WAIT struct err *let_run(struct vm *vm, struct migration *m)
{
	AUTO(plan_fini) struct plan plan = {0};

	plan_begin_arrived(&plan, vm, m);
	fiber_cancel_mask();
	struct err *e = plan_run(&plan);
	fiber_cancel_unmask();
	if (vm->phase == XENOPSD_PHASE_ARRIVED)
		repair_later(vm);
	backend_changed(vm->id);
	return e;
}

/* ---- it is not ---- */

static MAY_WAIT struct err *take_away(struct vm *vm)
{
	AUTO(plan_fini) struct plan plan = {0};

	plan_init(&plan, vm, NULL);
	plan.phase = XENOPSD_PHASE_RECEIVING;
	plan.goes_on = plan.keeps_epochs = true;
	plan_add_take_down(&plan);
	plan_add(&plan, &atom_receive_drop, NULL);
	fiber_cancel_mask();
	struct err *e = plan_run(&plan);
	fiber_cancel_unmask();
	return e;
}

struct err *vm_settle_received(struct vm *vm)
{
	struct domain_look look;

	if (vm->phase == XENOPSD_PHASE_RECEIVING)
		return take_away(vm);
	TRY(xenopsd.backend->vm_look(vm, &look));
	if (look.is_there)
		return let_run(vm, NULL);
	log_warn("vm=%s its domain has vanished", vm->id);
	return vm_stop(vm, XENOPSD_HOOK_REASON_NONE, NULL);
}

/* ---- receiving ---- */

static void add_steps(struct plan *p)
{
	plan_add(p, &atom_memory_reserve, NULL);
	plan_add(p, &atom_vm_create, NULL);
	plan_add_early_devices(p);
	plan_add(p, &atom_receive_ready, NULL);
	plan_add(p, &atom_vm_restore, NULL);
	plan_add(p, &atom_receive_await_done, NULL);
	plan_add_devices(p);
	plan_add(p, &atom_receive_arrive, NULL);
}

/* *HAS_LEFT: something could not be taken away. */
static MAY_WAIT struct err *bring_up(
	struct vm *vm, struct migration *m, struct task *task, bool *has_left)
{
	AUTO(plan_fini) struct plan plan = {0};

	plan_init(&plan, vm, task);
	plan.phase = XENOPSD_PHASE_RECEIVING;
	plan.keeps_epochs = true;
	plan.migration = m;
	plan.image = image_of_channel(vm, m->channel);
	image_set_memory_bytes(plan.image, m->hello->memory_bytes);
	add_steps(&plan);
	struct err *e = plan_run(&plan);
	memory_release(vm);
	image_free(plan.image);
	*has_left = plan.has_left;
	if (e)
		memory_changed();
	return e;
}

static MAY_WAIT struct err *receive_in_turn(struct vm *vm, struct migration *m, struct task *task)
{
	bool has_left;
	struct err *e = bring_up(vm, m, task, &has_left);

	if (!e) {
		e = let_run(vm, m);
		vm_tell(vm);
		return e;
	}
	log_err(LOG_INFO_, e, "vm=%s does not come", vm->id);
	if (!has_left)
		err_free(drop_vm(vm));
	if (!vm->is_removed)
		repair_later(vm);
	return e;
}

static struct err *check(const struct xenopsd_migration_hello *hello)
{
	const struct xenops_metadata *m = &hello->metadata;

	if (!xenopsd.backend->vm_save_running)
		return err(Unimplemented, "vm_save_running");
	TRY(arrivals_check_token(hello->token));
	if (strcmp(hello->backend, xenopsd.backend->name) != 0)
		return err(Stream_unusable, "the VM ran on another hypervisor");
	if (hello->memory_bytes < 0 || hello->memory_bytes > m->vm.memory_static_max_bytes)
		return err(Stream_unusable, "the VM has more memory than it may have");
	TRY(metadata_check(m));
	if (m->vgpus.n)
		return err(NOT_IMPLEMENTED, "VM.receive with a VGPU");
	return vm_find(m->vm.vm) ? err(Already_exists, "vm", m->vm.vm) : NULL;
}

/* Its files say from the first on that it is to be taken away. */
static struct err *fill(struct vm *vm, const struct xenopsd_migration_hello *hello)
{
	TRY(metadata_fill(vm, &hello->metadata));
	vm->phase = XENOPSD_PHASE_RECEIVING;
	vm->migration = (struct vm_migration){xstrdup(hello->token), xstrdup(""), xstrdup("")};
	vm->last_start_s = hello->last_start ? *hello->last_start : 0;
	files_mark_active(vm, &hello->active);
	TRY(files_put_state(vm));
	return files_put_config(vm);
}

static struct err *make(const struct xenopsd_migration_hello *hello, struct vm **out)
{
	struct vm *vm;

	TRY(add_vm_begin(&hello->metadata.vm, &vm));
	struct err *e = fill(vm, hello);
	if (e)
		err_free(drop_vm(vm));
	else
		*out = vm;
	return e;
}

static MAY_WAIT struct err *receive(
	struct migration *m, struct arena *a, struct task *task, const char **out)
{
	AUTO(turn_end) struct turn turn = {0};
	struct xenopsd_migration_hello hello;
	struct vm *vm;

	TRY(channel_await(m->channel, CHANNEL_HELLO, &xenopsd_type_migration_hello, a, &hello,
		deadline_in(BEGIN_NS)));
	m->hello = &hello;
	TRY(check(&hello));
	TRY(make(&hello, &vm));
	*out = arena_strdup(a, vm->id);
	struct err *e = turn_begin(&turn, *out, "VM.receive", TURN_RECEIVE);
	if (e) {
		repair_later(vm);
		return e;
	}
	return receive_in_turn(vm, m, task);
}

/* ---- the question whether it came ---- */

static const struct vm *find_coming(const char *token)
{
	map_for_each (slot, &vms) {
		const struct vm *vm = slot->value;

		if (vm->phase == XENOPSD_PHASE_RECEIVING && vm->migration.token &&
			!strcmp(vm->migration.token, token))
			return vm;
	}
	return NULL;
}

/* One that is on its way is decided upon when its turn has ended; if not then, never. */
static MAY_WAIT struct err *await_decision(const char *token)
{
	AUTO(turn_end) struct turn turn = {0};
	const struct vm *vm = find_coming(token);

	if (!vm)
		return NULL;
	auto_err e = turn_begin(&turn, vm->id, "a question whether it came", TURN_RECEIVE);
	return err_is(e, &ERR_Does_not_exist) ? NULL : take(e);
}

static MAY_WAIT struct err *answer(struct migration *m, struct arena *a, const char **out)
{
	struct xenopsd_migration_question question;
	struct xenopsd_migration_answer answer;

	TRY(channel_await(m->channel, CHANNEL_ASK, &xenopsd_type_migration_question, a, &question,
		deadline_in(BEGIN_NS)));
	TRY(arrivals_check_token(question.token));
	TRY(await_decision(question.token));
	TRY(arrivals_memory(a, &answer.memory));
	TRY(arrivals_find(question.token, a, &answer.has_arrived, &answer.vm));
	*out = answer.vm;
	TRY(channel_send(m->channel, CHANNEL_ANSWER, &xenopsd_type_migration_answer, &answer));
	if (!answer.has_arrived)
		return NULL;
	auto_err e =
		channel_await(m->channel, CHANNEL_THANKS, NULL, NULL, NULL, deadline_in(THANKS_NS));
	return e ? NULL : arrivals_forget(question.token);
}

/* ---- both ---- */

static MAY_WAIT struct err *serve(
	struct migration *m, struct arena *a, struct task *task, const char **out)
{
	enum channel_kind kind;

	TRY(channel_await_greeting(m->channel, deadline_in(BEGIN_NS)));
	TRY(channel_look(m->channel, &kind, deadline_in(BEGIN_NS)));
	return kind == CHANNEL_ASK ? answer(m, a, out) : receive(m, a, task, out);
}

/* The sender is told why, if it still hears. */
static MAY_WAIT void tell_failure(struct migration *m, const struct err *why)
{
	fiber_cancel_mask();
	struct err *e = channel_send_failure(m->channel, why);
	if (!e)
		e = channel_flush(m->channel, deadline_in(THANKS_NS));
	err_free(e);
	fiber_cancel_unmask();
}

struct err *vm_receive(struct migration *m, struct arena *a, struct task *task, const char **out)
{
	*out = "";
	struct err *e = serve(m, a, task, out);
	if (e && !m->has_arrived)
		tell_failure(m, e);
	return e;
}
